"""Answers questions over thousands of documents: retrieval first, recursion where it pays.

The public names are listed here; each is imported when it is first used, so that `import funnel` costs
nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from funnel.errors import FunnelError as FunnelError
    from funnel.factory import build as build
    from funnel.factory import build_sync as build_sync
    from funnel.llm.base import LLM as LLM
    from funnel.llm.base import CallOptions as CallOptions
    from funnel.llm.base import Completion as Completion
    from funnel.llm.base import Message as Message
    from funnel.llm.base import Request as Request
    from funnel.llm.budget import Limits as Limits
    from funnel.llm.models import Models as Models
    from funnel.pipeline import Funnel as Funnel
    from funnel.run.options import Options as Options
    from funnel.settings import Settings as Settings
    from funnel.tools import tool as tool
    from funnel.types import Answer as Answer
    from funnel.types import Citation as Citation

_HOME = {
    "LLM": "llm.base",
    "Answer": "types",
    "CallOptions": "llm.base",
    "Citation": "types",
    "Completion": "llm.base",
    "Funnel": "pipeline",
    "FunnelError": "errors",
    "Limits": "llm.budget",
    "Message": "types",
    "Models": "llm.models",
    "Options": "run.options",
    "Request": "llm.base",
    "Settings": "settings",
    "build": "factory",
    "build_sync": "factory",
    "tool": "tools",
}
__all__ = sorted(_HOME)  # noqa: PLE0605 - a list of str, which the linter does not see


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'funnel' has no attribute {name!r}")
    return getattr(import_module(f"funnel.{_HOME[name]}"), name)
