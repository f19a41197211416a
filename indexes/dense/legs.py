"""The dense leg, with a fitted or a pretrained embedder; knows how vectors follow the catalog, no fusion."""

from __future__ import annotations

import json
from collections import OrderedDict
from copy import copy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from indexes import faults
from indexes.dense.base import Embedder, FittedEmbedder, Keys, Vectors
from indexes.dense.cache import VectorCache
from indexes.dense.faiss import FaissEngine, read_manifest
from indexes.errors import EmbedderFailed
from indexes.files import fsync
from indexes.legs import Leg, Tell, since

if TYPE_CHECKING:
    from indexes.catalog import Catalog
    from indexes.catalog_reader import Reader
    from indexes.lexical.base import Scored
    from indexes.types import Access

FIT_PASSAGES = 20_000
"""A space is fitted to this many passages at most, evenly spread over the collection."""

REFIT_SHARE = 0.5
"""A space is fitted anew when more than this share of what it was fitted to has come or gone since."""

_UNRELATED = 1e-6
"""At a right angle to the query or beyond, give or take rounding, nothing is near it."""

_FIT = "fit"
_EMBED_BLOCK = 256
_FOLD_BLOCK = 4096
_ALLOWED_KEPT = 32


@dataclass(frozen=True, slots=True)
class _Space:
    """An embedder and the engine with its vectors: replaced as one, for two spaces do not compare."""

    embedder: Embedder
    engine: FaissEngine


class _Allowed:
    """The keys that some principals may read, kept for one generation each."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._kept: OrderedDict[tuple[int, frozenset[str]], Keys] = OrderedDict()
        self._lock = Lock()

    def keys(self, access: Access) -> Keys | None:
        """The keys open to `access`; None when all are."""
        if access.everything:
            return None
        with self._catalog.read() as catalog:
            asked = (catalog.generation, access.principals)
            with self._lock:
                if asked in self._kept:
                    self._kept.move_to_end(asked)
                    return self._kept[asked]
            keys = catalog.keys(access.principals)
        with self._lock:
            self._kept[asked] = keys
            while len(self._kept) > _ALLOWED_KEPT:
                self._kept.popitem(last=False)
        return keys


class _DenseLeg:
    """What both kinds share: search, trimming, files."""

    shared = True

    def __init__(self, directory: Path, catalog: Catalog) -> None:
        self._directory = directory
        self._allowed = _Allowed(catalog)
        self._space: _Space | None = None

    @property
    def generation(self) -> int:
        """The catalog generation that the vectors cover."""
        space = self._space
        return -1 if space is None else space.engine.generation

    def clear(self) -> None:
        """Forget every vector."""
        FaissEngine(self._directory, "").clear()
        self.refresh()

    def refresh(self) -> None:
        """Look at the files again."""
        raise NotImplementedError

    def keys(self) -> Keys:
        """The keys of every passage held, ascending."""
        space = self._space
        return np.empty(0, np.int64) if space is None else space.engine.keys()

    def search(self, query: str, k: int, *, access: Access) -> Scored:
        """The best `k` passages by inner product, trimmed by a selector inside the engine."""
        space = self._space
        if space is None:
            return []
        scored = space.engine.search(space.embedder.embed_query(query), k, allowed=self._allowed.keys(access))
        return [(key, score) for key, score in scored if score > _UNRELATED]

    def close(self) -> None:
        """Let go of the vectors."""
        if self._space is not None:
            self._space.engine.close()


class PretrainedLeg(_DenseLeg):
    """Vectors of a model that knows no corpus; each text is embedded once and kept in a cache."""

    def __init__(self, directory: Path, embedder: Embedder, catalog: Catalog, cache: VectorCache) -> None:
        super().__init__(directory, catalog)
        self._embedder = embedder
        self._cache = cache
        self._engine = FaissEngine(directory, embedder.name)
        self._space = _Space(embedder, self._engine)

    def refresh(self) -> None:
        """Look at the files again."""
        self._engine.refresh()

    def prepare(self, catalog: Reader, tell: Tell) -> None:
        """See that each passage that came has its vector, before the catalog commits to it.

        Raises: `EmbedderFailed`; what was embedded until then is kept.
        """
        past = self.generation
        missing = self._cache.missing(row.digest for row in catalog.added(past))
        texts = iter({row.digest: row.text for row in catalog.added(past) if row.digest in missing}.items())
        done = 0
        while block := list(islice(texts, _EMBED_BLOCK)):
            self._cache.put(
                [digest for digest, _ in block], self._embedder.embed_documents([text for _, text in block])
            )
            done += len(block)
            tell("embedding", done, len(missing))

    def follow(self, catalog: Reader, tell: Tell) -> None:
        """Bring the vectors to the catalog's generation."""
        past = since(self, catalog)
        self.prepare(catalog, tell)
        rows = [(row.key, row.digest) for row in catalog.added(past)]
        keys = np.array([key for key, _ in rows], np.int64)
        if rows:
            vectors = self._cache.get([digest for _, digest in rows])
        else:
            vectors = np.empty((0, self._engine.dimension or self._embedder.dimension), np.float32)
        self._engine.apply(keys, vectors, catalog.removed(past), generation=catalog.generation)
        self._cache.forget(catalog.forgotten(past))


class FittedLeg(_DenseLeg):
    """Vectors in a space fitted to the collection itself, fitted anew when the collection has outgrown it."""

    def __init__(self, directory: Path, embedder: FittedEmbedder, catalog: Catalog) -> None:
        super().__init__(directory, catalog)
        self._blank = embedder
        self._catalog = catalog
        self.refresh()

    def refresh(self) -> None:
        """Look at the files again: the manifest names the space, and the space's file stands beside it."""
        manifest = read_manifest(self._directory)
        if manifest is None or not manifest.space.startswith(f"{self._blank.name}-"):
            self._space = None
            return
        if self._space is not None and self._space.engine.space == manifest.space:
            self._space.engine.refresh()
            return
        embedder = copy(self._blank)
        try:
            embedder.load(self._file(manifest.space))
        except EmbedderFailed:
            self._space = None  # generation -1 asks for a new fit
            return
        self._space = _Space(embedder, FaissEngine(self._directory, manifest.space))

    def prepare(self, catalog: Reader, tell: Tell) -> None:
        """Nothing can fail."""

    def follow(self, catalog: Reader, tell: Tell) -> None:
        """Fold in what came, or fit anew."""
        past = since(self, catalog)
        if self._space is None or past < 0 or _outgrown(catalog, self._space.engine.space):
            self._refit(catalog, tell)
        else:
            keys, vectors = _folded(self._space.embedder, catalog, past, tell)
            self._space.engine.apply(keys, vectors, catalog.removed(past), generation=catalog.generation)

    def _refit(self, catalog: Reader, tell: Tell) -> None:
        total = catalog.n_added(-1)
        tell("fitting", 0, total)
        embedder = copy(self._blank)
        embedder.fit([row.text for row in islice(catalog.added(-1), 0, None, -(-total // FIT_PASSAGES) or 1)])
        space = f"{embedder.name}-{uuid4().hex}"
        path = self._file(space)
        path.parent.mkdir(parents=True, exist_ok=True)
        faults.step("latent.save")
        embedder.save(path)
        faults.step("latent.saved")
        fsync(path)
        faults.step("latent.synced")
        keys, vectors = _folded(embedder, catalog, -1, tell)
        fit = {"space": space, "passages": total, "last_key": int(keys[-1]) if total else 0}
        self._catalog.set(_FIT, json.dumps(fit))
        faults.step("latent.recorded")
        # The manifest that `apply` replaces is what makes the new space the one in use.
        engine = FaissEngine(self._directory, space)
        engine.apply(keys, vectors, (), generation=catalog.generation)
        self._space = _Space(embedder, engine)
        for old in self._directory.glob(f"{embedder.name}-*.npz"):
            if old != path:
                old.unlink(missing_ok=True)
                faults.step("latent.pruned")

    def _file(self, space: str) -> Path:
        return self._directory / f"{space}.npz"


def dense_leg(directory: Path, embedder: Embedder, catalog: Catalog) -> Leg:
    """The leg that goes with this embedder."""
    if isinstance(embedder, FittedEmbedder):
        return FittedLeg(directory, embedder, catalog)
    return PretrainedLeg(
        directory, embedder, catalog, VectorCache(directory.parent / "vectors.sqlite", embedder.name)
    )


def _outgrown(catalog: Reader, space: str) -> bool:
    fit = json.loads(catalog.setting(_FIT) or "{}")
    if fit.get("space") != space:
        return True
    came = len(catalog.keys(after=fit["last_key"]))
    went = fit["passages"] - (catalog.n_added(-1) - came)
    return bool(max(came, went) > REFIT_SHARE * fit["passages"])


def _folded(embedder: Embedder, catalog: Reader, past: int, tell: Tell) -> tuple[Keys, Vectors]:
    """Keys and vectors of the passages that came since, in a space as it stands."""
    rows = catalog.added(past)
    total = catalog.n_added(past)
    keys: list[int] = []
    blocks: list[Vectors] = [np.empty((0, embedder.dimension), np.float32)]
    while block := list(islice(rows, _FOLD_BLOCK)):
        keys.extend(row.key for row in block)
        blocks.append(embedder.embed_documents([row.text for row in block]))
        tell("embedding", len(keys), total)
    return np.array(keys, np.int64), np.concatenate(blocks)
