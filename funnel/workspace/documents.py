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
