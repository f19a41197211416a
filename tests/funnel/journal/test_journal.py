"""The journal of a run: in order, in groups, and what a later life finds in it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from funnel.asker import LOCAL_OWNER, Asker
from funnel.errors import MemoryFailed, RunTaken, RunUnknown
from funnel.journal import Journal, RunRecord, listing
from funnel.journal.entries import Kept
from funnel.llm.base import Completion, Outcome, StepId
from funnel.llm.budget import Limits
from funnel.memory import InMemory, namespace
from funnel.types import Answer, Citation, EndReason
from indexes.fingerprint import joint_fingerprint
from indexes.types import OWNER

HERE = namespace("local", "run", "r")


def record(run: str = "r") -> RunRecord:
    return RunRecord(run, "q", "auto", 1, Limits(), OWNER, None, "m", "m", "s", "now")


def said(text: str, **booked) -> Outcome:
    return Outcome(Completion(text, "m", 1, 1), **{"input_tokens": 1, "output_tokens": 1, **booked})


def answer(text: str) -> Answer:
    return Answer("q", text, "complete", "deep", 0.5, ("r",), end_reason=EndReason.ANSWERED)


CITED = Citation("d", "t", "u", 0, 1, "x")
WORST = Outcome(None, input_tokens=50, output_tokens=100, cost_usd=0.5)


class Watched(InMemory):
    """Knows what was written to a journal, write by write; `held` until it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[list[dict]] = []
        self.held = asyncio.Event()
        self.held.set()
        self.broken = False

    async def put_many(self, where, items, *, ttl_s=None):
        entries = [json.loads(entry) for key, entry in items.items() if key.startswith("journal/")]
        if entries:
            self.writes.append(entries)
            await self.held.wait()
        if self.broken:
            raise MemoryFailed("memory://", "down.")
        await super().put_many(where, items, ttl_s=ttl_s)


@pytest.fixture
def memory():
    return Watched()


async def begun(memory) -> Journal:
    journal = Journal(memory, "r", asker=LOCAL_OWNER)
    await journal.begin(record())
    return journal


async def resumed(memory) -> Journal:
    journal = Journal(memory, "r", asker=LOCAL_OWNER)
    await journal.resume()
    return journal


async def test_what_comes_in_while_a_write_is_under_way_is_written_together_after_it(memory):
    memory.held.clear()
    async with await begun(memory) as journal:
        journal.set_value("a", 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for name in "bcd":
            journal.set_value(name, 1)
        memory.held.set()
    assert [[entry["value"] for entry in write] for write in memory.writes] == [["a"], ["b", "c", "d"]]


async def test_a_call_that_ended_is_written_when_that_returns_and_all_before_it(memory):
    journal = await begun(memory)
    journal.keep(StepId((0, 1, 1), "k"), Kept([1]))
    journal.cite(1, CITED)
    await journal.ended(StepId((0, 1), "c"), said("y"))
    written = [next(iter(entry)) for write in memory.writes for entry in write]
    assert written == ["kept", "cite", "ended"]
    await journal.close()


async def test_a_later_life_finds_all_of_it(memory):
    async with await begun(memory) as journal:
        journal.set_value("hits", [{"a": "\ud800"}])
        journal.keep(StepId((0, 1, 1), "k"), Kept({"n": 1}, None, ("mind this",)))
        journal.cite(1, CITED)
        await journal.ended(StepId((0, 1), "c"), said("\udfff"))
    async with await resumed(memory) as again:
        assert (again.attempt, again.resumed) == (1, True)
        assert again.value("hits") == [{"a": "\ud800"}]
        assert again.kept(StepId((0, 1, 1), "k")) == Kept({"n": 1}, None, ("mind this",))
        assert again.citations == {1: CITED}
        assert again.outcome(StepId((0, 1), "c")) == said("\udfff")
        assert again.spent == [said("\udfff")]
        assert not again.diverged


async def test_a_call_whose_end_was_not_written_counts_at_its_worst(memory):
    async with await begun(memory) as journal:
        await journal.asked(StepId((0, 1), "c"), WORST)
        await journal.asked(StepId((0, 2), "c"), WORST)
        await journal.ended(StepId((0, 1), "c"), said("y"))
    async with await resumed(memory) as again:
        assert again.spent == [said("y"), WORST]
        assert again.outcome(StepId((0, 2), "c")) is None


async def test_each_attempt_of_a_call_that_may_have_been_served_counts(memory):
    async with await begun(memory) as journal:
        await journal.asked(StepId((0, 1), "c"), WORST)
        journal.asked_again(StepId((0, 1), "c"), WORST)
    async with await resumed(memory) as again:
        assert again.spent == [Outcome(None, "", 100, 200, 1.0, calls=2)]


async def test_attempts_without_a_price_have_no_cost(memory):
    async with await begun(memory) as journal:
        for _ in range(2):
            journal.asked_again(StepId((0, 1), "c"), Outcome(None, cost_usd=None))
    async with await resumed(memory) as again:
        assert again.spent[0].cost_usd is None


async def test_the_same_place_in_two_lives_counts_twice_and_is_found_as_it_was_last(memory):
    place = StepId((0, 1), "c")
    async with await begun(memory) as journal:
        await journal.asked(place, WORST)
    async with await resumed(memory) as second:
        await second.asked(place, WORST)
        await second.ended(place, said("y"))
    async with await resumed(memory) as third:
        assert third.spent == [said("y"), WORST]
        assert third.outcome(place) == said("y")


async def test_other_words_at_a_place_end_what_is_known_there_and_after_it(memory):
    async with await begun(memory) as journal:
        for n in (1, 2, 3):
            await journal.ended(StepId((0, n), "c"), said(str(n)))
            journal.keep(StepId((0, n, 1), "k"), Kept(n))
    async with await resumed(memory) as again:
        assert again.outcome(StepId((0, 2), "other")) is None
        assert again.diverged
        assert [again.outcome(StepId((0, n), "c")) for n in (1, 2, 3)] == [said("1"), None, None]
        assert [again.kept(StepId((0, n, 1), "k")) for n in (1, 2, 3)] == [Kept(1), None, None]
    async with await resumed(memory) as third:
        assert third.outcome(StepId((0, 3), "c")) is None
        assert not third.diverged
        assert len(third.spent) == 3, "paid is paid"


async def test_what_a_life_did_beside_what_it_forgot_stays(memory):
    """Two children at once: one went on by itself before the other turned out to be another."""
    async with await begun(memory) as journal:
        await journal.ended(StepId((0, 1, 1, 0, 1), "c"), said("old"))
    async with await resumed(memory) as second:
        await second.ended(StepId((0, 1, 1, 1, 1), "c"), said("beside"))
        assert second.outcome(StepId((0, 1, 1, 0, 1), "other")) is None
    async with await resumed(memory) as third:
        assert third.outcome(StepId((0, 1, 1, 1, 1), "c")) == said("beside")
        assert third.outcome(StepId((0, 1, 1, 0, 1), "c")) is None


async def test_a_failure_counts_as_having_happened_only_where_something_came_after_it(memory):
    failed = Kept(None, "no calls left", failed=True)
    async with await begun(memory) as journal:
        journal.keep(StepId((0, 1, 2), "k"), failed)
        await journal.ended(StepId((0, 1, 2, 0), "c"), said("inside"))
        await journal.ended(StepId((1, 5), "c"), said("the last call of all"))
    async with await resumed(memory) as again:
        assert again.entered((0, 1, 2))
        assert again.kept(StepId((0, 1, 2), "k")) is None
        await again.ended(StepId((0, 2), "c"), said("after"))
    async with await resumed(memory) as third:
        assert third.kept(StepId((0, 1, 2), "k")) == failed


async def test_an_answer_is_written_after_all_else(memory):
    async with await begun(memory) as journal:
        memory.held.clear()
        journal.set_value("a", 1)
        finishing = asyncio.create_task(journal.finish(answer("y")))
        await asyncio.sleep(0.01)
        assert await journal.answer() is None
        memory.held.set()
        await finishing
        assert await journal.answer() == answer("y")


async def test_once_a_write_failed_no_call_is_announced_any_more(memory):
    journal = await begun(memory)
    memory.broken = True
    with pytest.raises(MemoryFailed):
        await journal.asked(StepId((0, 1), "c"), WORST)
    memory.broken = False
    with pytest.raises(MemoryFailed):
        await journal.asked(StepId((0, 2), "c"), WORST)
    with pytest.raises(MemoryFailed):
        await journal.finish(answer("y"))
    await journal.close()


async def test_what_was_paid_for_while_the_memory_was_down_is_written_at_the_end(memory):
    journal = await begun(memory)
    await journal.asked(StepId((0, 1), "c"), WORST)
    memory.broken = True
    for place in ((0, 1, 0), (0, 1)):
        with pytest.raises(MemoryFailed):
            await journal.ended(StepId(place, "c"), said("y"))
    memory.broken = False
    await journal.close()
    async with await resumed(memory) as again:
        assert again.spent == [said("y")] * 2


async def test_who_lost_the_run_writes_nothing_into_it_any_more(memory):
    journal = await begun(memory)
    journal._lease._lost = True
    journal.cite(1, CITED)
    with pytest.raises(RunTaken):
        await journal.ended(StepId((0, 1), "c"), said("y"))
    with pytest.raises(RunTaken):
        await journal.finish(answer("y"))
    await journal.close()
    assert memory.writes == []


async def test_who_waits_for_a_write_may_be_cancelled_and_it_is_written(memory):
    journal = await begun(memory)
    memory.held.clear()
    writing = asyncio.create_task(journal.ended(StepId((0, 1), "c"), said("y")))
    await asyncio.sleep(0.01)
    writing.cancel()
    await asyncio.wait([writing])
    memory.held.set()
    await journal.close()
    async with await resumed(memory) as again:
        assert again.outcome(StepId((0, 1), "c")) == said("y")


async def test_a_run_of_thousands_of_entries_is_read_in_pages(memory):
    async with await begun(memory) as journal:
        for n in range(3_000):
            journal.keep(StepId((0, 1, n), "k"), Kept("x" * 100))
    async with await resumed(memory) as again:
        assert again.kept(StepId((0, 1, 2_999), "k")) == Kept("x" * 100)


@pytest.mark.parametrize("name", ["a/b", "../r", "r%2F", "ü", " "])
async def test_the_name_of_a_run_reaches_no_other(memory, name):
    async with Journal(memory, name, asker=LOCAL_OWNER) as journal:
        await journal.begin(record(name))
    async with await begun(memory):
        pass
    assert sorted([listed.record.run async for listed in listing.runs(memory, asker=LOCAL_OWNER)]) == sorted(
        [name, "r"]
    )
    assert (await Journal(memory, name, asker=LOCAL_OWNER).record()).run == name


async def test_runs_are_listed_by_name_with_their_answers_and_without_what_has_expired(memory):
    for name in ("c", "a", "b"):
        async with Journal(memory, name, asker=LOCAL_OWNER) as journal:
            await journal.begin(record(name))
            await journal.finish(answer(name))
    await memory.delete_many(namespace("local", "run", "b"), ["record"])
    async with Journal(memory, "z", asker=Asker.owner("other")) as journal:
        await journal.begin(record("z"))
    found = [(listed.record.run, listed.answer) async for listed in listing.runs(memory, asker=LOCAL_OWNER)]
    assert found == [("a", answer("a")), ("c", answer("c"))]


async def calls_listed(memory):
    return [listed.model_calls async for listed in listing.runs(memory, asker=LOCAL_OWNER)]


async def test_a_run_that_somebody_works_on_is_listed_with_the_calls_of_all_its_attempts(memory):
    async with await begun(memory) as journal:
        await journal.asked(StepId((0, 1), "c"), WORST)
        await journal.ended(StepId((0, 1), "c"), said("paid"))
        await journal.ended(StepId((0, 2), "c"), said("from the cache", cached=True))
        await journal.asked(StepId((0, 3), "c"), WORST)
    async with await resumed(memory) as again:
        await again.asked(StepId((0, 3), "c"), WORST)
        assert await calls_listed(memory) == [1 + 2]


async def test_an_answered_run_is_listed_with_the_calls_of_its_answer(memory):
    async with await begun(memory) as journal:
        await journal.ended(StepId((0, 1), "c"), said("paid"))
        await journal.finish(replace(answer("y"), usage=replace(answer("y").usage, model_calls=7)))
    assert await calls_listed(memory) == [7]


async def test_a_run_with_an_entry_of_a_later_version_is_listed_without_calls(memory):
    async with await begun(memory) as journal:
        await journal.ended(StepId((0, 1), "c"), said("paid"))
    await memory.put_many(HERE, {"journal/000000/000000009": b'{"ended": "later"}'})
    assert await calls_listed(memory) == [None]


async def test_a_run_that_there_is_not_is_unknown(memory):
    with pytest.raises(RunUnknown):
        await Journal(memory, "none", asker=LOCAL_OWNER).record()


def test_a_check_tells_texts_apart_wherever_they_are_cut():
    checks = [
        joint_fingerprint(),
        joint_fingerprint(""),
        joint_fingerprint("", ""),
        joint_fingerprint("ab"),
        joint_fingerprint("a", "b"),
        joint_fingerprint("\ud800"),
    ]
    assert len(set(checks)) == len(checks)
