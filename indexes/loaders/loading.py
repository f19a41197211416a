"""Reads what `find` found, document by document, and keeps account of what was left out; holds no text.

A file that the user named must read, or the error is raised; a bad file met in a folder is put down in
`problems` and the others are read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from indexes.errors import BadFile, DuplicateId, NothingToIndex
from indexes.loaders import source as kinds
from indexes.loaders.decoding import read_text
from indexes.loaders.html import read_html
from indexes.loaders.markup import markdown_headings, rst_headings
from indexes.loaders.outline import Heading, sections
from indexes.loaders.python import python_sections
from indexes.loaders.records import read_records
from indexes.loaders.source import Root, Source, find
from indexes.types import Document, DocumentId, Section


def load(paths: Sequence[Path]) -> Loading:
    """The documents behind files and folders, found now and read while they are iterated.

        loading = load([Path("guide"), Path("corpus.jsonl")])
        collection.sync(loading, source="guide")
        for problem in loading.problems: print(problem)

    Raises: `SourceNotFound`, `NothingToIndex` and `BadFile` for paths that cannot be walked.
    """
    return Loading(find(paths))


class Loading:
    """An iterable of documents, one file in memory at a time; each iteration reads afresh.

    While and after it is iterated: `done` files of `len(files)` are read, `problems` names the files and
    folders inside a folder that could not be, `empty` counts files and records without words. `unknown`
    counts files that were left out for their type.

    Iterating raises: `BadFile` for a file named by the caller, `DuplicateId`, and `NothingToIndex` once a
    path has given no document at all.
    """

    def __init__(self, roots: Sequence[Root]) -> None:
        self._roots = tuple(roots)
        self.files: tuple[Path, ...] = tuple(source.path for root in roots for source in root.sources)
        self.unknown = sum(root.unknown for root in roots)
        self.problems: list[BadFile] = [problem for root in roots for problem in root.problems]
        self.done = 0
        self.empty = 0

    def __iter__(self) -> Iterator[Document]:
        """Read every file and give its documents, in the order of the paths and of names within them."""
        self.problems = [problem for root in self._roots for problem in root.problems]
        self.done = self.empty = 0
        places: dict[DocumentId, tuple[Path, int]] = {}
        for root in self._roots:
            n_before = len(places)
            for source in root.sources:
                for document, line in self._documents(source):
                    place = (source.path, line)
                    if document.id in places:
                        raise DuplicateId(document.id, _say(places[document.id]), _say(place))
                    places[document.id] = place
                    yield document
                self.done += 1
            if root.sources and len(places) == n_before:
                raise NothingToIndex(root.path, reason=self._why_nothing(root))

    def _documents(self, source: Source) -> Iterator[tuple[Document, int]]:
        try:
            for document, line in _read(source):
                if document.text.strip():
                    yield document, line
                else:
                    self.empty += 1
        except BadFile as problem:
            if source.explicit:
                raise
            self.problems.append(problem)

    def _why_nothing(self, root: Root) -> str:
        if not self.problems:
            return "it is empty" if root.path.is_file() else f"all {len(root.sources)} files in it are empty"
        return f"no file in it reads; the first says: {self.problems[0]}".removesuffix(".")


def _read(source: Source) -> Iterator[tuple[Document, int]]:
    if source.suffix in kinds.JSON_LINES:
        return read_records(source)
    return iter([(_read_file(source), 0)])


def _read_file(source: Source) -> Document:
    text = read_text(source.path)
    try:
        parsed = _PARSERS.get(source.suffix, _plain)(text)
    except ValueError as exc:
        raise BadFile(source.path, str(exc)) from exc
    # A file of code is known by its path: half of all packages have an `__init__.py`.
    fallback = source.name.rpartition("/")[2] if source.suffix in _PROSE else source.name
    return Document(
        id=DocumentId(source.name),
        text=parsed.text,
        title=parsed.title or fallback,
        uri=source.uri,
        sections=parsed.sections,
    )


class _Parsed(NamedTuple):
    text: str
    title: str = ""
    sections: tuple[Section, ...] = ()


def _plain(text: str) -> _Parsed:
    return _Parsed(text)


def _markdown(text: str) -> _Parsed:
    return _outlined(text, markdown_headings(text))


def _rst(text: str) -> _Parsed:
    return _outlined(text, rst_headings(text))


def _outlined(text: str, headings: list[Heading]) -> _Parsed:
    title = next((heading.title for heading in headings if heading.title), "")
    return _Parsed(text, title, sections(text, headings))


def _html(text: str) -> _Parsed:
    visible, title, headings = read_html(text)
    return _Parsed(visible, title, sections(visible, headings))


def _python(text: str) -> _Parsed:
    return _Parsed(text, sections=python_sections(text))


_PARSERS: dict[str, Callable[[str], _Parsed]] = {
    **dict.fromkeys(kinds.MARKDOWN, _markdown),
    **dict.fromkeys(kinds.RST, _rst),
    **dict.fromkeys(kinds.HTML, _html),
    **dict.fromkeys(kinds.PYTHON, _python),
}
_PROSE = kinds.MARKDOWN | kinds.RST | kinds.HTML | {"", ".txt", ".text"}


def _say(place: tuple[Path, int]) -> str:
    path, line = place
    return f"{path}, line {line}" if line else os.fspath(path)
