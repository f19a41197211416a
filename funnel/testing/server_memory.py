"""The contract of a memory in a server: a lost connection does no harm, and no password is shown."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol, TypeVar
from urllib.parse import quote

import pytest

from funnel.errors import MemoryFailed
from funnel.memory import open_memory
from funnel.memory.base import Memory
from funnel.testing.clock import FakeClock
from funnel.testing.memory import HERE, LastingMemoryContract, MakeMemory
from funnel.testing.proxy import Proxy

_T = TypeVar("_T")


class MemoryServer(Protocol):
    """What the fixture `server` provides: a real server for this test alone, running and empty."""

    @property
    def port(self) -> int:
        """The port on which it listens on 127.0.0.1."""

    @property
    def url(self) -> str:
        """The URL that opens a memory in it, with its password, percent-encoded."""

    @property
    def password(self) -> str:
        """The password, unencoded: letters or digits first, then characters that a URL has to encode."""

    def url_at(self, port: int) -> str:
        """Return the same URL with another port, behind which a proxy forwards to this server."""

    def start(self) -> None:
        """Start it if it is not running, and wait until it serves."""

    def end(self) -> None:
        """Kill it and wait until it has ended. What it acknowledged is still there after `start`."""

    def age(self, seconds: float) -> None:
        """Make values that can expire this many seconds older."""


class MemoryClass(Protocol):
    """What the fixture `memory_class` provides: a class or function that opens a memory."""

    def __call__(self, url: str, *, retry_s: float = ..., max_connections: int = ...) -> Memory:
        """Open a memory that retries each call for `retry_s` seconds, over at most `max_connections`."""


class ServerClock(FakeClock):
    """A clock for the memory contract that advances the server's time with its own."""

    def __init__(self, server: MemoryServer) -> None:
        super().__init__()
        self._server = server

    def passes(self, seconds: float) -> None:
        """Make the values in the server this many seconds older."""
        super().passes(seconds)
        self._server.age(seconds)


def secrets(server: MemoryServer) -> list[str]:
    """Return what must never be shown: the beginning of the password, and all of it as encoded in a URL."""
    return [*re.findall(r"^\w+", server.password), quote(server.password, safe="")]


async def once_it_works(call: Callable[[], Awaitable[_T]]) -> _T:
    """Return the result of `call`, retried because even a running server may take over 0.3 s if busy."""
    while True:
        try:
            return await call()
        except MemoryFailed:
            await asyncio.sleep(0.1)


def said(error: BaseException) -> str:
    """Return everything that a traceback, its chain and the errors themselves show."""
    shown = "".join(traceback.format_exception(error))
    return f"{shown} {error} {error!r} {getattr(error, 'url', '')} {getattr(error, 'reason', '')}"


class ServerMemoryContract(LastingMemoryContract):
    """What a memory in a server must do in addition to `MemoryContract`.

        class TestMine(ServerMemoryContract):
            @pytest.fixture
            def server(self): ...          # a `MemoryServer`, running and empty

            @pytest.fixture
            def memory_class(self):
                return MyMemory            # a `MemoryClass`, whose scheme `open_memory` knows

    The suite kills and restarts the server, so each process of a test run needs one of its own.
    """

    @pytest.fixture
    def server(self) -> MemoryServer:
        """Return a running, empty server."""
        raise NotImplementedError("override the fixture `server`: return a MemoryServer")

    @pytest.fixture
    def memory_class(self) -> MemoryClass:
        """Return the class of the memory."""
        raise NotImplementedError("override the fixture `memory_class`: return a MemoryClass")

    @pytest.fixture
    def clock(self, server: MemoryServer) -> FakeClock:
        """Return the server's clock."""
        return ServerClock(server)

    @pytest.fixture
    def make(self, server: MemoryServer, memory_class: MemoryClass) -> MakeMemory:
        """Return a function that opens the server's memory."""
        return lambda _clock: memory_class(server.url)

    @pytest.fixture
    async def proxy(self, server: MemoryServer) -> AsyncIterator[Proxy]:
        """Run a proxy in front of the server."""
        async with Proxy(server.port) as proxy:
            yield proxy

    @pytest.fixture
    async def through(
        self, server: MemoryServer, memory_class: MemoryClass, proxy: Proxy
    ) -> AsyncIterator[Memory]:
        """Open a memory that reaches its server through the proxy and has already connected.

        It has also compared and set once: a server may not know the program for it yet, and then the reply
        that a test loses would say so, and nothing would have been written.
        """
        memory = memory_class(server.url_at(proxy.port), retry_s=20, max_connections=1)
        await memory.put_many(HERE, {"warm": b"up"})
        await memory.compare_and_set(HERE, "warm", expected=b"up", value=b"set")
        await memory.delete_many(HERE, ["warm"])
        yield memory
        await memory.close()

    @pytest.fixture
    def restarted(self, server: MemoryServer) -> Iterator[MemoryServer]:
        """Return the server, and start it again after the test if it was killed."""
        yield server
        server.start()

    # expiry, by the server itself

    async def test_the_server_lets_a_value_expire(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=0.05)
        while await memory.get_many(HERE, ["a"]):  # noqa: ASYNC110 - the server sends no notice
            await asyncio.sleep(0.01)
        assert await memory.scan(HERE) == []

    # replies lost after the server did the work

    async def test_a_put_whose_reply_was_lost_is_not_done_twice(
        self, through: Memory, memory: Memory, proxy: Proxy
    ) -> None:
        proxy.lose_next_reply(lambda: memory.put_many(HERE, {"a": b"theirs"}))
        await through.put_many(HERE, {"a": b"mine"})
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"theirs"}

    async def test_a_large_put_whose_reply_was_lost_is_not_done_twice(
        self, through: Memory, memory: Memory, proxy: Proxy
    ) -> None:
        proxy.lose_next_reply(lambda: memory.put_many(HERE, {"a": b"theirs"}))
        await through.put_many(HERE, {"a": b"mine" * 50_000, "b": b"mine" * 50_000})
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a", "b"]) == {"a": b"theirs", "b": b"mine" * 50_000}

    async def test_a_delete_whose_reply_was_lost_is_not_done_twice(
        self, through: Memory, memory: Memory, proxy: Proxy
    ) -> None:
        await memory.put_many(HERE, {"a": b"old"})
        proxy.lose_next_reply(lambda: memory.put_many(HERE, {"a": b"theirs"}))
        await through.delete_many(HERE, ["a"])
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"theirs"}

    async def test_a_compare_and_set_whose_reply_was_lost_has_won(
        self, through: Memory, memory: Memory, proxy: Proxy
    ) -> None:
        proxy.lose_next_reply()
        assert await through.compare_and_set(HERE, "a", expected=None, value=b"mine")
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"mine"}

    async def test_it_has_won_even_if_another_writer_has_replaced_the_value_since(
        self, through: Memory, memory: Memory, proxy: Proxy
    ) -> None:
        async def replace() -> None:
            assert await memory.compare_and_set(HERE, "a", expected=b"mine", value=b"theirs")

        proxy.lose_next_reply(replace)
        assert await through.compare_and_set(HERE, "a", expected=None, value=b"mine")
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"theirs"}

    async def test_it_has_lost_even_if_it_could_win_now(
        self, through: Memory, memory: Memory, proxy: Proxy
    ) -> None:
        await memory.put_many(HERE, {"a": b"theirs"})
        proxy.lose_next_reply(lambda: memory.delete_many(HERE, ["a"]))
        assert not await through.compare_and_set(HERE, "a", expected=None, value=b"mine")
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a"]) == {}

    async def test_another_writer_of_the_same_value_does_not_win_for_this_one(
        self, through: Memory, memory: Memory, proxy: Proxy
    ) -> None:
        await memory.put_many(HERE, {"a": b"same"})
        proxy.lose_next_reply()
        assert not await through.compare_and_set(HERE, "a", expected=None, value=b"same")
        assert proxy.n_lost == 1

    async def test_a_read_whose_reply_was_lost_reads_again(self, through: Memory, proxy: Proxy) -> None:
        await through.put_many(HERE, {"a": b"1"})
        for call in (through.get_many, through.get_entries):
            proxy.lose_next_reply()
            assert (await call(HERE, ["a"])).keys() == {"a"}
        proxy.lose_next_reply()
        assert await through.scan(HERE) == ["a"]
        proxy.lose_next_reply()
        assert await through.namespaces() == [HERE]
        assert proxy.n_lost == 4

    # a server that is killed

    async def test_a_call_waits_for_a_server_that_comes_back(
        self, restarted: MemoryServer, memory_class: MemoryClass
    ) -> None:
        memory = memory_class(restarted.url, retry_s=60)
        await memory.put_many(HERE, {"a": b"1"})
        restarted.end()
        reading = asyncio.create_task(memory.get_many(HERE, ["a"]))
        writing = asyncio.create_task(memory.put_many(HERE, {"b": b"2"}))
        await asyncio.sleep(0.1)
        assert not reading.done()
        await asyncio.to_thread(restarted.start)
        assert await reading == {"a": b"1"}
        await writing
        assert await memory.scan(HERE) == ["a", "b"]
        await memory.close()

    async def test_a_counter_loses_nothing_while_the_server_is_killed(
        self, restarted: MemoryServer, memory_class: MemoryClass
    ) -> None:
        memory = memory_class(restarted.url, retry_s=60)
        await memory.put_many(HERE, {"n": b"0"})

        async def add_one() -> None:
            while True:
                seen = (await memory.get_many(HERE, ["n"]))["n"]
                if await memory.compare_and_set(HERE, "n", expected=seen, value=b"%d" % (int(seen) + 1)):
                    return

        async def add_ten() -> None:
            for _ in range(10):
                await add_one()

        adding = [asyncio.create_task(add_ten()) for _ in range(8)]
        for n in (20, 50):
            while int((await memory.get_many(HERE, ["n"]))["n"]) < n:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            await asyncio.to_thread(restarted.end)
            await asyncio.to_thread(restarted.start)
        await asyncio.gather(*adding)
        assert await memory.get_many(HERE, ["n"]) == {"n": b"80"}
        await memory.close()

    async def test_a_server_that_stays_away_is_one_clear_error(
        self, restarted: MemoryServer, memory_class: MemoryClass
    ) -> None:
        memory = memory_class(restarted.url, retry_s=0.3)
        await once_it_works(lambda: memory.put_many(HERE, {"a": b"1"}))
        restarted.end()
        with pytest.raises(MemoryFailed, match=r"tried for 0.3 s: .* Check that the server runs") as failed:
            await memory.get_many(HERE, ["a"])
        assert "\n" not in str(failed.value)
        await asyncio.to_thread(restarted.start)
        assert await once_it_works(lambda: memory.get_many(HERE, ["a"])) == {"a": b"1"}
        await memory.close()

    async def test_every_queued_call_fails_when_the_server_is_gone(
        self, restarted: MemoryServer, memory_class: MemoryClass
    ) -> None:
        memory = memory_class(restarted.url, retry_s=0.3, max_connections=2)
        restarted.end()
        calls = (memory.put_many(HERE, {f"{n}": b""}) for n in range(64))
        failed = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in failed} == {MemoryFailed}
        await memory.close()

    # a server that does not answer

    async def test_a_server_that_hangs_is_one_clear_error(
        self, server: MemoryServer, memory_class: MemoryClass, proxy: Proxy
    ) -> None:
        memory = memory_class(server.url_at(proxy.port), retry_s=0.3)
        await once_it_works(lambda: memory.put_many(HERE, {"a": b"1"}))
        proxy.hang()
        with pytest.raises(MemoryFailed, match=r"tried for 0.3 s: it gives no answer\. Check"):
            await memory.get_many(HERE, ["a"])
        proxy.go_on()
        assert await once_it_works(lambda: memory.get_many(HERE, ["a"])) == {"a": b"1"}
        await memory.close()

    async def test_a_call_that_is_cancelled_does_not_wait_for_the_server(
        self, through: Memory, proxy: Proxy
    ) -> None:
        await through.put_many(HERE, {"a": b"1"})
        proxy.hang()
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await through.get_many(HERE, ["a"])
        assert time.monotonic() - began < 15  # not the deadline of twenty
        proxy.go_on()
        assert await through.get_many(HERE, ["a"]) == {"a": b"1"}

    async def test_a_late_reply_does_not_answer_another_call(self, through: Memory, proxy: Proxy) -> None:
        await through.put_many(HERE, {"a": b"1", "b": b"2"})
        proxy.hang()
        late = asyncio.create_task(through.get_many(HERE, ["a"]))
        await asyncio.sleep(0.02)
        late.cancel()
        proxy.go_on()
        assert await through.get_many(HERE, ["b"]) == {"b": b"2"}

    # connections

    async def test_more_tasks_than_connections_take_turns(
        self, server: MemoryServer, memory_class: MemoryClass, proxy: Proxy
    ) -> None:
        memory = memory_class(server.url_at(proxy.port), max_connections=3)
        await asyncio.gather(*(memory.put_many(HERE, {f"{n:02d}": b""}) for n in range(64)))
        assert len(await memory.scan(HERE)) == 64
        assert proxy.n_connections <= 3
        await memory.close()

    async def test_calls_under_way_complete_although_it_is_closed(
        self, server: MemoryServer, memory_class: MemoryClass
    ) -> None:
        memory = memory_class(server.url)
        await memory.put_many(HERE, {"a": b"1"})
        reading = asyncio.create_task(memory.get_many(HERE, ["a"]))
        await asyncio.sleep(0)
        await memory.close()
        assert await reading == {"a": b"1"}

    async def test_queued_calls_fail_when_the_memory_is_closed(
        self, server: MemoryServer, memory_class: MemoryClass
    ) -> None:
        memory = memory_class(server.url, max_connections=1)
        calls = [asyncio.create_task(memory.put_many(HERE, {f"{n}": b""})) for n in range(8)]
        await asyncio.sleep(0)
        await memory.close()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert all(result is None or "closed" in str(result) for result in done)

    async def test_a_memory_that_was_never_closed_warns(
        self, server: MemoryServer, memory_class: MemoryClass
    ) -> None:
        memory = memory_class(server.url)
        with pytest.warns(ResourceWarning, match="never closed"):
            memory.__del__()  # type: ignore[attr-defined]  # deleting the last name would leave the connections open
        await memory.close()

    # credentials

    async def test_the_url_shows_no_credentials(self, memory: Memory, server: MemoryServer) -> None:
        assert str(server.port) in memory.url
        assert not any(secret in f"{memory.url} {memory!r} {vars(memory)!r}" for secret in secrets(server))

    async def test_a_wrong_password_fails_at_once_and_is_not_repeated(
        self, server: MemoryServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        password = quote(server.password, safe="")
        wrong = server.url.replace(password, f"{password}000")
        memory = open_memory(wrong)
        with pytest.raises(MemoryFailed, match="Check the user") as failed:
            await memory.get_many(HERE, ["a"])
        assert not any(secret in said(failed.value) + caplog.text for secret in secrets(server))
        await memory.close()

    async def test_no_failure_shows_the_password(
        self,
        restarted: MemoryServer,
        memory_class: MemoryClass,
        proxy: Proxy,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        memory = memory_class(restarted.url_at(proxy.port), retry_s=0.2)
        await once_it_works(lambda: memory.put_many(HERE, {"a": b"1"}))
        shown = ""
        proxy.hang()
        with pytest.raises(MemoryFailed) as hung:
            await memory.get_many(HERE, ["a"])
        proxy.go_on()
        restarted.end()
        with pytest.raises(MemoryFailed) as gone:
            await memory.get_many(HERE, ["a"])
        await memory.close()
        with pytest.raises(MemoryFailed) as closed:
            await memory.get_many(HERE, ["a"])
        shown = "".join(said(failed.value) for failed in (hung, gone, closed)) + caplog.text
        assert not any(secret in shown for secret in secrets(restarted))
