"""Makes stored documents searchable: keeps their terms, stretch by stretch, beside their pages.

A version is indexed when it is first searched, for all runs that have it. Knows no run and no rights.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from funnel.memory import terms
from funnel.memory.base import TERMS, Memory, Namespace
from funnel.workspace.pages import Fetch, Pages, Pagination

STRETCH_CHARS = 8_192
OVERLAP_CHARS = 256
"""How far a stretch extends into the next one, so that words and phrases at the border are not cut."""
_INDEXED = "indexed"
_PAGES = 4


class FullText:
    """The terms of documents stored in `pages`, in the same memory and kept as long."""

    def __init__(self, memory: Memory, pages: Pages, *, ttl_s: float | None) -> None:
        self._memory = memory
        self._pages = pages
        self._ttl_s = ttl_s

    async def index(self, where: Namespace, pagination: Pagination, *, fetch: Fetch | None = None) -> None:
        """Index a document version once. The mark is written last, so an interrupted indexing is repeated.

        The text comes from `fetch` if it is given, else from the stored pages.

        Raises: `MemoryFailed`; any exception of `fetch`.
        """
        if await self._memory.get_many(where, [_INDEXED]):
            return
        number = 0
        # The terms outlive the mark, so a run that finds the mark has the terms until its own end.
        ttl_s = None if self._ttl_s is None else 2 * self._ttl_s
        async for some in self._stretches(where, pagination, fetch):
            records = await asyncio.to_thread(_records, some)
            items = {_key(n): stored for n, stored in enumerate(records, start=number)}
            await self._memory.put_many(where, items, ttl_s=ttl_s)
            number += len(some)
        await self._memory.put_many(where, {_INDEXED: b""}, ttl_s=self._ttl_s)

    async def _stretches(
        self, where: Namespace, pagination: Pagination, fetch: Fetch | None
    ) -> AsyncIterator[Sequence[str]]:
        """Yield the texts of all stretches, several at a time."""
        held = ""
        async for piece in self._pages.stream(where, pagination, batch=_PAGES, fetch=fetch):
            held += piece.decode("utf-8", "surrogatepass")
            some = []
            while len(held) >= STRETCH_CHARS + OVERLAP_CHARS:
                some.append(held[: STRETCH_CHARS + OVERLAP_CHARS])
                held = held[STRETCH_CHARS:]
            if some:
                yield some
        if held:
            yield [held[at : at + STRETCH_CHARS + OVERLAP_CHARS] for at in range(0, len(held), STRETCH_CHARS)]


def _records(texts: Sequence[str]) -> list[bytes]:
    return [terms.record(text) for text in texts]


def n_stretches(n_chars: int) -> int:
    """Return the number of stretches of a document of that length."""
    return -(-n_chars // STRETCH_CHARS)


def span(key: str, n_chars: int) -> tuple[int, int]:
    """Return where the stretch with this key begins and ends in its document."""
    start = int(key) * STRETCH_CHARS
    return start, min(n_chars, start + STRETCH_CHARS + OVERLAP_CHARS)


def _key(number: int) -> str:
    return f"{TERMS}{number:010d}"
