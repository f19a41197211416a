"""Tests of listing keys and namespaces: in pages, in code point order, without duplicates."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funnel.memory.base import Memory, Namespace, namespace
from funnel.testing.clock import FakeClock
from funnel.testing.memory.fixtures import ELSEWHERE, HERE, KEYS, MakeMemory, MemoryFixtures


class ListingContract(MemoryFixtures):
    """Tests of `scan` and `namespaces`."""

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
        self, make: MakeMemory, keys: set[str], prefix: str, limit: int
    ) -> None:
        async def in_pages() -> list[str]:
            memory = make(FakeClock())
            await memory.delete_many(HERE, await memory.scan(HERE))
            await memory.put_many(HERE, dict.fromkeys(keys, b"1"))
            found: list[str] = []
            after = ""
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
    async def test_nothing_in_a_prefix_is_a_wildcard(self, memory: Memory, prefix: str) -> None:
        await memory.put_many(HERE, dict.fromkeys(["a", "ab", "b%c", "x_y", prefix, prefix + "1"], b""))
        assert await memory.scan(HERE, prefix) == [prefix, prefix + "1"]

    async def test_keys_sort_by_code_point_not_by_utf16_or_locale(self, memory: Memory) -> None:
        await memory.put_many(HERE, dict.fromkeys(["\U0001f600", "\uffee", "ä", "z", "Z", "a"], b""))
        assert await memory.scan(HERE) == ["Z", "a", "z", "ä", "\uffee", "\U0001f600"]

    async def test_after_need_not_be_a_key(self, memory: Memory) -> None:
        await memory.put_many(HERE, dict.fromkeys(["a", "c"], b""))
        assert await memory.scan(HERE, after="b") == ["c"]

    async def test_after_may_sort_before_or_after_the_prefix(self, memory: Memory) -> None:
        await memory.put_many(HERE, dict.fromkeys(["a", "b", "b1", "b2", "c"], b""))
        assert await memory.scan(HERE, "b", after="a") == ["b", "b1", "b2"]
        assert await memory.scan(HERE, "b", after="b") == ["b1", "b2"]
        assert await memory.scan(HERE, "b", after="b", limit=1) == ["b1"]
        assert await memory.scan(HERE, "b", after="c") == []

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_limit_of_zero_or_less_gives_no_keys(self, memory: Memory, limit: int) -> None:
        # With one key, a slice to -1 would be empty, too.
        await memory.put_many(HERE, dict.fromkeys("abc", b""))
        assert await memory.scan(HERE, limit=limit) == []
        assert await memory.scan(HERE, "b", after="a", limit=limit) == []

    # namespaces

    async def test_a_new_memory_has_no_namespace(self, memory: Memory) -> None:
        assert await memory.namespaces() == []

    async def test_a_namespace_is_listed_while_it_holds_a_key(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"1", "b": b"2"})
        assert await memory.namespaces() == [HERE]
        await memory.delete_many(HERE, ["a"])
        assert await memory.namespaces() == [HERE]
        await memory.delete_many(HERE, ["b"])
        assert await memory.namespaces() == []

    async def test_a_namespace_is_listed_once_compare_and_set_wrote_to_it(self, memory: Memory) -> None:
        await memory.compare_and_set(HERE, "a", expected=b"never", value=b"1")
        assert await memory.namespaces() == []
        await memory.compare_and_set(HERE, "a", expected=None, value=b"1")
        assert await memory.namespaces() == [HERE]

    async def test_a_namespace_whose_keys_have_all_expired_is_not_listed(
        self, memory: Memory, clock: FakeClock
    ) -> None:
        await memory.put_many(HERE, {f"{n}": b"" for n in range(100)}, ttl_s=1000)
        await memory.put_many(ELSEWHERE, {f"{n}": b"" for n in range(100)}, ttl_s=1000)
        await memory.put_many(ELSEWHERE, {"z": b""})
        clock.passes(1000)
        assert await memory.namespaces() == [ELSEWHERE]

    async def test_reading_creates_no_namespace(self, memory: Memory) -> None:
        await memory.get_many(HERE, ["a"])
        await memory.delete_many(HERE, ["a"])
        await memory.put_many(HERE, {})
        assert await memory.namespaces() == []

    async def test_pages_of_namespaces_cover_all_of_them_in_order(self, memory: Memory) -> None:
        spaces = {
            namespace("tenant", part) for part in ["a", "a/b", "ä", "Z", "\U0001f600", "\ud800", "~", "_"]
        }
        spaces |= {namespace("tenant"), namespace("tenant", "a", "b"), namespace("a"), namespace("ä" * 1000)}
        for where in spaces:
            await memory.put_many(where, {"k": b""})
        found: list[Namespace] = []
        after = ""
        while page := await memory.namespaces(after=after, limit=5):
            assert len(page) <= 5
            found += page
            after = page[-1]
        assert found == sorted(spaces)

    async def test_long_namespaces_with_a_common_beginning_are_distinct_and_sorted(
        self, memory: Memory
    ) -> None:
        spaces = [namespace("é" * 1000 + end) for end in "cab"]
        for where in spaces:
            await memory.put_many(where, {"k": where.encode()})
        assert await memory.namespaces(after=min(spaces)) == sorted(spaces)[1:]
        assert [(await memory.get_many(where, ["k"]))["k"] for where in spaces] == [
            s.encode() for s in spaces
        ]

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_limit_of_zero_or_less_gives_no_namespaces(self, memory: Memory, limit: int) -> None:
        for part in "abc":
            await memory.put_many(namespace(part), {"k": b""})
        assert await memory.namespaces(limit=limit) == []
        assert await memory.namespaces(after="a", limit=limit) == []

    async def test_after_need_not_be_a_namespace(self, memory: Memory) -> None:
        for part in "ac":
            await memory.put_many(namespace(part), {"k": b""})
        assert await memory.namespaces(after="b") == [namespace("c")]

    async def test_a_page_of_namespaces_is_full_although_some_have_expired(
        self, memory: Memory, clock: FakeClock
    ) -> None:
        spaces = [namespace(f"{n:02d}") for n in range(20)]
        for n, where in enumerate(spaces):
            await memory.put_many(where, {"k": b""}, ttl_s=1000 if n % 2 else None)
        clock.passes(1000)
        assert await memory.namespaces(limit=3) == spaces[0:6:2]
        assert await memory.namespaces(after=spaces[4], limit=3) == spaces[6:12:2]
