"""The protocol of a lexical engine: from terms to passage keys and BM25 scores; knows no text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from indexes.retrieval.base import Scored
from indexes.scope import Keys, Scope


@dataclass(frozen=True, slots=True)
class LexicalEntry:
    """A passage as a lexical engine indexes it."""

    key: int
    terms: tuple[str, ...]
    readers: frozenset[str]


class LexicalEngine(Protocol):
    """A BM25 engine. Its data is derived from the catalog and covers the catalog's `generation`."""

    @property
    def generation(self) -> int:
        """The catalog generation that the engine covers; -1 if it is empty or unreadable."""

    @property
    def shared(self) -> bool:
        """Whether the engine is in files that other processes read, so that a writer needs the lock."""

    def refresh(self) -> None:
        """Check the files again: another process may have written to them."""

    def apply(self, added: Iterable[LexicalEntry], removed: Iterable[int], *, generation: int) -> None:
        """Add and remove passages and cover `generation`; after a crash, all of that is stored or none."""

    def clear(self) -> None:
        """Remove all passages; `generation` is -1 afterwards."""

    @property
    def count(self) -> int:
        """Number of passages held; quick to read."""

    def keys(self) -> Keys:
        """Return the keys of all passages held, ascending."""

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return the number of passages that contain each term, whoever may read them."""

    def search(self, terms: Sequence[str], k: int, *, scope: Scope) -> Scored:
        """Return the best `k` passages within `scope`; passages outside do not count towards `k`.

        A repeated term counts each time. An engine may narrow the search by `scope.keys()` or, if there is no
        filter, by the principals of `scope.access`; the result is the same.
        """

    def close(self) -> None:
        """Close files and end threads."""
