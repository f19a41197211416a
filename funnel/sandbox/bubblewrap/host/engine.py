"""The bubblewrap engine: CPython in its own Linux namespaces, behind a system call filter; Linux only.

One process inside, the fork server, has all modules loaded. It forks a session: a supervisor, a worker that
holds the namespace and, while a cell runs, the worker's child that runs it. To drop a cell, that child is
killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from funnel.sandbox.base import HostFunction, SandboxLimits
from funnel.sandbox.bubblewrap.host.dialect import DIALECT
from funnel.sandbox.bubblewrap.host.launch import NAME, ForkServer
from funnel.sandbox.bubblewrap.host.session import BubblewrapSession


class BubblewrapSandbox:
    """Opens sessions of two processes each. Only memory and file limits bound how many are open at once."""

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
        """Open a fresh session with these host functions and JSON values in its namespace.

        Raises: `SandboxUnavailable` if bwrap is missing or may not create namespaces, or if the variables do
        not fit into `limits.memory_bytes`.
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
