"""The FAISS engine: vectors in one file and a log of what changed since; knows keys and vectors, no text.

A write appends to the log or, when that has grown, makes a new file; then it replaces the manifest, which
names the file, the length of the log, the embedding space and the generation: after a crash the manifest is
the old one or the new one, and so is all that it names.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import faiss as _faiss
import numpy as np

from indexes.dense.base import Vectors
from indexes.dense.engines.faiss import log
from indexes.dense.engines.faiss.log import LogEntry
from indexes.dense.engines.faiss.snapshot import NOTHING, IndexLimits, VectorSnapshot, build, opened
from indexes.errors import IndexesError
from indexes.scope import Keys
from indexes.storage import faults
from indexes.storage.files import crc32, fsync

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
    log_bytes: int
    log_crc32: int


@dataclass(frozen=True, slots=True)
class _State:
    """What is held, and the manifest of the files that it came from or went to."""

    held: VectorSnapshot
    manifest: Manifest


class FaissEngine:
    """Vectors of the embedding space `space` in `directory`; those of another space are not its own."""

    def __init__(self, directory: Path, space: str, *, limits: IndexLimits | None = None) -> None:
        self._directory = directory
        self._space = space
        self._limits = limits or IndexLimits()
        self._state: _State | None = None
        self.refresh()

    @property
    def generation(self) -> int:
        """The catalog generation that it covers; -1 when it holds nothing or its files do not read."""
        state = self._state
        return -1 if state is None else state.manifest.generation

    @property
    def space(self) -> str:
        """The name of the embedding space that its vectors stand in."""
        return self._space

    @property
    def dimension(self) -> int:
        """Length of the vectors that it holds; 0 when it holds nothing."""
        state = self._state
        return 0 if state is None else state.held.dimension

    @property
    def count(self) -> int:
        """How many passages are held."""
        state = self._state
        return 0 if state is None else state.held.count

    def refresh(self) -> None:
        """Look at the directory again: another process may have written."""
        for _ in range(_RETRIES):
            manifest = read_manifest(self._directory)
            if manifest is None or manifest.space != self._space:
                self._state = None
                return
            if manifest.generation == self.generation:
                return
            self._state = self._load(manifest)
            # A writer may have replaced the file since: its manifest is there by now.
            if self._state is not None or read_manifest(self._directory) == manifest:
                return
        self._state = None

    def apply(self, keys: Keys, vectors: Vectors, removed: Iterable[int], *, generation: int) -> None:
        """Take in and drop vectors and cover `generation`, on disk first, then in memory.

        Raises: `IndexesError` when the vectors have another length than those that are there.
        """
        dropped = np.fromiter(removed, np.int64)
        state = self._state
        if state is None:
            self._write(VectorSnapshot.of(build(keys, vectors, self._limits)), generation)
            return
        if state.held.dimension != vectors.shape[1]:
            raise IndexesError(
                f"Vectors of {vectors.shape[1]} numbers do not go with the {state.held.dimension} of "
                f"{self._directory}. The model behind the name has changed: build a new collection."
            )
        held = state.held.changed(keys, vectors, dropped)
        if held.n_pending > self._limits.tail or held.count <= self._limits.rewritten:
            self._write(held.merged(self._limits), generation)
        else:
            self._append(_State(held, state.manifest), LogEntry(keys, vectors, dropped), generation)

    def compact(self) -> None:
        """Write the files anew if they hold anything that was removed, so that no trace of it is left."""
        state = self._state
        if state is not None and state.manifest.log_bytes:
            self._write(state.held.merged(self._limits), state.manifest.generation)

    def clear(self) -> None:
        """Forget everything."""
        (self._directory / _MANIFEST).unlink(missing_ok=True)
        faults.step("dense.cleared")
        self._state = None

    def keys(self) -> Keys:
        """The keys of every passage held, ascending."""
        state = self._state
        return NOTHING if state is None else state.held.all_keys()

    def search(self, query: Vectors, k: int, *, allowed: Keys | None) -> list[tuple[int, float]]:
        """(passage key, inner product), best first, ties by key; nothing for the zero query."""
        state = self._state
        if state is None or not state.held.count or not query.any():
            return []
        if allowed is not None and not len(allowed):
            return []
        return state.held.search(query, k, allowed=allowed)

    def close(self) -> None:
        """Let go of the vectors."""
        self._state = None

    def _load(self, manifest: Manifest) -> _State | None:
        """What `manifest` names; from what is in memory where the files have only grown since."""
        state = self._state
        path = self._directory / manifest.file
        try:
            if state is None or state.manifest.file != manifest.file:
                if path.stat().st_size != manifest.size_bytes or crc32(path) != manifest.crc32:
                    return None
                held, read, check = opened(path), 0, 0
            else:
                held, read, check = state.held, state.manifest.log_bytes, state.manifest.log_crc32
            records = log.read(_log(path), read, manifest.log_bytes, check, manifest.log_crc32)
            for record in records:
                held = held.changed(record.keys, record.vectors, record.removed)
        except (OSError, RuntimeError, ValueError):
            return None
        return _State(held, manifest)

    def _append(self, state: _State, record: LogEntry, generation: int) -> None:
        old = state.manifest
        path = self._directory / old.file
        faults.step("dense.write")
        size, check = log.append(_log(path), old.log_bytes, old.log_crc32, record)
        faults.step("dense.synced")
        manifest = replace(old, generation=generation, log_bytes=size, log_crc32=check)
        # Should the power fail, the old name or a log that is too short asks to follow the catalog again.
        self._name(manifest)
        self._state = _State(state.held, manifest)

    def _write(self, held: VectorSnapshot, generation: int) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"index-{uuid4().hex}.faiss"
        faults.step("dense.write")
        faiss.write_index(held.base, str(path))
        faults.step("dense.written")
        fsync(path)
        faults.step("dense.synced")
        manifest = Manifest(generation, self._space, path.name, path.stat().st_size, crc32(path), 0, 0)
        self._name(manifest)
        fsync(self._directory)
        for old in self._directory.glob("index-*"):
            if old != path:
                old.unlink(missing_ok=True)
                faults.step("dense.pruned")
        self._state = _State(held, manifest)

    def _name(self, manifest: Manifest) -> None:
        temporary = self._directory / f"{_MANIFEST}.tmp"
        temporary.write_text(json.dumps({**asdict(manifest), "check": _check(manifest)}), encoding="utf-8")
        if not manifest.log_bytes:
            fsync(temporary)
        faults.step("dense.manifest")
        temporary.replace(self._directory / _MANIFEST)
        faults.step("dense.named")


def read_manifest(directory: Path) -> Manifest | None:
    """What the files of the engine in `directory` hold; None when there is nothing that reads."""
    try:
        found = json.loads((directory / _MANIFEST).read_text(encoding="utf-8"))
        check = found.pop("check")
        manifest = Manifest(**found)
        return manifest if _check(manifest) == check else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _log(path: Path) -> Path:
    return path.with_suffix(".log")


def _check(manifest: Manifest) -> int:
    return zlib.crc32(json.dumps(asdict(manifest), sort_keys=True).encode())
