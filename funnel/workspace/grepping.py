"""Goes through many documents with one pattern: small ones in batches, large ones a piece at a time.

Of 10,000 documents of 5 kB, each by itself would cost two exchanges with the process that searches and three
questions to the collection: ten seconds instead of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from funnel.workspace.grep import Match, Scan
from funnel.workspace.values import GrepResult, KnownDocument

FetchTexts = Callable[[Sequence[str]], Awaitable[Mapping[str, str]]]
"""(document ids) → the whole text of each, in the registered version."""

_BATCH_DOCUMENTS = 1_000
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

    async def whole(self, known: Sequence[KnownDocument]) -> Sequence[bytes]:
        """Return the texts of several small documents as UTF-8."""


async def grepped(
    scan: Scan, wanted: Sequence[Wanted], texts: Texts, *, limit: int, batch_chars: int
) -> GrepResult:
    """Return the first `limit` of the wanted matches, in the order of the documents, and count all.

    Documents of up to `batch_chars` characters together are one piece for the pattern's time limit.
    """
    matches: list[Match] = []
    counts: dict[str, int] = {}
    batches = list(_batches(wanted, batch_chars))
    ahead = _Ahead(texts, batches, batch_chars)
    try:
        for batch in batches:
            room = max(0, limit - len(matches))
            if (whole := await ahead.next()) is None:
                found, some = await _large(scan, batch[0], texts, limit=room)
            else:
                each = [(one.id, text, one.skip, one.take) for one, text in zip(batch, whole, strict=True)]
                found, some = await scan.batch(each, limit=room)
            counts |= found
            matches += some
    finally:
        await ahead.close()
    return GrepResult(tuple(matches), sum(counts.values()), counts)


class _Ahead:
    """Reads the texts of the next batch while one is searched. A large document is read piece by piece."""

    def __init__(self, texts: Texts, batches: Iterable[Sequence[Wanted]], batch_chars: int) -> None:
        self._texts = texts
        self._batches = iter(batches)
        self._batch_chars = batch_chars
        self._task = self._begun()

    async def next(self) -> Sequence[bytes] | None:
        """Return the texts of the next batch; None if it is one large document."""
        task, self._task = self._task, None
        texts = await task if task is not None else None
        self._task = self._begun()
        return texts

    async def close(self) -> None:
        """End what is being read."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _begun(self) -> asyncio.Task[Sequence[bytes]] | None:
        batch = next(self._batches, None)
        if batch is None or batch[0].known.stored.n_chars > self._batch_chars:
            return None
        return asyncio.create_task(_read(self._texts, [one.known for one in batch]))


async def _read(texts: Texts, known: Sequence[KnownDocument]) -> Sequence[bytes]:
    return await texts.whole(known)


def _batches(wanted: Iterable[Wanted], batch_chars: int) -> Iterator[list[Wanted]]:
    """Yield neighbours that fit into a batch together; a larger document by itself."""
    batch: list[Wanted] = []
    chars = 0
    for one in wanted:
        n_chars = one.known.stored.n_chars
        if batch and (chars + n_chars > batch_chars or len(batch) >= _BATCH_DOCUMENTS):
            yield batch
            batch, chars = [], 0
        batch.append(one)
        chars += n_chars
    if batch:
        yield batch


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
