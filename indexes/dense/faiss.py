"""The FAISS engine: exact inner products over a flat index in one file; knows keys and vectors, no text.

A write makes a new file and then replaces the manifest, which names the file, its size, the embedding space
and the generation: after a crash the manifest is the old one or the new one, and so is all that it names.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import faiss as _faiss
import numpy as np

from indexes import faults
from indexes.dense.base import Keys, Vectors
from indexes.errors import IndexesError
from indexes.files import crc32, fsync

faiss: Any = _faiss  # its stubs do not know the methods that its Python layer adds

_MANIFEST = "manifest.json"
_RETRIES = 5


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the engine's files hold."""

    generation: int
    space: str
    file: str
    size_bytes: int
    crc32: int


class FaissEngine:
    """Vectors of the embedding space `space` in `directory`; those of another space are not its own."""

    def __init__(self, directory: Path, space: str) -> None:
        self._directory = directory
        self._space = space
        self._state: tuple[Any, int] = (None, -1)
        self.refresh()

    @property
    def generation(self) -> int:
        """The catalog generation that it covers; -1 when it holds nothing or its file does not read."""
        return self._state[1]

    @property
    def space(self) -> str:
        """The name of the embedding space that its vectors stand in."""
        return self._space

    @property
    def dimension(self) -> int:
        """Length of the vectors that it holds; 0 when it holds nothing."""
        return 0 if self._state[0] is None else int(self._state[0].d)

    def refresh(self) -> None:
        """Look at the directory again: another process may have written."""
        for _ in range(_RETRIES):
            manifest = read_manifest(self._directory)
            if manifest is None or manifest.space != self._space:
                self._state = (None, -1)
                return
            if manifest.generation == self.generation:
                return
            path = self._directory / manifest.file
            if path.is_file():
                self._state = _load(path, manifest)
                return
            # A writer has replaced the file since: its manifest is there by now.
        self._state = (None, -1)

    def apply(self, keys: Keys, vectors: Vectors, removed: Iterable[int], *, generation: int) -> None:
        """Take in and drop vectors and cover `generation`, on disk first, then in memory.

        Raises: `IndexesError` when the vectors have another length than those that are there.
        """
        # A copy, so that searches meanwhile go on over what was there, as they do when the disk is full.
        index = faiss.clone_index(self._state[0]) if self._state[0] else _empty(vectors.shape[1])
        if index.d != vectors.shape[1]:
            raise IndexesError(
                f"Vectors of {vectors.shape[1]} numbers do not go with the {index.d} of {self._directory}. "
                "The model behind the name has changed: build a new collection."
            )
        dropped = np.fromiter(removed, np.int64)
        if len(dropped) and index.ntotal:
            index.remove_ids(dropped)
        if len(keys):
            index.add_with_ids(
                np.ascontiguousarray(vectors, np.float32), np.ascontiguousarray(keys, np.int64)
            )
        self._write(index, generation)
        self._state = (index, generation)

    def clear(self) -> None:
        """Forget everything."""
        (self._directory / _MANIFEST).unlink(missing_ok=True)
        faults.step("dense.cleared")
        self._state = (None, -1)

    def keys(self) -> Keys:
        """The keys of every passage held, ascending."""
        index = self._state[0]
        return np.empty(0, np.int64) if index is None else np.sort(faiss.vector_to_array(index.id_map))

    def search(self, query: Vectors, k: int, *, allowed: Keys | None) -> list[tuple[int, float]]:
        """(passage key, inner product), best first, ties by key; nothing for the zero query."""
        index = self._state[0]
        if index is None or not index.ntotal or not query.any() or (allowed is not None and not len(allowed)):
            return []
        selector = None if allowed is None else faiss.IDSelectorBatch(np.ascontiguousarray(allowed, np.int64))
        options = None if selector is None else faiss.SearchParameters(sel=selector)
        row = np.ascontiguousarray(query.reshape(1, -1), np.float32)
        limit = k + 1
        while True:
            scores, keys = (found[0] for found in index.search(row, min(limit, index.ntotal), params=options))
            # FAISS breaks ties by its own order: look on until the tie at the end is wholly seen.
            if limit >= index.ntotal or keys[-1] < 0 or scores[k - 1] != scores[-1]:
                break
            limit *= 2
        scored = [(int(key), float(score)) for key, score in zip(keys, scores, strict=True) if key >= 0]
        return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:k]

    def close(self) -> None:
        """Let go of the vectors."""
        self._state = (None, -1)

    def _write(self, index: Any, generation: int) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"index-{uuid4().hex}.faiss"
        faults.step("dense.write")
        faiss.write_index(index, str(path))
        faults.step("dense.written")
        fsync(path)
        faults.step("dense.synced")
        manifest = Manifest(generation, self._space, path.name, path.stat().st_size, crc32(path))
        temporary = self._directory / f"{_MANIFEST}.tmp"
        temporary.write_text(json.dumps({**asdict(manifest), "check": _check(manifest)}), encoding="utf-8")
        fsync(temporary)
        faults.step("dense.manifest")
        temporary.replace(self._directory / _MANIFEST)
        faults.step("dense.named")
        fsync(self._directory)
        for old in self._directory.glob("index-*.faiss"):
            if old != path:
                old.unlink(missing_ok=True)
                faults.step("dense.pruned")


def read_manifest(directory: Path) -> Manifest | None:
    """What the files of the engine in `directory` hold; None when there is nothing that reads."""
    try:
        found = json.loads((directory / _MANIFEST).read_text(encoding="utf-8"))
        check = found.pop("check")
        manifest = Manifest(**found)
        return manifest if _check(manifest) == check else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _load(path: Path, manifest: Manifest) -> tuple[Any, int]:
    try:
        if path.stat().st_size == manifest.size_bytes and crc32(path) == manifest.crc32:
            return faiss.read_index(str(path)), manifest.generation
    except (OSError, RuntimeError):
        pass
    return None, -1


def _empty(dimension: int) -> Any:
    return faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))


def _check(manifest: Manifest) -> int:
    return zlib.crc32(json.dumps(asdict(manifest), sort_keys=True).encode())
