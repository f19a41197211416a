"""The default embedder: latent semantic analysis of the corpus itself; knows terms, no files but its own.

Sublinear TF-IDF over the analysed terms, then a truncated SVD (Deerwester et al. 1990, Indexing by Latent
Semantic Analysis). Nothing is downloaded; texts that come later are folded into the space as it stands.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.analysis import analyse
from indexes.dense.base import Vectors
from indexes.errors import EmbedderFailed

NAME = "latent"
DIMENSION = 256
MAX_TERMS = 60_000
_COMMON_FROM_TEXTS = 200
_POWER_ITERATIONS = 3
_NEGLIGIBLE = 1e-5
_BLOCK = 4096

Analyse = Callable[[str], Iterable[str]]


class LatentEmbedder:
    """Texts to at most `DIMENSION` latent dimensions, fewer where the corpus has fewer. Reproducible."""

    def __init__(self, analyse: Analyse = analyse) -> None:
        self.analyse = analyse
        self._terms: dict[str, int] = {}
        self._idf: NDArray[np.float32] = np.empty(0, np.float32)
        self._components: NDArray[np.float32] | None = None

    @property
    def name(self) -> str:
        """`latent`."""
        return NAME

    @property
    def dimension(self) -> int:
        """Length of a vector; 0 before `fit`."""
        return 0 if self._components is None else int(self._components.shape[1])

    @property
    def fitted(self) -> bool:
        """Whether `fit` or `load` has happened."""
        return self._components is not None

    def fit(self, texts: Sequence[str]) -> None:
        """Learn terms, weights and the space from these texts. The same texts give the same space."""
        analysed = [Counter(self.analyse(text)) for text in texts]
        spread = Counter(term for counts in analysed for term in counts)
        # A term of a single text relates it to no other; only a small corpus cannot spare it.
        least = 2 if len(texts) >= _COMMON_FROM_TEXTS else 1
        common = sorted((-n, term) for term, n in spread.items() if n >= least)[:MAX_TERMS]
        self._terms = {term: i for i, (_, term) in enumerate(common)}
        frequencies = np.array([-n for n, _ in common], np.float64)
        self._idf = (np.log((1 + len(texts)) / (1 + frequencies)) + 1).astype(np.float32)
        self._components = _components(self._weighted(analysed))

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """float32 (n_texts, dimension), rows L2-normalised; a text without a known term is the zero row.

        Raises: `EmbedderFailed` before `fit`.
        """
        if self._components is None:
            raise EmbedderFailed(NAME, "it has not been fitted to a corpus yet.")
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for at in range(0, len(texts), _BLOCK):
            counts = [Counter(self.analyse(text)) for text in texts[at : at + _BLOCK]]
            vectors[at : at + len(counts)] = self._weighted(counts) @ self._components
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        known = lengths > _NEGLIGIBLE
        unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=known)
        return unit

    def embed_query(self, text: str) -> Vectors:
        """float32 (dimension,), L2-normalised, or zero."""
        vector: Vectors = self.embed_documents([text])[0]
        return vector

    def save(self, path: Path) -> None:
        """Write the fitted space: arrays and JSON in one .npz, which runs no code when read."""
        terms = np.frombuffer(json.dumps(list(self._terms)).encode(), np.uint8)
        with path.open("wb") as file:
            np.savez(file, terms=terms, idf=self._idf, components=self._components)  # type: ignore[arg-type]

    def load(self, path: Path) -> None:
        """Read what `save` wrote. Raises: `EmbedderFailed` when it does not read."""
        try:
            with np.load(path, allow_pickle=False) as found:
                terms = json.loads(found["terms"].tobytes())
                idf, components = found["idf"], found["components"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as exc:
            raise EmbedderFailed(NAME, f"{path} does not read as its space: {exc}") from exc
        shapes = (idf.shape, components.shape[:1], components.ndim, idf.dtype, components.dtype)
        if shapes != ((len(terms),), (len(terms),), 2, np.float32, np.float32):
            raise EmbedderFailed(NAME, f"{path} does not read as its space: its parts do not fit together")
        self._terms = {term: i for i, term in enumerate(terms)}
        self._idf, self._components = idf, components

    def _weighted(self, analysed: Sequence[Counter[str]]) -> Any:
        """A scipy CSR array (n_texts, n_terms): (1 + ln tf) * idf, rows L2-normalised."""
        from scipy.sparse import csr_array  # noqa: PLC0415  # loaded only where it is used

        columns: list[int] = []
        counts: list[int] = []
        ends = [0]
        for terms in analysed:
            known = [(self._terms[term], n) for term, n in terms.items() if term in self._terms]
            columns.extend(i for i, _ in known)
            counts.extend(n for _, n in known)
            ends.append(len(columns))
        data = (1 + np.log(np.array(counts, np.float32))) * self._idf[columns]
        rows = np.repeat(np.arange(len(analysed)), np.diff(ends))
        squares = np.bincount(rows, weights=data * data, minlength=len(analysed))
        data /= np.sqrt(squares[rows])
        return csr_array((data.astype(np.float32), columns, ends), shape=(len(analysed), len(self._terms)))


def _components(weighted: Any) -> NDArray[np.float32]:
    """The right singular vectors, float32 (n_terms, dimension), of fixed sign; negligible ones left out."""
    n_texts, n_terms = weighted.shape
    if not n_texts or not n_terms or not weighted.nnz:
        return np.zeros((n_terms, 1), np.float32)
    if min(n_texts, n_terms) <= DIMENSION:
        _, strengths, rows = np.linalg.svd(weighted.toarray(), full_matrices=False)
        # Of the two signs that a singular vector can have: its largest part is positive.
        largest = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
        rows *= np.sign(largest)[:, None]
    else:
        from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415  # loaded only where it is used

        svd = TruncatedSVD(DIMENSION, n_iter=_POWER_ITERATIONS, random_state=0).fit(weighted)
        rows, strengths = svd.components_, svd.singular_values_
    kept = rows[strengths > _NEGLIGIBLE * strengths[0]]
    return np.ascontiguousarray(kept.T, np.float32)
