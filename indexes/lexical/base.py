"""What a lexical engine is: terms in, passage keys and BM25 scores out; knows no text and no documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from indexes.retrieval.base import Scored
from indexes.scope import Keys, Scope


@dataclass(frozen=True, slots=True)
class LexicalEntry:
    """A passage as a lexical engine sees it."""

    key: int
    terms: tuple[str, ...]
    readers: frozenset[str]


class LexicalEngine(Protocol):
    """A BM25 engine. Derived data: it covers one generation of the catalog and says which."""

    @property
    def generation(self) -> int:
        """The catalog generation that the engine covers; -1 when it is empty or unreadable."""

    @property
    def shared(self) -> bool:
        """Whether the engine lives in files that other processes read, so that a writer needs the lock."""

    def refresh(self) -> None:
        """Look at the files again: another process may have written."""

    def apply(self, added: Iterable[LexicalEntry], removed: Iterable[int], *, generation: int) -> None:
        """Take in and drop passages, and cover `generation` from now on: after a crash, all of it or none."""

    def clear(self) -> None:
        """Forget everything; `generation` is -1 afterwards."""

    @property
    def count(self) -> int:
        """How many passages are held, told at once."""

    def keys(self) -> Keys:
        """The keys of every passage held, ascending."""

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """In how many passages each term stands, whoever may read them."""

    def search(self, terms: Sequence[str], k: int, *, scope: Scope) -> Scored:
        """Return the best `k` passages within `scope`, trimmed inside the engine, not after it.

        A repeated term counts as often as it stands. An engine may narrow the search by `scope.keys()`, or by
        the principals of `scope.access` where there is no filter; both give the same passages.
        """

    def close(self) -> None:
        """Let go of files and threads."""
