"""What every memory must do; a backend's test class inherits it and gives the fixture `make`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funnel.errors import MemoryFailed
from funnel.memory import Memory, namespace
from funnel.memory.base import Entry

HERE = namespace("tenant", "run", "1")
ELSEWHERE = namespace("tenant", "run", "2")

# Lone surrogates are in: a file name that is no UTF-8 becomes an id that holds them.
KEYS = st.text(st.characters(exclude_categories=()), min_size=1, max_size=8)


class Clock:
    """What a memory asks for the time. Where a server counts, a class of its own lets the time pass there."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


class MemoryContract:
    """`make(clock)` opens an empty memory; whoever overrides it closes what it opened.

    Lives here are 1,000 seconds and more, so that a server whose clock goes on meanwhile keeps it, too.
    """

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

    @pytest.mark.parametrize(
        "key",
        [
            "\ud800",
            "a\udfffb",
            "\U0001f600",
            "\U0010ffff",
            "/",
            "a//b/",
            "../..",
            "\x00",
            "a\x00",
            "\n",
            " ",
            "é",
            "e\u0301",
            "%",
            ":",
            "{a}",
        ],
    )
    async def test_any_character_may_stand_in_a_key(self, memory, key):
        await memory.put_many(HERE, {key: b"1", key + "2": b"2"})
        assert await memory.get_many(HERE, [key, key + "2"]) == {key: b"1", key + "2": b"2"}
        assert await memory.compare_and_set(HERE, key, expected=b"1", value=b"3")
        assert await memory.scan(HERE) == [key, key + "2"]
        await memory.delete_many(HERE, [key])
        assert await memory.scan(HERE) == [key + "2"]

    @pytest.mark.parametrize("character", ["a", "/", "\U0001f600", "\ud800"])
    async def test_a_thousand_characters_may_stand_in_a_key(self, memory, character):
        keys = [character * 1000, character * 999 + "c", character * 999 + "b", character * 999]
        await memory.put_many(HERE, {key: key[-1:].encode("utf-8", "surrogatepass") for key in keys})
        found = await memory.get_many(HERE, keys)
        assert [found[key] for key in keys] == [key[-1:].encode("utf-8", "surrogatepass") for key in keys]
        assert await memory.scan(HERE, after=min(keys), limit=2) == sorted(keys)[1:3]
        assert await memory.scan(HERE, character * 999 + "b") == sorted(
            key for key in keys if key.startswith(character * 999 + "b")
        )
        assert await memory.compare_and_set(HERE, keys[0], expected=None, value=b"") is False
        await memory.delete_many(HERE, keys[:1])
        assert sorted(await memory.get_many(HERE, keys)) == sorted(keys[1:])

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
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
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

    @pytest.mark.parametrize("n_writers", [2, 64])
    async def test_of_many_writers_one_wins(self, memory, n_writers):
        won = await asyncio.gather(
            *(memory.compare_and_set(HERE, "a", expected=None, value=b"%d" % n) for n in range(n_writers))
        )
        assert sum(won) == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"%d" % won.index(True)}

    @pytest.mark.parametrize("n_writers", [2, 64])
    async def test_of_many_writers_that_replace_one_wins(self, memory, n_writers):
        await memory.put_many(HERE, {"a": b"old"})
        won = await asyncio.gather(
            *(memory.compare_and_set(HERE, "a", expected=b"old", value=b"%d" % n) for n in range(n_writers))
        )
        assert sum(won) == 1
        assert await memory.get_many(HERE, ["a"]) == {"a": b"%d" % won.index(True)}

    async def test_a_value_may_be_replaced_by_itself(self, memory):
        await memory.put_many(HERE, {"a": b"1"})
        assert await memory.compare_and_set(HERE, "a", expected=b"1", value=b"1")

    # expiry

    async def test_what_has_expired_is_gone(self, memory, clock):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        clock.passes(900)
        assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}
        assert await memory.scan(HERE) == ["a"]
        clock.passes(100)
        assert await memory.get_many(HERE, ["a"]) == {}
        assert await memory.get_entries(HERE, ["a"]) == {}
        assert await memory.scan(HERE) == []

    async def test_what_has_expired_does_not_exist_for_compare_and_set(self, memory, clock):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        clock.passes(1000)
        assert not await memory.compare_and_set(HERE, "a", expected=b"1", value=b"2")
        assert await memory.compare_and_set(HERE, "a", expected=None, value=b"2")

    async def test_what_compare_and_set_writes_stays(self, memory, clock):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        assert await memory.compare_and_set(HERE, "a", expected=b"1", value=b"2")
        clock.passes(1000)
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}

    async def test_a_put_without_an_end_takes_the_end_away(self, memory, clock):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        await memory.put_many(HERE, {"a": b"2"})
        clock.passes(1000)
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}
        assert await memory.scan(HERE) == ["a"]

    async def test_a_later_end_counts(self, memory, clock):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        await memory.put_many(HERE, {"a": b"2"}, ttl_s=2000)
        clock.passes(1000)
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}
        assert await memory.scan(HERE) == ["a"]

    async def test_what_stays_outlives_what_expires(self, memory, clock):
        await memory.put_many(HERE, {"stays": b"1"})
        await memory.put_many(HERE, {"goes": b"1"}, ttl_s=1000)
        clock.passes(1000)
        await memory.put_many(HERE, {"new": b"1"})
        assert await memory.scan(HERE) == ["new", "stays"]

    async def test_a_page_of_a_scan_is_full_although_some_keys_have_expired(self, memory, clock):
        await memory.put_many(HERE, {f"{n:03d}": b"" for n in range(0, 300, 2)}, ttl_s=1000)
        await memory.put_many(HERE, {f"{n:03d}": b"" for n in range(1, 300, 2)})
        clock.passes(1000)
        assert await memory.scan(HERE, limit=3) == ["001", "003", "005"]
        assert len(await memory.scan(HERE)) == 150

    @pytest.mark.parametrize("ttl_s", [0, -1])
    async def test_an_end_that_has_come_leaves_nothing(self, memory, ttl_s):
        await memory.put_many(HERE, {"a": b"1"})
        await memory.put_many(HERE, {"a": b"2"}, ttl_s=ttl_s)
        assert await memory.get_many(HERE, ["a"]) == {}
        assert await memory.scan(HERE) == []

    @pytest.mark.parametrize("ttl_s", [float("inf"), float("nan")])
    async def test_a_life_without_end_is_none_and_not_infinite(self, memory, ttl_s):
        with pytest.raises(ValueError, match="is no number of seconds"):
            await memory.put_many(HERE, {"a": b"1"}, ttl_s=ttl_s)

    # entries: values with the life that remains to them

    async def test_an_entry_that_stays_has_no_end(self, memory):
        await memory.put_many(HERE, {"a": b"1"})
        assert await memory.get_entries(HERE, ["a", "missing"]) == {"a": Entry(b"1", None)}

    async def test_an_entry_has_the_life_that_remains_to_it(self, memory, clock):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        clock.passes(400)
        entry = (await memory.get_entries(HERE, ["a"]))["a"]
        assert entry.value == b"1"
        assert 500 < entry.ttl_s <= 600

    async def test_a_copied_entry_ends_when_the_first_one_does(self, memory, clock):
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        clock.passes(900)
        entry = (await memory.get_entries(HERE, ["a"]))["a"]
        await memory.put_many(ELSEWHERE, {"a": entry.value}, ttl_s=entry.ttl_s)
        assert await memory.scan(ELSEWHERE) == ["a"]
        clock.passes(100)
        assert await memory.scan(ELSEWHERE) == []

    # namespaces: which there are

    async def test_a_new_memory_has_no_namespace(self, memory):
        assert await memory.namespaces() == []

    async def test_a_namespace_is_listed_while_it_holds_a_key(self, memory):
        await memory.put_many(HERE, {"a": b"1", "b": b"2"})
        assert await memory.namespaces() == [HERE]
        await memory.delete_many(HERE, ["a"])
        assert await memory.namespaces() == [HERE]
        await memory.delete_many(HERE, ["b"])
        assert await memory.namespaces() == []

    async def test_a_namespace_is_listed_once_compare_and_set_wrote_to_it(self, memory):
        await memory.compare_and_set(HERE, "a", expected=b"never", value=b"1")
        assert await memory.namespaces() == []
        await memory.compare_and_set(HERE, "a", expected=None, value=b"1")
        assert await memory.namespaces() == [HERE]

    async def test_a_namespace_whose_keys_have_all_expired_is_not_listed(self, memory, clock):
        await memory.put_many(HERE, {f"{n}": b"" for n in range(100)}, ttl_s=1000)
        await memory.put_many(ELSEWHERE, {f"{n}": b"" for n in range(100)}, ttl_s=1000)
        await memory.put_many(ELSEWHERE, {"z": b""})
        clock.passes(1000)
        assert await memory.namespaces() == [ELSEWHERE]

    async def test_reading_makes_no_namespace(self, memory):
        await memory.get_many(HERE, ["a"])
        await memory.delete_many(HERE, ["a"])
        await memory.put_many(HERE, {})
        assert await memory.namespaces() == []

    async def test_pages_of_namespaces_are_all_of_them_in_order(self, memory):
        spaces = {
            namespace("tenant", part) for part in ["a", "a/b", "ä", "Z", "\U0001f600", "\ud800", "~", "_"]
        }
        spaces |= {namespace("tenant"), namespace("tenant", "a", "b"), namespace("a"), namespace("ä" * 1000)}
        for where in spaces:
            await memory.put_many(where, {"k": b""})
        found, after = [], ""
        while page := await memory.namespaces(after=after, limit=5):
            assert len(page) <= 5
            found += page
            after = page[-1]
        assert found == sorted(spaces)

    async def test_long_namespaces_with_one_beginning_are_apart_and_in_order(self, memory):
        spaces = [namespace("é" * 1000 + end) for end in "cab"]
        for where in spaces:
            await memory.put_many(where, {"k": where.encode()})
        assert await memory.namespaces(after=min(spaces)) == sorted(spaces)[1:]
        assert [(await memory.get_many(where, ["k"]))["k"] for where in spaces] == [
            s.encode() for s in spaces
        ]

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_limit_of_no_namespace_gives_none(self, memory, limit):
        await memory.put_many(HERE, {"a": b""})
        assert await memory.namespaces(limit=limit) == []

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
            lambda memory: memory.get_entries(HERE, ["a"]),
            lambda memory: memory.put_many(HERE, {"a": b"1"}),
            lambda memory: memory.delete_many(HERE, ["a"]),
            lambda memory: memory.compare_and_set(HERE, "a", expected=None, value=b"1"),
            lambda memory: memory.scan(HERE),
            lambda memory: memory.namespaces(),
        ],
    )
    async def test_a_closed_memory_says_so(self, memory, call):
        await memory.close()
        with pytest.raises(MemoryFailed, match="closed"):
            await call(memory)
