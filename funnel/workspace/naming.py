"""Finds documents by what people call them: title, id, address, metadata; knows no text and no rights."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

from indexes.types import DocumentInfo

MAX_LIKE_CHARS = 500
_WILDCARDS = frozenset("*?[")


def like(infos: Iterable[DocumentInfo], text: str) -> list[DocumentInfo]:
    """Return the documents that are called so, best first: in the title, the id, the address, the metadata.

    Case counts for nothing. A text with `*`, `?` or `[` is also a pattern for a whole name; one of several
    words also finds what has all of them, anywhere.
    """
    wanted = _folded(text)
    if not wanted:
        return []
    matches_whole = _whole(wanted)
    words = wanted.split()
    placed = [
        (rank, len(info.title), info.id, info)
        for info in infos
        if (rank := _rank(info, wanted, words, matches_whole)) is not None
    ]
    return [info for *_, info in sorted(placed, key=lambda each: each[:3])]


def called(infos: Iterable[DocumentInfo], name: str) -> list[DocumentInfo]:
    """Return the documents of which a name is exactly this, but for case and white space."""
    wanted = _folded(name)
    return [info for info in infos if wanted and wanted in _names(info)]


def near(infos: Iterable[DocumentInfo], text: str, *, at_most: int) -> list[DocumentInfo]:
    """Return the documents whose names share the most words with a text, and at least one."""
    words = _words(text)
    shared = [(len(words & _words(" ".join(_names(info)))), info) for info in infos]
    best = sorted((each for each in shared if each[0]), key=lambda each: (-each[0], each[1].id))
    return [info for _, info in best[:at_most]]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{3,}", _folded(text)))


def _rank(
    info: DocumentInfo, wanted: str, words: list[str], matches_whole: Callable[[str], object]
) -> int | None:
    """Return how good a document matches, 0 for best; None if it does not."""
    names = _names(info)
    title, name, uri, _ = names
    values = [_folded(f"{key}: {value}") for key, value in info.metadata.items()]
    tests: tuple[Callable[[], object], ...] = (
        lambda: wanted in names,
        lambda: title.startswith(wanted),
        lambda: re.search(rf"\b{re.escape(wanted)}", title),
        lambda: wanted in title,
        lambda: wanted in name,
        lambda: wanted in uri,
        lambda: any(matches_whole(each) for each in names),
        lambda: any(wanted in each or matches_whole(each.split(": ", 1)[1]) for each in values),
        lambda: all(any(word in each for each in (*names, *values)) for word in words),
    )
    return next((rank for rank, test in enumerate(tests) if test()), None)


def _names(info: DocumentInfo) -> tuple[str, str, str, str]:
    """Return title, id, URI and the file's name at its end, for a comparison."""
    return _folded(info.title), _folded(info.id), _folded(info.uri), _folded(PurePosixPath(info.uri).name)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _whole(wanted: str) -> Callable[[str], object]:
    """Return a function that matches a whole name with the wildcards in what is wanted."""
    if _WILDCARDS.isdisjoint(wanted):
        return lambda _name: False
    return re.compile(fnmatch.translate(wanted)).match
