"""The log of vectors added to and removed from a vector file; knows bytes and checksums, no index.

Only the first `log_bytes` bytes, as the manifest states, are valid. The remains of an interrupted write come
after them, and the next write overwrites them.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexes.dense.base import Vectors
from indexes.scope import Keys

_HEAD = np.dtype("<i8")
_FLOAT = np.dtype("<f4")
_HEAD_NUMBERS = 3


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change: vectors (n, dimension) added with keys (n,), and the keys that were removed."""

    keys: Keys
    vectors: Vectors
    removed: Keys


def append(path: Path, size_bytes: int, check: int, record: LogEntry) -> tuple[int, int]:
    """Write an entry to the disk after the first `size_bytes` bytes; return the new length and CRC-32."""
    head = np.array([*record.vectors.shape, len(record.removed)], _HEAD)
    blob = b"".join((
        head.tobytes(),
        record.keys.astype(_HEAD).tobytes(),
        record.vectors.astype(_FLOAT).tobytes(),
        record.removed.astype(_HEAD).tobytes(),
    ))  # fmt: skip
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.truncate(size_bytes)
        file.seek(size_bytes)
        file.write(blob)
        file.flush()
        os.fsync(file.fileno())
    return size_bytes + len(blob), zlib.crc32(blob, check)


def read(path: Path, start: int, stop: int, check: int, wanted: int) -> list[LogEntry]:
    """Return the entries in bytes [start, stop); `check` is the CRC-32 before them, `wanted` the one after.

    Raises: `OSError`; `ValueError` if the file is shorter or has other bytes.
    """
    if start == stop:
        return []
    with path.open("rb") as file:
        file.seek(start)
        blob = file.read(stop - start)
    if len(blob) != stop - start or zlib.crc32(blob, check) != wanted:
        raise ValueError(f"{path} does not match its checksum")
    return list(_records(blob))


def _records(blob: bytes) -> Iterator[LogEntry]:
    at = 0

    def take(dtype: np.dtype[np.generic], count: int) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
        nonlocal at
        found = np.frombuffer(blob, dtype, count, at)
        at += found.nbytes
        return found

    while at < len(blob):
        n, dimension, n_removed = (int(number) for number in take(_HEAD, _HEAD_NUMBERS))
        keys = take(_HEAD, n).astype(np.int64)
        vectors = take(_FLOAT, n * dimension).astype(np.float32).reshape(n, dimension)
        yield LogEntry(keys, vectors, take(_HEAD, n_removed).astype(np.int64))
