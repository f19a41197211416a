"""Tests of concurrent writers and of closing: one writer wins, nothing is lost, a closed memory says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from funnel.errors import MemoryFailed
from funnel.memory.base import Memory, namespace
from funnel.testing.memory.fixtures import HERE, MemoryFixtures


class WriterContract(MemoryFixtures):
    """Tests of `compare_and_set`, of many concurrent tasks, and of `close`."""

    async def test_compare_and_set_creates_what_does_not_exist(self, memory: Memory) -> None:
        assert await memory.compare_and_set(HERE, "a", expected=None, value=b"1")
        assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}

    async def test_compare_and_set_does_not_create_what_exists(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b""})
        assert not await memory.compare_and_set(HERE, "a", expected=None, value=b"1")
        assert await memory.get_many(HERE, ["a"]) == {"a": b""}

    async def test_compare_and_set_replaces_only_what_it_expects(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"1"})
        assert not await memory.compare_and_set(HERE, "a", expected=b"2", value=b"3")
        assert await memory.compare_and_set(HERE, "a", expected=b"1", value=b"3")
        assert await memory.get_many(HERE, ["a"]) == {"a": b"3"}

    async def test_what_is_expected_must_exist(self, memory: Memory) -> None:
        assert not await memory.compare_and_set(HERE, "a", expected=b"", value=b"1")
        assert await memory.scan(HERE) == []

    async def test_an_empty_value_can_be_expected(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b""})
        assert await memory.compare_and_set(HERE, "a", expected=b"", value=b"1")
        assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}

    @pytest.mark.parametrize("n_writers", [2, 64])
    async def test_of_many_writers_one_wins(self, memory: Memory, n_writers: int) -> None:
        won = await asyncio.gather(
            *(memory.compare_and_set(HERE, "a", expected=None, value=b"%d" % n) for n in range(n_writers))
        )
        assert sum(won) == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"%d" % won.index(True)}

    @pytest.mark.parametrize("n_writers", [2, 64])
    async def test_of_many_replacing_writers_one_wins(self, memory: Memory, n_writers: int) -> None:
        await memory.put_many(HERE, {"a": b"old"})
        won = await asyncio.gather(
            *(memory.compare_and_set(HERE, "a", expected=b"old", value=b"%d" % n) for n in range(n_writers))
        )
        assert sum(won) == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"%d" % won.index(True)}

    async def test_a_value_may_be_replaced_by_itself(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"1"})
        assert await memory.compare_and_set(HERE, "a", expected=b"1", value=b"1")

    async def test_sixty_four_tasks_at_once(self, memory: Memory) -> None:
        async def work(n: int) -> list[bytes]:
            where = namespace("tenant", "run", str(n))
            for i in range(8):
                await memory.put_many(where, {f"{i}": b"%d" % n})
            await memory.delete_many(where, ["0"])
            await memory.put_many(HERE, {f"{n:02d}": b""})
            return [(await memory.get_many(where, [key]))[key] for key in await memory.scan(where, limit=100)]

        done = await asyncio.gather(*(work(n) for n in range(100, 164)))
        assert done == [[b"%d" % n] * 7 for n in range(100, 164)]
        assert len(await memory.scan(HERE)) == 64

    async def test_a_counter_that_many_increment_loses_nothing(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"n": b"0"})

        async def add_one() -> None:
            while True:
                seen = (await memory.get_many(HERE, ["n"]))["n"]
                if await memory.compare_and_set(HERE, "n", expected=seen, value=b"%d" % (int(seen) + 1)):
                    return

        await asyncio.gather(*(add_one() for _ in range(16)))
        assert await memory.get_many(HERE, ["n"]) == {"n": b"16"}

    async def test_its_url_is_one_line_and_does_not_change(self, memory: Memory) -> None:
        url = memory.url
        assert ":" in url
        assert url.isprintable()
        await memory.close()
        assert memory.url == url

    async def test_closing_twice_is_no_error(self, memory: Memory) -> None:
        await memory.close()
        await memory.close()

    @pytest.mark.parametrize(
        "call",
        [
            lambda memory: memory.get_many(HERE, ["a"]),
            lambda memory: memory.get_entries(HERE, ["a"]),
            lambda memory: memory.put_many(HERE, {"a": b"1"}),
            lambda memory: memory.delete_many(HERE, ["a"]),
            lambda memory: memory.compare_and_set(HERE, "a", expected=None, value=b"1"),
            lambda memory: memory.scan(HERE),
            lambda memory: memory.namespaces(),
        ],
    )
    async def test_a_closed_memory_says_so(
        self, memory: Memory, call: Callable[[Memory], Awaitable[object]]
    ) -> None:
        await memory.close()
        with pytest.raises(MemoryFailed, match="closed"):
            await call(memory)
