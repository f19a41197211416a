"""The documents and notes of one run, over any memory; knows no model and no rights.

Pages of a document version are shared by all runs of a tenant, but a run reads only documents that were added
to it. The caller that adds a document must have checked that the run's asker may read it. No other check is
needed, since a run cannot reach the documents of another run by naming them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self

from funnel.asker import Asker
from funnel.errors import UnknownDocument
from funnel.memory import layout, terms, text_search
from funnel.memory.base import Memory, Namespace
from funnel.workspace import full_text
from funnel.workspace.grep import Grepper, Search
from funnel.workspace.grepping import FetchTexts, Wanted, grepped
from funnel.workspace.pages import Fetch, MayStore, Pages, Pagination
from funnel.workspace.passages import Excerpt, best_passage
from funnel.workspace.patterns.literals import Needed
from funnel.workspace.values import (
    DocumentLike,
    GrepResult,
    KnownDocument,
    Registrable,
    TextHit,
    WorkspaceDocument,
    entry_of,
    known_of,
)
from indexes.code.reading import CodeReader

FetchDocument = Callable[[str, int, int], Awaitable[str]]
"""(document id, start, stop) → those characters of the registered version."""

_SCAN_KEYS = 1_000
_GREP_PAGES = 4
_CANDIDATES = 4
"""How many stretches are searched for their best passage, as a multiple of the passages wanted."""
_INDEXED_AT_ONCE = 4
_DOCUMENT, _NOTE = "document/", "note/"
_IS_JSON = b"\xff"
"""What a noted value begins with; no text does, in UTF-8."""


class Workspace:
    """The documents and notes of run `run`; the same memory, tenant and run open the same ones again.

    An async context manager: leaving it ends the process that greps. The memory stays open; its owner closes
    it. `page_chars`: the characters of one stored page. `reach`: the longest match that is found exactly.
    Values are kept for `ttl_s` seconds, pages of documents twice as long. `may_store`: asked before a page is
    stored that can be fetched again, and told of notes.
    """

    def __init__(  # noqa: PLR0913 - sizes that tests make small, and what a run brings
        self,
        memory: Memory,
        *,
        run: str,
        asker: Asker,
        page_chars: int = 65_536,
        reach: int = 16_384,
        cache_bytes: int = 16 * 1024 * 1024,
        grep_piece_s: float = 3.0,
        ttl_s: float | None = None,
        may_store: MayStore | None = None,
    ) -> None:
        self._memory = memory
        self._asker = asker
        self._here = layout.run(asker, run)
        self._pages = Pages(
            memory, page_chars=page_chars, cache_bytes=cache_bytes, ttl_s=ttl_s, may_store=may_store
        )
        self._may_store = may_store
        self._full_text = full_text.FullText(memory, self._pages, ttl_s=ttl_s)
        self._ttl_s = ttl_s
        self._reach = reach
        self._grepper = Grepper(piece_s=grep_piece_s)
        self.code = CodeReader()
        self._page_chars = page_chars
        self._fetch: FetchDocument | None = None
        self._fetch_texts: FetchTexts | None = None
        self._known: dict[str, KnownDocument] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the processes that grep and parse; a second call does nothing."""
        await asyncio.to_thread(self.code.close)
        await self._grepper.close()

    async def add_document(self, info: DocumentLike, text: str | Iterable[str]) -> WorkspaceDocument:
        """Add a document to this run, whole or in pieces of any size. A stored version is not read again.

        Raises: `MemoryFailed`; `ValueError` for an empty id or version.
        """
        pagination = await self._pages.store(self._where(info.id, info.version), text)
        stored = WorkspaceDocument(info.id, info.version, info.title, info.uri, pagination.n_chars)
        await self._remember([KnownDocument(stored, pagination, whole=True)])
        return stored

    def fetch_with(self, fetch: FetchDocument, texts: FetchTexts | None = None) -> None:
        """Set the functions that return text of registered documents, and the whole texts of many."""
        self._fetch, self._fetch_texts = fetch, texts

    async def register(self, infos: Iterable[Registrable]) -> None:
        """Add documents to this run whose text is fetched when it is read, and then stored page by page.

        `grep` and the first `search`, which go through whole documents, store no text.

        Raises: `MemoryFailed`; `ValueError` for an empty id or version.
        """
        known = []
        for info in infos:
            self._where(info.id, info.version)
            stored = WorkspaceDocument(info.id, info.version, info.title, info.uri, info.n_chars)
            known.append(KnownDocument(stored, Pagination(info.n_chars, self._page_chars), whole=False))
        await self._remember(known)

    async def documents(self) -> tuple[WorkspaceDocument, ...]:
        """Return the documents of this run, ordered by id."""
        found = await self._entries(_DOCUMENT)
        self._known |= {name: known_of(entry) for name, entry in found.items()}
        return tuple(self._known[name].stored for name in found)

    async def length(self, document_id: str) -> int:
        """Return the number of characters of a document. Raises: `UnknownDocument`."""
        return (await self._find(document_id)).stored.n_chars

    async def read(self, document_id: str, start: int | None = None, stop: int | None = None) -> str:
        """Return `text[start:stop]`, by Python's rules for slices; only the pages needed are read.

        Raises: `UnknownDocument`, `MemoryFailed`; any exception of fetching.
        """
        known = await self._find(document_id)
        stored = known.stored
        begin, end, _ = slice(start, stop).indices(stored.n_chars)
        where = self._where(stored.id, stored.version)
        return await self._pages.read(where, known.pagination, begin, end, fetch=self._fetch_for(known))

    async def grep(
        self,
        pattern: str,
        document_ids: Sequence[str] | None = None,
        *,
        context: int = 80,
        limit: int = 200,
        ignore_case: bool = False,
    ) -> GrepResult:
        """Return what `re.finditer` finds in these documents, in this order; None: in all, by id.

        A space in the pattern matches any white space. The first `limit` matches come with `context`
        characters before and after. A match that is longer than `reach` characters, including any text that
        it looks at, is truncated (and may count several times) or missed. The search goes on to the end to
        count all matches; cancel the call to stop it.

        Raises: `BadPattern`, `UnknownDocument`, `MemoryFailed`; `ValueError` for a number below 0; any
        exception of fetching.
        """
        if context < 0 or limit < 0:
            raise ValueError(f"context = {context} and limit = {limit}: neither may be below 0")
        if document_ids is None:
            document_ids = [stored.id for stored in await self.documents()]
        wanted = [Wanted(await self._find(document_id)) for document_id in dict.fromkeys(document_ids)]
        return await self._grepped(Search(pattern, ignore_case, self._reach, context), wanted, limit)

    async def matches(
        self, pattern: str, places: Mapping[str, tuple[int, int]], *, context: int, ignore_case: bool
    ) -> GrepResult:
        """Return some of the matches in each of these documents: (how many to leave out, how many to take).

        Raises: as `grep`.
        """
        wanted = [Wanted(await self._find(name), skip, take) for name, (skip, take) in places.items()]
        limit = sum(take for _, take in places.values())
        return await self._grepped(Search(pattern, ignore_case, self._reach, context), wanted, limit)

    async def _grepped(self, search: Search, wanted: Sequence[Wanted], limit: int) -> GrepResult:
        piece_chars = _GREP_PAGES * self._page_chars
        async with self._grepper.search(search) as scan:
            return await grepped(scan, wanted, self, limit=limit, piece_chars=piece_chars)

    def pieces(self, known: KnownDocument) -> AsyncIterator[bytes]:
        """Yield the text of one document as UTF-8, a piece at a time. Raises: as `grep`."""
        where = self._where(known.stored.id, known.stored.version)
        return self._pages.stream(where, known.pagination, batch=_GREP_PAGES, fetch=self._fetch_for(known))

    async def whole(self, known: Sequence[KnownDocument], needed: Needed) -> Mapping[str, bytes]:
        """Return the texts, as UTF-8, of those of these small documents that may hold a match.

        Raises: as `grep`.
        """
        fetch = self._fetch_texts
        apart = [each for each in known if each.whole or fetch is None]
        asked = [each.stored.id for each in known if not each.whole]
        texts = dict(await fetch(asked, needed)) if asked and fetch is not None else {}
        for each in apart:
            text = b"".join([piece async for piece in self.pieces(each)])
            if needed.may_match(text):
                texts[each.stored.id] = text
        return texts

    async def search(
        self, query: str, k: int = 10, document_ids: Sequence[str] | None = None
    ) -> tuple[TextHit, ...]:
        """Return the best `k` passages of these documents for a query, best first.

        Without `document_ids`, all documents and notes of this run are searched.

        BM25 over stretches of 8,192 characters finds candidates; a passage is scored by its own terms. A
        version that was never searched before is indexed first: its text is read once, a piece at a time.

        Raises: `MemoryFailed`.
        """
        asked = terms.tokens(query)
        if not asked or k < 1:
            return ()
        documents = (
            await self.documents()
            if document_ids is None
            else [(await self._find(name)).stored for name in dict.fromkeys(document_ids)]
        )
        stored = {self._where(found.id, found.version): found for found in documents}
        await self._index(list(stored.values()))
        matched = [*await text_search.matches(self._memory, stored, asked)]
        notes = await self.notes() if document_ids is None else {}
        matched += [
            text_search.Matched(self._here, key, *_counted(text, asked)) for key, text in notes.items()
        ]
        n_texts = len(notes) + sum(full_text.n_stretches(found.n_chars) for found in stored.values())
        matched = [text for text in matched if any(text.counts)]
        idf = text_search.weights(matched, n_tokens=len(asked), n_texts=n_texts)
        weights = dict(zip(asked, idf, strict=True))
        hits: list[TextHit] = []
        for best in text_search.rank(matched, idf, k=_CANDIDATES * k):
            document = stored.get(best.where)
            if document is None:
                start, text = 0, notes[best.key]
            else:
                start, stop = full_text.span(best.key, document.n_chars)
                text = await self.read(document.id, start, stop)
            if (passage := await asyncio.to_thread(best_passage, text, weights)) is not None:
                hits.append(_hit(document, best.key, start, text, passage))
        return tuple(_apart(hits)[:k])

    async def _index(self, documents: Sequence[WorkspaceDocument]) -> None:
        at_once = asyncio.Semaphore(_INDEXED_AT_ONCE)

        async def index(stored: WorkspaceDocument) -> None:
            async with at_once:
                known = await self._find(stored.id)
                where = self._where(stored.id, stored.version)
                await self._full_text.index(where, known.pagination, fetch=self._fetch_for(known))

        await asyncio.gather(*map(index, documents))

    async def note(self, key: str, text: str, *, is_json: bool = False) -> None:
        """Store a note of this run under `key`, in place of any earlier one. `is_json`: it is a value."""
        lead = _IS_JSON if is_json else b""
        written = {_NOTE + key: lead + text.encode("utf-8", "surrogatepass")}
        if self._may_store is not None:
            self._may_store(sum(len(key) + len(value) for key, value in written.items()))
        await self._memory.put_many(self._here, written, ttl_s=self._ttl_s)

    async def notes(self) -> dict[str, str]:
        """Return every note of this run as text, by key."""
        found = await self._entries(_NOTE)
        return {key: _note_text(stored) for key, stored in found.items()}

    async def noted(self) -> dict[str, Any]:
        """Return every note of this run by key, values as such."""
        found = await self._entries(_NOTE)
        return {
            key: json.loads(_note_text(stored)) if stored.startswith(_IS_JSON) else _note_text(stored)
            for key, stored in found.items()
        }

    def _where(self, document_id: str, version: str) -> Namespace:
        return layout.document(self._asker, document_id, version)

    def _fetch_for(self, known: KnownDocument) -> Fetch | None:
        return None if known.whole or self._fetch is None else partial(self._fetch, known.stored.id)

    async def _remember(self, known: Iterable[KnownDocument]) -> None:
        """Record that these are documents of this run, all of them or none."""
        by_id = {each.stored.id: each for each in known}
        entries = {_DOCUMENT + name: entry_of(each) for name, each in by_id.items()}
        await self._memory.put_many(self._here, entries, ttl_s=self._ttl_s)
        self._known |= by_id

    async def _find(self, document_id: str) -> KnownDocument:
        if document_id not in self._known:
            key = _DOCUMENT + document_id
            found = await self._memory.get_many(self._here, [key])
            if key not in found:
                raise UnknownDocument(document_id)
            self._known[document_id] = known_of(found[key])
        return self._known[document_id]

    async def _keys(self, prefix: str) -> AsyncIterator[str]:
        after = ""
        while keys := await self._memory.scan(self._here, prefix, after=after, limit=_SCAN_KEYS):
            for key in keys:
                yield key
            after = keys[-1]

    async def _entries(self, prefix: str) -> Mapping[str, bytes]:
        """Return the values of this run under a prefix, by the rest of their keys."""
        keys = [key async for key in self._keys(prefix)]
        found = await self._memory.get_many(self._here, keys)
        return {key.removeprefix(prefix): found[key] for key in keys if key in found}


def _note_text(stored: bytes) -> str:
    return stored.removeprefix(_IS_JSON).decode("utf-8", "surrogatepass")


def _counted(text: str, asked: Sequence[str]) -> tuple[int, tuple[int, ...]]:
    record = terms.record(text)
    return terms.n_terms(record), tuple(terms.count(record, name) for name in asked)


def _hit(document: WorkspaceDocument | None, key: str, start: int, text: str, passage: Excerpt) -> TextHit:
    return TextHit(
        document_id=None if document is None else document.id,
        note=key if document is None else None,
        start=start + passage.start,
        stop=start + passage.stop,
        text=text[passage.start : passage.stop],
        score=passage.score,
    )


def _apart(hits: Sequence[TextHit]) -> list[TextHit]:
    """Return the hits, best first, without those that overlap a better one, as neighbouring stretches do."""
    kept: list[TextHit] = []
    for hit in sorted(hits, key=lambda h: (-h.score, h.document_id or "", h.note or "", h.start)):
        place = hit.document_id, hit.note
        if not any(
            (other.document_id, other.note) == place and other.start < hit.stop and hit.start < other.stop
            for other in kept
        ):
            kept.append(hit)
    return kept


__all__ = ["DocumentLike", "GrepResult", "Registrable", "TextHit", "Workspace", "WorkspaceDocument"]
