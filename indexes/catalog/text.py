"""Encodes text for the catalog, and builds the text that retrievers index."""

from __future__ import annotations

PAGE_CHARS = 32_768
"""Characters in a page of a document's text."""


def indexed_text(title: str, text: str) -> str:
    """Return the text that both retrievers index for a passage: the document's title, then the passage."""
    return f"{title}\n{text}" if title else text


def encode(text: str) -> bytes:
    """Encode text for the catalog."""
    # Lone surrogates occur in real files, and offsets count them.
    return text.encode("utf-8", "surrogatepass")


def decode(page: bytes) -> str:
    """Decode stored text. Raises: `UnicodeDecodeError` if it is damaged."""
    return page.decode("utf-8", "surrogatepass")
