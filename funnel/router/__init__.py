"""The router: decides whether a question takes the lookup or the deep route, and says why."""

from funnel.router.model import Router

__all__ = ["Router"]
