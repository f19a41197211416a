"""The deep route: a model that reads documents by writing code, one idea a file."""

from funnel.inspector.inspector import Inspector

__all__ = ["Inspector"]
