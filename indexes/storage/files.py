"""Files that outlive a crash and tell when they were damaged: sync to disk, checksums; knows no format."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

MAPS_FILES = os.name == "posix"
"""Whether large files are mapped into memory: Windows deletes and replaces none that is."""
_BLOCK_BYTES = 1 << 20


def fsync(path: Path) -> None:
    """Wait until the file or folder `path` is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def crc32(path: Path, *, stop: int | None = None) -> int:
    """The CRC-32 of a file's bytes, or of its first `stop`. Finds damage, not deceit. Raises: `OSError`."""
    value, left = 0, path.stat().st_size if stop is None else stop
    with path.open("rb", buffering=0) as file:
        while left > 0 and (block := file.read(min(left, _BLOCK_BYTES))):
            value = zlib.crc32(block, value)
            left -= len(block)
    return value
