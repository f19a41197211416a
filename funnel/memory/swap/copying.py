"""Copies all values of one memory into another, and compares two; knows no backend and no run."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from funnel.errors import MemoryFailed
from funnel.memory.base import Entry, Memory, Namespace

_NAMESPACES = 500
_KEYS = 500
_AT_ONCE = 16
"""How many values are read and written at a time; fewer if they are large."""
_ABOUT_BYTES = 256 * 1024
"""The bytes to copy at a time: with more, other callers would wait."""
_LARGE_BYTES = 1 << 20
"""Checksums of more bytes than this are computed in a thread."""
_ENDING_S = 2.0
"""A value with less of its life left may expire in one memory before the other: some count whole seconds."""
_LONG_S = 60.0
_TRIES = 2
_SHOWN = 5
PATIENCE_S = 60.0
"""After this time without an answer a memory has failed; the backends here give up before."""
_LOG = logging.getLogger(__name__)

KeyPlace = tuple[Namespace, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Copied:
    """The size of a copy so far."""

    keys: int = 0
    n_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """How two memories differ; `keys`: the number of keys of the first."""

    keys: int
    missing: tuple[KeyPlace, ...] = ()
    extra: tuple[KeyPlace, ...] = ()
    other: tuple[KeyPlace, ...] = ()

    @property
    def none(self) -> bool:
        """Return True if both have the same values."""
        return not (self.missing or self.extra or self.other)

    def __str__(self) -> str:
        """Describe the difference in words."""
        parts = [
            f"{len(places):,} keys {what}, such as {_named(places)}"
            for what, places in (
                ("are missing", self.missing),
                ("are too many", self.extra),
                ("hold something else", self.other),
            )
            if places
        ]  # fmt: skip
        return "; ".join(parts) or f"{self.keys:,} keys are the same"


async def namespaces(memory: Memory, *, patience_s: float = PATIENCE_S) -> AsyncIterator[Namespace]:
    """Yield every namespace with a key."""
    after = ""
    while found := await answered(memory, memory.namespaces(after=after, limit=_NAMESPACES), patience_s):
        for where in found:
            yield where
        after = found[-1]


async def keys(memory: Memory, where: Namespace, *, patience_s: float = PATIENCE_S) -> AsyncIterator[str]:
    """Yield every key of a namespace, in order."""
    after = ""
    while found := await answered(memory, memory.scan(where, after=after, limit=_KEYS), patience_s):
        for key in found:
            yield key
        after = found[-1]


async def batches(
    memory: Memory, *, patience_s: float = PATIENCE_S
) -> AsyncIterator[tuple[Namespace, list[str]]]:
    """Yield every key of a memory, several at a time, each batch from one namespace."""
    async for where in namespaces(memory, patience_s=patience_s):
        batch: list[str] = []
        async for key in keys(memory, where, patience_s=patience_s):
            batch.append(key)
            if len(batch) == _AT_ONCE:
                yield where, batch
                batch = []
        if batch:
            yield where, batch


async def answered(memory: Memory, call: Awaitable[T], patience_s: float) -> T:
    """Return the result of the call. Raises: `MemoryFailed`, also if none comes within `patience_s`."""
    try:
        async with asyncio.timeout(patience_s):
            return await call
    except TimeoutError as error:
        raise MemoryFailed(memory.url, f"it gave no answer within {patience_s:g} s") from error


@dataclass
class Copier:
    """Copies values from `source` to `target` and keeps a checksum of each, for `verify`.

    `on_progress` is called with the size so far after each batch. `sums` has every key that was touched in
    the target, with the checksum of its value there, or None if it must not exist.
    """

    source: Memory
    target: Memory
    on_progress: Callable[[Copied], None] = field(default=lambda _copied: None)
    patience_s: float = PATIENCE_S
    sums: dict[KeyPlace, bytes | None] = field(default_factory=dict)
    copied: Copied = field(default_factory=Copied)
    _at_once: int = _AT_ONCE

    async def everything(self) -> None:
        """Copy every key that the source has now. Raises: `MemoryFailed`."""
        async for where, batch in batches(self.source, patience_s=self.patience_s):
            await self._in_parts(batch, partial(self._places, where))

    async def some(self, places: Iterable[KeyPlace]) -> None:
        """Copy these keys as they are now; one that is gone from the source is deleted from the target."""
        for where, batch in _batched(places):
            await self._in_parts(batch, partial(self._places, where))

    async def _in_parts(self, batch: Sequence[str], work: Callable[[Sequence[str]], Awaitable[int]]) -> None:
        """Work on about `_ABOUT_BYTES` at a time, as estimated from the mean size of the previous values."""
        while batch:
            part, batch = batch[: self._at_once], batch[self._at_once :]
            mean = await work(part) / len(part)
            self._at_once = min(_AT_ONCE, max(1, int(_ABOUT_BYTES / max(1.0, mean))))
            # Two memories of this process never wait, so other tasks get their turn here.
            await asyncio.sleep(0)

    async def _places(self, where: Namespace, batch: Sequence[str]) -> int:
        """Copy these keys and return the bytes of their values."""
        found = await answered(self.source, self.source.get_entries(where, batch), self.patience_s)
        sums = await _checksums({key: entry.value for key, entry in found.items()})
        gone = [key for key in batch if key not in found]
        # Recorded before anything is written: a write that fails may have been done and must be undone.
        self.sums |= {(where, key): sums.get(key) for key in batch}
        for ttl_s, items in _by_life(found).items():
            await self._write(self.target.put_many(where, items, ttl_s=ttl_s))
        if gone:
            await self._write(self.target.delete_many(where, gone))
        size = sum(len(entry.value) for entry in found.values())
        self.copied = Copied(self.copied.keys + len(found), self.copied.n_bytes + size)
        self.on_progress(self.copied)
        return size

    async def _write(self, call: Awaitable[None]) -> None:
        """Wait for a write even if this is cancelled; otherwise it could be done after `undo`."""
        writing = asyncio.ensure_future(call)
        try:
            await answered(self.target, asyncio.shield(writing), self.patience_s)
        except asyncio.CancelledError:
            await asyncio.wait([writing], timeout=self.patience_s)
            raise
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def verify(self, places: Iterable[KeyPlace] | None = None) -> None:
        """Read these keys back from the target, or all that were touched; then it may have no others.

        A value that expires meanwhile may be missing.

        Raises: `MemoryFailed`, of the target, if it does not hold what was copied.
        """
        if places is None:
            await self._count()
        for where, batch in _batched(self.sums if places is None else places):
            await self._in_parts(batch, partial(self._compare, where))

    async def _compare(self, where: Namespace, batch: Sequence[str]) -> int:
        held = await answered(self.target, self.target.get_many(where, batch), self.patience_s)
        sums = await _checksums(held)
        differing = [key for key in batch if sums.get(key) != self.sums[where, key]]
        if differing and (wrong := await self._wrong(where, differing, held)):
            what = "gave back something else for" if wrong in held else "did not keep"
            raise MemoryFailed(self.target.url, f"it {what} {_named([(where, wrong)])}")
        return sum(map(len, held.values()))

    async def _count(self) -> None:
        """Check that our namespaces in the target have only the keys that were copied."""
        for where in {where for where, _ in self.sums}:
            async for key in keys(self.target, where, patience_s=self.patience_s):
                if (where, key) not in self.sums:
                    reason = f"somebody else writes to it: {_named([(where, key)])}"
                    raise MemoryFailed(self.target.url, reason)

    async def _wrong(
        self, where: Namespace, differing: Sequence[str], held: Mapping[str, bytes]
    ) -> str | None:
        """Return a key that differs in the target without a good reason; None if there is none."""
        still = await answered(self.source, self.source.get_entries(where, differing), self.patience_s)
        for key in differing:
            entry = still.get(key)
            ending = entry is None or (entry.ttl_s is not None and entry.ttl_s < _ENDING_S)
            if key in held or not ending:
                return key
        return None

    async def undo(self) -> None:
        """Delete from the target what was copied; if it fails, log that."""
        try:
            for where, batch in _batched([*self.sums]):
                await self._delete(where, batch)
        except MemoryFailed as error:
            _LOG.warning("what was copied could not be deleted again: %s", error)

    async def _delete(self, where: Namespace, batch: Sequence[str]) -> None:
        for left in reversed(range(_TRIES)):
            try:
                await answered(self.target, self.target.delete_many(where, batch), self.patience_s)
            except MemoryFailed:
                if not left:
                    raise
            else:
                return


async def require_room(source: Memory, target: Memory, *, patience_s: float = PATIENCE_S) -> None:
    """Check that no namespace is in both memories: it would become a mixture of two runs.

    Raises: `MemoryFailed`, of the target, if there is such a namespace.
    """
    ours = {where async for where in namespaces(source, patience_s=patience_s)}
    async for where in namespaces(target, patience_s=patience_s):
        if where in ours:
            raise MemoryFailed(
                target.url, f"it holds {where} already. Name an empty memory, or take that out of it"
            )


async def copy_all(
    source: Memory, target: Memory, *, on_progress: Callable[[Copied], None] = lambda _copied: None
) -> Copied:
    """Copy all values of a memory that is not written to meanwhile, and compare them.

    Raises: `MemoryFailed`, after what was copied has been deleted from the target.
    """
    await require_room(source, target)
    copier = Copier(source, target, on_progress)
    try:
        await copier.everything()
        await copier.verify()
    except BaseException:
        await copier.undo()
        raise
    return copier.copied


async def compare(one: Memory, other: Memory) -> Difference:
    """Return how `other` differs from `one`, by the checksum of every value. Raises: `MemoryFailed`."""
    ours, theirs = await asyncio.gather(_sums(one), _sums(other))
    return Difference(
        keys=len(ours),
        missing=tuple(sorted(ours.keys() - theirs.keys())),
        extra=tuple(sorted(theirs.keys() - ours.keys())),
        other=tuple(sorted(at for at in ours.keys() & theirs.keys() if ours[at] != theirs[at])),
    )


def checksum(value: bytes) -> bytes:
    """Return 128 bits of BLAKE2b."""
    return hashlib.blake2b(value, digest_size=16).digest()


async def _sums(memory: Memory) -> dict[KeyPlace, bytes]:
    sums: dict[KeyPlace, bytes] = {}
    async for where, batch in batches(memory):
        found = await memory.get_many(where, batch)
        sums |= {(where, key): one for key, one in (await _checksums(found)).items()}
    return sums


def _batched(places: Iterable[KeyPlace]) -> Iterator[tuple[Namespace, list[str]]]:
    """Yield the keys, several at a time, each batch from one namespace."""
    by_namespace: dict[Namespace, list[str]] = defaultdict(list)
    for where, key in places:
        by_namespace[where].append(key)
    for where, wanted in by_namespace.items():
        for first in range(0, len(wanted), _AT_ONCE):
            yield where, wanted[first : first + _AT_ONCE]


async def _checksums(values: Mapping[str, bytes]) -> dict[str, bytes]:
    def compute() -> dict[str, bytes]:
        return {key: checksum(value) for key, value in values.items()}

    large = sum(map(len, values.values())) > _LARGE_BYTES
    return await asyncio.to_thread(compute) if large else compute()


def _by_life(found: Mapping[str, Entry]) -> dict[float | None, dict[str, bytes]]:
    """Group values by the second in which they expire, to be written together.

    Group them by the millisecond if little of their life is left, since a second would matter then.
    """
    groups: dict[float | None, dict[str, bytes]] = defaultdict(dict)
    for key, entry in found.items():
        life = entry.ttl_s
        groups[life and (math.ceil(life) if life > _LONG_S else round(life, 3))][key] = entry.value
    return groups


def _named(places: Sequence[KeyPlace]) -> str:
    return ", ".join(f"{where} {key[:60]!r}" for where, key in places[:_SHOWN])
