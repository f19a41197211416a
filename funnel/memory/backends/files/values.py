"""A value as a file and the name of that file; knows no lock and no other file."""

from __future__ import annotations

import contextlib
import math
import os
import struct
from pathlib import Path

from funnel.memory.backends import names
from funnel.memory.backends.value import Value

KEEP = 71
"""Bytes of a text that its name keeps: 3 * 71 + 41 and the `~` make the 255 that a file name may have."""
EXPIRES = "~"
_MAGIC = b"FMV1"
_HEADER = struct.Struct("<4sdIQ")  # magic, expires_at (infinite if never), bytes of the key, of the value


def file_names(key: str, expires_at: float = math.inf) -> tuple[str, str]:
    """Return the file name of a value with this expiry, and the name it would have with the other kind."""
    name = names.encode(key, keep=KEEP)
    return (name, name + EXPIRES) if expires_at == math.inf else (name + EXPIRES, name)


def write_value(path: str, key: str, value: bytes, expires_at: float) -> None:
    """Write a file that only its owner may read; after an error there is none. Raises: `OSError`."""
    raw = key.encode("utf-8", "surrogatepass")
    header = _HEADER.pack(_MAGIC, expires_at, len(raw), len(value)) + raw
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        written = os.writev(file, [header, value])
        # A write may be incomplete because of a full disk, which the next one reports, or its sheer size.
        while written < len(header) + len(value):
            written += os.write(file, memoryview(header + value)[written:])
    except BaseException:
        with contextlib.suppress(OSError):
            Path(path).unlink()
        raise
    finally:
        os.close(file)


def read_value(path: str) -> Value:
    """Return the value of a file. Raises: `OSError`; `ValueError` if it is not a value or is truncated."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        expires_at, n_key, n_value = _header(file)
        _read(file, n_key)
        value = _read(file, n_value)
    finally:
        os.close(file)
    return Value(value, expires_at)


def read_head(path: str) -> tuple[str, float]:
    """Return the key and the expiry of a file. Raises what `read_value` raises."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        expires_at, n_key, _ = _header(file)
        return _read(file, n_key).decode("utf-8", "surrogatepass"), expires_at
    finally:
        os.close(file)


def _header(file: int) -> tuple[float, int, int]:
    magic, expires_at, n_key, n_value = _HEADER.unpack(_read(file, _HEADER.size))
    if magic != _MAGIC:
        raise ValueError("is not a value of this memory")
    return expires_at, n_key, n_value


def _read(file: int, size: int) -> bytes:
    """Return the next `size` bytes, however many reads they take."""
    read = os.read(file, size)
    while len(read) < size:
        if not (more := os.read(file, size - len(read))):
            raise ValueError("has been cut short")
        read += more
    return read
