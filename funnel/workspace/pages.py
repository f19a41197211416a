"""Documents as pages in any memory, with a cache of recent pages; knows no run and no rights."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from funnel.errors import MemoryFailed
from funnel.memory.base import Memory, Namespace

Fetch = Callable[[int, int], Awaitable[str]]
"""(start, stop) → those characters of a document, from its source."""

MayStore = Callable[[int], bool]
"""(bytes) → whether they may be stored; if so, they are counted."""

COMPLETE = "complete"
_WRITE_PAGES = 16


@dataclass(frozen=True, slots=True)
class Pagination:
    """How a document is divided: every page has `page_chars` characters, except for a shorter last one."""

    n_chars: int
    page_chars: int

    @property
    def n_pages(self) -> int:
        """The number of pages; 0 for the empty document."""
        return -(-self.n_chars // self.page_chars)

    def key(self, page: int) -> str:
        """Return the key of a page; pages of different sizes have different keys, and never mix."""
        return _key(self.page_chars, page)


class Pages:
    """The pages of documents, each document in a namespace of its own that never changes once complete.

    `cache_bytes`: the most that recently read pages may take in this process. A document that was stored less
    than `ttl_s` seconds ago is not stored again. Its pages are kept twice as long, so a run that found them
    has them until its own end.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        page_chars: int,
        cache_bytes: int,
        ttl_s: float | None = None,
        may_store: MayStore | None = None,
    ) -> None:
        self._memory = memory
        self._ttl_s = ttl_s
        self._page_chars = page_chars
        self._cache_bytes = cache_bytes
        self._may_store = may_store
        self._cached: OrderedDict[tuple[Namespace, str], str] = OrderedDict()
        self._cached_bytes = 0

    async def store(self, where: Namespace, text: str | Iterable[str]) -> Pagination:
        """Store a document once. The mark is written last, so an interrupted import is repeated."""
        if stored := (await self._memory.get_many(where, [COMPLETE])).get(COMPLETE):
            return Pagination(**json.loads(stored))
        n_chars = 0
        pages = enumerate(_cut([text] if isinstance(text, str) else text, self._page_chars))
        while batch := list(islice(pages, _WRITE_PAGES)):
            n_chars += sum(len(page) for _, page in batch)
            encoded = {_key(self._page_chars, i): page.encode("utf-8", "surrogatepass") for i, page in batch}
            await self._memory.put_many(
                where, encoded, ttl_s=None if self._ttl_s is None else 2 * self._ttl_s
            )
        pagination = Pagination(n_chars, self._page_chars)
        marker = json.dumps({"n_chars": pagination.n_chars, "page_chars": pagination.page_chars})
        await self._memory.put_many(where, {COMPLETE: marker.encode()}, ttl_s=self._ttl_s)
        return pagination

    async def read(
        self, where: Namespace, pagination: Pagination, start: int, stop: int, *, fetch: Fetch | None = None
    ) -> str:
        """Return the characters `start` to `stop`, 0 <= start <= stop <= n_chars, from their pages.

        A page that is not stored comes from `fetch` and is stored then; without `fetch` it is an error.

        Raises: `MemoryFailed`; any exception of `fetch`.
        """
        if start >= stop:
            return ""
        size = pagination.page_chars
        pages = range(start // size, (stop - 1) // size + 1)
        if len(pages) == 1 and (text := self._cache_of(where, pagination.key(pages[0]))) is not None:
            return text[start - pages[0] * size : stop - pages[0] * size]
        parts = []
        for first in range(pages.start, pages.stop, _WRITE_PAGES):
            some = pages[first - pages.start :][:_WRITE_PAGES]
            texts = await self._texts(where, pagination, some, fetch)
            parts += [texts[page][max(0, start - page * size) : stop - page * size] for page in some]
        return "".join(parts)

    async def stream(
        self, where: Namespace, pagination: Pagination, *, batch: int, fetch: Fetch | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the whole text as UTF-8, `batch` pages at a time, past the cache, which it would flush.

        With `fetch` the text comes from there, and nothing is stored.
        """
        for first in range(0, pagination.n_pages, batch):
            stop = min(first + batch, pagination.n_pages)
            if fetch is not None:
                size = pagination.page_chars
                text = await fetch(first * size, min(stop * size, pagination.n_chars))
                yield text.encode("utf-8", "surrogatepass")
                continue
            keys = [pagination.key(page) for page in range(first, stop)]
            found = await self._memory.get_many(where, keys)
            yield b"".join(self._present(where, found.get(key)) for key in keys)

    async def _texts(
        self, where: Namespace, pagination: Pagination, pages: range, fetch: Fetch | None
    ) -> dict[int, str]:
        texts = {
            page: text for page in pages if (text := self._cache_of(where, pagination.key(page))) is not None
        }
        wanted = {page: pagination.key(page) for page in pages if page not in texts}
        if not wanted:
            return texts
        found = await self._memory.get_many(where, list(wanted.values()))
        absent = [page for page, key in wanted.items() if key not in found]
        if fetch is not None and absent:
            texts |= await self._fetched(where, pagination, range(absent[0], absent[-1] + 1), fetch)
        for page, key in wanted.items():
            if page not in texts:
                texts[page] = self._present(where, found.get(key)).decode("utf-8", "surrogatepass")
            self._keep(where, key, texts[page])
        return texts

    async def _fetched(
        self, where: Namespace, pagination: Pagination, pages: range, fetch: Fetch
    ) -> dict[int, str]:
        """Fetch these pages, store them if that is allowed, and return their texts."""
        size = pagination.page_chars
        text = await fetch(pages.start * size, min(pages.stop * size, pagination.n_chars))
        texts = dict(zip(pages, _cut([text], size), strict=True))
        encoded = {pagination.key(page): cut.encode("utf-8", "surrogatepass") for page, cut in texts.items()}
        # A page that is not stored is fetched again when it is read again.
        if self._may_store is None or self._may_store(sum(map(len, encoded.values()))):
            ttl_s = None if self._ttl_s is None else 2 * self._ttl_s
            await self._memory.put_many(where, encoded, ttl_s=ttl_s)
        return texts

    def _cache_of(self, where: Namespace, key: str) -> str | None:
        if (where, key) not in self._cached:
            return None
        self._cached.move_to_end((where, key))
        return self._cached[where, key]

    def _keep(self, where: Namespace, key: str, text: str) -> None:
        if (where, key) not in self._cached:
            self._cached[where, key] = text
            self._cached_bytes += sys.getsizeof(text)
        while self._cached_bytes > self._cache_bytes:
            self._cached_bytes -= sys.getsizeof(self._cached.popitem(last=False)[1])

    def _present(self, where: Namespace, page: bytes | None) -> bytes:
        if page is None:
            raise MemoryFailed(
                self._memory.url, f"a page of {where} is gone. Delete what is left of it; add it again."
            )
        return page


def _key(page_chars: int, page: int) -> str:
    return f"{page_chars}/{page:010d}"


def _cut(pieces: Iterable[str], size: int) -> Iterator[str]:
    """Yield the same text in pages of `size` characters."""
    rest = ""
    for piece in pieces:
        at = size - len(rest)
        rest += piece[:at]
        while len(rest) == size:
            yield rest
            rest = piece[at : at + size]
            at += size
    if rest:
        yield rest
