"""The tools that the model's code may call, and their text in the first prompt; calls none."""

from __future__ import annotations

from functools import partial
from typing import Any

from funnel.inspector.tools.bounds import Bounds
from funnel.inspector.tools.declaration import Tool, always, declared
from funnel.inspector.tools.documents import DocumentTools
from funnel.inspector.tools.models import ModelTools
from funnel.inspector.tools.report import ReportTools
from funnel.inspector.tools.structure import StructureTools
from funnel.tools import MAX_ARGUMENT_CHARS, RunTools, UserTool

MODULES = ("re", "json", "math", "collections", "itertools", "datetime")
"""Modules that models use without importing them."""
OWNERS: tuple[type[Any], ...] = (DocumentTools, StructureTools, ModelTools, ReportTools)
"""Classes whose `@tool` methods are the tools, in the order of the prompt."""
TOOLS: dict[str, Tool] = {each.name: each for owner in OWNERS for each in declared(owner)}

GIVEN = frozenset({"context", "question", "n_documents"})
"""The variables that every program begins with."""
RESERVED = frozenset(TOOLS) | GIVEN | set(MODULES)
"""Names that a caller's own function cannot have, since the model's code uses them already."""


def names(tools: RunTools) -> frozenset[str]:
    """Return the names of all tools in a run, including these tools of its caller."""
    return frozenset(TOOLS) | {each.name for each in tools}


def described(tools: RunTools) -> str:
    """Return the text about the tools in the first prompt, those of the caller last."""
    text = ""
    for each in (*TOOLS.values(), *(of_user(tools, user) for user in tools)):
        text += f"\n{each.prompt}" if each.prompt.startswith("- ") else f" {each.prompt}"
    return text.strip()


def of_user(tools: RunTools, user: UserTool) -> Tool:
    """Return a caller's own function as a tool; it belongs to no owner."""

    async def function(_owner: object, *args: Any, **kwargs: Any) -> Any:
        return await tools.call(user, user.signature.bind(*args, **kwargs).arguments)

    return Tool(
        user.name,
        function,
        user.signature,
        f"- {user.line}",
        replayed=always,
        exposes=user.exposed,
        counts=partial(tools.count, user),
        bounds=Bounds(chars=2 * MAX_ARGUMENT_CHARS, parts=MAX_ARGUMENT_CHARS // 2),
        durable=True,
    )
