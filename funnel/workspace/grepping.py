"""Goes through many documents with one pattern: small ones in batches, large ones a piece at a time.

Of 10,000 documents of 5 kB, each by itself would cost two exchanges with the process that searches and three
questions to the collection: ten seconds instead of one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from typing import Protocol

from funnel.workspace.grep import Match, Scan
from funnel.workspace.patterns.literals import Needed
from funnel.workspace.values import GrepResult, KnownDocument

FetchTexts = Callable[[Sequence[str], Needed], Awaitable[Mapping[str, bytes]]]
"""(document ids, what is needed) → the whole texts, as UTF-8, of those that may hold a match."""

_GROUP_CHARS = 1_000_000
_GROUP_DOCUMENTS = 1_000
_ANY_NUMBER = 2**31


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document to search; of its matches, `take` are wanted after the first `skip`."""

    known: KnownDocument
    skip: int = 0
    take: int = _ANY_NUMBER

    @property
    def id(self) -> str:
        """The document's id."""
        return self.known.stored.id


class Texts(Protocol):
    """Where the texts of documents come from."""

    def pieces(self, known: KnownDocument) -> AsyncIterator[bytes]:
        """Yield the text of one document as UTF-8, a piece at a time."""

    async def whole(self, known: Sequence[KnownDocument], needed: Needed) -> Mapping[str, bytes]:
        """Return the texts, as UTF-8, of those of these small documents that may hold a match."""


async def grepped(
    scan: Scan, wanted: Sequence[Wanted], texts: Texts, *, limit: int, piece_chars: int
) -> GrepResult:
    """Return the first `limit` of the wanted matches, in the order of the documents, and count all.

    Documents of up to `piece_chars` characters together are one piece for the pattern's time limit.
    """
    matches: list[Match] = []
    counts: dict[str, int] = {}

    def take(found: tuple[dict[str, int], list[Match]]) -> None:
        counts.update(found[0])
        matches.extend(found[1])

    async with contextlib.aclosing(_groups(wanted, texts, scan.needed, piece_chars)) as groups:
        async for group, whole in groups:
            if whole is None:
                take(await _large(scan, group[0], texts, limit=limit - len(matches)))
                continue
            candidates = [one for one in group if one.id in whole]
            for batch in _neighbours(candidates, piece_chars):
                each = [(one.id, whole[one.id], one.skip, one.take) for one in batch]
                take(await scan.batch(each, limit=limit - len(matches)))
    return GrepResult(tuple(matches), sum(counts.values()), counts)


async def _groups(
    wanted: Sequence[Wanted], texts: Texts, needed: Needed, piece_chars: int
) -> AsyncGenerator[tuple[list[Wanted], Mapping[str, bytes] | None], None]:
    """Yield neighbours with their texts, or one large document with None; the next texts are read meanwhile.

    A document that is larger than a piece is large, and is read a piece at a time.
    """

    async def read(group: Sequence[Wanted]) -> Mapping[str, bytes] | None:
        large = group[0].known.stored.n_chars > piece_chars
        return None if large else await texts.whole([one.known for one in group], needed)

    groups = list(_neighbours(wanted, _GROUP_CHARS, alone=piece_chars))
    ahead: asyncio.Task[Mapping[str, bytes] | None] | None = None
    try:
        for at, group in enumerate(groups):
            task = ahead or asyncio.create_task(read(group))
            ahead = task
            whole = await task
            ahead = asyncio.create_task(read(groups[at + 1])) if at + 1 < len(groups) else None
            yield group, whole
    finally:
        if ahead is not None:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)


def _neighbours(
    wanted: Iterable[Wanted], most_chars: int, *, alone: int | None = None
) -> Iterator[list[Wanted]]:
    """Yield neighbours that have so many characters together; one of more than `alone` by itself."""
    group: list[Wanted] = []
    chars = 0
    for one in wanted:
        n_chars = one.known.stored.n_chars
        large = alone is not None and max(chars if len(group) == 1 else 0, n_chars) > alone
        if group and (large or chars + n_chars > most_chars or len(group) >= _GROUP_DOCUMENTS):
            yield group
            group, chars = [], 0
        group.append(one)
        chars += n_chars
    if group:
        yield group


async def _large(
    scan: Scan, wanted: Wanted, texts: Texts, *, limit: int
) -> tuple[dict[str, int], list[Match]]:
    await scan.document()
    total, matches = 0, list[Match]()
    room = min(limit, wanted.take)
    async for piece, last in _marked(texts.pieces(wanted.known)):
        skip = max(0, wanted.skip - total)
        count, some = await scan.feed(wanted.id, piece, last=last, limit=room - len(matches), skip=skip)
        total += count
        matches += some
    return {wanted.id: total} if total else {}, matches


async def _marked(pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[bytes, bool]]:
    """Yield each piece, with True for the last; for an empty document one empty piece, which `^$` matches."""
    held = b""
    async for piece in pieces:
        if held:
            yield held, False
        held = piece
    yield held, True


def spread(counts: Mapping[str, int], start: int, limit: int) -> dict[str, tuple[int, int]]:
    """Choose `limit` matches after the first `start`, first one of each document, then a second of each.

    `counts`: the number of matches in each document. Returns: for each document with chosen matches how many
    to leave out and how many to take.
    """
    chosen: dict[str, tuple[int, int]] = {}
    level = before = 0  # all matches of rounds below `level` are passed: `before` of them
    while (left := {name: n for name, n in counts.items() if n > level}) and before < start + limit:
        deeper = min(left.values())
        first = level + max(0, start - before) // len(left)
        for number in range(min(first, deeper), deeper):
            at = before + (number - level) * len(left)
            if at >= start + limit:
                break
            for place, name in enumerate(left, start=at):
                if start <= place < start + limit:
                    skip, take = chosen.get(name, (number, 0))
                    chosen[name] = skip, take + 1
        before += (deeper - level) * len(left)
        level = deeper
    return {name: chosen[name] for name in counts if name in chosen}
