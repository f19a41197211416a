"""A memory that can be changed for another while it is used; knows no backend and no run.

Writes that come while everything is being copied are remembered and copied again, round by round, until few
are left; these are copied while new writes wait, and then the other memory takes over. Reads never wait.
Only writes through this object are seen: another process must not write to the old memory meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from funnel.errors import MemoryFailed, SwapFailed
from funnel.memory.base import Entry, Memory, Namespace
from funnel.memory.copying import Copied, Copier, Place, require_room
from funnel.memory.text_search import matching

FEW = 32
"""So many changed keys, or fewer, are copied while writes wait."""
MOST_ROUNDS = 20
_LOG = logging.getLogger(__name__)


@dataclass(eq=False)
class _Held:
    """A memory, and how many calls are inside it."""

    memory: Memory
    users: int = 0


class HotSwap:
    """Whatever memory it holds now. `swap` changes that; closing it closes the memory."""

    def __init__(self, memory: Memory) -> None:
        self._held = _Held(memory)
        self._writing = 0
        self._changed: set[Place] | None = None
        self._open_to_writers = asyncio.Event()
        self._open_to_writers.set()
        self._left = asyncio.Condition()
        self._swapping = asyncio.Lock()

    @property
    def url(self) -> str:
        """Of the memory that is held now."""
        return self._held.memory.url

    async def swap(
        self,
        new: str | Memory,
        *,
        copy: bool = True,
        on_progress: Callable[[Copied], None] | None = None,
        leave: Callable[[Memory], Awaitable[None]] | None = None,
    ) -> Copied:
        """Use `new`, a URL or an open memory, from now on, with all that is held now unless not `copy`.

        The old one is closed; what it held stays in it. `leave` may write a last word into it.

        Raises: `SwapFailed`: the old one is still in use, and what was copied is out of the new one again.
        """
        if self._swapping.locked():
            raise SwapFailed(self.url, "another swap is under way")
        async with self._swapping:
            target = await self._opened(new)
            old = self._held
            copier = Copier(old.memory, target, on_progress or (lambda _copied: None))
            try:
                if copy:
                    await self._copied(copier)
                else:
                    self._held = _Held(target)
            except BaseException as error:
                self._changed = None
                self._open_to_writers.set()
                await self._abandon(copier, error, close=isinstance(new, str))
                raise
            await self._retire(old, leave)
            return copier.copied

    async def _opened(self, new: str | Memory) -> Memory:
        if not isinstance(new, str):
            return new
        from funnel.memory import open_memory  # noqa: PLC0415 - the registry imports this file's package

        try:
            return await asyncio.to_thread(open_memory, new)
        except MemoryFailed as error:
            raise SwapFailed(self.url, str(error)) from error

    async def _copied(self, copier: Copier) -> None:
        """Copy, verify, and let the target take over."""
        await require_room(copier.source, copier.target)
        self._changed = set()
        await copier.everything()
        rounds = 0
        while len(self._changed) > FEW and rounds < MOST_ROUNDS:
            rounds += 1
            changed, self._changed = self._changed, set()
            await copier.some(changed)
        # Everything is read back while the work goes on; what changes meanwhile is read back below.
        await copier.verify()
        self._open_to_writers.clear()
        async with self._left:
            await self._left.wait_for(lambda: self._writing == 0)
        last, self._changed = self._changed, set()
        await copier.some(last)
        await copier.verify(last)
        self._held = _Held(copier.target)
        self._changed = None
        self._open_to_writers.set()

    async def _abandon(self, copier: Copier, error: BaseException, *, close: bool) -> None:
        try:
            await copier.undo()
        except MemoryFailed as left:
            _LOG.warning("what was copied to %s could not be taken out again: %s", copier.target.url, left)
        if close:
            await copier.target.close()
        if isinstance(error, MemoryFailed) and not isinstance(error, SwapFailed):
            raise SwapFailed(self.url, str(error)) from error

    async def _retire(self, old: _Held, leave: Callable[[Memory], Awaitable[None]] | None) -> None:
        """Close the old memory once the calls that were inside it have come out."""
        async with self._left:
            await self._left.wait_for(lambda: old.users == 0)
        try:
            if leave is not None:
                await leave(old.memory)
            await old.memory.close()
        except MemoryFailed as error:
            _LOG.warning("the old memory was not left in good order: %s", error)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Memory]:
        held = self._held
        held.users += 1
        try:
            yield held.memory
        finally:
            held.users -= 1
            await self._tell(held)

    @asynccontextmanager
    async def _writing_to(self, where: Namespace, keys: Sequence[str]) -> AsyncIterator[Memory]:
        while not self._open_to_writers.is_set():
            await self._open_to_writers.wait()
        held = self._held
        held.users += 1
        self._writing += 1
        try:
            yield held.memory
        finally:
            # Also after an error: the write may have been done all the same.
            if self._changed is not None:
                self._changed.update((where, key) for key in keys)
            held.users -= 1
            self._writing -= 1
            await self._tell(held)

    async def _tell(self, held: _Held) -> None:
        """Only a swap waits for calls to come out, so that nobody else pays for it."""
        if self._swapping.locked() and (held.users == 0 or self._writing == 0):
            async with self._left:
                self._left.notify_all()

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those keys that exist and have not expired."""
        async with self._reading() as memory:
            return await memory.get_many(where, keys)

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """The same with the life that remains to each."""
        async with self._reading() as memory:
            return await memory.get_entries(where, keys)

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none."""
        async with self._writing_to(where, list(items)) as memory:
            await memory.put_many(where, items, ttl_s=ttl_s)

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete; a key that does not exist is no error."""
        async with self._writing_to(where, keys) as memory:
            await memory.delete_many(where, keys)

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key now holds `expected` (None: does not exist)."""
        async with self._writing_to(where, [key]) as memory:
            return await memory.compare_and_set(where, key, expected=expected, value=value)

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""
        async with self._reading() as memory:
            return await memory.scan(where, prefix, after=after, limit=limit)

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Up to `limit` namespaces that hold a key now and sort after `after`, in order of code points."""
        async with self._reading() as memory:
            return await memory.namespaces(after=after, limit=limit)

    async def matching(
        self, where: Namespace, tokens: Sequence[str], *, after: str = "", limit: int = 1000
    ) -> dict[str, bytes]:
        """Up to `limit` values under `TERMS` that hold any of these tokens, by their keys after `after`."""
        async with self._reading() as memory:
            return await matching(memory, where, tokens, after=after, limit=limit)

    async def close(self) -> None:
        """Close the memory that is held; a second call does nothing."""
        await self._held.memory.close()
