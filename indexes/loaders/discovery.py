"""Finds the files to load under each path; knows names and folders, not the contents of files.

A walk is sorted, stays under its root's real path, and reads no real folder twice, so that symlink loops end.
It skips hidden entries, dependency and cache folders, collections, and files of unknown type.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from indexes.errors import BadFile, NothingToIndex, SourceNotFound
from indexes.loaders.decoding import unreadable
from indexes.loaders.documents import ALIASES, READERS, SUCCESSORS, plugged_in

MARKDOWN = frozenset({".md", ".markdown", ".mdown", ".mkd"})
RST = frozenset({".rst", ".rest"})
HTML = frozenset({".html", ".htm", ".xhtml"})
PYTHON = frozenset({".py", ".pyi"})
JSON_LINES = frozenset({".jsonl", ".ndjson"})
DELIMITED = frozenset({".csv", ".tsv"})
PLAIN = frozenset({
    ".adoc", ".bash", ".bat", ".c", ".cc", ".cfg", ".clj", ".conf", ".cpp", ".cs", ".css", ".cxx",
    ".dart", ".el", ".erl", ".ex", ".exs", ".f90", ".go", ".gradle", ".graphql", ".groovy", ".h", ".hh",
    ".hpp", ".hs", ".ini", ".java", ".jl", ".js", ".json", ".jsx", ".kt", ".kts", ".lisp", ".log", ".lua",
    ".m", ".mjs", ".ml", ".mli", ".nim", ".org", ".php", ".pl", ".pm", ".proto", ".ps1", ".r", ".rb", ".rs",
    ".scala", ".scm", ".scss", ".sh", ".sql", ".srt", ".svelte", ".swift", ".tcl", ".tex", ".text", ".toml",
    ".ts", ".tsx", ".txt", ".vue", ".xml", ".yaml", ".yml", ".zig", ".zsh",
})  # fmt: skip
PLAIN_NAMES = frozenset({
    "authors", "changelog", "changes", "contributing", "copying", "dockerfile", "install", "license",
    "makefile", "news", "notice", "readme", "todo",
})  # fmt: skip
TEXT = MARKDOWN | RST | HTML | PYTHON | JSON_LINES | DELIMITED | PLAIN
_KNOWN = TEXT | READERS.keys() | ALIASES.keys() | SUCCESSORS.keys()

_JUNK_FOLDERS = frozenset({"__pycache__", "node_modules", "__macosx"})
_COLLECTION = "catalog.sqlite"
"""The catalog's file name. Not imported from its module, which would load numpy into the loader's process."""

_BEIR_QUESTIONS = ("queries", "questions", "qrels")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read. `name` is its POSIX path under the given root, beginning with the root's own name.

    `explicit`: the caller named the file itself, not a folder above it.
    """

    path: Path
    name: str
    explicit: bool

    @property
    def suffix(self) -> str:
        """The lower-case extension without a trailing `.gz`, which determines the format."""
        return _suffix(self.path.name)

    @property
    def uri(self) -> str:
        """The file's URI."""
        return self.path.as_uri()


@dataclass(frozen=True, slots=True)
class Root:
    """A path as the caller gave it, and the files found under it.

    `unknown` counts the files skipped for their type, by extension. `problems` holds the folders that cannot
    be listed and the links that lead out of the root.
    """

    path: Path
    sources: tuple[SourceFile, ...]
    unknown: Counter[str] = field(default_factory=Counter)
    problems: tuple[BadFile, ...] = ()


def find(paths: Sequence[Path]) -> tuple[Root, ...]:
    """Find the files under each path, in order. A file under two paths belongs to the first.

    Raises: `SourceNotFound`; `NothingToIndex` if a folder has no file of a known type or is itself a
    collection; `BadFile` if a path cannot be reached or is neither file nor folder.
    """
    seen: set[Path] = set()
    return tuple(_root(Path(path), seen) for path in paths)


def _root(path: Path, seen: set[Path]) -> Root:
    try:
        if not path.exists():
            raise SourceNotFound(path)
        real = path.resolve()
    except OSError as exc:
        raise unreadable(path, exc) from exc
    if path.is_file():
        # The name is as the user typed it, even if it is a link.
        source = SourceFile(real, _printable(path.absolute().name), explicit=True)
        sources = [] if real in seen else [source]
        seen.add(real)
        return Root(path, tuple(sources))
    if not path.is_dir():
        raise BadFile(path, "it is neither a file nor a folder")
    if (real / _COLLECTION).is_file():
        raise NothingToIndex(path, reason="it is the directory of a collection")
    walk = _Walk(real, seen)
    sources = list(walk.files())
    if not sources and walk.problems:
        raise walk.problems[0]
    if not sources and not walk.repeated:
        reason = (
            f"none of its {walk.unknown.total()} files is of a known type"
            if walk.unknown
            else "it contains no file"
        )
        raise NothingToIndex(path, reason=reason)
    return Root(path, tuple(sources), walk.unknown, tuple(walk.problems))


class _Walk:
    def __init__(self, root: Path, seen: set[Path]) -> None:
        self._root = root
        self._seen = seen
        self.unknown: Counter[str] = Counter()
        self.problems: list[BadFile] = []
        self.repeated = False

    def files(self) -> Iterator[SourceFile]:
        pending: list[tuple[Path, str, bool]] = [(self._root, _printable(self._root.name), True)]
        while pending:
            path, name, is_folder = pending.pop()
            if path in self._seen:
                self.repeated = True
                continue
            self._seen.add(path)
            if not is_folder:
                yield SourceFile(path, name, explicit=False)
                continue
            pending.extend(reversed(list(self._inside(path, name))))

    def _inside(self, folder: Path, name: str) -> Iterator[tuple[Path, str, bool]]:
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as exc:
            self.problems.append(unreadable(folder, exc))
            return
        names = {entry.name.lower() for entry in entries}
        if "pyvenv.cfg" in names or _COLLECTION in names:
            return
        is_beir = any(entry.startswith("corpus") and _suffix(entry) in JSON_LINES for entry in names)
        for entry in entries:
            lower = entry.name.lower()
            if lower.startswith(".") or lower in _JUNK_FOLDERS:
                continue
            if (
                is_beir
                and lower.startswith(_BEIR_QUESTIONS)
                and (_suffix(lower) in JSON_LINES or entry.is_dir())
            ):
                continue
            is_folder = entry.is_dir()
            if not is_folder and not (entry.is_file() and _is_known(lower)):
                self.unknown[_suffix(_printable(lower))] += 1
                continue
            path = Path(entry.path)
            if entry.is_symlink():
                path = Path(os.path.realpath(path))
                if not path.is_relative_to(self._root):
                    # Whoever can write into a folder must not be able to choose what else is read.
                    reason = "it is a link that leads out of the folder; name its target to index that too"
                    self.problems.append(BadFile(entry.path, reason))
                    continue
            child = f"{name}/{_printable(entry.name)}" if name else _printable(entry.name)
            yield path, child, is_folder


def _is_known(name: str) -> bool:
    stem, dot, _ = name.partition(".")
    suffix = _suffix(name)
    return suffix in _KNOWN or suffix in plugged_in() or (not dot and stem in PLAIN_NAMES)


def _suffix(name: str) -> str:
    path = PurePath(name.lower())
    if path.suffix == ".gz":
        inner = PurePath(path.stem).suffix
        return inner if inner in JSON_LINES else path.suffix
    return path.suffix


def _printable(name: str) -> str:
    """Return a file name as text that can be stored; bytes that are not UTF-8 become hexadecimal escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
