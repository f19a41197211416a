"""What a memory is: a small ordered key-value store with namespaces; knows nothing of what it keeps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol, runtime_checkable
from urllib.parse import quote

Namespace = NewType("Namespace", str)
"""A key can never leave its namespace. Build one with `namespace`."""


TERMS = "terms/"
"""A key that begins so holds the terms of a text, as `funnel.memory.terms` writes them, and nothing else."""


def namespace(*parts: str) -> Namespace:
    """A namespace of several parts (`tenant`, `run`, id). Distinct parts give distinct namespaces.

    Each part is percent-encoded, so that a slash in a part cannot reach into another namespace.

    Raises: `ValueError` when there is no part or one is empty.
    """
    if not parts or not all(parts):
        raise ValueError("a namespace needs at least one part, and none may be empty")
    return Namespace("/".join(quote(part, safe="", errors="surrogatepass") for part in parts))


def require_keys(keys: Iterable[str]) -> None:
    """Every backend asks this before it writes: `scan` starts after "", so it could never list "".

    Raises: `ValueError` for the empty key.
    """
    if "" in keys:
        raise ValueError("a key may not be empty")


def require_ttl(ttl_s: float | None) -> None:
    """Every backend asks this before it writes. Zero or less is an end that has come.

    Raises: `ValueError` for what is no number of seconds: infinite or not a number.
    """
    if ttl_s is not None and not math.isfinite(ttl_s):
        raise ValueError(f"ttl_s = {ttl_s} is no number of seconds; None keeps a value for ever")


@dataclass(frozen=True, slots=True)
class Entry:
    """A value, and how many seconds of its life remain; None: it stays."""

    value: bytes
    ttl_s: float | None


class Memory(Protocol):
    """Bytes under unicode keys that are not empty. Every method is safe to call from many tasks at once.

    Where a server keeps the values, `ttl_s` is counted by the server's clock, so that all its clients agree.

    Raises from every method: `MemoryFailed` when the backend is down, refuses, or was closed.
    """

    @property
    def url(self) -> str:
        """Where this is, without credentials."""

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those keys that exist and have not expired."""

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """The same with the life that remains to each, for whoever copies them to another memory."""

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none. With `ttl_s` they are gone after so many seconds; without, they stay.

        Raises: `ValueError` for an empty key, or a `ttl_s` that is not finite.
        """

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete; a key that does not exist is no error."""

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key now holds `expected` (None: does not exist). Of two writers, one wins.

        What it writes stays, even where the old value had an end.
        """

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Up to `limit` namespaces that hold a key now and sort after `after`, in order of code points."""

    async def close(self) -> None:
        """Let go of files and connections; a second call does nothing."""


@runtime_checkable
class TextIndex(Protocol):
    """A `Memory` that finds texts by their terms with an index of its own.

    What is indexed are the ordinary values under `TERMS`: writing one indexes it, deleting it or its end
    takes it out again, in the same transaction; so whoever copies a memory copies what its index is made of.
    `funnel.memory.text_search` finds the same in a memory without an index, by a scan.
    """

    async def matching(
        self, where: Namespace, tokens: Sequence[str], *, after: str = "", limit: int = 1000
    ) -> dict[str, bytes]:
        """Up to `limit` values that hold any of these tokens, by their keys after `after`, in `scan`'s order.

        Raises: `MemoryFailed`.
        """
