"""Lookup or deep: decides the route of a question and says why."""

from funnel.router.model import Router

__all__ = ["Router"]
