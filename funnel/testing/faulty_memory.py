"""Memories for tests: one with injected faults, one that yields to other tasks, one readable after `close`.

A fault is an async function that runs instead of an operation and receives the call. The faults below are the
ways in which a backend can fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, NoReturn

from funnel.errors import MemoryFailed
from funnel.memory.backends.in_memory import InMemory
from funnel.memory.base import Entry, Namespace

WRITES = frozenset({"put_many", "delete_many", "compare_and_set"})

Operation = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an operation: its name, the method that performs it, and its arguments."""

    name: str
    operation: Operation
    args: tuple[Any, ...]
    options: dict[str, Any]

    async def do(self) -> Any:
        """Perform the operation as if there were no fault."""
        return await self.operation(*self.args, **self.options)


Fault = Callable[[Call], Awaitable[Any]]


class PeekableMemory(InMemory):
    """A memory in this process that still works after `close`, so that a test can see what it held."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.n_closed = 0

    async def close(self) -> None:
        """Count the call and do nothing else."""
        self.n_closed += 1


class FaultyMemory(PeekableMemory):
    """A memory in this process in which operation number `at`, counted from 1, runs `fault` instead.

    `n` counts the operations so far. `during(n, name)`, if it is set, is called before each.
    """

    def __init__(
        self, fault: Fault | None = None, at: int = 0, *, url: str = "faulty://there", **options: Any
    ) -> None:
        super().__init__(**options)
        self.fault, self.at, self.n = fault, at, 0
        self.during: Callable[[int, str], Awaitable[None]] | None = None
        self._shown = url

    @property
    def url(self) -> str:
        """The URL that was given."""
        return self._shown

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """Do what `InMemory` does, or run the fault."""
        found: dict[str, bytes] = await self._call("get_many", super().get_many, where, keys)
        return found

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """Do what `InMemory` does, or run the fault."""
        found: dict[str, Entry] = await self._call("get_entries", super().get_entries, where, keys)
        return found

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Do what `InMemory` does, or run the fault."""
        await self._call("put_many", super().put_many, where, items, ttl_s=ttl_s)

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Do what `InMemory` does, or run the fault."""
        await self._call("delete_many", super().delete_many, where, keys)

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Do what `InMemory` does, or run the fault."""
        options = {"expected": expected, "value": value}
        return bool(await self._call("compare_and_set", super().compare_and_set, where, key, **options))

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Do what `InMemory` does, or run the fault."""
        found: list[str] = await self._call("scan", super().scan, where, prefix, after=after, limit=limit)
        return found

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Do what `InMemory` does, or run the fault."""
        found: list[Namespace] = await self._call("namespaces", super().namespaces, after=after, limit=limit)
        return found

    async def _call(self, name: str, inner: Operation, *args: Any, **options: Any) -> Any:
        self.n += 1
        n = self.n
        if self.during is not None:
            await self.during(n, name)
        if n == self.at and self.fault is not None:
            return await self.fault(Call(name, inner, args, options))
        return await inner(*args, **options)


class YieldingMemory(FaultyMemory):
    """A memory in this process that lets other tasks run before and after each operation, at random."""

    def __init__(self, random: Random, **options: Any) -> None:
        super().__init__(**options)
        self.random = random

    async def _call(self, name: str, inner: Operation, *args: Any, **options: Any) -> Any:
        for _ in range(self.random.randrange(3)):
            await asyncio.sleep(0)
        found = await super()._call(name, inner, *args, **options)
        for _ in range(self.random.randrange(3)):
            await asyncio.sleep(0)
        return found


async def raises(_call: Call) -> NoReturn:
    """Fail without doing the operation."""
    raise MemoryFailed("faulty://there", "the disk is full.")


async def raises_afterwards(call: Call) -> NoReturn:
    """Do the operation and fail, as if the answer were lost."""
    await call.do()
    raise MemoryFailed("faulty://there", "the line is dead.")


async def breaks(_call: Call) -> NoReturn:
    """Raise an exception that a memory must not raise."""
    raise RuntimeError("a bug of the plug-in")


async def hangs(_call: Call) -> None:
    """Never return."""
    await asyncio.get_running_loop().create_future()


async def comes_late(call: Call) -> Any:
    """Do the operation later, even if its caller was cancelled, as a thread would."""

    async def later() -> Any:
        for _ in range(50):
            await asyncio.sleep(0)
        return await call.do()

    return await asyncio.shield(asyncio.create_task(later()))


async def corrupts(call: Call) -> Any:
    """Flip one bit of one value, as it is written or read."""
    if call.name == "put_many":
        where, items = call.args
        key = next(iter(items))
        return await replace(call, args=(where, {**items, key: _flipped(items[key])})).do()
    found = await call.do()
    if call.name == "get_many" and found:
        key = next(iter(found))
        return {**found, key: _flipped(found[key])}
    return found


async def loses(call: Call) -> Any:
    """Report a write as done that was not."""
    return None if call.name in WRITES else await call.do()


async def forgets(call: Call) -> Any:
    """Report every value as missing."""
    return {} if call.name == "get_many" else await call.do()


def _flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:] if value else b"\x00"
