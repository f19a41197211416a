"""A vector engine over files that survive a crash; the subclass supplies the kind of index.

A write appends to the log or, if the log has grown too long, writes a new file; then it replaces the
manifest, which names the file, the length of the log, the embedding space and the generation. After a crash
the manifest is the old one or the new one, and everything that it names exists.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Generic, Protocol, Self, TypeVar
from uuid import uuid4

import numpy as np

from indexes.dense.base import Vectors
from indexes.dense.engines import log
from indexes.dense.engines.log import LogEntry
from indexes.dense.engines.manifest import Manifest, read_manifest, remove_manifest, replace_manifest
from indexes.errors import IndexesError
from indexes.retrieval.base import Scored
from indexes.scope import Keys, Scope
from indexes.storage import faults
from indexes.storage.files import crc32, fsync
from indexes.storage.permissions import make_engine_folder

_RETRIES = 5


class Snapshot(Protocol):
    """Vectors with their keys. It never changes: a write creates another; running searches keep theirs."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def count(self) -> int:
        """Number of vectors."""

    @property
    def n_pending(self) -> int:
        """Number of vectors added or removed since the large file was written."""

    def all_keys(self) -> Keys:
        """Return all keys, ascending."""

    def changed(self, keys: Keys, vectors: Vectors, removed: Keys) -> Self:
        """Return a snapshot with `vectors` (n, dimension) added for `keys` (n,), and without `removed`."""

    def search(self, query: Vectors, k: int, *, allowed: Keys | None) -> Scored:
        """Return the best `k` (key, inner product), ties by key; only among `allowed` keys if given."""


S = TypeVar("S", bound=Snapshot)


@dataclass(frozen=True, slots=True)
class _State(Generic[S]):
    """The vectors held, and the manifest of the files that contain them."""

    held: S
    manifest: Manifest


class FileEngine(ABC, Generic[S]):
    """Vectors of the embedding space `space` in `directory`; vectors of another space are ignored.

    With up to `rewritten` vectors, a change rewrites the file; with more, it is logged until more than `tail`
    are pending.
    """

    suffix: ClassVar[str]
    """The suffix of the large file."""

    def __init__(self, directory: Path, space: str, *, rewritten: int, tail: int) -> None:
        self._directory = directory
        self._space = space
        self._rewritten = rewritten
        self._tail = tail
        self._state: _State[S] | None = None
        self.refresh()

    @classmethod
    def space_in(cls, directory: Path) -> str | None:
        """Return the embedding space of the vectors in `directory`; None if there are no readable ones."""
        manifest = read_manifest(directory)
        return manifest.space if manifest is not None and manifest.file.endswith(cls.suffix) else None

    @abstractmethod
    def _built(self, keys: Keys, vectors: Vectors) -> S:
        """Return a snapshot of these vectors."""

    @abstractmethod
    def _merged(self, held: S) -> S:
        """Return the same vectors with none pending."""

    @abstractmethod
    def _opened(self, path: Path) -> S:
        """Read the snapshot that `_save` wrote. Raises: `OSError`, `RuntimeError`, `ValueError`."""

    @abstractmethod
    def _save(self, held: S, path: Path) -> None:
        """Write a snapshot with no pending vectors to a file. Raises: `OSError`."""

    @property
    def generation(self) -> int:
        """The catalog generation that it covers; -1 if it holds nothing or its files are damaged."""
        state = self._state
        return -1 if state is None else state.manifest.generation

    @property
    def space(self) -> str:
        """The name of the embedding space of its vectors."""
        return self._space

    @property
    def dimension(self) -> int:
        """Length of the vectors that it holds; 0 if it holds nothing."""
        state = self._state
        return 0 if state is None else state.held.dimension

    @property
    def count(self) -> int:
        """Number of passages held."""
        state = self._state
        return 0 if state is None else state.held.count

    def refresh(self) -> None:
        """Check the directory again: another process may have written to it."""
        for _ in range(_RETRIES):
            manifest = read_manifest(self._directory)
            if manifest is None or manifest.space != self._space or not manifest.file.endswith(self.suffix):
                self._state = None
                return
            if manifest.generation == self.generation:
                return
            self._state = self._load(manifest)
            # If a writer has replaced the file since, there is a new manifest by now.
            if self._state is not None or read_manifest(self._directory) == manifest:
                return
        self._state = None

    def apply(self, keys: Keys, vectors: Vectors, removed: Iterable[int], *, generation: int) -> None:
        """Add and remove vectors and cover `generation`, on disk first, then in memory.

        Raises: `IndexesError` if the vectors differ in length from those held.
        """
        dropped = np.fromiter(removed, np.int64)
        state = self._state
        if state is None:
            self._write(self._built(keys, vectors), generation)
            return
        if state.held.dimension != vectors.shape[1]:
            raise IndexesError(
                f"Vectors of {vectors.shape[1]} numbers do not match those of {self._directory}, which have "
                f"{state.held.dimension}. The model behind the name has changed: build a new collection."
            )
        held = state.held.changed(keys, vectors, dropped)
        if held.n_pending > self._tail or held.count <= self._rewritten:
            self._write(self._merged(held), generation)
        else:
            self._append(_State(held, state.manifest), LogEntry(keys, vectors, dropped), generation)

    def compact(self) -> None:
        """Rewrite the files if they may hold anything that was removed, so that no trace of it is left."""
        state = self._state
        if state is not None and state.manifest.log_bytes:
            self._write(self._merged(state.held), state.manifest.generation)

    def clear(self) -> None:
        """Remove all vectors."""
        remove_manifest(self._directory)
        self._state = None

    def keys(self) -> Keys:
        """Return the keys of all passages held, ascending."""
        state = self._state
        return np.empty(0, np.int64) if state is None else state.held.all_keys()

    def search(self, query: Vectors, k: int, *, scope: Scope) -> Scored:
        """Return the best `k` (passage key, inner product), ties by key; none if the query vector is zero."""
        state = self._state
        if state is None or not state.held.count or not query.any():
            return []
        allowed = scope.keys()
        if allowed is not None and not len(allowed):
            return []
        return state.held.search(query, k, allowed=allowed)

    def close(self) -> None:
        """Release the vectors."""
        self._state = None

    def _load(self, manifest: Manifest) -> _State[S] | None:
        """Read the files of `manifest`, or only the new part of the log if the rest is already in memory."""
        state = self._state
        path = self._directory / manifest.file
        try:
            if state is None or state.manifest.file != manifest.file:
                if path.stat().st_size != manifest.size_bytes or crc32(path) != manifest.crc32:
                    return None
                held, read, check = self._opened(path), 0, 0
            else:
                held, read, check = state.held, state.manifest.log_bytes, state.manifest.log_crc32
            for entry in log.read(_log(path), read, manifest.log_bytes, check, manifest.log_crc32):
                held = held.changed(entry.keys, entry.vectors, entry.removed)
        except (OSError, RuntimeError, ValueError):
            return None
        return _State(held, manifest)

    def _append(self, state: _State[S], entry: LogEntry, generation: int) -> None:
        old = state.manifest
        faults.step("dense.write")
        size, check = log.append(_log(self._directory / old.file), old.log_bytes, old.log_crc32, entry)
        faults.step("dense.synced")
        manifest = replace(old, generation=generation, log_bytes=size, log_crc32=check)
        # After a power failure, an old manifest or a log that is too short causes an update from the catalog.
        replace_manifest(self._directory, manifest)
        self._state = _State(state.held, manifest)

    def _write(self, held: S, generation: int) -> None:
        make_engine_folder(self._directory)
        path = self._directory / f"index-{uuid4().hex}{self.suffix}"
        faults.step("dense.write")
        self._save(held, path)
        faults.step("dense.written")
        fsync(path)
        faults.step("dense.synced")
        manifest = Manifest(generation, self._space, path.name, path.stat().st_size, crc32(path), 0, 0)
        replace_manifest(self._directory, manifest)
        fsync(self._directory)
        for old in self._directory.glob("index-*"):
            if old != path:
                old.unlink(missing_ok=True)
                faults.step("dense.pruned")
        self._state = _State(held, manifest)


def _log(path: Path) -> Path:
    return path.with_suffix(".log")
