"""The protocols of an embedder, which turns texts into vectors, and a vector engine, which searches them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from indexes.retrieval.base import Scored
from indexes.scope import Keys, Scope

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into vectors. A collection records the embedder's `name` and uses it to load it again."""

    @property
    def name(self) -> str:
        """The name that `--embedder` takes, in its canonical form."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (n_texts, dimension), rows L2-normalised; blank texts are zero rows."""

    def embed_query(self, text: str) -> Vectors:
        """Return float32 (dimension,), L2-normalised, or zero."""


@runtime_checkable
class FittedEmbedder(Embedder, Protocol):
    """An embedder whose space is fitted to the corpus: it must be fitted before use, and saved."""

    @property
    def fitted(self) -> bool:
        """Whether it has been fitted or loaded."""

    def fit(self, texts: Sequence[str]) -> None:
        """Fit the space to these texts. The same texts give exactly the same space."""

    def save(self, path: Path) -> None:
        """Write the fitted state into one file."""

    def load(self, path: Path) -> None:
        """Read a file that `save` wrote. Raises: `EmbedderFailed` if it cannot be read."""


class VectorEngine(Protocol):
    """Finds nearest neighbours by inner product. Derived data: it covers one generation of the catalog."""

    @property
    def generation(self) -> int:
        """The catalog generation that the engine covers; -1 if it is empty or unreadable."""

    @property
    def space(self) -> str:
        """The name of the embedding space of its vectors: scores of two spaces cannot be compared."""

    @property
    def dimension(self) -> int:
        """Length of the vectors held; 0 if it holds nothing."""

    @property
    def count(self) -> int:
        """Number of passages held."""

    def refresh(self) -> None:
        """Check the files again: another process may have written to them."""

    def apply(self, keys: Keys, vectors: Vectors, removed: Iterable[int], *, generation: int) -> None:
        """Add `vectors` (n, dimension) with `keys` (n,), remove the keys `removed`, and cover `generation`.

        After a crash, either all of the change is stored or none of it.

        Raises: `IndexesError` if the vectors differ in length from those held.
        """

    def clear(self) -> None:
        """Remove all vectors; `generation` is -1 afterwards."""

    def keys(self) -> Keys:
        """Return the keys of all passages held, ascending."""

    def search(self, query: Vectors, k: int, *, scope: Scope) -> Scored:
        """Return the best `k` (passage key, inner product) within `scope`, best first; ties break by key.

        An engine that does not store readers and metadata narrows the search by `scope.keys()`. A zero query
        vector finds nothing.
        """

    def close(self) -> None:
        """Close files and end threads."""


class VectorEngineFactory(Protocol):
    """Opens a vector engine: the type of an entry in the registry, usually the engine's class."""

    def __call__(self, directory: Path, space: str, /) -> VectorEngine:
        """Return the engine in `directory` with its vectors of the embedding space `space`."""

    def space_in(self, directory: Path, /) -> str | None:
        """Return the embedding space of the vectors in `directory`; None if there are no readable ones."""
