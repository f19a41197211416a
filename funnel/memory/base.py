"""What a memory is: a small ordered key-value store with namespaces; knows nothing of what it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NewType, Protocol
from urllib.parse import quote

Namespace = NewType("Namespace", str)
"""A key can never leave its namespace. Build one with `namespace`."""


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


class Memory(Protocol):
    """Bytes under unicode keys that are not empty. Every method is safe to call from many tasks at once.

    Raises from every method: `MemoryFailed` when the backend is down, refuses, or was closed.
    """

    @property
    def url(self) -> str:
        """Where this is, without credentials."""

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those keys that exist and have not expired."""

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none. With `ttl_s` they are gone after so many seconds; without, they stay."""

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete; a key that does not exist is no error."""

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key now holds `expected` (None: does not exist). Of two writers, one wins."""

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""

    async def close(self) -> None:
        """Let go of files and connections; a second call does nothing."""
