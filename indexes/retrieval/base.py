"""What a leg of a search is: an engine that follows the catalog; and the lexical one. Knows no fusion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from indexes.errors import IndexesError
from indexes.lexical.base import Entry, Keys, LexicalEngine, Scored
from indexes.retrieval.specificity import latent_trust

if TYPE_CHECKING:
    from indexes.catalog.reader import Reader, Row
    from indexes.retrieval.scope import Scope

Tell = Callable[[str, int, int | None], None]
"""(stage, done, total or None): what a progress bar shows."""


class Leg(Protocol):
    """One way to find passages. Derived from the catalog, and able to follow it from any generation."""

    @property
    def generation(self) -> int:
        """The catalog generation that the leg covers; -1 when it has to begin anew."""

    @property
    def shared(self) -> bool:
        """Whether following writes files that other processes read."""

    def refresh(self) -> None:
        """Look at the files again: another process may have written."""

    def follow(self, catalog: Reader, tell: Tell) -> None:
        """Take in what came and drop what went since the leg's own generation."""

    def clear(self) -> None:
        """Forget everything."""

    def keys(self) -> Keys:
        """The keys of every passage held, ascending."""

    def search(self, query: str, k: int, *, scope: Scope) -> Scored:
        """The best `k` passages within `scope`."""

    def close(self) -> None:
        """Let go of files."""


def since(leg: Leg, catalog: Reader) -> int:
    """Where `leg` follows from: its own generation, or -1 and cleared if the catalog never had that one."""
    if 0 <= leg.generation <= catalog.generation:
        return leg.generation
    leg.clear()
    return -1


class LexicalLeg:
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

    def follow(self, catalog: Reader, tell: Tell) -> None:
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
        return self._engine.search(self._analyse(query), k, access=scope.access, allowed=scope.keys)

    def trust_in_latent(self, query: str) -> float:
        """How far a space fitted to the collection is to be trusted with this query."""
        return latent_trust(self._engine.frequencies(self._analyse(query)), self._engine.count)

    def close(self) -> None:
        """Let go of files."""
        self._engine.close()

    def _apply(self, catalog: Reader, tell: Tell) -> None:
        past = since(self, catalog)
        entries = self._entries(catalog.added(past), catalog.n_added(past), tell)
        self._engine.apply(entries, catalog.removed(past), generation=catalog.generation)

    def _entries(self, rows: Iterable[Row], total: int, tell: Tell) -> Iterator[Entry]:
        for done, row in enumerate(rows, 1):
            yield Entry(row.key, tuple(self._analyse(row.text)), row.readers)
            tell("indexing", done, total)
