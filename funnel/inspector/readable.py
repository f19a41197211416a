"""The documents that a run may read, and the spans that it has cited; one shelf for the whole tree of calls.

Everything on the shelf came through stage one under the asker's access and filter: nothing else can be read
or cited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from funnel.journal import Journal
from funnel.sandbox.base import HostError
from funnel.text.citations import locate
from funnel.text.sentences import sentences
from funnel.types import Citation
from funnel.workspace.workspace import Workspace
from indexes.filters import Filter
from indexes.source import Source
from indexes.types import Access, DocumentHit, DocumentId, DocumentInfo

MAX_QUOTE_CHARS = 2_000
SENTENCE_CHARS = 600
"""A sentence that is longer than this is cited only where it matched."""
MAX_READ_CHARS = 200_000
MAX_CITATIONS = 999
"""A marker has three digits, so that a year in brackets is none."""


class Shelf:
    """Documents by id, in the order in which they came, and citations by number."""

    def __init__(
        self,
        source: Source,
        workspace: Workspace,
        journal: Journal,
        *,
        access: Access,
        where: Filter | None,
    ) -> None:
        self._view = source.for_asker(access, where)
        self._workspace = workspace
        self._journal = journal
        self._documents: dict[str, DocumentInfo] = {}
        self._numbers: dict[Citation, int] = {}
        self._by_number: dict[int, Citation] = {}
        workspace.fetch_with(self._fetch)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every document on the shelf, first come first."""
        return tuple(self._documents)

    async def add(self, documents: Iterable[DocumentInfo]) -> tuple[str, ...]:
        """Put these documents on the shelf; returns their ids. Left out is what the asker may not read.

        Their text is fetched when it is read. One that is there in another version is replaced.
        """
        asked = {info.id: info for info in documents}
        new = [name for name, info in asked.items() if not self._has(info)]
        if new:
            found = await asyncio.to_thread(self._infos, new)
            await self._workspace.register(found)
            self._documents.update((info.id, info) for info in found)
        return tuple(name for name in asked if name in self._documents)

    def _has(self, info: DocumentInfo) -> bool:
        return info.id in self._documents and self._documents[info.id].version == info.version

    def _infos(self, names: Iterable[DocumentId]) -> list[DocumentInfo]:
        """What is known of these documents now, without those that the asker may not read."""
        found = (self._view.info(name) for name in names)
        return [info for info in found if info is not None]

    async def restore(self) -> None:
        """Put back what an earlier attempt of the run had read and cited, but for what has gone meanwhile."""
        for stored in await self._workspace.documents():
            info = await asyncio.to_thread(self._view.info, stored.id)
            if info is not None and info.version == stored.version:
                self._documents[stored.id] = info
        self._by_number |= self._journal.citations
        self._numbers = {citation: number for number, citation in self._by_number.items()}

    async def readable(self, ids: Iterable[str]) -> bool:
        """Whether the asker may read all of these documents, now."""
        return await asyncio.to_thread(self._view.may_read, ids)

    async def count(self) -> int:
        """How many documents of the whole collection the asker may read."""
        return await asyncio.to_thread(self._view.count)

    async def search(self, query: str, k: int) -> list[DocumentHit]:
        """Back into stage one, under the asker's access and filter; what is found is put on the shelf."""
        hits = await asyncio.to_thread(self._view.search, query, k)
        shelved = set(await self.add(hit.document for hit in hits))
        return [hit for hit in hits if hit.document.id in shelved]

    async def listed(self, start: int, limit: int) -> list[DocumentInfo]:
        """The documents of the whole collection that the asker may read, by id; not put on the shelf."""

        def look() -> list[DocumentInfo]:
            return self._infos(self._view.ids()[start : start + limit])

        return await asyncio.to_thread(look)

    def info(self, name: str) -> DocumentInfo:
        """A document on the shelf."""
        return self._documents[name]

    def named(self, document: object) -> DocumentInfo:
        """A document on the shelf, by an id or by an element of `context`."""
        return self._documents[_name(document)]

    async def everything(self, limit: int) -> list[str]:
        """The ids of what the asker may read, `limit` at most."""
        ids = await asyncio.to_thread(self._view.ids)
        return [str(name) for name in ids[:limit]]

    async def find(self, document: object) -> DocumentInfo:
        """The document named by an id or by an element of `context`; put on the shelf if it is not there yet.

        Raises: `HostError` where the asker may read no such document.
        """
        name = _name(document)
        if name not in self._documents:
            info = await asyncio.to_thread(self._view.info, name)
            if info is None or not await self.add([info]):
                first = ", ".join(repr(known) for known in self.ids[:3])
                raise HostError(f"there is no document {name[:80]!r}. Ids are case-sensitive, like {first}.")
        return self._documents[name]

    async def read(self, document: object, start: int = 0, stop: int | None = None) -> str:
        """Characters start to stop of a document, clamped to its length like a slice."""
        info = await self._readable(document)
        begin, end, _ = slice(start, stop).indices(info.n_chars)
        if end - begin > MAX_READ_CHARS:
            raise HostError(
                f"{info.id} has {info.n_chars:,} characters; read at most {MAX_READ_CHARS:,} a call, "
                f"as read(doc, 0, {MAX_READ_CHARS})"
            )
        return await self._workspace.read(DocumentId(info.id), begin, end) if begin < end else ""

    async def cite(self, document: object, start: int, stop: int) -> str:
        """The marker of that span, like "[3]"; white space at its ends is left out."""
        info = await self._readable(document)
        if not 0 <= start < stop <= info.n_chars:
            raise HostError(
                f"no such span: {info.id} has characters 0 to {info.n_chars}, not {start} to {stop}"
            )
        if stop - start > MAX_QUOTE_CHARS:
            raise HostError(
                f"a citation holds at most {MAX_QUOTE_CHARS} characters, this has {stop - start}: "
                "cite the sentence that carries the point"
            )
        text = await self._workspace.read(DocumentId(info.id), start, stop)
        quote = text.strip()
        if not quote:
            raise HostError(f"characters {start} to {stop} of {info.id} are white space")
        begin = start + text.index(quote)
        return self._number(Citation(info.id, info.title, info.uri, begin, begin + len(quote), quote))

    async def cite_sentence(self, document: object, start: int, stop: int | None) -> str:
        """The marker of the sentences in which that span stands; of the span itself where they are long."""
        info = await self.find(document)
        if stop is None or not 0 <= start < stop <= info.n_chars:
            return await self.cite(info.id, start, info.n_chars + 1 if stop is None else stop)
        await self._readable(info.id)
        first = max(0, start - SENTENCE_CHARS)
        window = await self._workspace.read(DocumentId(info.id), first, stop + SENTENCE_CHARS)
        touched = [
            (first + begin, first + end)
            for begin, end in sentences(window)
            if first + begin < stop and first + end > start
        ]
        if touched and touched[-1][1] - touched[0][0] <= SENTENCE_CHARS:
            start, stop = min(start, touched[0][0]), max(stop, touched[-1][1])
        return await self.cite(info.id, start, stop)

    async def cite_quote(self, document: object, quote: str) -> str:
        """The marker of the place where `quote` stands in the document."""
        info = await self._readable(document)
        step = MAX_READ_CHARS
        for at in range(0, max(info.n_chars, 1), step):
            window = await self._workspace.read(
                DocumentId(info.id), at, min(at + step + len(quote) * 2, info.n_chars)
            )
            if span := locate(window, quote):
                return await self.cite(info.id, at + span[0], at + span[1])
        raise HostError(
            f"{quote[:80]!r} does not stand in {info.id} word for word; look it up with grep() or read()"
        )

    def cited(self, numbers: Sequence[int]) -> dict[int, list[Citation]]:
        """The citations with these numbers, by number; unknown numbers are left out."""
        return {n: [self._by_number[n]] for n in numbers if n in self._by_number}

    async def _readable(self, document: object) -> DocumentInfo:
        """The document, if the asker may read it now, whatever became of its text.

        Its pages may be in the memory from another run: they are no proof of this asker's rights.
        """
        info = await self.find(document)
        now = await asyncio.to_thread(self._view.version, info.id)
        if now is None:
            raise _gone(info.id)
        return info

    async def _fetch(self, name: str, start: int, stop: int) -> str:
        """Characters of a document, from stage one. Raises: `HostError` where it is not what was found."""
        version = self._documents[name].version

        def look() -> str | None:
            text = self._view.read(name, start, stop)
            # Looked at after the text: what was read before a change is not taken for what came of it.
            return text if self._view.version(name) == version else None

        text = await asyncio.to_thread(look)
        if text is None:
            raise _gone(name)
        return text

    def _number(self, citation: Citation) -> str:
        if citation not in self._numbers and len(self._numbers) >= MAX_CITATIONS:
            raise HostError(f"{MAX_CITATIONS} spans are cited, the most there may be: cite what you submit")
        if citation not in self._numbers:
            number = max(self._by_number, default=0) + 1
            self._numbers[citation], self._by_number[number] = number, citation
            self._journal.cite(number, citation)
        return f"[{self._numbers[citation]}]"


def _name(document: object) -> str:
    """The id of a document that is named by it or by an element of `context`. Raises: `HostError`."""
    name = document.get("id", document.get("doc")) if isinstance(document, dict) else document
    if not isinstance(name, str):
        raise HostError(f"a document is named by its id, a str, not by a {type(name).__name__}")
    return name


def _gone(name: str) -> HostError:
    return HostError(
        f"document {name[:80]!r} was changed or taken away since it was found: "
        "leave it out, or search() again for what there is now"
    )
