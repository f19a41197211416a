"""`example://`: a memory in one dictionary, written from the protocol alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from funnel.errors import MemoryFailed
from funnel.memory.base import Entry, Namespace, require_keys, require_ttl


class ExampleMemory:
    """Values by namespace and key, each with the time of its end; None: it stays."""

    def __init__(self, url: str = "example://", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.url = url
        self._clock = clock
        self._values: dict[tuple[Namespace, str], tuple[bytes, float | None]] | None = {}

    def _live(self) -> dict[tuple[Namespace, str], tuple[bytes, float | None]]:
        """Return what has not expired."""
        if self._values is None:
            raise MemoryFailed(self.url, "it is closed.")
        now = self._clock()
        self._values = {
            place: (value, ends)
            for place, (value, ends) in self._values.items()
            if ends is None or ends > now
        }
        return self._values

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that exist."""
        live = self._live()
        return {key: live[where, key][0] for key in keys if (where, key) in live}

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """Return the same with the life that remains to each."""
        live, now = self._live(), self._clock()
        found = {key: live[where, key] for key in keys if (where, key) in live}
        return {
            key: Entry(value, None if ends is None else ends - now) for key, (value, ends) in found.items()
        }

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none."""
        require_keys(items)
        require_ttl(ttl_s)
        ends = None if ttl_s is None else self._clock() + ttl_s
        self._live().update({(where, key): (value, ends) for key, value in items.items()})

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete keys."""
        live = self._live()
        for key in keys:
            live.pop((where, key), None)

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key now holds `expected`."""
        require_keys([key])
        live = self._live()
        if live.get((where, key), (None, None))[0] != expected:
            return False
        live[where, key] = (value, None)
        return True

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Return up to `limit` keys in order."""
        keys = (key for space, key in self._live() if space == where)
        return sorted(key for key in keys if key > after and key.startswith(prefix))[: max(limit, 0)]

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Return up to `limit` namespaces in order."""
        return sorted({space for space, _ in self._live() if space > after})[: max(limit, 0)]

    async def close(self) -> None:
        """Forget everything."""
        self._values = None
