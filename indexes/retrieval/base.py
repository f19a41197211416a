"""What a retriever is: an engine that follows the catalog; and the lexical one. Knows no fusion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from indexes.errors import IndexesError
from indexes.lexical.base import LexicalEngine, LexicalEntry, Scored
from indexes.retrieval.specificity import latent_trust
from indexes.scope import Keys

if TYPE_CHECKING:
    from indexes.catalog.reader import CatalogReader, PassageRow
    from indexes.scope import Scope

ProgressCallback = Callable[[str, int, int | None], None]
"""(stage, done, total or None): what a progress bar shows."""


class Retriever(Protocol):
    """One way to find passages. Derived from the catalog, and able to follow it from any generation."""

    @property
    def generation(self) -> int:
        """The catalog generation that the retriever covers; -1 when it has to begin anew."""

    @property
    def shared(self) -> bool:
        """Whether following writes files that other processes read."""

    def refresh(self) -> None:
        """Look at the files again: another process may have written."""

    def follow(self, catalog: CatalogReader, tell: ProgressCallback) -> None:
        """Take in what came and drop what went since the retriever's own generation."""

    def clear(self) -> None:
        """Forget everything."""

    def keys(self) -> Keys:
        """The keys of every passage held, ascending."""

    def search(self, query: str, k: int, *, scope: Scope) -> Scored:
        """The best `k` passages within `scope`."""

    def close(self) -> None:
        """Let go of files."""


def since(retriever: Retriever, catalog: CatalogReader) -> int:
    """Return the generation that `retriever` follows from; -1, and cleared, if the catalog never had it."""
    if 0 <= retriever.generation <= catalog.generation:
        return retriever.generation
    retriever.clear()
    return -1


class LexicalRetriever:
    """BM25 over analysed terms."""

    def __init__(self, engine: LexicalEngine, analyse: Callable[[str], Sequence[str]]) -> None:
        self._engine = engine
        self._analyse = analyse

    @property
    def generation(self) -> int:
        """The catalog generation that the engine covers."""
        return self._engine.generation

    @property
    def shared(self) -> bool:
        """As the engine says."""
        return self._engine.shared

    def refresh(self) -> None:
        """Look at the files again."""
        self._engine.refresh()

    def follow(self, catalog: CatalogReader, tell: ProgressCallback) -> None:
        """Bring the engine to the catalog's generation; one that cannot follow is built anew."""
        try:
            self._apply(catalog, tell)
        except IndexesError:
            self._engine.clear()
            self._apply(catalog, tell)

    def clear(self) -> None:
        """Forget everything."""
        self._engine.clear()

    @property
    def count(self) -> int:
        """How many passages the engine holds."""
        return self._engine.count

    def keys(self) -> Keys:
        """The keys of every passage held, ascending."""
        return self._engine.keys()

    def search(self, query: str, k: int, *, scope: Scope) -> Scored:
        """The best `k` passages within `scope` for the query's terms."""
        return self._engine.search(self._analyse(query), k, access=scope.access, allowed=scope.keys())

    def trust_in_latent(self, query: str) -> float:
        """How far a space fitted to the collection is to be trusted with this query."""
        return latent_trust(self._engine.frequencies(self._analyse(query)), self._engine.count)

    def close(self) -> None:
        """Let go of files."""
        self._engine.close()

    def _apply(self, catalog: CatalogReader, tell: ProgressCallback) -> None:
        past = since(self, catalog)
        entries = self._entries(catalog.added(past), catalog.n_added(past), tell)
        self._engine.apply(entries, catalog.removed(past), generation=catalog.generation)

    def _entries(
        self, rows: Iterable[PassageRow], total: int, tell: ProgressCallback
    ) -> Iterator[LexicalEntry]:
        for done, row in enumerate(rows, 1):
            yield LexicalEntry(row.key, tuple(self._analyse(row.text)), row.readers)
            tell("indexing", done, total)
