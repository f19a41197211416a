"""Everything of one memory into another, and whether two hold the same; knows no backend and no run."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from funnel.errors import MemoryFailed
from funnel.memory.base import Entry, Memory, Namespace

_NAMESPACES = 500
_KEYS = 500
_AT_ONCE = 16
"""So many values are read and written in one go: pages of a document are 64 kB and more each."""
_SHOWN = 5

Place = tuple[Namespace, str]


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy took over."""

    keys: int = 0
    n_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two memories differ: counts, and the first few places of each kind."""

    keys: int
    missing: tuple[Place, ...] = ()
    extra: tuple[Place, ...] = ()
    other: tuple[Place, ...] = ()

    @property
    def none(self) -> bool:
        """Whether they hold the same."""
        return not (self.missing or self.extra or self.other)

    def __str__(self) -> str:
        """In words."""
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


async def namespaces(memory: Memory) -> AsyncIterator[Namespace]:
    """Every namespace that holds a key."""
    after = ""
    while found := await memory.namespaces(after=after, limit=_NAMESPACES):
        for where in found:
            yield where
        after = found[-1]


async def keys(memory: Memory, where: Namespace) -> AsyncIterator[str]:
    """Every key of a namespace, in order."""
    after = ""
    while found := await memory.scan(where, after=after, limit=_KEYS):
        for key in found:
            yield key
        after = found[-1]


async def batches(memory: Memory) -> AsyncIterator[tuple[Namespace, list[str]]]:
    """Every key of a memory, some at a time, each batch of one namespace."""
    async for where in namespaces(memory):
        batch: list[str] = []
        async for key in keys(memory, where):
            batch.append(key)
            if len(batch) == _AT_ONCE:
                yield where, batch
                batch = []
        if batch:
            yield where, batch


@dataclass
class Copier:
    """Copies places from `source` to `target` and remembers a checksum of each, to be verified.

    `on_progress` hears of the sums so far after each batch.
    """

    source: Memory
    target: Memory
    on_progress: Callable[[Copied], None] = field(default=lambda _copied: None)
    sums: dict[Place, bytes] = field(default_factory=dict)
    copied: Copied = field(default_factory=Copied)

    async def everything(self) -> None:
        """Every key that the source holds now. Raises: `MemoryFailed`."""
        async for where, batch in batches(self.source):
            await self.places(where, batch)

    async def some(self, places: Iterable[Place]) -> None:
        """These keys as they are now: one that is gone in the source goes in the target, too."""
        by_namespace: dict[Namespace, list[str]] = defaultdict(list)
        for where, key in places:
            by_namespace[where].append(key)
        for where, changed in by_namespace.items():
            for first in range(0, len(changed), _AT_ONCE):
                await self.places(where, changed[first : first + _AT_ONCE])

    async def places(self, where: Namespace, batch: Sequence[str]) -> None:
        """One batch of one namespace."""
        found = await self.source.get_entries(where, batch)
        for ttl_s, items in _by_life(found).items():
            await self.target.put_many(where, items, ttl_s=ttl_s)
        gone = [key for key in batch if key not in found]
        if gone:
            await self.target.delete_many(where, gone)
        for key in gone:
            self.sums.pop((where, key), None)
        for key, entry in found.items():
            self.sums[where, key] = checksum(entry.value)
        size = sum(len(entry.value) for entry in found.values())
        self.copied = Copied(self.copied.keys + len(found), self.copied.n_bytes + size)
        self.on_progress(self.copied)

    async def verify(self, places: Iterable[Place] | None = None) -> None:
        """Read these places, or all that were copied, back from the target.

        A value whose life has ended in both meanwhile is not missed. Raises: `MemoryFailed`, of the target,
        when it does not hold what was copied.
        """
        if wrong := await self._wrong(places):
            where, key = wrong[0]
            raise MemoryFailed(self.target.url, f"it gave back something else for {where} {key[:60]!r}")

    async def _wrong(self, places: Iterable[Place] | None) -> list[Place]:
        wrong = []
        by_namespace: dict[Namespace, list[str]] = defaultdict(list)
        for where, key in self.sums if places is None else places:
            by_namespace[where].append(key)
        for where, wanted in by_namespace.items():
            for first in range(0, len(wanted), _AT_ONCE):
                batch = wanted[first : first + _AT_ONCE]
                held = await self.target.get_many(where, batch)
                differs = [
                    key
                    for key in batch
                    if (checksum(held[key]) if key in held else None) != self.sums.get((where, key))
                ]
                still = await self.source.get_many(where, differs) if differs else {}
                wrong += [(where, key) for key in differs if key in still or key in held]
        return wrong

    async def undo(self) -> None:
        """Take out of the target what was put there. Raises: `MemoryFailed`."""
        by_namespace: dict[Namespace, list[str]] = defaultdict(list)
        for where, key in self.sums:
            by_namespace[where].append(key)
        for where, written in by_namespace.items():
            await self.target.delete_many(where, written)
        self.sums.clear()


async def require_room(source: Memory, target: Memory) -> None:
    """A namespace that both have would become a mixture of two runs, or of two states of one.

    Raises: `MemoryFailed`, of the target, where there is one.
    """
    ours = {where async for where in namespaces(source)}
    async for where in namespaces(target):
        if where in ours:
            raise MemoryFailed(
                target.url, f"it holds {where} already. Name an empty memory, or take that out of it"
            )


async def copy_all(
    source: Memory, target: Memory, *, on_progress: Callable[[Copied], None] = lambda _copied: None
) -> Copied:
    """Everything of a memory that nobody writes to meanwhile, read back and compared.

    Raises: `MemoryFailed`; what was copied is out of the target again.
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
    """What `other` has otherwise than `one`, by the checksum of every value. Raises: `MemoryFailed`."""
    ours, theirs = await asyncio.gather(_sums(one), _sums(other))
    return Difference(
        keys=len(ours),
        missing=tuple(sorted(ours.keys() - theirs.keys())),
        extra=tuple(sorted(theirs.keys() - ours.keys())),
        other=tuple(sorted(at for at in ours.keys() & theirs.keys() if ours[at] != theirs[at])),
    )


def checksum(value: bytes) -> bytes:
    """128 bits of BLAKE2b."""
    return hashlib.blake2b(value, digest_size=16).digest()


async def _sums(memory: Memory) -> dict[Place, bytes]:
    sums: dict[Place, bytes] = {}
    async for where, batch in batches(memory):
        found = await memory.get_many(where, batch)
        sums |= {(where, key): checksum(value) for key, value in found.items()}
    return sums


def _by_life(found: Mapping[str, Entry]) -> dict[float | None, dict[str, bytes]]:
    """Values that end in the same second are written together; one that stays, with those that stay."""
    groups: dict[float | None, dict[str, bytes]] = defaultdict(dict)
    for key, entry in found.items():
        groups[None if entry.ttl_s is None else round(entry.ttl_s)][key] = entry.value
    return groups


def _named(places: Sequence[Place]) -> str:
    return ", ".join(f"{where} {key[:60]!r}" for where, key in places[:_SHOWN])
