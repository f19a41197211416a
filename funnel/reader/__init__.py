"""The lookup route: one call over the passages that stage one found."""

from funnel.reader.reader import Reader

__all__ = ["Reader"]
