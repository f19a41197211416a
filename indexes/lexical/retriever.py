"""The lexical retriever: BM25 over analysed terms, with any lexical engine; knows no fusion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from indexes.errors import IndexesError
from indexes.lexical.base import LexicalEngine, LexicalEntry
from indexes.retrieval.base import ProgressCallback, Scored, since
from indexes.retrieval.long_query import Terms, telling
from indexes.retrieval.names import names_of, unweighted, with_names
from indexes.retrieval.specificity import latent_trust
from indexes.scope import Keys, Scope

if TYPE_CHECKING:
    from indexes.catalog.reader import CatalogReader, PassageRow


class LexicalRetriever:
    """Searches the passages of a catalog with a lexical engine, by the terms that `analyse` returns."""

    def __init__(self, engine: LexicalEngine, analyse: Callable[[str], Sequence[str]]) -> None:
        self._engine = engine
        self._analyse = analyse

    @property
    def generation(self) -> int:
        """The catalog generation that the engine covers."""
        return self._engine.generation

    @property
    def shared(self) -> bool:
        """Whether the engine writes files that other processes read."""
        return self._engine.shared

    def refresh(self) -> None:
        """Check the files again: another process may have written to them."""
        self._engine.refresh()

    def follow(self, catalog: CatalogReader, progress: ProgressCallback) -> None:
        """Bring the engine up to the catalog's generation; rebuild it if it cannot be updated."""
        try:
            self._apply(catalog, progress)
        except IndexesError:
            self._engine.clear()
            self._apply(catalog, progress)

    def clear(self) -> None:
        """Remove all passages."""
        self._engine.clear()

    @property
    def count(self) -> int:
        """Number of passages that the engine holds."""
        return self._engine.count

    def keys(self) -> Keys:
        """Return the keys of all passages held, ascending."""
        return self._engine.keys()

    def search(self, query: str, k: int, *, scope: Scope) -> Scored:
        """Return the best `k` passages within `scope` for the query's most telling terms and its names."""
        chosen = self.terms(query, scope).chosen
        return unweighted(self._engine.search(with_names(chosen, query), k, scope=scope))

    def terms(self, query: str, scope: Scope) -> Terms:
        """Return the terms to search for, chosen by how rare they are."""
        del scope  # the statistics are those of the whole collection
        return telling(self._analyse(query), self._engine.frequencies, self._engine.count)

    def trust_in_latent(self, query: str) -> float:
        """Return how far to trust a space fitted to the collection with this query, from 0 to 1."""
        return latent_trust(self._engine.frequencies(self._analyse(query)), self._engine.count)

    def close(self) -> None:
        """Close files."""
        self._engine.close()

    def _apply(self, catalog: CatalogReader, progress: ProgressCallback) -> None:
        past = since(self, catalog)
        entries = self._entries(catalog.added(past), catalog.n_added(past), progress)
        self._engine.apply(entries, catalog.removed(past), generation=catalog.generation)

    def _entries(
        self, rows: Iterable[PassageRow], total: int, progress: ProgressCallback
    ) -> Iterator[LexicalEntry]:
        for done, row in enumerate(rows, 1):
            terms = (*self._analyse(row.text), *names_of(row.title, row.document_id))
            yield LexicalEntry(row.key, terms, row.readers)
            progress("indexing", done, total)
