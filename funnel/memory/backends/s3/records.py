"""The content of an object: one value, or an old and a new one while a batch decides; knows no server.

The size of an object modulo 4 is its kind, so that a listing shows which objects must be read to know
whether they hold a value.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from secrets import token_bytes

from funnel.memory.backends.value import Value

LASTING, EXPIRING, UNDECIDED = 0, 1, 2
"""The kinds, as size modulo 4: a value that stays, one that expires, one that depends on a batch."""

_MAGIC = b"FMO1"
_HEADER = struct.Struct("<4s16s16sdQdQII")
"""Magic, mark, batch, end and bytes of the new value and of the old one, bytes of key and namespace."""
_NO_BATCH = bytes(16)
HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """An object's content. With a `batch`, `new` is what it holds if the batch was committed, else `old`."""

    where: str
    key: str
    new: Value
    batch: bytes | None = None
    old: Value | None = None

    def encoded(self) -> bytes:
        """Return the bytes of the object. No two calls return the same, so a writer recognises its own."""
        key, where = (text.encode("utf-8", "surrogatepass") for text in (self.key, self.where))
        old = self.old or Value(b"", math.nan)
        header = _HEADER.pack(
            _MAGIC, token_bytes(16), self.batch or _NO_BATCH,
            self.new.expires_at, len(self.new.value), old.expires_at, len(old.value), len(key), len(where),
        )  # fmt: skip
        size = sum(map(len, (header, key, where, self.new.value, old.value)))
        kind = UNDECIDED if self.batch else LASTING if self.new.expires_at == math.inf else EXPIRING
        return b"".join((header, key, where, self.new.value, old.value, bytes((kind - size) % 4)))


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an object: everything but its values."""

    where: str
    key: str
    batch: bytes | None
    expires_at: float


def head_bytes(start: bytes) -> int:
    """Return how many bytes of an object `head` needs, given its first `HEAD_BYTES`. Raises: `ValueError`."""
    *_, n_key, n_where = _fields(start)
    return _HEADER.size + n_key + n_where


def head(start: bytes) -> Head:
    """Return the head of an object. Raises: `ValueError` if it is not an object of a memory."""
    _, _, batch, expires_at, _, _, _, n_key, n_where = _fields(start)
    key = start[_HEADER.size : _HEADER.size + n_key]
    where = start[_HEADER.size + n_key : _HEADER.size + n_key + n_where]
    if len(where) != n_where:
        raise ValueError("it has been cut short")
    return Head(
        where.decode("utf-8", "surrogatepass"),
        key.decode("utf-8", "surrogatepass"),
        None if batch == _NO_BATCH else batch,
        expires_at,
    )


def decoded(content: bytes) -> ObjectRecord:
    """Return the record of an object. Raises: `ValueError` if it is not an object of a memory."""
    found = head(content)
    _, _, _, _, n_new, old_expires_at, n_old, n_key, n_where = _fields(content)
    at = _HEADER.size + n_key + n_where
    if len(content) < at + n_new + n_old:
        raise ValueError("it has been cut short")
    old = None if math.isnan(old_expires_at) else Value(content[at + n_new :][:n_old], old_expires_at)
    return ObjectRecord(
        found.where, found.key, Value(content[at : at + n_new], found.expires_at), found.batch, old
    )


def _fields(start: bytes) -> tuple[bytes, bytes, bytes, float, int, float, int, int, int]:
    if len(start) < _HEADER.size or not start.startswith(_MAGIC):
        raise ValueError("it is not a value of a memory")
    fields: tuple[bytes, bytes, bytes, float, int, float, int, int, int] = _HEADER.unpack_from(start)
    return fields
