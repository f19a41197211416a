"""The daily budget of each tenant's owner, over all processes that share a memory; knows no run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from funnel.asker import Asker
from funnel.errors import BadSetting
from funnel.llm.budget import Ledger
from funnel.llm.limits import Limits
from funnel.llm.shared import LEASE_S, SharedLedger
from funnel.memory.base import Memory

LABEL = "owner's day"
PREFIX = "day/"
"""The prefix of such a ledger's name; the date in UTC follows."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Opened:
    ledger: SharedLedger
    users: int = 0


class DailyBudget:
    """Keeps a ledger for each tenant and day (UTC), opened by its first user and closed by its last.

    Money is booked on the day on which its ledger was opened: a run that goes on after midnight counts for
    the day on which it began.
    """

    def __init__(
        self,
        memory: Memory,
        limits: Limits,
        *,
        lease_s: float = LEASE_S,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._memory = memory
        self._limits = limits
        self._lease_s = lease_s
        self._now = now
        self._opened: dict[tuple[str, str], _Opened] = {}
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def open(self, asker: Asker) -> AsyncIterator[Ledger]:
        """Yield the ledger of the asker's tenant for today. Raises: `MemoryFailed`."""
        key = asker.tenant, self._now().date().isoformat()
        async with self._turn:
            opened = self._opened.get(key)
            if opened is None:
                ledger = SharedLedger(
                    self._memory,
                    PREFIX + key[1],
                    self._limits,
                    asker=asker,
                    label=LABEL,
                    lease_s=self._lease_s,
                )
                opened = self._opened[key] = _Opened(await ledger.__aenter__())
            opened.users += 1
        try:
            yield opened.ledger
        finally:
            async with self._turn:
                opened.users -= 1
                if not opened.users:
                    del self._opened[key]
                    await opened.ledger.__aexit__()

    def require(self, ledger: Ledger, asker: Asker) -> None:
        """Make sure that a ledger draws on its owner's day. Raises: `BadSetting`."""
        days = [opened.ledger for (tenant, _), opened in self._opened.items() if tenant == asker.tenant]
        if not any(day.balances[0] in ledger.balances for day in days):
            reason = "it does not draw on its owner's budget of the day. Open it by Funnel.job()."
            raise BadSetting("ledger", reason)
