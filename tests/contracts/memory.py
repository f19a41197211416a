"""What every memory must do; a backend's test class inherits it and gives the fixture `make`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funnel.errors import MemoryFailed
from funnel.memory import Memory, namespace

HERE = namespace("tenant", "run", "1")
ELSEWHERE = namespace("tenant", "run", "2")

# Lone surrogates are in: a file name that is no UTF-8 becomes an id that holds them.
KEYS = st.text(st.characters(exclude_categories=()), min_size=1, max_size=8)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


class MemoryContract:
    """`make(clock)` opens an empty memory; whoever overrides it closes what it opened."""

    @pytest.fixture
    def clock(self):
        return Clock()

    @pytest.fixture
    async def memory(self, make: Callable[[Clock], Memory], clock: Clock):
        opened = make(clock)
        yield opened
        await opened.close()

    # values

    async def test_what_was_put_is_got(self, memory):
        await memory.put_many(HERE, {"a": b"1", "b": b"2"})
        assert await memory.get_many(HERE, ["a", "b"]) == {"a": b"1", "b": b"2"}

    async def test_a_missing_key_is_left_out(self, memory):
        await memory.put_many(HERE, {"a": b"1"})
        assert await memory.get_many(HERE, ["a", "z"]) == {"a": b"1"}

    async def test_a_second_put_replaces(self, memory):
        await memory.put_many(HERE, {"a": b"1"})
        await memory.put_many(HERE, {"a": b"2"})
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}

    async def test_an_empty_value_is_a_value(self, memory):
        await memory.put_many(HERE, {"a": b""})
        assert await memory.get_many(HERE, ["a"]) == {"a": b""}

    async def test_every_byte_comes_back(self, memory):
        await memory.put_many(HERE, {"a": bytes(range(256))})
        assert (await memory.get_many(HERE, ["a"]))["a"] == bytes(range(256))

    async def test_twenty_megabytes_come_back(self, memory):
        value = bytes(range(256)) * 80_000
        await memory.put_many(HERE, {"a": value})
        assert (await memory.get_many(HERE, ["a"]))["a"] == value

    async def test_a_deleted_key_is_gone(self, memory):
        await memory.put_many(HERE, {"a": b"1", "b": b"2"})
        await memory.delete_many(HERE, ["a", "never there"])
        assert await memory.get_many(HERE, ["a", "b"]) == {"b": b"2"}

    async def test_nothing_to_do_is_no_error(self, memory):
        await memory.put_many(HERE, {})
        await memory.delete_many(HERE, [])
        assert await memory.get_many(HERE, []) == {}

    async def test_five_thousand_keys_in_one_call(self, memory):
        items = {f"{n:04d}": str(n).encode() for n in range(5_000)}
        await memory.put_many(HERE, items)
        assert await memory.get_many(HERE, list(items)) == items
        await memory.delete_many(HERE, list(items))
        assert await memory.scan(HERE) == []

    async def test_a_batch_that_fails_writes_nothing(self, memory):
        with pytest.raises((TypeError, ValueError, MemoryFailed)):
            await memory.put_many(HERE, {"a": b"1", "": b"2"})
        assert await memory.scan(HERE) == []

    async def test_an_empty_key_is_refused(self, memory):
        with pytest.raises(ValueError, match="may not be empty"):
            await memory.compare_and_set(HERE, "", expected=None, value=b"1")

    # namespaces

    async def test_namespaces_do_not_see_each_other(self, memory):
        await memory.put_many(HERE, {"a": b"here"})
        await memory.put_many(ELSEWHERE, {"a": b"elsewhere"})
        await memory.delete_many(ELSEWHERE, ["a"])
        assert await memory.get_many(HERE, ["a"]) == {"a": b"here"}

    @pytest.mark.parametrize("key", ["../2/a", "/a", "2/a", "%2e%2e/2/a", "a\x00b", "*", "tenant/run/2/a"])
    async def test_a_key_cannot_leave_its_namespace(self, memory, key):
        await memory.put_many(ELSEWHERE, {"a": b"theirs"})
        await memory.put_many(HERE, {key: b"mine"})
        assert await memory.scan(HERE) == [key]
        assert await memory.get_many(ELSEWHERE, ["a", key]) == {"a": b"theirs"}

    async def test_a_namespace_that_begins_like_another_is_another(self, memory):
        await memory.put_many(namespace("tenant"), {"run/1/a": b"1"})
        await memory.put_many(namespace("tenant", "run"), {"1/a": b"2"})
        assert await memory.scan(HERE) == []

    # scan

    # Every backend inherits this one test, and it empties the namespace that it shares between examples.
    @settings(
        max_examples=25,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
        deadline=None,
    )
    @given(keys=st.sets(KEYS, max_size=20), prefix=st.text(max_size=1), limit=st.integers(1, 5))
    def test_pages_of_a_scan_are_the_keys_with_the_prefix_in_code_point_order(
        self, make, keys, prefix, limit
    ):
        async def in_pages():
            memory = make(Clock())
            await memory.delete_many(HERE, await memory.scan(HERE))
            await memory.put_many(HERE, dict.fromkeys(keys, b"1"))
            found, after = [], ""
            while page := await memory.scan(HERE, prefix, after=after, limit=limit):
                assert len(page) <= limit
                found += page
                after = page[-1]
            await memory.close()
            return found

        assert asyncio.run(in_pages()) == sorted(key for key in keys if key.startswith(prefix))

    @pytest.mark.parametrize(
        "prefix", ["%", "_", "a%", "[a", "*", "?", "\\", "'", "é", "\U0010ffff", "\ud800"]
    )
    async def test_nothing_in_a_prefix_is_a_wildcard(self, memory, prefix):
        await memory.put_many(HERE, dict.fromkeys(["a", "ab", "b%c", "x_y", prefix, prefix + "1"], b""))
        assert await memory.scan(HERE, prefix) == [prefix, prefix + "1"]

    async def test_order_is_of_code_points_not_of_utf16_or_locale(self, memory):
        await memory.put_many(HERE, dict.fromkeys(["\U0001f600", "\uffee", "ä", "z", "Z"], b""))
        assert await memory.scan(HERE) == ["Z", "z", "ä", "\uffee", "\U0001f600"]

    async def test_after_need_not_be_a_key(self, memory):
        await memory.put_many(HERE, dict.fromkeys(["a", "c"], b""))
        assert await memory.scan(HERE, after="b") == ["c"]

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_limit_of_nothing_gives_nothing(self, memory, limit):
        await memory.put_many(HERE, {"a": b""})
        assert await memory.scan(HERE, limit=limit) == []

    # compare and set

    async def test_compare_and_set_creates_what_does_not_exist(self, memory):
        assert await memory.compare_and_set(HERE, "a", expected=None, value=b"1")
        assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}

    async def test_compare_and_set_does_not_create_what_exists(self, memory):
        await memory.put_many(HERE, {"a": b""})
        assert not await memory.compare_and_set(HERE, "a", expected=None, value=b"1")
        assert await memory.get_many(HERE, ["a"]) == {"a": b""}

    async def test_compare_and_set_replaces_only_what_it_expects(self, memory):
        await memory.put_many(HERE, {"a": b"1"})
        assert not await memory.compare_and_set(HERE, "a", expected=b"2", value=b"3")
        assert await memory.compare_and_set(HERE, "a", expected=b"1", value=b"3")
        assert await memory.get_many(HERE, ["a"]) == {"a": b"3"}

    async def test_what_is_expected_must_exist(self, memory):
        assert not await memory.compare_and_set(HERE, "a", expected=b"", value=b"1")

    async def test_of_many_writers_one_wins(self, memory):
        won = await asyncio.gather(
            *(memory.compare_and_set(HERE, "a", expected=None, value=b"%d" % n) for n in range(20))
        )
        assert sum(won) == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"%d" % won.index(True)}

    # expiry

    async def test_what_has_expired_is_gone(self, memory, clock):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=10)
        clock.now += 9.5
        assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}
        clock.now += 0.5
        assert await memory.get_many(HERE, ["a"]) == {}
        assert await memory.scan(HERE) == []

    async def test_what_has_expired_does_not_exist_for_compare_and_set(self, memory, clock):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=10)
        clock.now += 10
        assert not await memory.compare_and_set(HERE, "a", expected=b"1", value=b"2")
        assert await memory.compare_and_set(HERE, "a", expected=None, value=b"2")

    async def test_a_put_without_an_end_takes_the_end_away(self, memory, clock):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=10)
        await memory.put_many(HERE, {"a": b"2"})
        clock.now += 10
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}

    async def test_a_later_end_counts(self, memory, clock):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=10)
        await memory.put_many(HERE, {"a": b"2"}, ttl_s=20)
        clock.now += 10
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}

    async def test_what_stays_outlives_what_expires(self, memory, clock):
        await memory.put_many(HERE, {"stays": b"1"})
        await memory.put_many(HERE, {"goes": b"1"}, ttl_s=10)
        clock.now += 10
        await memory.put_many(HERE, {"new": b"1"})
        assert await memory.scan(HERE) == ["new", "stays"]

    # together and at the end

    async def test_sixty_four_tasks_at_once(self, memory):
        async def work(n):
            where = namespace("tenant", "run", str(n))
            for i in range(8):
                await memory.put_many(where, {f"{i}": b"%d" % n})
            await memory.delete_many(where, ["0"])
            await memory.put_many(HERE, {f"{n:02d}": b""})
            return [(await memory.get_many(where, [key]))[key] for key in await memory.scan(where, limit=100)]

        done = await asyncio.gather(*(work(n) for n in range(100, 164)))
        assert done == [[b"%d" % n] * 7 for n in range(100, 164)]
        assert len(await memory.scan(HERE)) == 64

    async def test_a_counter_that_all_raise_loses_nothing(self, memory):
        await memory.put_many(HERE, {"n": b"0"})

        async def add_one():
            while True:
                seen = (await memory.get_many(HERE, ["n"]))["n"]
                if await memory.compare_and_set(HERE, "n", expected=seen, value=b"%d" % (int(seen) + 1)):
                    return

        await asyncio.gather(*(add_one() for _ in range(16)))
        assert await memory.get_many(HERE, ["n"]) == {"n": b"16"}

    async def test_closing_twice_is_no_error(self, memory):
        await memory.close()
        await memory.close()

    @pytest.mark.parametrize(
        "call",
        [
            lambda memory: memory.get_many(HERE, ["a"]),
            lambda memory: memory.put_many(HERE, {"a": b"1"}),
            lambda memory: memory.delete_many(HERE, ["a"]),
            lambda memory: memory.compare_and_set(HERE, "a", expected=None, value=b"1"),
            lambda memory: memory.scan(HERE),
        ],
    )
    async def test_a_closed_memory_says_so(self, memory, call):
        await memory.close()
        with pytest.raises(MemoryFailed, match="closed"):
            await call(memory)
