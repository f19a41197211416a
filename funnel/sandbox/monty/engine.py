"""The Monty engine: a pool of worker processes that run a small Python; knows no model and no document.

A session holds one worker for as long as it is open, even while it waits for a host call. Workers are started
on demand, up to `max_processes`, and each serves one session, so the session of a child run never waits for
its parent's worker. After each good cell the session's state is dumped; it is restored after a cell that
broke it.
"""

from __future__ import annotations

import asyncio
import atexit
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pydantic_monty import AsyncMonty, MontyError

from funnel.errors import SandboxUnavailable
from funnel.sandbox.base import HostFunction, SandboxLimits
from funnel.sandbox.monty.hints import DIALECT
from funnel.sandbox.monty.program import programs
from funnel.sandbox.monty.session import MontySession

NAME = "monty"
CHECKOUT_TIMEOUT_S = 60.0
_GRACE_S = 0.25
"""How long a worker has to notice its own time limit before it is killed."""
_EXIT_PAUSE_S = 0.05


class MontySandbox:
    """Opens sessions in worker processes, at most `max_processes` at once."""

    name = NAME
    dialect = DIALECT

    def __init__(self, *, max_processes: int = 256) -> None:
        self._max_processes = max_processes
        self._pool: AsyncMonty | None = None
        self._starting = asyncio.Lock()

    @asynccontextmanager
    async def session(
        self,
        functions: Mapping[str, HostFunction],
        variables: Mapping[str, Any],
        limits: SandboxLimits | None = None,
    ) -> AsyncIterator[MontySession]:
        """Open a fresh session with these host functions and JSON values in its namespace.

        Raises: `SandboxUnavailable` if no worker starts, none becomes free within a minute, or the variables
        do not fit into `limits.memory_bytes`.
        """
        session = MontySession(await self._started(), functions, variables, limits or SandboxLimits())
        try:
            await session.open()
            yield session
        finally:
            await session.close()

    async def close(self) -> None:
        """End every worker process. A later session starts new ones."""
        async with self._starting:
            pool, self._pool = self._pool, None
            if pool is not None:
                await pool.__aexit__(None, None, None)

    async def _started(self) -> AsyncMonty:
        async with self._starting:
            if self._pool is None:
                self._pool = await self._pool_of(programs())
                atexit.unregister(_let_threads_finish)
                atexit.register(_let_threads_finish)
            return self._pool

    async def _pool_of(self, choices: Iterable[str | None]) -> AsyncMonty:
        """Start a pool whose workers run the first of these programs that works."""
        reason = ""
        for program in choices:
            # One session per worker, so that nothing of an earlier question is left in its memory.
            pool = AsyncMonty(
                binary_path=program,
                min_processes=1,
                max_processes=self._max_processes,
                max_checkouts_per_worker=1,
                checkout_timeout=CHECKOUT_TIMEOUT_S,
                feed_duration_limit_grace=_GRACE_S,
            )
            try:
                return await pool.__aenter__()
            except (MontyError, OSError, RuntimeError) as exc:
                reason = str(exc)
        raise SandboxUnavailable(NAME, f"its worker process does not start: {reason}")


def _let_threads_finish() -> None:
    """Wait a moment: the engine's threads release Python objects late, which at finalization aborts."""
    time.sleep(_EXIT_PAUSE_S)
