"""Stored documents as texts that can be searched: their terms, stretch by stretch, beside their pages.

A version is indexed when it is first searched, for all runs that have it. Knows no run and nobody's rights.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from funnel.memory import terms
from funnel.memory.base import TERMS, Memory, Namespace
from funnel.workspace.pages import Fetch, Layout, Pages

STRETCH_CHARS = 8_192
OVERLAP_CHARS = 256
"""A stretch goes on into the next one, so that words and phrases on the border are whole in it."""
_INDEXED = "indexed"
_PAGES = 4


class FullText:
    """The terms of documents that are stored in `pages`, in the same memory and kept as long."""

    def __init__(self, memory: Memory, pages: Pages, *, ttl_s: float | None) -> None:
        self._memory = memory
        self._pages = pages
        self._ttl_s = ttl_s

    async def index(self, where: Namespace, layout: Layout, *, fetch: Fetch | None = None) -> None:
        """Index a document version once: the mark is written last, so what was cut short is done again.

        Its text comes from `fetch` where its pages are not stored.

        Raises: `MemoryFailed`; what `fetch` raises.
        """
        if await self._memory.get_many(where, [_INDEXED]):
            return
        number = 0
        # The terms outlive the mark, as the pages do theirs: a run that found it finds them to its end.
        ttl_s = None if self._ttl_s is None else 2 * self._ttl_s
        async for some in self._stretches(where, layout, fetch):
            records = await asyncio.to_thread(_records, some)
            items = {_key(n): stored for n, stored in enumerate(records, start=number)}
            await self._memory.put_many(where, items, ttl_s=ttl_s)
            number += len(some)
        await self._memory.put_many(where, {_INDEXED: b""}, ttl_s=self._ttl_s)

    async def _stretches(
        self, where: Namespace, layout: Layout, fetch: Fetch | None
    ) -> AsyncIterator[Sequence[str]]:
        """The texts of all stretches, some at a time."""
        held = ""
        async for piece in self._pages.stream(where, layout, batch=_PAGES, fetch=fetch):
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
    """How many stretches a document of that length has."""
    return -(-n_chars // STRETCH_CHARS)


def span(key: str, n_chars: int) -> tuple[int, int]:
    """Where the stretch of that key begins and ends in its document."""
    start = int(key) * STRETCH_CHARS
    return start, min(n_chars, start + STRETCH_CHARS + OVERLAP_CHARS)


def _key(number: int) -> str:
    return f"{TERMS}{number:010d}"
