"""The documents that a run may read, and the record of those whose text was handed out; asks no model.

Text comes from the asker's view of stage one, or from pages of the workspace that hold a copy of it. Every
method that hands out a title or text of a document records that in the view, and no other part of a run
reaches the pages. So a new tool cannot hand out a text that is not in the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from funnel.sandbox.base import HostError
from funnel.workspace import naming
from funnel.workspace.found import FoundDocuments, gone, named
from funnel.workspace.grepping import spread
from funnel.workspace.patterns.literals import Needed
from funnel.workspace.values import GrepResult, TextHit
from funnel.workspace.workspace import Workspace
from indexes.source import Documents
from indexes.types import Document, DocumentId, DocumentInfo, Hits

MAX_READ_CHARS = 200_000
MAX_SEARCHED_CHARS = 50_000_000
"""The most text that is searched apart from the collection, whose terms are not stored yet."""
MAX_WHOLE_CHARS = 20_000_000


class ReadableDocuments(FoundDocuments):
    """The documents of one run, for its whole tree of calls, and their texts."""

    def __init__(self, view: Documents, workspace: Workspace, *, everything: Documents) -> None:
        super().__init__(view, workspace, everything=everything)
        workspace.fetch_with(self._fetch, self._fetch_texts)

    async def like(self, text: str, start: int, limit: int) -> tuple[list[DocumentInfo], int]:
        """Return facts about some of the documents that are called so, best first, and how many there are."""
        found = await asyncio.to_thread(lambda: naming.like(self._unrecorded.infos(), text))
        shown = found[start : start + limit]
        self.expose(info.id for info in shown)
        return shown, len(found)

    async def search_in(self, query: str, names: Sequence[str], k: int) -> Sequence[TextHit]:
        """Return the best passages of these found documents, several of one document if they are the best.

        Raises: `HostError` if one is not what was found, or they are too long together.
        """
        if self.n_chars(names) > MAX_SEARCHED_CHARS:
            raise HostError(
                f"docs have {self.n_chars(names):,} characters; search(query, k, docs=...) takes at most "
                f"{MAX_SEARCHED_CHARS:,}: pass fewer, or search(query, k) in all"
            )
        # Pages and terms may be there from another run, and so do not prove this asker's rights.
        now = await asyncio.to_thread(lambda: [self._unrecorded.version(name) for name in names])
        for name, version in zip(names, now, strict=True):
            if version != self.version(name):
                raise gone(name)
        hits = await self._workspace.search(query, k, names)
        self.expose(dict.fromkeys(hit.document_id for hit in hits if hit.document_id is not None))
        return hits

        asked = {info.id: info for info in documents}
        new = [name for name, info in asked.items() if self._is_new(info)]
        if new:
            await self._register(await asyncio.to_thread(self._infos, new))
        return tuple(name for name in asked if name in self._found)

    def _is_new(self, info: DocumentInfo) -> bool:
        return info.id not in self._found or self._found[info.id].version != info.version

    async def _register(self, infos: Sequence[DocumentInfo]) -> None:
        await self._workspace.register(infos)
        self._found.update((info.id, info) for info in infos)

    def _infos(self, names: Iterable[DocumentId]) -> list[DocumentInfo]:
        found = map(self._unrecorded.info, names)
        return [info for info in found if info is not None]

    async def add_everything(self, at_most: int) -> tuple[str, ...] | None:
        """Register every document of the view as found and return the ids; None if there are too many."""
        if await asyncio.to_thread(self._unrecorded.count) > at_most:
            return None
        infos = await asyncio.to_thread(self._unrecorded.infos)
        if new := [info for info in infos if self._is_new(info)]:
            await self._register(new)
        return tuple(info.id for info in infos)

    async def restore(self) -> None:
        """Register what an earlier attempt of the run had found, except what has changed since."""
        for stored in await self._workspace.documents():
            info = await asyncio.to_thread(self._unrecorded.info, stored.id)
            if info is not None and info.version == stored.version:
                self._found[stored.id] = info

    async def changed(self, versions: Iterable[tuple[str, str]]) -> list[str]:
        """Return the documents that no longer have these versions, or that the asker may no longer read.

        The documents that an earlier attempt of the run had found are checked too.
        """
        had = {stored.id: stored.version for stored in await self._workspace.documents()}
        had |= dict(versions)
        return [
            name for name, version in had.items()
            if await asyncio.to_thread(self._unrecorded.version, name) != version
        ]  # fmt: skip

    async def find(self, document: object) -> str:
        """Return the id of a document named by its id or by a dict that holds it, such as a hit.

        A document that was not found before is registered. Raises: `HostError` if the asker may read no such
        document.
        """
        name = named(document)
        if name not in self._found:
            info = await asyncio.to_thread(self._unrecorded.info, name)
            if info is None or not await self.add([info]):
                first = ", ".join(repr(known) for known in self.ids[:3])
                raise HostError(f"there is no document {name[:80]!r}. Ids are case-sensitive, like {first}.")
        return name

    async def count(self) -> int:
        """Return how many documents the asker may read, found or not."""
        return await asyncio.to_thread(self.view.count)

    async def may_read(self, names: Iterable[str]) -> bool:
        """Return whether the asker may read all of these documents now."""
        return await asyncio.to_thread(self.view.may_read, names)

    # facts about found documents

    def version(self, name: str) -> str:
        """Return the version of a found document."""
        return self._found[name].version

    def n_chars(self, names: Iterable[str]) -> int:
        """Return the total length of found documents."""
        return sum(self._found[name].n_chars for name in names)

    def info(self, name: str) -> DocumentInfo:
        """Return the title, the length and other facts about a found document."""
        self.expose([name])
        return self._found[name]

    def language(self, name: str) -> Language | None:
        """Return the programming language of a found document by its URI, title or id; None for a text."""
        info = self._found[name]
        return language_of(info.uri, info.title, info.id)

    @property
    def code_reader(self) -> CodeReader:
        """The process that parses source code for this run."""
        return self._workspace.code

    def known(self, name: str) -> DocumentInfo | None:
        """Return the same about a document, None if it was not found, for what no model is told.

        That is not recorded as handed out.
        """
        return self._found.get(name)

    def titles_with(self, text: str, names: Iterable[str], *, at_most: int) -> list[str]:
        """Return the first titles of found documents that contain a text, ignoring case."""
        wanted = text.lower()
        holding = [name for name in names if wanted in self._found[name].title.lower()]
        return [self.info(name).title for name in holding[:at_most]]

    # handing out text

    async def search(self, query: str, k: int) -> Hits:
        """Search stage one again, and register the hits as found; `notes` says if the query was cut."""
        hits = await asyncio.to_thread(self.view.search, query, k)
        found = set(await self.add(hit.document for hit in hits))
        return Hits((hit for hit in hits if hit.document.id in found), hits.notes)

    async def listed(self, start: int, limit: int) -> list[DocumentInfo]:
        """Return facts about the documents of the view, ordered by id, without registering them."""

        def look() -> list[DocumentInfo]:
            found = map(self.view.info, self.view.ids()[start : start + limit])
            return [info for info in found if info is not None]

        return await asyncio.to_thread(look)

    async def read(self, document: object, start: int = 0, stop: int | None = None) -> str:
        """Return the characters [start, stop) of a document, clamped to its length like a slice.

        Raises: `HostError` if the asker may not read it now, or it is too much for one call.
        """
        name = await self.readable(document)
        info = self._found[name]
        begin, end, _ = slice(start, stop).indices(info.n_chars)
        if end - begin > MAX_READ_CHARS:
            raise HostError(
                f"{name} has {info.n_chars:,} characters; read at most {MAX_READ_CHARS:,} a call, "
                f"as read(doc, 0, {MAX_READ_CHARS})"
            )
        self.expose([name])
        return await self._workspace.read(name, begin, end) if begin < end else ""

    async def grep(
        self,
        pattern: str,
        names: Sequence[str],
        *,
        context: int,
        limit: int,
        ignore_case: bool,
        start: int = 0,
    ) -> GrepResult:
        """Return `limit` matches of a regular expression in found documents after the first `start`.

        If there are more than `limit`, the order is: the first of each document, then a second of each, and
        so on. What is returned is in the order of the documents; see `Workspace.grep`.

        Raises: `BadPattern`; `HostError` if a document has changed since it was found.
        """
        found = await self._workspace.grep(
            pattern, names, context=context, limit=limit, ignore_case=ignore_case
        )
        if found.total > limit > 0 and (start or len(found.counts) > 1):
            places = spread(found.counts, start, limit)
            some = await self._workspace.matches(pattern, places, context=context, ignore_case=ignore_case)
            found = replace(found, matches=some.matches)
        elif start:
            found = replace(found, matches=found.matches[start:])
        self.expose(dict.fromkeys(match.document_id for match in found.matches))
        return found

    async def holding(self, pattern: str, names: Sequence[str]) -> list[str]:
        """Return the found documents in which a regular expression matches. Raises: as `grep`."""
        found = await self._workspace.grep(pattern, names, context=0, limit=0)
        return list(found.counts)

    async def whole(self, document: object) -> Document:
        """Return a document with its sections.

        Raises: `HostError` if the asker may not read it now, it has changed since it was found, or it is too
        long.
        """
        name = await self.readable(document)
        info = self.info(name)
        if info.n_chars > MAX_WHOLE_CHARS:
            raise HostError(
                f"{name} has {info.n_chars:,} characters, and at most {MAX_WHOLE_CHARS:,} are read at once: "
                "use grep() and read()"
            )
        found = await asyncio.to_thread(self._unrecorded.document, name)
        if found is None or found.version != info.version:
            raise gone(name)
        return found

    async def quoted(self, name: str, version: str, start: int, stop: int) -> str | None:
        """Return a span of a document version for a comparison; it is neither handed out nor recorded.

        Returns None if the asker may not read that version now.
        """
        try:
            found = await self.readable(name)
            if self.version(found) != version:
                return None
            return await self._workspace.read(found, start, stop)
        except HostError:
            return None

    async def _fetch(self, name: str, start: int, stop: int) -> str:
        """Return characters of a document for a page. Raises: `HostError` if it is not what was found."""
        version = self._found[name].version

        def look() -> str | None:
            text = self._unrecorded.read(name, start, stop)
            # Checked after reading, so that text from before a change does not pass for the new version.
            return text if self._unrecorded.version(name) == version else None

        text = await asyncio.to_thread(look)
        if text is None:
            raise gone(name)
        return text

    async def _fetch_texts(self, names: Sequence[str], needed: Needed) -> dict[str, bytes]:
        """Return the whole texts of those documents that may hold a match.

        Raises: `HostError` if one is not what was found.
        """
        versions = {name: self._found[name].version for name in names}

        def look() -> dict[str, bytes]:
            found = self._unrecorded.texts(names)
            texts: dict[str, bytes] = {}
            for name, version in versions.items():
                stored = found.get(DocumentId(name))
                if stored is None or stored.version != version:
                    raise gone(name)
                text = stored.text.encode("utf-8", "surrogatepass")
                if needed.may_match(text):
                    texts[name] = text
            return texts

        return await asyncio.to_thread(look)


__all__ = ["MAX_READ_CHARS", "ReadableDocuments", "named"]
