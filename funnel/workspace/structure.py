"""What documents are made of: headings of texts, and definitions and uses of names in source code."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from funnel.sandbox.base import HostError
from funnel.text.headings import headings
from funnel.workspace.documents import ReadableDocuments
from indexes.code.languages import Language
from indexes.code.reading import CodeReader
from indexes.errors import CodeUnread
from indexes.types import Document, Section

LINE_CHARS = 160
MAX_FILES = 500
"""Files that are parsed for one name."""
MAX_S = 60
"""Seconds after which no further file is parsed for one name."""
_NAME = re.compile(r"[^\W\d]\w*")
_MARKED = re.compile(r"(#{1,6})[ \t]")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a document: `text[start:stop]`. `level` starts at 1; `line`: its first line, shortened."""

    kind: str
    name: str
    level: int
    start: int
    stop: int
    line: str


@dataclass(frozen=True, slots=True)
class Use:
    """A place in a document where a name is defined or used, and the line on which it stands.

    `start` and `stop` are those of the whole definition, or of the name where it is used.
    """

    document_id: str
    kind: str
    name: str
    start: int
    stop: int
    line: str


@dataclass(frozen=True, slots=True)
class Uses:
    """The places that were found, and why some files were not read. `n_files`: files of source code."""

    found: list[Use]
    unread: list[str]
    n_files: int


class Structure:
    """Outlines of the documents of a run, and the names in those that are source code."""

    def __init__(self, documents: ReadableDocuments) -> None:
        self._documents = documents

    async def outline(self, document: object, *, loops: bool) -> list[Part]:
        """Return the parts of a document, in order.

        Of source code its classes, functions and, if asked for, loops; of another text its sections as they
        were stored, else the lines that look like headings, else its pages.

        Raises: `HostError` if the asker may not read it now, or it cannot be parsed.
        """
        whole = await self._documents.whole(document)
        language = self._documents.language(whole.id)
        if language is None:
            return await asyncio.to_thread(lambda: list(_sections(whole)))
        try:
            found = await asyncio.to_thread(self._reader.definitions, whole.text, language, loops=loops)
        except CodeUnread as error:
            raise HostError(f"{whole.id} has no outline: {error}; use grep() and read() instead") from error
        return [
            Part(each.kind, each.name, each.level, each.start, each.stop, _line(whole.text, each.named_at))
            for each in found
        ]

    async def definitions(self, name: str, ids: Sequence[str]) -> Uses:
        """Return the definitions of a name, such as `total` or `Shop.total`, in files of source code."""
        qualified = _dotted(name)

        def defined(whole: Document, language: Language) -> list[Use]:
            return [
                Use(whole.id, each.kind, each.name, each.start, each.stop, _line(whole.text, each.named_at))
                for each in self._reader.definitions(whole.text, language)
                if f".{each.name}".endswith(f".{qualified}")
            ]

        return await self._parsed(qualified.rpartition(".")[2], ids, defined)

    async def references(self, name: str, ids: Sequence[str]) -> Uses:
        """Return the places where a name is called, imported or used otherwise in files of source code.

        `Use.name` is the class or function within which it is used, or "".
        """
        own = _dotted(name).rpartition(".")[2]

        def used(whole: Document, language: Language) -> list[Use]:
            return [
                Use(whole.id, each.kind, each.within, each.start, each.stop, _line(whole.text, each.start))
                for each in self._reader.occurrences(whole.text, language, own)
                if each.kind != "definition"
            ]

        return await self._parsed(own, ids, used)

    @property
    def _reader(self) -> CodeReader:
        return self._documents.code_reader

    async def _parsed(
        self, name: str, ids: Sequence[str], read: Callable[[Document, Language], list[Use]]
    ) -> Uses:
        """Read the files of source code that hold a name. Raises: `HostError` if it is no name."""
        if not _NAME.fullmatch(name):
            raise HostError(f"{name[:80]!r} is no name in source code; find other texts with grep()")
        files = {each: language for each in ids if (language := self._documents.language(each)) is not None}
        holding = await self._documents.holding(rf"\b{name}\b", list(files))
        found: list[Use] = []
        unread = [f"{len(holding) - MAX_FILES:,} more files hold it"] if len(holding) > MAX_FILES else []
        late = time.monotonic() + MAX_S
        for number, each in enumerate(holding[:MAX_FILES]):
            if time.monotonic() > late:
                unread.append(f"{min(len(holding), MAX_FILES) - number:,} files, since {MAX_S} s were over")
                break
            try:
                whole = await self._documents.whole(each)
                found += await asyncio.to_thread(read, whole, files[each])
            except (CodeUnread, HostError) as error:
                unread.append(f"{each}: {error}")
        return Uses(found, unread, len(files))


def _dotted(name: str) -> str:
    """Return a name as definitions have theirs: `Shop::total()` is `Shop.total`."""
    return name.strip().replace("::", ".").replace("#", ".").removesuffix("()")


def _line(text: str, at: int) -> str:
    """Return the line of a text around an offset, without white space at its ends, shortened."""
    start = text.rfind("\n", 0, at) + 1
    stop = text.find("\n", at)
    line = text[start : len(text) if stop < 0 else stop].strip()
    return line if len(line) <= LINE_CHARS else f"{line[: LINE_CHARS - 1]}…"


def _sections(document: Document) -> Iterator[Part]:
    """Yield the sections of a text; each ends where the next of its level or of one above begins."""
    text = document.text
    named = [section for section in document.sections if section.title]
    if named:
        found = [(each.start, each.title, _marked(text, each), "section") for each in _once(named)]
    elif lines := headings(text):
        found = [(each.start, each.title, each.level, "heading") for each in lines]
    else:
        pages = [section for section in document.sections if section.page is not None]
        found = [(each.start, f"page {each.page}", 1, "page") for each in pages]
    stops: list[int] = []
    # From the last to the first: where the next part of the same or a higher level begins.
    below: list[tuple[int, int]] = []
    for start, _, level, _ in reversed(found):
        while below and below[-1][1] > level:
            below.pop()
        stops.append(below[-1][0] if below else len(text))
        below.append((start, level))
    for (start, title, level, kind), stop in zip(found, reversed(stops), strict=True):
        yield Part(kind, title, level, start, stop, _line(text, start))


def _once(sections: Sequence[Section]) -> Iterator[Section]:
    """Yield sections, of those in a row with one title only the first: a long one is stored in pieces."""
    before = None
    for section in sections:
        if section.title != before:
            yield section
        before = section.title


def _marked(text: str, section: Section) -> int:
    """Return the level that the markup of a section's heading tells, else 1."""
    marked = _MARKED.match(text, section.start)
    return len(marked[1]) if marked else 1
