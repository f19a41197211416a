"""The protocol of a retriever: an index that is derived from the catalog and kept up to date with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from indexes.scope import Keys, Scope

if TYPE_CHECKING:
    from indexes.catalog.reader import CatalogReader

ProgressCallback = Callable[[str, int, int | None], None]
"""(stage, done, total or None): what a progress bar shows."""

Scored = list[tuple[int, float]]
"""(passage key, score), best first; ties broken by the smaller key."""


class Retriever(Protocol):
    """Finds passages in one way. It is derived from the catalog and can be updated from any generation."""

    @property
    def generation(self) -> int:
        """The catalog generation that the retriever covers; -1 if it must be rebuilt."""

    @property
    def shared(self) -> bool:
        """Whether `follow` writes files that other processes read."""

    def refresh(self) -> None:
        """Check the files again: another process may have written to them."""

    def follow(self, catalog: CatalogReader, progress: ProgressCallback) -> None:
        """Add and remove the passages added and removed since the retriever's own generation."""

    def clear(self) -> None:
        """Remove all passages."""

    def keys(self) -> Keys:
        """Return the keys of all passages held, ascending."""

    def search(self, query: str, k: int, *, scope: Scope) -> Scored:
        """Return the best `k` passages within `scope`."""

    def close(self) -> None:
        """Close files."""


def since(retriever: Retriever, catalog: CatalogReader) -> int:
    """Return the generation to update `retriever` from; -1, after clearing it, if the catalog lacks that."""
    if 0 <= retriever.generation <= catalog.generation:
        return retriever.generation
    retriever.clear()
    return -1


def no_progress(_stage: str, _done: int, _total: int | None) -> None:
    """Ignore progress."""
