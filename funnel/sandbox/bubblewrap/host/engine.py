"""The bubblewrap engine: CPython in namespaces of its own, behind a filter of system calls; Linux only.

One process inside, the nursery, has everything loaded. A session is what it forks: a supervisor, the worker
that holds the namespace, and while a cell runs the worker's fork that runs it. To drop a cell is to end that
fork.
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
