"""Calls to a server over a few connections, retried until a deadline; knows no client library.

A write whose answer was lost may have been done. To make a second attempt harmless, each connection of the
pool belongs to a named writer, whose writes are numbered: a backend stores the last number of each writer in
the same transaction as the data, and ignores a write that it has done already. Numbers are not reused, so an
abandoned attempt that reaches the server late does nothing either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from uuid import UUID, uuid4

from funnel.backoff import pauses
from funnel.errors import MemoryFailed
from funnel.memory.backends.opened import OpenedMemory, closed
from funnel.memory.credentials import Secrets, without_credentials

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5


class Connection(Protocol):
    """One connection of a client library, which opens when it is first used."""

    def drop(self) -> None:
        """Abandon the connection without waiting; the next call opens another."""

    async def close(self) -> None:
        """Close the connection."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What an error of the client library means. `lost`: the connection is lost; a retry may succeed.

    `advised`: the reason says already what to do.
    """

    reason: str
    lost: bool
    advised: bool = False


C = TypeVar("C", bound=Connection)
T = TypeVar("T")


@dataclass(slots=True)
class ServerConnection(Generic[C]):
    """A connection and the writer whose calls it makes, held by one call through all its attempts."""

    connection: C
    writer: UUID = field(default_factory=uuid4)
    number: int = 0


class ServerPool(Generic[C]):
    """At most `size` connections to the server at `url`; the one used last is used next, so few stay open.

    A call takes at most `retry_s`, counted from its beginning or from the last answer to any call, whichever
    is later, so a call that waits in a moving queue does not fail. `errors` are the client library's error
    classes, and `explain` says what one means. `shown`: the URL without credentials, if it has other parts.
    """

    def __init__(
        self,
        url: str,
        make: Callable[[], C],
        *,
        size: int,
        retry_s: float,
        errors: tuple[type[Exception], ...],
        explain: Callable[[Exception], Failure],
        shown: str = "",
    ) -> None:
        self.url = shown or without_credentials(url)
        self.closed = False
        self._secrets = Secrets(url)
        self._make = make
        self._retry_s = retry_s
        self._errors = errors
        self._explain = explain
        self._free = asyncio.Semaphore(size)
        self._idle: list[ServerConnection[C]] = []
        self._answered_at = 0.0

    async def call(self, work: Callable[[ServerConnection[C]], Awaitable[T]]) -> T:
        """Return the result of `work`, which is retried while the connection is lost.

        Raises: `MemoryFailed` if the deadline has passed, the server refused, or this was closed.
        """
        self.require_open()
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self._free.locked():
            await self._turn()
        else:
            await self._free.acquire()
        if self.closed:
            self._free.release()
            self.require_open()
        held = self._idle.pop() if self._idle else ServerConnection(self._make())
        held.number += 1
        try:
            result = await self._tried(work, held, max(began, self._answered_at) + self._retry_s)
            self._answered_at = loop.time()
            return result
        finally:
            self._free.release()
            if self.closed:
                await held.connection.close()
            else:
                self._idle.append(held)

    def require_open(self) -> None:
        """Check that this is open. Raises: `MemoryFailed` if `close` was called."""
        if self.closed:
            raise closed(self.url)

    async def close(self) -> None:
        """Close idle connections now, and each of the others when its call ends."""
        self.closed = True
        while self._idle:
            await self._idle.pop().connection.close()

    async def _turn(self) -> None:
        """Wait in the queue for as long as it moves."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                async with asyncio.timeout(self._retry_s):
                    await self._free.acquire()
            except TimeoutError:
                if self._answered_at < began:
                    raise self._failed("it answers no call") from None
            else:
                return

    async def _tried(
        self, work: Callable[[ServerConnection[C]], Awaitable[T]], held: ServerConnection[C], deadline: float
    ) -> T:
        last: Exception | None = None
        waits = pauses(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    try:
                        return await work(held)
                    except self._errors as error:
                        last = error
                        failure = self._explain(error)
                        if not failure.lost:
                            reason = self._secrets.hidden(failure.reason)
                            raise MemoryFailed(self.url, reason) from self._secrets.cause(error)
                        held.connection.drop()
                    await asyncio.sleep(next(waits))
        except TimeoutError:
            # Only the deadline raises it: client libraries have errors of their own.
            held.connection.drop()
            failure = Failure("it gives no answer", lost=True) if last is None else self._explain(last)
            raise self._failed(failure.reason, advised=failure.advised) from (
                last and self._secrets.cause(last)
            )
        except asyncio.CancelledError:
            held.connection.drop()
            raise

    def _failed(self, reason: str, *, advised: bool = False) -> MemoryFailed:
        text = self._secrets.hidden(reason).rstrip(".")
        advice = "" if advised else " Check that the server runs and can be reached."
        return MemoryFailed(self.url, f"tried for {self._retry_s:g} s: {text}.{advice}")


class ServerMemory(OpenedMemory, Generic[C]):
    """Base class of a memory whose calls go through a pool of connections."""

    def __init__(self, pool: ServerPool[C]) -> None:
        self._pool = pool
        self._opened(pool.url)

    async def close(self) -> None:
        """Close the connections; a second call does nothing."""
        self._closed = True
        await self._pool.close()
