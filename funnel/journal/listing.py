"""Lists the runs in a memory, with their answers; knows no part of their work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import unquote

from funnel.asker import Asker
from funnel.errors import RunUnknown
from funnel.journal.journal import Journal
from funnel.journal.record import RunRecord
from funnel.memory import layout
from funnel.memory.base import Memory, Namespace
from funnel.types import Answer

_PAGE = 500


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run and its answer; the answer is None if there is none yet.

    `model_calls`: those that the answer reports, or that are booked for the run so far; a call in flight
    counts, since it may be billed. None if a later version wrote the run's journal.
    """

    record: RunRecord
    answer: Answer | None
    model_calls: int | None


async def runs(memory: Memory, *, asker: Asker) -> AsyncIterator[ListedRun]:
    """Yield an asker's runs in the order of their names, which begin with the time.

    The owner of a tenant sees all its runs, anyone else those that were asked with the same rights.

    Raises: `MemoryFailed`.
    """
    prefix = f"{layout.runs(asker)}/"
    after = prefix
    while found := await memory.namespaces(after=Namespace(after), limit=_PAGE):
        for where in found:
            if not where.startswith(prefix):
                return
            journal = Journal(memory, unquote(where.removeprefix(prefix)), asker=asker)
            try:
                record, answer = await journal.record(), await journal.answer()
            except RunUnknown:
                continue  # what is left of a run whose record has expired, or somebody else's run
            calls = await _calls_so_far(journal) if answer is None else answer.usage.model_calls
            yield ListedRun(record, answer, calls)
        after = found[-1]


async def _calls_so_far(journal: Journal) -> int | None:
    try:
        return await journal.model_calls()
    except RunUnknown:
        return None
