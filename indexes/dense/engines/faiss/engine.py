"""The FAISS engine: a flat index if that is fast, else inverted lists; knows keys and vectors, no text."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import faiss as _faiss

from indexes.dense.base import Vectors
from indexes.dense.engines.faiss.snapshot import IndexLimits, VectorSnapshot, build, opened
from indexes.dense.engines.file_engine import FileEngine
from indexes.scope import Keys

faiss: Any = _faiss  # its stubs lack the methods that its Python layer adds


class FaissEngine(FileEngine[VectorSnapshot]):
    """A FAISS index over the vectors of the embedding space `space` in `directory`."""

    suffix = ".faiss"

    def __init__(self, directory: Path, space: str, *, limits: IndexLimits | None = None) -> None:
        self._limits = limits or IndexLimits()
        super().__init__(directory, space, rewritten=self._limits.rewritten, tail=self._limits.tail)

    def _built(self, keys: Keys, vectors: Vectors) -> VectorSnapshot:
        return VectorSnapshot.of(build(keys, vectors, self._limits))

    def _merged(self, held: VectorSnapshot) -> VectorSnapshot:
        return held.merged(self._limits)

    def _opened(self, path: Path) -> VectorSnapshot:
        return opened(path)

    def _save(self, held: VectorSnapshot, path: Path) -> None:
        try:
            faiss.write_index(held.base, str(path))
        except RuntimeError as exc:  # how FAISS reports a full disk
            raise OSError(errno.EIO, _reason(str(exc))) from exc


def _reason(message: str) -> str:
    """Return the operating system's message, which FAISS puts last, in brackets."""
    return message[message.rfind("(") + 1 : -1] if message.endswith(")") else message
