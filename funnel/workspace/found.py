"""The documents that a run has found and may read, and the record of those whose text was handed out.

Hands out facts, no text, and asks no model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from funnel.sandbox.base import HostError
from funnel.workspace import naming
from funnel.workspace.workspace import Workspace
from indexes.code.languages import Language, language_of
from indexes.code.reading import CodeReader
from indexes.source import Documents
from indexes.types import DocumentId, DocumentInfo

_MAX_NAMED = 100_000
_SUGGESTED = 3


class FoundDocuments:
    """The documents of one run, for its whole tree of calls; `ReadableDocuments` hands out their texts.

    `view`: the documents as stage one offers them to the asker, within the run's filter; it records what it
    hands out. `everything`: what the asker may read without that filter; only ids are taken from it.

    Documents are found first and read later: a found one is registered in the workspace, and its text is
    fetched when it is read, if the asker may read it then.
    """

    def __init__(self, view: Documents, workspace: Workspace, *, everything: Documents) -> None:
        self.view = view
        # For lookups that hand nothing out, such as whether a document still exists.
        self._unrecorded = view.fresh()
        self._workspace = workspace
        self._everything = everything
        self._all_exposed = False
        self._found: dict[str, DocumentInfo] = {}
        self._called: dict[str, str] = {}
        """Ids by the titles that were given in their place."""

    # finding

    @property
    def ids(self) -> tuple[str, ...]:
        """The documents found so far, in the order in which they were found."""
        return tuple(self._found)

    async def add(self, documents: Iterable[DocumentInfo]) -> tuple[str, ...]:
        """Register documents as found and return the ids of those that the asker may read.

        A document that was found before in another version is replaced.
        """
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

    async def unchanged(self, versions: Iterable[tuple[str, str]]) -> bool:
        """Return whether all of these documents have these versions, and the asker may read them."""

        def look() -> bool:
            return all(self._unrecorded.version(DocumentId(name)) == version for name, version in versions)

        return await asyncio.to_thread(look)

    async def find(self, document: object) -> str:
        """Return the id of a document named by its id or by a dict that holds it, such as a hit.

        A title or file name that only one document has will do, too. A document that was not found before is
        registered. Raises: `HostError` if the asker may read no such document.
        """
        name = self.id_of(document)
        if name not in self._found:
            info = await asyncio.to_thread(self._unrecorded.info, name)
            if info is None:
                info = await self._by_title(name)
                self._called[name] = info.id
            if info.id not in await self.add([info]):
                raise gone(info.id)
            name = info.id
        return name

    def id_of(self, document: object) -> str:
        """Return the id of a document that `find` was given, or what was given if it is an id."""
        name = named(document)
        return self._called.get(name, name)

    async def _by_title(self, name: str) -> DocumentInfo:
        """Return the one document that is called so. Raises: `HostError`, with the ids that may be meant.

        An id in other letters is an error, too, since two ids may differ in nothing else.
        """
        infos = await self._all_named()
        found = await asyncio.to_thread(naming.called, infos, name)
        if len(found) == 1 and found[0].id.casefold() != name.casefold():
            return found[0]
        what = f"there is no document {name[:80]!r}."
        if len(found) > 1:
            what = f"{len(found):,} documents are called {name[:80]!r}: pass the id of one."
        some = found[:_SUGGESTED] or await asyncio.to_thread(naming.near, infos, name, at_most=_SUGGESTED)
        self.expose(info.id for info in some)
        listed = [f"{info.id!r} ({info.title[:80]})" for info in some] or [repr(i) for i in self.ids[:3]]
        raise HostError(f"{what} Ids are case-sensitive, like {', '.join(listed)}; all: documents(like=...).")

    async def _all_named(self) -> Sequence[DocumentInfo]:
        """Return facts about all documents of the view, or, if these are very many, about those found."""
        if await asyncio.to_thread(self._unrecorded.count) > _MAX_NAMED:
            return list(self._found.values())
        return await asyncio.to_thread(self._unrecorded.infos)

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

    async def version_now(self, name: str) -> str | None:
        """Return the version that a document has now; None if the asker may read no such document."""
        return await asyncio.to_thread(self._unrecorded.version, name)

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

    async def readable(self, document: object) -> str:
        """Return the id of a document that the asker may read now. Raises: `HostError`.

        Its pages may be in the memory from another run, and so do not prove this asker's rights.
        """
        name = await self.find(document)
        if await asyncio.to_thread(self._unrecorded.version, name) is None:
            raise gone(name)
        return name

    # the record

    def expose(self, names: Iterable[str]) -> None:
        """Record that text of these documents was handed out by other means, such as a stored finding."""
        self.view.expose(map(DocumentId, names))

    @property
    def all_exposed(self) -> bool:
        """Whether every document that the asker may read counts as handed out."""
        return self._all_exposed

    def expose_everything(self) -> None:
        """Record that every document that the asker may read counts as handed out."""
        self._all_exposed = True

    async def exposed(self, *, at_most: int) -> tuple[str, ...] | None:
        """Return the documents whose text the run saw or may have seen; None if there are more."""
        found: tuple[str, ...] = self.view.exposed
        if self._all_exposed:
            if await asyncio.to_thread(self._everything.count) > at_most:
                return None
            found = tuple(dict.fromkeys([*found, *await asyncio.to_thread(self._everything.ids)]))
        return found if len(found) <= at_most else None


def named(document: object) -> str:
    """Return the id of a document named by it or by a dict that holds it. Raises: `HostError`."""
    name = document.get("id", document.get("doc")) if isinstance(document, dict) else document
    if not isinstance(name, str):
        raise HostError(f"a document is named by its id, a str, not by a {type(name).__name__}")
    return name


def gone(name: str) -> HostError:
    """Return the error for a document that is no longer as it was found."""
    return HostError(
        f"document {name[:80]!r} was changed or deleted since it was found: "
        "leave it out, or search() again for what there is now"
    )
