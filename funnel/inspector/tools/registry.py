"""Every tool that the model's code may call, and what the first prompt says of them; calls none."""

from __future__ import annotations

from functools import partial
from typing import Any

from funnel.inspector.tools.declaration import Tool, always, declared
from funnel.inspector.tools.documents import DocumentTools
from funnel.inspector.tools.models import ModelTools
from funnel.inspector.tools.report import ReportTools
from funnel.tools import RunTools, UserTool

MODULES = ("re", "json", "math", "collections", "itertools", "datetime")
"""What models use without importing it."""
OWNERS: tuple[type[Any], ...] = (DocumentTools, ModelTools, ReportTools)
"""In the order of the prompt: what a class declares with `@tool` is a tool."""
TOOLS: dict[str, Tool] = {each.name: each for owner in OWNERS for each in declared(owner)}

RESERVED = frozenset(TOOLS) | {"context", "question", "n_documents"} | set(MODULES)
"""What a caller's own function cannot be called, since it means something else to the model's code."""


def names(tools: RunTools) -> frozenset[str]:
    """Return the names of all that the model's code may call in a run with these tools of its caller."""
    return frozenset(TOOLS) | {each.name for each in tools}


def described(tools: RunTools) -> str:
    """Return what the first prompt says of the tools, those of the caller last."""
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
        durable=True,
    )
