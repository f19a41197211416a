"""What all parts of the sandbox contract share: the engine, tight limits and some host functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from funnel.sandbox.base import (
    CellResult,
    EndCell,
    HostError,
    HostFunction,
    Sandbox,
    SandboxLimits,
    Session,
)

TIGHT = SandboxLimits(cell_s=0.3, memory_bytes=64 * 1024 * 1024, output_bytes=5_000, host_calls=50)


async def echo(value: Any, *, suffix: str = "") -> Any:
    """Return the value, or its text with a suffix."""
    return f"{value}{suffix}" if suffix else value


async def refuse() -> None:
    """Tell the code what it did wrong."""
    raise HostError("nothing of that name; known: a, b")


async def end(value: Any = None) -> None:
    """End the cell."""
    del value
    raise EndCell


FUNCTIONS: dict[str, HostFunction] = {"echo": echo, "refuse": refuse, "end": end}


class SandboxFixtures:
    """The fixture `sandbox`, which every engine provides, and ways to run cells in it."""

    @pytest.fixture
    def sandbox(self) -> Sandbox:
        """Return the engine."""
        raise NotImplementedError("override the fixture `sandbox`: return a Sandbox")

    @asynccontextmanager
    async def open(
        self,
        sandbox: Sandbox,
        variables: Mapping[str, Any] | None = None,
        limits: SandboxLimits = TIGHT,
        **functions: HostFunction,
    ) -> AsyncIterator[Session]:
        """Open a session with tight limits and the functions of this file."""
        async with sandbox.session({**FUNCTIONS, **functions}, variables or {}, limits) as session:
            yield session

    async def one(self, sandbox: Sandbox, code: str, **functions: HostFunction) -> CellResult:
        """Run one cell in a session of its own."""
        async with sandbox.session({**FUNCTIONS, **functions}, {}, TIGHT) as session:
            return await session.run(code)
