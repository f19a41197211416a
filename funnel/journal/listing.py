"""Which runs a memory holds, and how far they came; knows no part of their work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from funnel.errors import RunUnknown
from funnel.journal.journal import Journal
from funnel.journal.record import RunRecord
from funnel.memory.base import Memory, Namespace, namespace

_PAGE = 500


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run, and the answer that it came to, as JSON types; None where it has none yet."""

    record: RunRecord
    answer: dict[str, Any] | None


async def runs(memory: Memory, *, tenant: str = "local") -> AsyncIterator[ListedRun]:
    """The runs of a tenant in the order of their names, which begin with the time. Raises: `MemoryFailed`."""
    prefix = namespace(tenant, "run") + "/"
    after = prefix
    while found := await memory.namespaces(after=Namespace(after), limit=_PAGE):
        for where in found:
            if not where.startswith(prefix):
                return
            journal = Journal(memory, unquote(where.removeprefix(prefix)), tenant=tenant)
            try:
                yield ListedRun(await journal.record(), await journal.answer())
            except RunUnknown:
                continue  # what is left of a run whose record has expired
        after = found[-1]
