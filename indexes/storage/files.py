"""Syncs files to disk and computes checksums that reveal damage; knows no format."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

MAPS_FILES = os.name == "posix"
"""Whether to map large files into memory. Not on Windows, which cannot delete or replace a mapped file."""
_BLOCK_BYTES = 1 << 20


def fsync(path: Path) -> None:
    """Wait until the file or folder `path` is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def crc32(path: Path, *, stop: int | None = None) -> int:
    """Return the CRC-32 of a file, or of its first `stop` bytes. Detects damage, not manipulation.

    Raises: `OSError`.
    """
    value, remaining = 0, path.stat().st_size if stop is None else stop
    with path.open("rb", buffering=0) as file:
        while remaining > 0 and (block := file.read(min(remaining, _BLOCK_BYTES))):
            value = zlib.crc32(block, value)
            remaining -= len(block)
    return value
