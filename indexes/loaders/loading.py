"""Reads the found files document by document and records what was skipped; keeps no text.

If a file that the user named cannot be read, the error is raised. A bad file inside a folder is added to
`problems`, and the others are read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from indexes.counting import plural
from indexes.errors import BadFile, DuplicateId, MissingExtra, NothingToIndex
from indexes.loaders import discovery as kinds
from indexes.loaders.decoding import read_text
from indexes.loaders.delimited import read_rows
from indexes.loaders.discovery import Root, SourceFile, find
from indexes.loaders.documents import EXTRA, SUCCESSORS, format_of
from indexes.loaders.isolation import Isolation
from indexes.loaders.records import read_records
from indexes.loaders.texts import parse_text
from indexes.types import MAX_ID_CHARS, Document, DocumentId


def load(paths: Sequence[Path]) -> Loading:
    """Find the documents in files and folders; they are read during iteration.

        loading = load([Path("guide"), Path("corpus.jsonl")])
        collection.sync(loading, source="guide")
        for problem in loading.problems: print(problem)

    Raises: `SourceNotFound`, `NothingToIndex` or `BadFile` if a path cannot be walked.
    """
    return Loading(find(paths))


class Loading:
    """An iterable of documents that keeps one file in memory at a time. Each iteration reads the files again.

    During and after iteration, `done` of `len(files)` files have been read. `problems` lists the files and
    folders inside a folder that could not be read, and lists each type that needs an extra once. `empty`
    counts files and records without words. `unknown` counts files skipped for their type, by extension.

    Iterating raises: `BadFile` or `MissingExtra` for a file named by the caller; `DuplicateId`;
    `NothingToIndex` if a path yields no document at all.
    """

    def __init__(self, roots: Sequence[Root]) -> None:
        self._roots = tuple(roots)
        self.files: tuple[Path, ...] = tuple(source.path for root in roots for source in root.sources)
        self.unknown = sum((root.unknown for root in roots), Counter[str]())
        self.problems: list[BadFile] = [problem for root in roots for problem in root.problems]
        self.done = 0
        self.empty = 0

    @property
    def unread(self) -> tuple[str, ...]:
        """URIs of the files in `problems`, whose documents are unknown in this iteration."""
        return tuple(problem.path.absolute().as_uri() for problem in self.problems)

    def __iter__(self) -> Iterator[Document]:
        """Read every file and yield its documents, in the order of the paths and of the names in them."""
        self.problems = [problem for root in self._roots for problem in root.problems]
        self.done = self.empty = 0
        places: dict[DocumentId, tuple[Path, int]] = {}
        with Isolation() as isolation:
            for root in self._roots:
                n_before = len(places)
                missing = _missing(root)
                for suffix, n_files in missing.items():
                    self.problems.append(_missing_extra_problem(root, suffix, n_files))
                for source in root.sources:
                    if source.suffix not in missing:
                        for document, line in self._documents(source, isolation):
                            place = (source.path, line)
                            if document.id in places:
                                raise DuplicateId(
                                    document.id, _place_text(places[document.id]), _place_text(place)
                                )
                            places[document.id] = place
                            yield document
                    self.done += 1
                if root.sources and len(places) == n_before:
                    raise NothingToIndex(root.path, reason=self._reason_for_nothing(root))

    def _documents(self, source: SourceFile, isolation: Isolation) -> Iterator[tuple[Document, int]]:
        try:
            for document, line in _read(source, isolation):
                if document.text.strip():
                    yield document, line
                else:
                    self.empty += 1
        except BadFile as problem:
            if source.explicit:
                raise
            self.problems.append(problem)

    def _reason_for_nothing(self, root: Root) -> str:
        if not self.problems:
            return "it is empty" if root.path.is_file() else f"all {len(root.sources)} files in it are empty"
        return f"no file in it can be read; the first: {self.problems[0]}".removesuffix(".")


def _missing(root: Root) -> Counter[str]:
    """Count the files of each type whose package is not installed.

    Raises: `MissingExtra` if the caller named one of them.
    """
    missing: Counter[str] = Counter()
    readers = {suffix: format_of(suffix) for suffix in {source.suffix for source in root.sources}}
    lacking = {suffix for suffix, reader in readers.items() if reader and not reader.available}
    for source in root.sources:
        if source.suffix in lacking:
            if source.explicit:
                raise MissingExtra(f"Reading {source.path}", EXTRA)
            missing[source.suffix] += 1
    return missing


def _missing_extra_problem(root: Root, suffix: str, n_files: int) -> BadFile:
    what = f"reading its {n_files} {suffix} {plural(n_files, 'file')}"
    return BadFile(root.path, str(MissingExtra(what, EXTRA)).removesuffix("."))


def _read(source: SourceFile, isolation: Isolation) -> Iterator[tuple[Document, int]]:
    if source.suffix in kinds.JSON_LINES:
        return read_records(source)
    rows = read_rows(source) if source.suffix in kinds.DELIMITED else None
    return rows or iter([(_read_file(source, isolation), 0)])


def _read_file(source: SourceFile, isolation: Isolation) -> Document:
    if len(source.name) > MAX_ID_CHARS:
        raise BadFile(source.path, f"its path is longer than the {MAX_ID_CHARS:,} characters of an id")
    if source.suffix in SUCCESSORS and not format_of(source.suffix):
        raise BadFile(
            source.path, f"{source.suffix} files are not read; save it as {SUCCESSORS[source.suffix]}"
        )
    if format_of(source.suffix):
        parsed = isolation.parse(source.path, source.suffix)
    else:
        text = read_text(source.path)
        try:
            if source.suffix in kinds.HTML and len(text) > _MARKUP_AT_ONCE:
                parsed = isolation.parse(source.path, source.suffix)
            else:
                parsed = parse_text(source.suffix, text)
        except ValueError as exc:
            raise BadFile(source.path, str(exc)) from exc
    # The title of a file of code is its path, because a name such as `__init__.py` says little.
    is_code = source.suffix in kinds.TEXT and source.suffix not in _PROSE
    return Document(
        id=DocumentId(source.name),
        text=parsed.text,
        title=parsed.title or (source.name if is_code else source.name.rpartition("/")[2]),
        uri=source.uri,
        metadata=parsed.metadata,
        sections=parsed.sections,
    )


_MARKUP_AT_ONCE = 20_000
"""Malformed HTML can take the square of its length. A longer page is parsed where a time limit holds."""

_PROSE = kinds.MARKDOWN | kinds.RST | kinds.HTML | kinds.DELIMITED | {".txt", ".text"}


def _place_text(place: tuple[Path, int]) -> str:
    path, line = place
    return f"{path}, line {line}" if line else os.fspath(path)
