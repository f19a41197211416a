"""What a memory is: a small ordered key-value store with namespaces; knows nothing of its values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol, runtime_checkable
from urllib.parse import quote

Namespace = NewType("Namespace", str)
"""The name of a space of keys, as `namespace` builds it. A key can never reach outside its namespace."""


TERMS = "terms/"
"""The prefix of keys whose values are the terms of a text, as `funnel.memory.terms` writes them."""


def namespace(*parts: str) -> Namespace:
    """Return the namespace of several parts, such as a tenant, `run` and an id.

    Different parts give different namespaces: each is percent-encoded, so a slash in one separates nothing.

    Raises: `ValueError` if there is no part or one is empty.
    """
    if not parts or not all(parts):
        raise ValueError("a namespace needs at least one part, and none may be empty")
    return Namespace("/".join(quote(part, safe="", errors="surrogatepass") for part in parts))


def require_keys(keys: Iterable[str]) -> None:
    """Refuse the empty key. Every backend calls this before it writes.

    `scan` starts after "", so it could never list it.

    Raises: `ValueError`.
    """
    if "" in keys:
        raise ValueError("a key may not be empty")


def require_ttl(ttl_s: float | None) -> None:
    """Refuse a life that is infinite or not a number. Every backend calls this before it writes.

    Zero and negative numbers are accepted: such a value has expired as soon as it is written.

    Raises: `ValueError`.
    """
    if ttl_s is not None and not math.isfinite(ttl_s):
        raise ValueError(f"ttl_s = {ttl_s} is not a number of seconds; None keeps a value for ever")


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and the seconds until it expires; `ttl_s` is None if it never does."""

    value: bytes
    ttl_s: float | None


class Memory(Protocol):
    """Bytes under non-empty unicode keys. Every method is safe to call from many tasks at once.

    In a server, values expire by the server's clock, so that all its clients agree.

    Every method raises `MemoryFailed` if the backend is down, refuses, or was closed.
    """

    @property
    def url(self) -> str:
        """The URL, without credentials."""

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that exist and have not expired."""

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what `get_many` returns, each with its remaining life, for copies to another memory."""

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none. They expire after `ttl_s` seconds, or never if it is None.

        Raises: `ValueError` for an empty key or a `ttl_s` that is not finite.
        """

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete keys; one that does not exist is ignored."""

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key holds `expected`, or if it does not exist and `expected` is None.

        Returns whether it was written. Of several writers at once, one wins. The new value never expires,
        even if the old one was to expire.
        """

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Return up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Return up to `limit` namespaces that hold a key and sort after `after`, in order of code points."""

    async def close(self) -> None:
        """Close files and connections; a second call does nothing."""


@runtime_checkable
class TextIndex(Protocol):
    """A `Memory` with an index of its own, which finds texts by their terms.

    It indexes the ordinary values under `TERMS`. Writing one indexes it, and deleting or expiry removes it
    from the index, in the same transaction; so a copy of all values is enough to build the index again.
    `funnel.memory.text_search` finds the same texts in a memory without an index, by a scan.
    """

    async def matching(
        self, where: Namespace, tokens: Sequence[str], *, after: str = "", limit: int = 1000
    ) -> dict[str, bytes]:
        """Return up to `limit` values with any of these tokens, whose keys sort after `after`, in key order.

        Raises: `MemoryFailed`.
        """
