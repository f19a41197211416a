"""Tests of expiry: an expired value is gone for every operation, and not before it expires."""

from __future__ import annotations

import pytest

from funnel.memory.base import Entry, Memory
from funnel.testing.clock import FakeClock
from funnel.testing.memory.fixtures import ELSEWHERE, HERE, MemoryFixtures


class ExpiryContract(MemoryFixtures):
    """Tests of `ttl_s`, and of the remaining life that `get_entries` returns."""

    async def test_what_has_expired_is_gone(self, memory: Memory, clock: FakeClock) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        clock.passes(900)
        assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}
        assert await memory.scan(HERE) == ["a"]
        clock.passes(100)
        assert await memory.get_many(HERE, ["a"]) == {}
        assert await memory.get_entries(HERE, ["a"]) == {}
        assert await memory.scan(HERE) == []

    async def test_what_has_expired_does_not_exist_for_compare_and_set(
        self, memory: Memory, clock: FakeClock
    ) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        clock.passes(1000)
        assert not await memory.compare_and_set(HERE, "a", expected=b"1", value=b"2")
        assert await memory.compare_and_set(HERE, "a", expected=None, value=b"2")
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}
        assert await memory.scan(HERE) == ["a"]

    async def test_what_compare_and_set_writes_never_expires(self, memory: Memory, clock: FakeClock) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        assert await memory.compare_and_set(HERE, "a", expected=b"1", value=b"2")
        assert await memory.get_entries(HERE, ["a"]) == {"a": Entry(b"2", None)}
        clock.passes(1000)
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}
        assert await memory.scan(HERE) == ["a"]

    async def test_a_failed_compare_and_set_does_not_change_the_expiry(
        self, memory: Memory, clock: FakeClock
    ) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        assert not await memory.compare_and_set(HERE, "a", expected=b"2", value=b"3")
        clock.passes(1000)
        assert await memory.get_many(HERE, ["a"]) == {}

    async def test_a_key_that_is_deleted_and_written_again_never_expires(
        self, memory: Memory, clock: FakeClock
    ) -> None:
        await memory.put_many(HERE, {"a": b"1", "b": b"1"}, ttl_s=1000)
        await memory.delete_many(HERE, ["a", "b"])
        await memory.put_many(HERE, {"a": b"2"})
        assert await memory.compare_and_set(HERE, "b", expected=None, value=b"2")
        clock.passes(1000)
        assert await memory.get_many(HERE, ["a", "b"]) == {"a": b"2", "b": b"2"}
        assert await memory.scan(HERE) == ["a", "b"]

    async def test_a_put_without_an_expiry_removes_the_expiry(self, memory: Memory, clock: FakeClock) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        await memory.put_many(HERE, {"a": b"2"})
        clock.passes(1000)
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}
        assert await memory.scan(HERE) == ["a"]

    async def test_a_later_expiry_replaces_an_earlier_one(self, memory: Memory, clock: FakeClock) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        await memory.put_many(HERE, {"a": b"2"}, ttl_s=2000)
        clock.passes(1000)
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}
        assert await memory.scan(HERE) == ["a"]

    async def test_an_earlier_expiry_replaces_a_later_one(self, memory: Memory, clock: FakeClock) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=2000)
        await memory.put_many(HERE, {"a": b"2"}, ttl_s=1000)
        clock.passes(1000)
        assert await memory.get_many(HERE, ["a"]) == {}
        assert await memory.scan(HERE) == []

    async def test_all_values_of_a_batch_expire(self, memory: Memory, clock: FakeClock) -> None:
        await memory.put_many(HERE, {"a": b"1", "b": b"2", "c": b"3"}, ttl_s=1000)
        clock.passes(1000)
        assert await memory.get_many(HERE, ["a", "b", "c"]) == {}

    async def test_a_life_shorter_than_a_tick_of_the_clock_ends(
        self, memory: Memory, clock: FakeClock
    ) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1e-9)
        clock.passes(1)
        assert await memory.get_many(HERE, ["a"]) == {}
        assert await memory.scan(HERE) == []

    async def test_an_expiry_in_three_thousand_years_is_kept(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1e11)
        entry = (await memory.get_entries(HERE, ["a"]))["a"]
        assert entry.value == b"1"
        assert entry.ttl_s is not None
        assert abs(entry.ttl_s - 1e11) < 1000

    async def test_lasting_values_outlive_expiring_ones(self, memory: Memory, clock: FakeClock) -> None:
        await memory.put_many(HERE, {"stays": b"1"})
        await memory.put_many(HERE, {"goes": b"1"}, ttl_s=1000)
        clock.passes(1000)
        await memory.put_many(HERE, {"new": b"1"})
        assert await memory.scan(HERE) == ["new", "stays"]

    async def test_a_page_of_a_scan_is_full_although_some_keys_have_expired(
        self, memory: Memory, clock: FakeClock
    ) -> None:
        await memory.put_many(HERE, {f"{n:03d}": b"" for n in range(0, 300, 2)}, ttl_s=1000)
        await memory.put_many(HERE, {f"{n:03d}": b"" for n in range(1, 300, 2)})
        clock.passes(1000)
        assert await memory.scan(HERE, limit=3) == ["001", "003", "005"]
        assert len(await memory.scan(HERE)) == 150

    @pytest.mark.parametrize("ttl_s", [0, -1])
    async def test_a_life_of_zero_or_less_leaves_no_value(self, memory: Memory, ttl_s: float) -> None:
        await memory.put_many(HERE, {"a": b"1"})
        await memory.put_many(HERE, {"a": b"2"}, ttl_s=ttl_s)
        assert await memory.get_many(HERE, ["a"]) == {}
        assert await memory.scan(HERE) == []

    @pytest.mark.parametrize("ttl_s", [float("inf"), float("nan")])
    async def test_an_infinite_life_is_refused_because_none_means_it(
        self, memory: Memory, ttl_s: float
    ) -> None:
        with pytest.raises(ValueError, match="is not a number of seconds"):
            await memory.put_many(HERE, {"a": b"1"}, ttl_s=ttl_s)

    async def test_a_lasting_entry_has_no_expiry(self, memory: Memory) -> None:
        await memory.put_many(HERE, {"a": b"1"})
        assert await memory.get_entries(HERE, ["a", "missing"]) == {"a": Entry(b"1", None)}

    async def test_an_entry_has_its_remaining_life(self, memory: Memory, clock: FakeClock) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        clock.passes(400)
        entry = (await memory.get_entries(HERE, ["a"]))["a"]
        assert entry.value == b"1"
        assert entry.ttl_s is not None
        assert 500 < entry.ttl_s <= 600

    async def test_a_copied_entry_expires_when_the_original_does(
        self, memory: Memory, clock: FakeClock
    ) -> None:
        await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
        clock.passes(900)
        entry = (await memory.get_entries(HERE, ["a"]))["a"]
        await memory.put_many(ELSEWHERE, {"a": entry.value}, ttl_s=entry.ttl_s)
        assert await memory.scan(ELSEWHERE) == ["a"]
        clock.passes(100)
        assert await memory.scan(ELSEWHERE) == []
