"""Vectors in FAISS: a flat index if that is fast, else inverted lists; knows keys, and the one file it reads.

A `VectorSnapshot` never changes: a write creates another one that shares the large part, so that a search
continues over the snapshot that it began with. Vectors added since the large part was built are in a flat
tail, and removed ones are masked; when there are too many of either, both are merged into the large part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil, log2, sqrt
from pathlib import Path
from typing import Any

import faiss as _faiss
import numpy as np
from numpy.typing import NDArray

from indexes.dense.base import Vectors
from indexes.scope import Keys
from indexes.storage.files import MAPS_FILES

faiss: Any = _faiss  # its stubs lack the methods that its Python layer adds

_TRAINING_VECTORS_A_LIST = 40
_TRAINING_ROUNDS = 8
_ADD_BLOCK = 65_536
_LEAST_PROBES = 8
"""A passage lies inside a list, a question between several: with 2 of 512 lists recall was .973."""

_SEED = 0
_NO_KEY = (1 << 63) - 1
NOTHING: Keys = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class IndexLimits:
    """The numbers of vectors at which the index changes its structure.

    Up to `flat` vectors, every vector is compared; up to `rewritten`, a change rewrites the file; `tail` is
    the number that may be added or removed before they are merged. `recall` is relative to the exact answer,
    and slightly above the target of .98, because it is measured on a sample.
    """

    flat: int = 20_000
    rewritten: int = 2_048
    tail: int = 8_192
    recall: float = 0.985
    recall_at: int = 20
    recall_queries: int = 200


@dataclass(frozen=True, slots=True)
class VectorSnapshot:
    """Vectors with their keys: those of `base` (`keys`, ascending) except the `removed`, and those of `tail`.

    `mask` has a bit for each key of `base`, 0 if it is removed; it is None if no key is removed.
    """

    base: Any
    keys: Keys
    tail: Any
    removed: Keys
    mask: NDArray[np.uint8] | None

    @classmethod
    def of(cls, base: Any, keys: Keys | None = None) -> VectorSnapshot:
        """Return the vectors of a FAISS index, with its `keys` if they are known, and nothing pending."""
        found = _keys_in(base) if keys is None else keys
        return cls(base, np.sort(found), _flat(base.d), NOTHING, None)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.base.d)

    @property
    def count(self) -> int:
        """Number of vectors."""
        return len(self.keys) - len(self.removed) + int(self.tail.ntotal)

    @property
    def n_pending(self) -> int:
        """Number of vectors added or removed since `base` was built."""
        return len(self.removed) + int(self.tail.ntotal)

    def all_keys(self) -> Keys:
        """Return all keys, ascending."""
        kept = np.setdiff1d(self.keys, self.removed, assume_unique=True)
        return np.sort(np.concatenate([kept, _keys_in(self.tail)]))

    def changed(self, keys: Keys, vectors: Vectors, removed: Keys) -> VectorSnapshot:
        """Return a snapshot with these vectors added and removed, over the same `base`."""
        tail = faiss.clone_index(self.tail)
        if tail.ntotal and len(removed):
            tail.remove_ids(removed)
        if len(keys):
            tail.add_with_ids(_as_stored(self.base, vectors), np.ascontiguousarray(keys, np.int64))
        gone = np.union1d(self.removed, _among(removed, self.keys))
        return replace(
            self, tail=tail, removed=gone, mask=_mask(self.keys, None, gone) if len(gone) else None
        )

    def merged(self, limits: IndexLimits) -> VectorSnapshot:
        """Return the same vectors, all in `base`, clustered again if their number requires it."""
        lists = _n_lists(self.count, limits)
        now = _lists_of(self.base)
        # Half the wanted number of lists still searches well, and building lists takes long.
        if (lists == 0) != (now == 0) or lists > 2 * now:
            return VectorSnapshot.of(build(*self._everything(), limits))
        base = _copy(self.base)
        if len(self.removed):
            base.remove_ids(self.removed)
        if self.tail.ntotal:
            base.add_with_ids(_vectors_in(self.tail), _keys_in(self.tail))
        return VectorSnapshot.of(base)

    def search(self, query: Vectors, k: int, *, allowed: Keys | None) -> list[tuple[int, float]]:
        """Return the best `k` (key, inner product), ties by key; only among `allowed` keys if given."""
        row = np.ascontiguousarray(query.reshape(1, -1), np.float32)
        with _one_thread():
            found = self._search_base(row, k, allowed)
            if self.tail.ntotal:
                chosen = None if allowed is None else faiss.IDSelectorBatch(allowed)
                options = None if chosen is None else faiss.SearchParameters(sel=chosen)
                found += _best(self.tail, row, k, options)
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:k]

    def _search_base(self, row: Vectors, k: int, allowed: Keys | None) -> list[tuple[int, float]]:
        mask = self.mask if allowed is None else _mask(self.keys, allowed, self.removed)
        chosen = None if mask is None else faiss.IDSelectorBitmap(mask)
        lists = _lists_of(self.base)
        if not lists:
            options = None if chosen is None else faiss.SearchParameters(sel=chosen)
            return _best(self.base, row, k, options)
        # The rarer the allowed keys, the further away the nearest: compare as many as without a filter.
        n_allowed = len(self.keys) if allowed is None else min(len(allowed), len(self.keys))
        probes = min(lists, ceil(self.base.nprobe * len(self.keys) / max(n_allowed, 1)))
        while True:
            found = _best(self.base, row, k, faiss.SearchParametersIVF(sel=chosen, nprobe=probes))
            if len(found) == k or probes == lists:
                return found
            probes = min(lists, 4 * probes)

    def _everything(self) -> tuple[Keys, Vectors]:
        keys = np.concatenate([_keys_in(self.base), _keys_in(self.tail)])
        kept = ~np.isin(keys, self.removed)
        vectors = np.concatenate([_vectors_in(self.base), _vectors_in(self.tail)])
        return keys[kept], vectors[kept]


def build(keys: Keys, vectors: Vectors, limits: IndexLimits) -> Any:
    """Return a FAISS index of these vectors, with suitable numbers of lists and probes."""
    lists = _n_lists(len(keys), limits)
    dimension = vectors.shape[1]
    if not lists:
        index = _flat(dimension)
    else:
        # 16-bit floats are scanned faster than 8-bit codes here, and rank like 32-bit floats.
        index = faiss.index_factory(dimension, f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
        index.by_residual = False
        index.cp.niter = _TRAINING_ROUNDS
        index.cp.min_points_per_centroid = 1  # otherwise FAISS warns on stderr if a caller sets low limits
        sample = _sample(len(keys), _TRAINING_VECTORS_A_LIST * lists)
        index.train(np.ascontiguousarray(vectors[sample], np.float32))
    for at in range(0, len(keys), _ADD_BLOCK):
        block = np.ascontiguousarray(vectors[at : at + _ADD_BLOCK], np.float32)
        index.add_with_ids(block, np.ascontiguousarray(keys[at : at + _ADD_BLOCK], np.int64))
    if lists:
        index.nprobe = _probes(index, vectors, limits)
    return index


def opened(path: Path) -> VectorSnapshot:
    """Return the vectors in an index file. Its lists are memory-mapped, so the system may evict them.

    The file may be deleted while it is mapped, but must not be modified.

    Raises: `OSError`, `RuntimeError` if it cannot be read.
    """
    if not MAPS_FILES:
        return VectorSnapshot.of(faiss.read_index(str(path)))
    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    if not _lists_of(index):
        return VectorSnapshot.of(index)
    inverted = faiss.downcast_InvertedLists(index.invlists)
    # Otherwise FAISS starts 32 threads per search to read ahead: 4 ms instead of 1.5.
    inverted.prefetch_nthread = 0
    return VectorSnapshot.of(index, _keys_in_file(inverted, path))


def _keys_in_file(inverted: Any, path: Path) -> Keys:
    """Return the keys of mapped lists, read from the file: mapped pages would load vectors as well."""
    keys = []
    with path.open("rb", buffering=0) as file:
        for i in range(inverted.lists.size()):
            at = inverted.lists.at(i)
            file.seek(at.offset + at.capacity * inverted.code_size)
            keys.append(np.frombuffer(file.read(at.size * NOTHING.itemsize), np.int64))
    return np.concatenate(keys)


def _copy(index: Any) -> Any:
    """Return a mutable copy in memory. FAISS itself cannot clone a mapped index."""
    lists = _lists_of(index)
    if not lists:
        return faiss.clone_index(index)
    copy = faiss.IndexIVFScalarQuantizer(
        faiss.clone_index(index.quantizer),
        index.d,
        lists,
        index.sq.qtype,
        index.metric_type,
        index.by_residual,
    )
    index.invlists.copy_subset_to(copy.invlists, faiss.InvertedLists.SUBSET_TYPE_ID_RANGE, 0, _NO_KEY)
    copy.ntotal, copy.nprobe, copy.is_trained = index.ntotal, index.nprobe, True
    return copy


def _probes(index: Any, vectors: Vectors, limits: IndexLimits) -> int:
    """Return the smallest number of probes, by doubling, that gives the wanted recall at `recall_at`.

    Queries are vectors of the collection, each moved half way in a random direction, because a question is
    not as near to its answers as a passage is to itself.
    """
    sample = vectors[_sample(len(vectors), limits.recall_queries)].astype(np.float32)
    noise = np.random.default_rng(_SEED).standard_normal(sample.shape).astype(np.float32) * sample.std(axis=0)
    lengths = np.linalg.norm(noise, axis=1, keepdims=True)
    queries = sample + np.divide(noise, lengths, out=np.zeros_like(noise), where=lengths > 0)
    index.nprobe = index.nlist
    _, exact = index.search(queries, limits.recall_at)
    probes = _LEAST_PROBES
    while probes < index.nlist:
        index.nprobe = probes
        _, found = index.search(queries, limits.recall_at)
        hits = sum(len(np.intersect1d(a, b)) for a, b in zip(exact, found, strict=True))
        if hits >= limits.recall * exact.size:
            break
        probes *= 2
    return int(min(probes, index.nlist))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep OpenMP to one thread for a `with` block.

    One query is not worth waking other threads, and on busy cores they wait for each other: with 10,000 flat
    vectors searches took 10 to 33 ms instead of 0.7.
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _best(index: Any, row: Vectors, k: int, options: Any) -> list[tuple[int, float]]:
    """Return the best `k`, ties by key. FAISS orders ties in its own way, so read past the last tie."""
    limit = k + 1
    while True:
        scores, keys = (
            found[0] for found in index.search(row, max(min(limit, index.ntotal), 1), params=options)
        )
        if limit >= index.ntotal or keys[-1] < 0 or scores[k - 1] != scores[-1]:
            break
        limit *= 2
    scored = [(int(key), float(score)) for key, score in zip(keys, scores, strict=True) if key >= 0]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:k]


def _mask(keys: Keys, allowed: Keys | None, removed: Keys) -> NDArray[np.uint8]:
    """Return one bit for each key up to the largest of `keys`: 1 if a search may return it."""
    size = int(keys[-1]) + 1 if len(keys) else 1
    bits = np.ones(size, np.bool_) if allowed is None else np.zeros(size, np.bool_)
    if allowed is not None:
        bits[allowed[allowed < size]] = True
    bits[removed] = False
    return np.packbits(bits, bitorder="little")


def _among(few: Keys, keys: Keys) -> Keys:
    """Return the keys of `few` that are in `keys`, which are ascending."""
    if not len(keys):
        return NOTHING
    places = np.minimum(np.searchsorted(keys, few), len(keys) - 1)
    found: Keys = few[keys[places] == few]
    return found


def _n_lists(count: int, limits: IndexLimits) -> int:
    """Return the power of two nearest to twice the square root of `count`; 0 if a flat index is used."""
    return 0 if count <= limits.flat else int(2 ** round(log2(2 * sqrt(count))))


def _lists_of(index: Any) -> int:
    return int(getattr(index, "nlist", 0))


def _flat(dimension: int) -> Any:
    return faiss.IndexIDMap(faiss.IndexFlatIP(dimension))


def _as_stored(base: Any, vectors: Vectors) -> Vectors:
    """Return vectors rounded as in `base`, so that a passage has the same score before and after a merge."""
    stored = vectors.astype(np.float16) if _lists_of(base) else vectors
    return np.ascontiguousarray(stored, np.float32)


def _keys_in(index: Any) -> Keys:
    lists = _lists_of(index)
    if not lists:
        found: Keys = faiss.vector_to_array(index.id_map)
        return found
    inverted = index.invlists
    sizes = [int(inverted.list_size(i)) for i in range(lists)]
    parts = [faiss.rev_swig_ptr(inverted.get_ids(i), n).copy() for i, n in enumerate(sizes) if n]
    return np.concatenate(parts) if parts else NOTHING


def _vectors_in(index: Any) -> Vectors:
    """Return float32 (n, dimension), in the order of `_keys_in`."""
    lists = _lists_of(index)
    if not lists:
        flat: Vectors = faiss.downcast_index(index.index).reconstruct_n(0, int(index.ntotal))
        return flat
    inverted = index.invlists
    sizes = [int(inverted.list_size(i)) for i in range(lists)]
    parts = [
        faiss.rev_swig_ptr(inverted.get_codes(i), n * index.code_size).view(np.float16).astype(np.float32)
        for i, n in enumerate(sizes)
        if n
    ]
    flat_parts = np.concatenate(parts) if parts else np.empty(0, np.float32)
    return flat_parts.reshape(-1, index.d)


def _sample(count: int, wanted: int) -> NDArray[np.int64]:
    """Return at most `wanted` indices spread evenly over `count`."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))
