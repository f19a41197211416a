"""What a lexical engine is: terms in, passage keys and BM25 scores out; knows no text and no documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from indexes.scope import Keys
from indexes.types import Access

Scored = list[tuple[int, float]]
"""(passage key, score), best first; ties broken by the smaller key."""


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

    def search(self, terms: Sequence[str], k: int, *, access: Access, allowed: Keys | None = None) -> Scored:
        """The best `k` passages that `access` may read, trimmed inside the engine, not after it.

        `allowed`: ascending, where given: only these of what `access` may read, or these all where they are
        known to be among it.
        """

    def close(self) -> None:
        """Let go of files and threads."""
