"""Computes short hashes that identify texts; knows nothing about what the texts mean."""

from __future__ import annotations

from hashlib import sha256

_HEX_DIGITS = 16


def fingerprint(text: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of a text in UTF-8, lone surrogates included."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HEX_DIGITS]


def joint_fingerprint(*texts: str) -> str:
    """Return one fingerprint of several texts; it also depends on where each text ends."""
    digest = sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()[:_HEX_DIGITS]
