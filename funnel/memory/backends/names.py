"""Keys and namespaces as names of files and objects; knows no file system and no server.

A name consists of digits, small letters and `- _ ~`, so no file system folds, normalises or refuses it, and
no key can contain `..` or `/`. Each byte of UTF-8 that is not a digit or a small letter becomes a sign and
two hexadecimal digits. The sign depends on where the byte sorts among digits and letters, so names sort as
their texts do, by code point. The name of a text of more than `keep` bytes is that of its first `keep` bytes,
a full stop and a hash of the whole: such names sort correctly among others, but not among themselves.
"""

from __future__ import annotations

import re
from hashlib import sha256

_ESCAPED = re.compile("[-_~](..)")
_NAME = re.compile(r"(?:[0-9a-z]|[-_~][0-9a-f]{2})+(?:\.[0-9a-f]{40})?")
_HASH_DIGITS = 40


def _name_of(byte: int) -> str:
    if chr(byte) in "0123456789abcdefghijklmnopqrstuvwxyz":
        return chr(byte)
    lead = "-" if byte < ord("0") else "_" if byte < ord("a") else "~"
    return f"{lead}{byte:02x}"


_NAMES = {byte: _name_of(byte) for byte in range(256)}


def encode(text: str, *, keep: int) -> str:
    """Return the name of `text`: ASCII, at most 3 * `keep` + 41 characters."""
    raw = text.encode("utf-8", "surrogatepass")
    kept = raw[:keep].decode("latin-1").translate(_NAMES)
    return kept if len(raw) <= keep else f"{kept}.{sha256(raw).hexdigest()[:_HASH_DIGITS]}"


def beginning(text: str, *, keep: int) -> str:
    """Return the beginning that the names of all texts that begin with `text` have in common."""
    return text.encode("utf-8", "surrogatepass")[:keep].decode("latin-1").translate(_NAMES)


def is_name(name: str) -> bool:
    """Return True if `encode` can have returned this."""
    return _NAME.fullmatch(name) is not None


def is_hashed(name: str) -> bool:
    """Return True if the name has a hash, from which the text cannot be read."""
    return "." in name


def decode(name: str) -> str:
    """Return the text of a name without a hash."""
    raw = _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), name).encode("latin-1")
    return raw.decode("utf-8", "surrogatepass")
