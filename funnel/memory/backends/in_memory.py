"""`memory://`: a memory inside this process, lost when the process ends; knows no file."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from funnel.errors import MemoryFailed
from funnel.memory.backends.opened import closed
from funnel.memory.base import Entry, Namespace, require_keys, require_ttl


@dataclass(slots=True)
class _Space:
    """One namespace: `order` has the keys of `values`, sorted; `expiring` is a heap, maybe out of date."""

    values: dict[str, tuple[bytes, float | None]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    expiring: list[tuple[float, str]] = field(default_factory=list)


class InMemory:
    """A memory in dictionaries, for one event loop. `clock` returns seconds since an arbitrary time."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spaces: dict[Namespace, _Space] = {}
        self._closed = False

    @property
    def url(self) -> str:
        """The URL."""
        return "memory://"

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that exist and have not expired."""
        space = self._live(where)
        return {key: space.values[key][0] for key in keys if key in space.values}

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what `get_many` returns, each with its remaining life."""
        space, now = self._live(where), self._clock()
        found = {key: space.values[key] for key in keys if key in space.values}
        return {
            key: Entry(value, None if expires is None else expires - now)
            for key, (value, expires) in found.items()
        }

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none."""
        require_keys(items)
        require_ttl(ttl_s)
        space = self._spaces[where] = self._live(where)
        expires = None if ttl_s is None else self._clock() + ttl_s
        for key, value in items.items():
            self._put(space, key, value, expires)

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete keys; one that does not exist is ignored."""
        space = self._live(where)
        for key in keys:
            self._drop(space, key)

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key holds `expected`, or if it does not exist and `expected` is None."""
        require_keys([key])
        space = self._live(where)
        found = space.values[key][0] if key in space.values else None
        if found != expected:
            return False
        self._put(space, key, value, None)
        self._spaces[where] = space
        return True

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Return up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""
        order = self._live(where).order
        first = max(bisect_left(order, prefix), bisect_right(order, after) if after else 0)
        found: list[str] = []
        while first < len(order) and len(found) < limit and order[first].startswith(prefix):
            found.append(order[first])
            first += 1
        return found

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Return up to `limit` namespaces that hold a key and sort after `after`, in order of code points."""
        self._require_open()
        found: list[Namespace] = []
        for where in sorted(where for where in self._spaces if where > after):
            if len(found) >= limit:
                break
            if self._live(where).values:
                found.append(where)
            else:
                del self._spaces[where]
        return found

    async def close(self) -> None:
        """Forget everything; a second call does nothing."""
        self._closed = True
        self._spaces.clear()

    def _require_open(self) -> None:
        if self._closed:
            raise closed(self.url)

    def _live(self, where: Namespace) -> _Space:
        """Return the namespace without expired values; a new one is kept once something is written to it."""
        self._require_open()
        space = self._spaces.get(where) or _Space()
        now = self._clock()
        while space.expiring and space.expiring[0][0] <= now:
            expires, key = heappop(space.expiring)
            # The key may have been written again since, to expire later or never.
            if key in space.values and space.values[key][1] == expires:
                self._drop(space, key)
        return space

    @staticmethod
    def _put(space: _Space, key: str, value: bytes, expires: float | None) -> None:
        if key not in space.values:
            insort(space.order, key)
        space.values[key] = (value, expires)
        if expires is not None:
            heappush(space.expiring, (expires, key))

    @staticmethod
    def _drop(space: _Space, key: str) -> None:
        if space.values.pop(key, None) is not None:
            del space.order[bisect_left(space.order, key)]


def open_in_memory(url: str) -> InMemory:
    """Return a new memory for `memory://`. Raises: `MemoryFailed` if more than the scheme is given."""
    if url.partition(":")[2].strip("/"):
        raise MemoryFailed(url, "it takes nothing after memory://, since it lives in this process only.")
    return InMemory()
