"""What a memory in a server must do besides: lose connections without harm, and show no password."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from urllib.parse import quote

import pytest
from contracts.memory import HERE, MemoryContract
from services.proxy import Proxy
from services.server import ServerClock

from funnel.errors import MemoryFailed
from funnel.memory import open_memory

SECRETS = ["hunter2", quote("hunter2:/@%é", safe="")]


def said(error: BaseException) -> str:
    """Everything that a traceback, its chain and the errors themselves show."""
    shown = "".join(traceback.format_exception(error))
    return f"{shown} {error} {error!r} {getattr(error, 'url', '')} {getattr(error, 'reason', '')}"


class ServerMemoryContract(MemoryContract):
    """Needs the fixtures `server`, running and empty, and `memory_class`."""

    @pytest.fixture
    def clock(self, server):
        return ServerClock(server)

    @pytest.fixture
    def make(self, server, memory_class):
        return lambda clock: memory_class(server.url)

    @pytest.fixture
    async def proxy(self, server):
        async with Proxy(server.port) as proxy:
            yield proxy

    @pytest.fixture
    async def through(self, server, memory_class, proxy):
        """A memory that reaches its server by the proxy, and has done so."""
        memory = memory_class(server.url_at(proxy.port), retry_s=20, max_connections=1)
        await memory.put_many(HERE, {"warm": b"up"})
        await memory.delete_many(HERE, ["warm"])
        yield memory
        await memory.close()

    @pytest.fixture
    def restarted(self, server):
        """Whatever the test did to it, the server runs for the next one."""
        yield server
        server.start()

    # expiry, by the server itself

    async def test_the_server_lets_a_value_expire(self, memory):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=0.05)
        while await memory.get_many(HERE, ["a"]):  # noqa: ASYNC110 - a server tells nobody
            await asyncio.sleep(0.01)
        assert await memory.scan(HERE) == []

    # a reply that is lost after the server did its work

    async def test_a_put_whose_reply_was_lost_is_not_done_twice(self, through, memory, proxy):
        proxy.lose_next_reply(lambda: memory.put_many(HERE, {"a": b"theirs"}))
        await through.put_many(HERE, {"a": b"mine"})
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"theirs"}

    async def test_a_large_put_whose_reply_was_lost_is_not_done_twice(self, through, memory, proxy):
        proxy.lose_next_reply(lambda: memory.put_many(HERE, {"a": b"theirs"}))
        await through.put_many(HERE, {"a": b"mine" * 50_000, "b": b"mine" * 50_000})
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a", "b"]) == {"a": b"theirs", "b": b"mine" * 50_000}

    async def test_a_delete_whose_reply_was_lost_is_not_done_twice(self, through, memory, proxy):
        await memory.put_many(HERE, {"a": b"old"})
        proxy.lose_next_reply(lambda: memory.put_many(HERE, {"a": b"theirs"}))
        await through.delete_many(HERE, ["a"])
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"theirs"}

    async def test_a_compare_and_set_whose_reply_was_lost_has_won(self, through, memory, proxy):
        proxy.lose_next_reply()
        assert await through.compare_and_set(HERE, "a", expected=None, value=b"mine")
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"mine"}

    async def test_it_has_won_even_when_another_replaced_the_value_since(self, through, memory, proxy):
        async def replace():
            assert await memory.compare_and_set(HERE, "a", expected=b"mine", value=b"theirs")

        proxy.lose_next_reply(replace)
        assert await through.compare_and_set(HERE, "a", expected=None, value=b"mine")
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"theirs"}

    async def test_it_has_lost_even_when_it_could_win_now(self, through, memory, proxy):
        await memory.put_many(HERE, {"a": b"theirs"})
        proxy.lose_next_reply(lambda: memory.delete_many(HERE, ["a"]))
        assert not await through.compare_and_set(HERE, "a", expected=None, value=b"mine")
        assert proxy.n_lost == 1
        assert await memory.get_many(HERE, ["a"]) == {}

    async def test_another_who_wrote_the_same_value_has_not_won_for_me(self, through, memory, proxy):
        await memory.put_many(HERE, {"a": b"same"})
        proxy.lose_next_reply()
        assert not await through.compare_and_set(HERE, "a", expected=None, value=b"same")
        assert proxy.n_lost == 1

    async def test_a_read_whose_reply_was_lost_reads_again(self, through, proxy):
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

    async def test_a_call_waits_for_a_server_that_comes_back(self, restarted, memory_class):
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

    async def test_a_counter_loses_nothing_while_the_server_is_killed(self, restarted, memory_class):
        memory = memory_class(restarted.url, retry_s=60)
        await memory.put_many(HERE, {"n": b"0"})

        async def add_one():
            while True:
                seen = (await memory.get_many(HERE, ["n"]))["n"]
                if await memory.compare_and_set(HERE, "n", expected=seen, value=b"%d" % (int(seen) + 1)):
                    return

        async def add_ten():
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

    async def test_a_server_that_stays_away_is_one_clear_error(self, restarted, memory_class):
        memory = memory_class(restarted.url, retry_s=0.3)
        await memory.put_many(HERE, {"a": b"1"})
        restarted.end()
        with pytest.raises(MemoryFailed, match=r"tried for 0.3 s: .* Check that the server runs") as failed:
            await memory.get_many(HERE, ["a"])
        assert "\n" not in str(failed.value)
        await asyncio.to_thread(restarted.start)
        assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}
        await memory.close()

    async def test_everybody_in_the_queue_hears_of_a_server_that_is_gone(self, restarted, memory_class):
        memory = memory_class(restarted.url, retry_s=0.3, max_connections=2)
        restarted.end()
        calls = (memory.put_many(HERE, {f"{n}": b""}) for n in range(64))
        failed = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in failed} == {MemoryFailed}
        await memory.close()

    # a server that says nothing

    async def test_a_server_that_hangs_is_one_clear_error(self, server, memory_class, proxy):
        memory = memory_class(server.url_at(proxy.port), retry_s=0.3)
        await memory.put_many(HERE, {"a": b"1"})
        proxy.hang()
        with pytest.raises(MemoryFailed, match=r"tried for 0.3 s: it gives no answer\. Check"):
            await memory.get_many(HERE, ["a"])
        proxy.go_on()
        assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}
        await memory.close()

    async def test_a_call_that_is_cancelled_does_not_wait_for_the_server(self, through, proxy):
        await through.put_many(HERE, {"a": b"1"})
        proxy.hang()
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await through.get_many(HERE, ["a"])
        assert time.monotonic() - began < 5  # not the deadline of twenty
        proxy.go_on()
        assert await through.get_many(HERE, ["a"]) == {"a": b"1"}

    async def test_a_reply_that_comes_too_late_answers_no_other_call(self, through, proxy):
        await through.put_many(HERE, {"a": b"1", "b": b"2"})
        proxy.hang()
        late = asyncio.create_task(through.get_many(HERE, ["a"]))
        await asyncio.sleep(0.02)
        late.cancel()
        proxy.go_on()
        assert await through.get_many(HERE, ["b"]) == {"b": b"2"}

    # connections

    async def test_more_tasks_than_connections_take_turns(self, server, memory_class, proxy):
        memory = memory_class(server.url_at(proxy.port), max_connections=3)
        await asyncio.gather(*(memory.put_many(HERE, {f"{n:02d}": b""}) for n in range(64)))
        assert len(await memory.scan(HERE)) == 64
        assert proxy.n_connections <= 3
        await memory.close()

    async def test_calls_under_way_end_although_it_is_closed(self, server, memory_class):
        memory = memory_class(server.url)
        await memory.put_many(HERE, {"a": b"1"})
        reading = asyncio.create_task(memory.get_many(HERE, ["a"]))
        await asyncio.sleep(0)
        await memory.close()
        assert await reading == {"a": b"1"}

    async def test_whoever_stands_in_the_queue_hears_that_it_was_closed(self, server, memory_class):
        memory = memory_class(server.url, max_connections=1)
        calls = [asyncio.create_task(memory.put_many(HERE, {f"{n}": b""})) for n in range(8)]
        await asyncio.sleep(0)
        await memory.close()
        done = await asyncio.gather(*calls, return_exceptions=True)
        assert all(result is None or "closed" in str(result) for result in done)

    async def test_a_memory_that_nobody_closed_warns(self, server, memory_class):
        memory = memory_class(server.url)
        with pytest.warns(ResourceWarning, match="never closed"):
            memory.__del__()
        await memory.close()

    # credentials

    async def test_the_url_shows_no_credentials(self, memory, server):
        assert str(server.port) in memory.url
        assert not any(secret in f"{memory.url} {memory!r} {vars(memory)!r}" for secret in SECRETS)

    async def test_a_wrong_password_fails_at_once_and_is_not_repeated(self, server, caplog):
        caplog.set_level(logging.DEBUG)
        wrong = server.url.replace("hunter2", "hunter2000")
        memory = open_memory(wrong)
        with pytest.raises(MemoryFailed, match="Check the user") as failed:
            await memory.get_many(HERE, ["a"])
        assert not any(secret in said(failed.value) + caplog.text for secret in SECRETS)
        await memory.close()

    async def test_no_failure_shows_the_password(self, restarted, memory_class, proxy, caplog):
        caplog.set_level(logging.DEBUG)
        memory = memory_class(restarted.url_at(proxy.port), retry_s=0.2)
        await memory.put_many(HERE, {"a": b"1"})
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
        assert not any(secret in shown for secret in SECRETS)
