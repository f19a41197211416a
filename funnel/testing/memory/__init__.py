"""The contract of a memory: what every backend must do, as a class of tests to inherit."""

from __future__ import annotations

from funnel.memory.base import Memory
from funnel.testing.clock import FakeClock
from funnel.testing.memory.expiry import ExpiryContract
from funnel.testing.memory.fixtures import ELSEWHERE, HERE, KEYS, MakeMemory
from funnel.testing.memory.listing import ListingContract
from funnel.testing.memory.values import ValueContract
from funnel.testing.memory.writers import WriterContract

__all__ = ["ELSEWHERE", "HERE", "KEYS", "LastingMemoryContract", "MakeMemory", "MemoryContract"]


class MemoryContract(ValueContract, ListingContract, ExpiryContract, WriterContract):
    """What every `funnel.memory.Memory` must do.

        class TestMine(MemoryContract):
            @pytest.fixture
            def make(self, tmp_path):
                return lambda clock: MyMemory(tmp_path, clock=clock)

    `make(clock)` opens a memory that is empty when a test begins. The memory asks `clock()` for the time, in
    seconds, so that a test can advance it. Where a server keeps the time, override the fixture `clock`: a
    `FakeClock` whose `passes(seconds)` lets the values in the server age. Values in these tests expire after
    at least 1,000 seconds or immediately, so a server's clock may keep running meanwhile.
    """


class LastingMemoryContract(MemoryContract):
    """What a memory must also do if its values outlive the process, as in a file or a server.

    Inherit it as you would `MemoryContract`. Within one test, every call of `make` opens the same place.
    """

    async def test_what_was_written_is_still_there_after_reopening(
        self, make: MakeMemory, clock: FakeClock
    ) -> None:
        first = make(clock)
        await first.put_many(HERE, {"a": b"1", "b": b"2"})
        await first.put_many(HERE, {"c": b"3"}, ttl_s=1000)
        await first.delete_many(HERE, ["b"])
        await first.close()
        second = make(clock)
        assert await second.get_many(HERE, ["a", "b", "c"]) == {"a": b"1", "c": b"3"}
        assert await second.namespaces() == [HERE]
        clock.passes(1000)
        assert await second.scan(HERE) == ["a"]
        await second.close()

    async def test_two_open_memories_see_what_the_other_writes(
        self, make: MakeMemory, memory: Memory, clock: FakeClock
    ) -> None:
        other = make(clock)
        await memory.put_many(HERE, {"a": b"1"})
        assert await other.get_many(HERE, ["a"]) == {"a": b"1"}
        assert await other.compare_and_set(HERE, "a", expected=b"1", value=b"2")
        assert not await memory.compare_and_set(HERE, "a", expected=b"1", value=b"3")
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}
        await other.delete_many(HERE, ["a"])
        assert await memory.scan(HERE) == []
        await other.close()
