"""A memory that can be replaced by another while it is in use; knows no backend and no run.

Keys that are written during the copy are copied again, round by round, until few are left. The last ones are
copied while new writes wait, and then the new memory takes over. Reads never wait. Only writes through this
object are seen, so no other process may write to the old memory meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from funnel.errors import FunnelError, MemoryFailed, SwapFailed
from funnel.memory.backends.opened import closed
from funnel.memory.base import Entry, Memory, Namespace
from funnel.memory.swap.copying import PATIENCE_S, Copied, Copier, KeyPlace, answered, require_room
from funnel.memory.text_search import matching

FEW = 32
"""At most this many changed keys are copied while writes wait."""
MOST_ROUNDS = 20
_LOG = logging.getLogger(__name__)


class Resident(Protocol):
    """A listener that is notified of a swap, after which its values have another URL."""

    async def leave(self, old: Memory, url: str) -> None:
        """Note in `old`, if necessary, that everything has moved to `url`, which is used from now on."""

    async def stay(self, old: Memory) -> None:
        """Remove that note: the swap has failed."""


@dataclass(eq=False)
class _Held:
    """A memory and the number of calls under way in it."""

    memory: Memory
    users: int = 0


class HotSwap:
    """A memory that passes every call to an inner memory; `swap` replaces that one, `close` closes it.

    `patience_s`: how long a swap waits for one answer of either memory.
    """

    def __init__(self, memory: Memory, *, patience_s: float = PATIENCE_S) -> None:
        self.residents: set[Resident] = set()
        self._held = _Held(memory)
        self._patience_s = patience_s
        self._writing = 0
        self._changed: set[KeyPlace] | None = None
        self._open_to_writers = asyncio.Event()
        self._open_to_writers.set()
        self._one_left = asyncio.Event()
        self._swapping = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def url(self) -> str:
        """The URL of the memory in use."""
        return self._held.memory.url

    async def swap(
        self, new: str | Memory, *, copy: bool = True, on_progress: Callable[[Copied], None] | None = None
    ) -> Copied:
        """Copy everything to `new`, a URL or an open memory, and use that; with `copy=False` copy nothing.

        The old memory is closed and keeps its values. A memory passed in open is not closed on failure.

        Raises: `SwapFailed`; the old one is still in use, and what was copied is deleted from the new one.
        """
        if self._swapping.locked():
            raise SwapFailed(self.url, "another swap is under way")
        async with self._swapping:
            self._require_open()
            target = await self._opened(new)
            old = self._held
            copier = Copier(
                old.memory, target, on_progress or (lambda _copied: None), patience_s=self._patience_s
            )
            try:
                await require_room(old.memory, target, patience_s=self._patience_s)
                if copy:
                    await self._copied(copier)
                self._require_open()
                self._held = _Held(target)
            except BaseException as error:
                self._let_write()
                await self._abandon(copier, close=isinstance(new, str))
                if isinstance(error, MemoryFailed) and not isinstance(error, SwapFailed):
                    raise SwapFailed(self.url, str(error)) from error
                raise
            self._let_write()
            # Even if this call is cancelled now, the swap is done; `close` waits for the rest of the work.
            retiring = asyncio.create_task(self._retire(old))
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)
            await asyncio.shield(retiring)
            return copier.copied

    async def _opened(self, new: str | Memory) -> Memory:
        if not isinstance(new, str):
            if new is self._held.memory:
                raise SwapFailed(self.url, "it is to be changed for itself")
            return new
        from funnel.memory import open_memory  # noqa: PLC0415 - the registry imports this file's package

        opening = asyncio.create_task(asyncio.to_thread(open_memory, new))
        try:
            return await asyncio.shield(opening)
        except FunnelError as error:
            raise SwapFailed(self.url, str(error)) from error
        except asyncio.CancelledError:
            with suppress(FunnelError):
                await (await opening).close()
            raise

    async def _copied(self, copier: Copier) -> None:
        """Copy and verify; at the end the target has the same values, and writes wait."""
        self._changed = set()
        await copier.everything()
        await copier.verify()
        rounds = 0
        while len(self._changed) > FEW and rounds < MOST_ROUNDS:
            rounds += 1
            await self._copied_again(copier)
        self._open_to_writers.clear()
        await answered(copier.source, self._left(lambda: self._writing == 0), self._patience_s)
        await self._copied_again(copier)
        await self._notify_residents(copier)

    async def _copied_again(self, copier: Copier) -> None:
        """Copy what was written since the last time."""
        changed, self._changed = self._changed or set(), set()
        await copier.some(changed)
        await copier.verify(changed)

    async def _notify_residents(self, copier: Copier) -> None:
        """Notify the residents before the switch, so that the two memories never both claim to hold them."""
        notified: list[Resident] = []
        try:
            for resident in [*self.residents]:
                notified.append(resident)
                call = resident.leave(copier.source, copier.target.url)
                await answered(copier.source, call, self._patience_s)
        except BaseException:
            for resident in notified:
                with suppress(MemoryFailed):
                    await answered(copier.source, resident.stay(copier.source), self._patience_s)
            raise

    async def _abandon(self, copier: Copier, *, close: bool) -> None:
        await copier.undo()
        if close:
            try:
                await copier.target.close()
            except MemoryFailed as error:
                _LOG.warning("closing the new memory failed: %s", error)

    async def _retire(self, old: _Held) -> None:
        """Close the old memory once the calls under way in it have ended."""
        await self._left(lambda: old.users == 0)
        try:
            await old.memory.close()
        except MemoryFailed as error:
            _LOG.warning("closing the old memory failed: %s", error)

    async def _left(self, empty: Callable[[], bool]) -> None:
        while not empty():
            self._one_left.clear()
            await self._one_left.wait()

    def _let_write(self) -> None:
        self._changed = None
        self._open_to_writers.set()

    def _require_open(self) -> None:
        if self._closed:
            raise closed(self.url)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Memory]:
        held = self._held
        held.users += 1
        try:
            yield held.memory
        finally:
            held.users -= 1
            self._one_left.set()

    @asynccontextmanager
    async def _writing_to(self, where: Namespace, keys: Sequence[str]) -> AsyncIterator[Memory]:
        while not self._open_to_writers.is_set():
            await self._open_to_writers.wait()
        self._writing += 1
        try:
            async with self._reading() as memory:
                yield memory
        finally:
            # Recorded even after an error, because the write may have been done.
            if self._changed is not None:
                self._changed.update((where, key) for key in keys)
            self._writing -= 1
            self._one_left.set()

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that exist and have not expired."""
        async with self._reading() as memory:
            return await memory.get_many(where, keys)

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what `get_many` returns, each with its remaining life."""
        async with self._reading() as memory:
            return await memory.get_entries(where, keys)

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none."""
        async with self._writing_to(where, list(items)) as memory:
            await memory.put_many(where, items, ttl_s=ttl_s)

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete keys; one that does not exist is ignored."""
        async with self._writing_to(where, keys) as memory:
            await memory.delete_many(where, keys)

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key holds `expected`, or if it does not exist and `expected` is None."""
        async with self._writing_to(where, [key]) as memory:
            return await memory.compare_and_set(where, key, expected=expected, value=value)

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Return up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""
        async with self._reading() as memory:
            return await memory.scan(where, prefix, after=after, limit=limit)

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Return up to `limit` namespaces that hold a key and sort after `after`, in order of code points."""
        async with self._reading() as memory:
            return await memory.namespaces(after=after, limit=limit)

    async def matching(
        self, where: Namespace, tokens: Sequence[str], *, after: str = "", limit: int = 1000
    ) -> dict[str, bytes]:
        """Return up to `limit` values under `TERMS` with any of these tokens, by key, after `after`."""
        async with self._reading() as memory:
            return await matching(memory, where, tokens, after=after, limit=limit)

    async def close(self) -> None:
        """Close the memory in use and end a swap under way; a second call does nothing."""
        self._closed = True
        await self._held.memory.close()
        async with self._swapping:
            await asyncio.gather(*self._retiring)
            await self._held.memory.close()
