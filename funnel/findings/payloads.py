"""Stores the rows of tables and the values of notes beside their findings, in parts of bounded size."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from funnel.memory.base import Memory, Namespace

PART_BYTES = 250_000
MAX_BYTES = 2_000_000
"""A larger value is not kept."""
_PAYLOAD = "payload/"
_MAX_PARTS = MAX_BYTES // PART_BYTES + 1


def dumped(value: Any) -> bytes | None:
    """Return a value as it is stored; None if it is too large, or no JSON value."""
    try:
        stored = json.dumps(value, separators=(",", ":")).encode()
    except (TypeError, ValueError):
        return None
    return stored if len(stored) <= MAX_BYTES else None


def parts(digest: str, stored: bytes) -> dict[str, bytes]:
    """Return the keys and values under which the value of a finding is stored."""
    cuts = range(0, len(stored), PART_BYTES)
    return {f"{_PAYLOAD}{digest}/{n:03d}": stored[at : at + PART_BYTES] for n, at in enumerate(cuts)}


async def load(memory: Memory, where: Namespace, digest: str) -> Any:
    """Return the value of a finding; None if it was removed, or is not whole. Raises: `MemoryFailed`."""
    keys = await memory.scan(where, f"{_PAYLOAD}{digest}/", limit=_MAX_PARTS)
    found = await memory.get_many(where, keys)
    try:
        return json.loads(b"".join(found.get(key, b"") for key in keys))
    except ValueError:
        return None


async def keys_of(memory: Memory, where: Namespace, digests: Iterable[str]) -> list[str]:
    """Return the keys of the values of these findings. Raises: `MemoryFailed`."""
    found: list[str] = []
    for digest in digests:
        found += await memory.scan(where, f"{_PAYLOAD}{digest}/", limit=_MAX_PARTS)
    return found
