"""The bubblewrap engine: CPython in namespaces of its own, behind a filter of system calls; Linux only.

One process inside, the nursery, has everything loaded. A session is what it forks: a supervisor, the worker
that holds the namespace, and while a cell runs the worker's fork that runs it. To drop a cell is to end that
fork.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from funnel.errors import SandboxError
from funnel.sandbox.base import HostFunction, Probe, SandboxLimits
from funnel.sandbox.bubblewrap.host.dialect import DIALECT
from funnel.sandbox.bubblewrap.host.launch import NAME, ForkServer
from funnel.sandbox.bubblewrap.host.session import BubblewrapSession


class BubblewrapSandbox:
    """Sessions of two processes each. Any number may be open at once that memory and file limits allow."""

    name = NAME
    dialect = DIALECT

    def __init__(self) -> None:
        self._fork_server = ForkServer()

    @asynccontextmanager
    async def session(
        self,
        functions: Mapping[str, HostFunction],
        variables: Mapping[str, Any],
        limits: SandboxLimits | None = None,
    ) -> AsyncIterator[BubblewrapSession]:
        """A fresh session with these host functions and JSON values in its namespace.

        Raises: `SandboxUnavailable` when bwrap is missing or may not make namespaces, or the variables do not
        fit into `limits.memory_bytes`.
        """
        session = BubblewrapSession(self._fork_server, functions, variables, limits or SandboxLimits())
        try:
            await session.open()
            yield session
        finally:
            session.close()

    async def close(self) -> None:
        """End every process. A later session starts new ones."""
        await asyncio.to_thread(self._fork_server.close)


async def probe() -> Probe:
    """Whether a cell runs here, and how long the first one takes."""
    started = time.perf_counter()
    sandbox = BubblewrapSandbox()
    try:
        async with sandbox.session({}, {}, SandboxLimits(cell_s=5.0)) as session:
            result = await session.run("print(6 * 7)")
    except SandboxError as exc:
        return Probe(available=False, detail=str(getattr(exc, "reason", exc)))
    finally:
        await sandbox.close()
    if result.stdout.strip() != "42":
        return Probe(available=False, detail=f"it computed {result.stdout.strip()!r} for 6 * 7")
    return Probe(available=True, detail=f"first result in {(time.perf_counter() - started) * 1000:.0f} ms")
