"""The protocol of a lexical engine: from terms to passage keys and BM25 scores; knows no text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from indexes.retrieval.base import Scored
from indexes.scope import Keys, Scope


@dataclass(frozen=True, slots=True)
class LexicalEntry:
    """A passage as a lexical engine takes it in."""

    key: int
    terms: tuple[str, ...]
    readers: frozenset[str]


class LexicalEngine(Protocol):
    """A BM25 engine. Derived data: it covers one generation of the catalog, and says which."""

    @property
    def generation(self) -> int:
        """The catalog generation that the engine covers; -1 if it is empty or unreadable."""

    @property
    def shared(self) -> bool:
        """Whether the engine is in files that other processes read, so that a writer needs the lock."""

    def refresh(self) -> None:
        """Look at the files again: another process may have written."""

    def apply(self, added: Iterable[LexicalEntry], removed: Iterable[int], *, generation: int) -> None:
        """Add and drop passages, and cover `generation`: after a crash, all of it is there or nothing."""

    def clear(self) -> None:
        """Remove all passages; `generation` is -1 afterwards."""

    @property
    def count(self) -> int:
        """Number of passages held, known without counting."""

    def keys(self) -> Keys:
        """The keys of every passage held, ascending."""

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return in how many passages each term occurs, whoever may read them."""

    def search(self, terms: Sequence[str], k: int, *, scope: Scope) -> Scored:
        """Return the best `k` passages within `scope`; those outside take no place among them.

        A term that is repeated in `terms` counts repeatedly. An engine may narrow the search by
        `scope.keys()`, or, if there is no filter, by the principals of `scope.access`; both give the same.
        """

    def close(self) -> None:
        """Close files and end threads."""
