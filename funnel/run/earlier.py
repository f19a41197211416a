"""What a follow-up question builds on: the questions and answers before it, and the variables of a program.

Everything is read from the records of those runs, so a conversation outlives its process. An exchange is left
out if a document whose text it may hold is closed to its asker now, or gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from funnel.asker import Asker
from funnel.journal import Journal
from funnel.memory.base import Memory
from funnel.stored import Stored
from funnel.text.citations import renumber
from funnel.workspace.documents import ReadableDocuments
from indexes.counting import counted

MAX_EXCHANGES = 8
"""How many exchanges a follow-up question is told of."""
MAX_ANSWER_CHARS = 2_000
VARIABLES = "variables"
"""The name under which a run's journal keeps the variables of its program."""
EARLIER = "earlier"
"""The name under which a run's journal keeps what it builds on, so that a resume sees the same."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question as it could stand alone, and the beginning of its answer without markers."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The variables of a run's program, by name, as JSON types.

    `versions`: the documents that they may come from, by id, each with the version that was read.
    """

    values: Mapping[str, Any]
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Earlier:
    """The exchanges before a question, oldest first, and the variables that its program begins with.

    `exposed`: the documents whose text these may hold. `notices`: what was left out, and why.
    """

    exchanges: tuple[Exchange, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    exposed: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


_EARLIER: Stored[Earlier] = Stored(Earlier)
_KEPT: Stored[Kept] = Stored(Kept)


async def earlier(
    memory: Memory, follows: str | None, asker: Asker, documents: ReadableDocuments, journal: Journal
) -> Earlier:
    """Return what a question that follows a run builds on; on a resume, what it was built on then.

    Raises: `RunUnknown` if that run's record cannot be read; `MemoryFailed`.
    """
    if follows is None:
        return Earlier()
    if (known := journal.value_of(EARLIER, _EARLIER)) is not None:
        documents.expose(known.exposed)
        return known
    found = await _found(memory, follows, asker, documents)
    documents.expose(found.exposed)
    journal.set_value(EARLIER, found)
    return found


async def _found(memory: Memory, follows: str, asker: Asker, documents: ReadableDocuments) -> Earlier:
    exchanges: list[Exchange] = []
    exposed: dict[str, None] = {}
    kept: Kept | None = None
    closed = 0
    name: str | None = follows
    while name is not None and len(exchanges) + closed < MAX_EXCHANGES:
        before = Journal(memory, name, asker=asker)
        record = await before.record()
        answer = await before.answer()
        if answer is not None:
            await before.look()
            # A run of an earlier version kept no such list of its documents.
            known = before.exposed and not before.all_exposed
            if not known or not await documents.may_read(before.exposed):
                closed += 1
            else:
                exposed |= dict.fromkeys(before.exposed)
                exchanges.insert(0, Exchange(answer.standalone or answer.question, _said(answer.text)))
                kept = kept or before.value_of(VARIABLES, _KEPT)
        name = record.follows
    values, changed = await _still_true(kept, documents)
    notices = []
    if closed:
        notices.append(
            f"{counted(closed, 'earlier exchange')} left out: its documents are closed to you, or gone."
        )
    if changed:
        notices.append("The variables of the earlier program were left out: a document has changed since.")
    return Earlier(tuple(exchanges), values, tuple(exposed), tuple(notices))


async def _still_true(kept: Kept | None, documents: ReadableDocuments) -> tuple[Mapping[str, Any], bool]:
    """Return the values, and whether there were some that hold no longer."""
    if kept is None or not kept.values:
        return {}, False
    if await documents.unchanged(kept.versions.items()):
        return kept.values, False
    return {}, True


def _said(text: str) -> str:
    """Return the beginning of an answer; its markers would point to the citations of another."""
    text = renumber(text, {})[0]
    return text if len(text) <= MAX_ANSWER_CHARS else f"{text[:MAX_ANSWER_CHARS]}…"


async def keep_variables(
    values: Mapping[str, Any], journal: Journal, documents: ReadableDocuments, *, at_most: int
) -> None:
    """Keep the variables of a program for a follow-up question, unless they may hold text of anything."""
    names: Iterable[str] | None = await documents.exposed(at_most=at_most)
    if documents.all_exposed or names is None or not values:
        return
    versions = {}
    for name in names:
        if (version := await documents.version_now(name)) is not None:
            versions[name] = version
    journal.set_value(VARIABLES, Kept(values, versions))
