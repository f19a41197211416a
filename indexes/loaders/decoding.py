"""Decodes a file's bytes to its canonical text; knows encodings and newlines, no format."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from indexes.errors import BadFile

_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NEWLINES = re.compile(r"\r\n?")


def read_text(path: Path) -> str:
    """Read a file in UTF-8, or in UTF-16 with a byte order mark; every newline becomes a line feed.

    Raises: `BadFile` if it cannot be opened, is binary, or is in another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise unreadable(path, exc) from exc
    encoding = encoding_of(data[:4])
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as exc:
        raise undecodable(path, exc, line=data.count(b"\n", 0, exc.start) + 1) from exc
    if "\0" in text:
        raise BadFile(path, "it is binary, not text")
    return with_newlines(text)


def encoding_of(head: bytes) -> str:
    """Return the encoding that a file's first bytes declare."""
    return next((name for mark, name in _ENCODINGS if head.startswith(mark)), "utf-8")


def unreadable(path: Path, error: OSError) -> BadFile:
    """Return an error of the operating system as a `BadFile`."""
    return BadFile(path, f"it cannot be read ({error.strerror or error})")


def undecodable(path: Path, error: UnicodeDecodeError, *, line: int) -> BadFile:
    """Return a decoding error as a `BadFile`; data with a zero byte is called binary."""
    if error.encoding == "utf-8" and b"\0" in error.object:
        return BadFile(path, "it is binary, not text")
    bad = error.object[error.start]
    return BadFile(
        path, f"it is not {error.encoding.upper()} text (byte 0x{bad:02x}); convert it first", line=line
    )


def with_newlines(text: str) -> str:
    """Return the text with every newline as a line feed."""
    return _NEWLINES.sub("\n", text) if "\r" in text else text
