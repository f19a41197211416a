"""Checks of values against schemas, one at a time in a process, in a thread that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from funnel.llm.limiter import Limiter
from funnel.waiting import wait_for

T = TypeVar("T")

_ONE = Limiter(1)
"""A check may take its whole time and much memory; of many at once, each would take that."""


async def checked(check: Callable[[], T]) -> T:
    """Make the check, which bounds its own time, and return its result. Raises: what the check raises."""
    async with _ONE:
        return await wait_for(check, None)
