"""What a resume takes up again, what it refuses, and what it does where things went another way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from second_stage import SHOP, cell, doc, last, prompt

from funnel.asker import LOCAL_OWNER, Asker
from funnel.errors import (
    BadSetting,
    BudgetTooSmall,
    LLMUnavailable,
    MemoryFailed,
    RunChanged,
    RunTaken,
    RunUnknown,
    UnknownPrice,
)
from funnel.journal.listing import runs
from funnel.llm.budget import Limits
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory, namespace
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.run.options import ResumeOptions
from funnel.sandbox.auto import AutoSandbox
from funnel.sandbox.monty.engine import MontySandbox
from funnel.tools import tool
from funnel.types import Answer
from indexes import RawDocuments, field

QUESTION = "How long do refunds take?"
FREE = {"scripted": (0.0, 0.0), "sub": (0.0, 0.0)}
CITED = 'mark = cite("refunds", quote="We refund within 14 days.")'
SUBMIT = cell(CITED, 'submit(f"14 days {mark}.")')
POWER_CUT = RuntimeError("power cut")
CLERK = Asker.of("clerk")
OPEN = [replace(document, readers=frozenset({"clerk"})) for document in SHOP]
DOWN = LLMUnavailable("sub", "http://localhost", "connection refused")


class Lasting(InMemory):
    """A memory that outlives its funnels."""

    async def close(self) -> None: ...


@pytest.fixture
def memory() -> Lasting:
    return Lasting()


@pytest.fixture
def shop(tmp_path, memory):
    """A funnel over the shop; `replies` are of the model that leads, `parts` of the one for parts."""

    @asynccontextmanager
    async def open_shop(*replies, parts=(), source=None, **changed) -> AsyncIterator[Shop]:
        root, sub = ScriptedLLM(replies), ScriptedLLM(parts, name="sub")
        named = {"models": Models(root, sub, prices=FREE), "sandbox": MontySandbox(max_processes=8)}
        funnel = Funnel(
            (source or RawDocuments(SHOP)).as_owner(),
            **{**named, **changed},
            memory=memory,
            trace_dir=tmp_path / "traces",
            router=Router(),
        )
        async with funnel:
            yield Shop(funnel, root, sub)

    return open_shop


class Shop:
    """A funnel and its models."""

    def __init__(self, funnel: Funnel, root: ScriptedLLM, sub: ScriptedLLM) -> None:
        self.funnel, self.root, self.sub = funnel, root, sub

    @property
    def calls(self) -> tuple[int, int]:
        return len(self.root.requests), len(self.sub.requests)

    async def resume(self, run: str, again: ResumeOptions | None = None) -> Answer:
        return await self.funnel.resume(run, again)


@pytest.fixture
def stopped(shop, memory):
    """A run that is stopped after these replies; gives its name."""

    async def stop(*replies, parts=(), options=None, source=None, **changed) -> str:
        async with shop(*replies, POWER_CUT, parts=parts, source=source, **changed) as first:
            with pytest.raises(RuntimeError, match="power cut"):
                await first.funnel.ask(QUESTION, options or Options(mode="deep"))
        return [listed.record.run async for listed in runs(memory, asker=LOCAL_OWNER)][-1]

    return stop


async def test_the_work_goes_on_where_it_was_stopped(shop, stopped):
    run = await stopped(cell("x = 7"), cell("x += 1"))
    async with shop(cell("print(x)"), SUBMIT) as second:
        answer = await second.resume(run)
        assert "\n8\n" in last(second.root.requests[1])
    assert (answer.run, answer.text, answer.status) == (run, "14 days [1].", "complete")
    assert (answer.usage.model_calls, answer.usage.replayed_calls) == (2 + 1 + 2, 2)
    assert answer.notices[0] == "Resumed: 2 model calls made before and not again."


async def test_the_call_that_was_under_way_counts_and_is_said_to(shop, stopped):
    run = await stopped(cell("x = 7"))
    async with shop(SUBMIT) as second:
        answer = await second.resume(run)
    assert answer.notices[1] == (
        "1 call under way when the run stopped: counted at the worst case, and maybe paid for twice."
    )
    assert answer.usage.output_tokens > 8_192


async def test_a_lookup_is_resumed_too(shop, stopped):
    said = json.dumps(
        {"found": True, "answer": "14 days [1].", "quotes": [{"passage": 1, "quote": "14 days"}]}
    )
    run = await stopped("not JSON", options=Options(mode="lookup"))
    async with shop(said) as second:
        answer = await second.resume(run)
        assert "not JSON" in prompt(second.root.requests[0])
    assert (answer.route, answer.text) == ("lookup", "14 days [1].")


@pytest.mark.parametrize(
    "documents",
    [
        [replace(OPEN[0], text="We refund within 7 days."), *OPEN[1:]],
        [replace(OPEN[0], readers=frozenset({"boss"})), *OPEN[1:]],
        OPEN[1:],
    ],
    ids=["changed", "not for the asker", "gone"],
)
async def test_a_run_whose_documents_are_no_longer_so_is_not_resumed(shop, stopped, documents):
    run = await stopped(cell("x = 7"), options=Options(mode="deep", asker=CLERK), source=RawDocuments(OPEN))
    async with shop(SUBMIT, source=RawDocuments(documents)) as second:
        with pytest.raises(RunChanged) as caught:
            await second.resume(run)
        assert second.calls == (0, 0)
    why = "documents that it had read have changed or are closed to its asker: 'refunds'."
    said = f"Run {run!r} cannot be resumed: {why} Ask the"
    assert str(caught.value) == f"{said} question anew."


async def test_a_run_that_was_shown_a_title_is_not_resumed_without_the_right_to_read_it(shop, stopped):
    listing = cell("titles = [found['title'] for found in documents()]")
    options = Options(mode="deep", k=1, asker=CLERK)
    run = await stopped(listing, options=options, source=RawDocuments(OPEN))
    taken = RawDocuments([*OPEN[:2], replace(OPEN[2], readers=frozenset({"boss"}))])
    async with shop(cell("submit(titles, citations=[])"), source=taken) as second:
        with pytest.raises(RunChanged, match="'roth'"):
            await second.resume(run)


async def test_a_run_whose_tool_named_a_document_outside_its_filter_is_resumed(shop, stopped):
    @tool(exposes=lambda ids: ids)
    def newest() -> list[str]:
        """The newest documents."""
        return ["roth"]

    team = [replace(each, metadata={"team": each.id}) for each in SHOP]
    options = Options(mode="deep", where=field("team") == "refunds", tools=[newest])
    run = await stopped(cell("found = newest()"), options=options, source=RawDocuments(team))
    async with shop(cell("submit(found, citations=[])"), source=RawDocuments(team)) as second:
        assert (await second.resume(run, ResumeOptions(tools=[newest]))).value == ["roth"]


@pytest.mark.parametrize("ended", [True, False])
async def test_a_funnel_with_a_filter_resumes_no_run_that_read_what_it_leaves_out(
    tmp_path, memory, shop, stopped, ended
):
    if ended:
        async with shop(SUBMIT) as first:
            run = (await first.funnel.ask(QUESTION, Options(mode="deep"))).run
    else:
        run = await stopped(cell("x = 7"))
    models = Models(ScriptedLLM([]), ScriptedLLM([], name="sub"), prices=FREE)
    narrow = Funnel(
        RawDocuments(SHOP).as_owner(field("team") == "a"), models=models,
        memory=memory, sandbox=MontySandbox(max_processes=8), trace_dir=tmp_path, router=Router(),
    )  # fmt: skip
    async with narrow:
        with pytest.raises(RunChanged):
            await narrow.resume(run)


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("FUNNEL_MODEL", {"models": Models(ScriptedLLM([], name="other"), ScriptedLLM([], name="sub"))}),
        ("FUNNEL_SUB_MODEL", {"models": Models(ScriptedLLM([]), ScriptedLLM([], name="other"))}),
    ],
)
async def test_another_model_does_not_go_on_with_the_thoughts_of_the_first(shop, stopped, setting, changed):
    run = await stopped(cell("x = 7"))
    async with shop(**changed) as second:
        with pytest.raises(BadSetting, match=rf"^{setting}: run \S+ began with '\w+', not 'other'. Set"):
            await second.resume(run)


async def test_another_sandbox_does_not_run_its_code(shop, stopped):
    run = await stopped(cell("x = 7"))
    other = MontySandbox(max_processes=1)
    other.name = "other"
    async with shop(sandbox=other) as second:
        with pytest.raises(BadSetting, match=r"^FUNNEL_SANDBOX: run .* 'monty', not 'other'"):
            await second.resume(run)


async def test_a_run_that_went_over_to_another_engine_is_resumed_and_its_calls_are_not_made_again(
    shop, stopped
):
    halves = "def halves(n):", "    while n > 1:", "        n //= 2", "        yield n"
    first = cell('a = llm_query("one")'), cell(*halves, 'print(list(halves(9)), a, llm_query("two"))')
    run = await stopped(*first, parts=("A1", "A2"), sandbox=AutoSandbox())
    more = cell("print(sum(halves(9)), a)"), SUBMIT
    async with shop(*more, sandbox=AutoSandbox()) as second:
        answer = await second.resume(run)
        assert "\n[4, 2, 1] A1 A2\n" in last(second.root.requests[0])
        assert "\n7 A1\n" in last(second.root.requests[1])
        assert second.calls == (2, 0)
    assert (answer.status, answer.sandbox, answer.usage.replayed_calls) == ("complete", "auto", 4)


@pytest.mark.parametrize("name", ["none", "", "../../etc", "a/b", "x" * 5_000, "\udc80"])
async def test_a_run_that_there_is_not_is_unknown(shop, name):
    async with shop() as first:
        with pytest.raises(RunUnknown, match="there is none of that name") as caught:
            await first.resume(name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


async def test_another_asker_is_told_what_is_told_of_a_run_that_there_is_not(shop, stopped):
    run = await stopped(cell("x = 7"), options=Options(mode="deep", asker=CLERK))
    async with shop() as second:
        with pytest.raises(RunUnknown) as caught:
            await second.resume(run, ResumeOptions(asker=Asker.of("boss")))
        with pytest.raises(RunUnknown) as unknown:
            await second.resume("none")
    assert str(caught.value) == str(unknown.value).replace("none'", f"{run}'")


async def test_the_asker_of_the_run_may_resume_it(shop, stopped):
    run = await stopped(cell("x = 7"), options=Options(mode="deep", asker=CLERK))
    async with shop(cell("submit('x', citations=[])")) as second:
        assert (await second.resume(run, ResumeOptions(asker=CLERK))).status == "complete"


async def test_who_was_told_once_that_an_answer_cites_nothing_is_taken_at_their_word_later(shop, stopped):
    run = await stopped(cell('submit("14 days")'))
    async with shop(cell('submit("14 days")')) as second:
        assert (await second.resume(run)).text == "14 days"


async def test_a_record_of_a_later_version_is_not_guessed_at(shop, stopped, memory):
    run = await stopped(cell("x = 7"))
    where = namespace("local", "run", run)
    stored = json.loads((await memory.get_many(where, ["record"]))["record"])
    await memory.put_many(where, {"record": json.dumps({**stored, "format": 3}).encode()})
    async with shop() as second:
        with pytest.raises(RunUnknown, match=r"its record cannot be read \(format 3; this version reads"):
            await second.resume(run)


@pytest.mark.parametrize(
    ("name", "later"), [("hits", [{"found": 1}]), ("hits", "2/…"), ("decision", {"route": "survey"})]
)
async def test_a_value_of_a_later_version_is_refused_in_one_line(shop, stopped, memory, name, later):
    run = await stopped(cell("x = 7"))
    where = namespace("local", "run", run)
    for key, entry in (await memory.get_many(where, await memory.scan(where, "journal/"))).items():
        if json.loads(entry).get("value") == name:
            await memory.put_many(where, {key: json.dumps({"value": name, "is": later}).encode()})
    async with shop() as second:
        with pytest.raises(RunUnknown, match=rf"its {name} cannot be read \(.*\)") as caught:
            await second.resume(run)
    assert "\n" not in str(caught.value)


async def test_a_refused_resume_leaves_the_run_to_the_next(shop, stopped):
    run = await stopped(cell("x = 7"))
    async with shop(source=RawDocuments(SHOP[1:])) as second:
        with pytest.raises(RunChanged):
            await second.resume(run)
    async with shop(SUBMIT) as third:
        assert (await third.resume(run)).status == "complete"


class Hanging(ScriptedLLM):
    """A model that does not answer; `began` once it was asked."""

    def __init__(self, replies) -> None:
        super().__init__(replies)
        self.began = asyncio.Event()

    async def complete(self, request, options=None):
        self.began.set()
        await asyncio.Event().wait()


async def test_a_run_in_this_process_is_not_worked_on_twice(shop, memory, monkeypatch):
    from funnel.journal.lease import Lease  # noqa: PLC0415 - only its time is changed

    monkeypatch.setitem(Lease.__init__.__kwdefaults__, "ttl_s", 0.3)
    hanging = Hanging([])
    async with shop(models=Models(hanging, ScriptedLLM([], name="sub"), prices=FREE)) as first:
        asked = asyncio.create_task(first.funnel.ask(QUESTION, Options(mode="deep")))
        await hanging.began.wait()
        (run,) = [listed.record.run async for listed in runs(memory, asker=LOCAL_OWNER)]
        async with shop(SUBMIT) as second:
            with pytest.raises(RunTaken, match="on this machine"):
                await second.resume(run)
        asked.cancel()
        await asyncio.wait([asked])
        async with shop(SUBMIT) as third:
            assert (await third.resume(run)).status == "complete"


async def test_new_limits_are_checked_before_anything_is_spent(shop, stopped):
    run = await stopped(cell("x = 7"))
    async with shop() as second:
        with pytest.raises(BudgetTooSmall, match="max_calls"):
            await second.resume(run, ResumeOptions(Limits(max_calls=0)))
    models = Models(ScriptedLLM([]), ScriptedLLM([], name="sub"), prices={})
    async with shop(models=models) as third:
        with pytest.raises(UnknownPrice):
            await third.resume(run, ResumeOptions(Limits(max_usd=1.0)))


async def test_a_run_that_ended_for_want_of_calls_goes_on_with_more(shop):
    few = Limits(max_calls=2)
    async with shop(cell("note('a', 'b')"), cell("x = 7")) as first:
        partial = await first.funnel.ask(QUESTION, Options(mode="deep", limits=few))
    assert partial.status == "partial"
    async with shop(cell("print(x, notes())"), SUBMIT) as second:
        answer = await second.resume(partial.run, ResumeOptions(Limits(max_calls=9)))
        assert second.calls == (2, 0)
    assert (answer.status, answer.usage.model_calls) == ("complete", 2 + 2)
    assert len(answer.notices) == 1


async def test_without_more_it_ends_the_same_way_again_at_no_call(shop):
    async with shop(cell("note('a', 'b')"), cell("x = 7"), "Fourteen days.") as first:
        partial = await first.funnel.ask(QUESTION, Options(mode="deep", limits=Limits(max_turns=2)))
    async with shop() as second:
        again = await second.resume(partial.run)
    assert (again.text, again.status) == (partial.text, "partial")
    assert again.usage.model_calls == partial.usage.model_calls == 3


async def test_a_batch_that_the_calls_left_did_not_allow_is_refused_again_as_it_was(shop):
    """What came after was made of the refusal; with more calls now, it is still what happened."""
    ask = cell('try:\n    llm_query_batched(["a"] * 9)\nexcept Exception as e:\n    print("told:", e)')
    async with shop(ask, cell("x = 7"), "none") as first:
        partial = await first.funnel.ask(
            QUESTION, Options(mode="deep", limits=Limits(max_calls=8, max_turns=2))
        )
    async with shop(SUBMIT) as second:
        answer = await second.resume(partial.run, ResumeOptions(Limits(max_calls=90)))
        assert second.calls == (1, 0)
        assert "told: 9 prompts, but only" in prompt(second.root.requests[0])
    assert answer.status == "complete"


async def test_a_batch_that_was_refused_last_is_made_where_there_are_calls_now(shop):
    ask = cell('print(len(llm_query_batched(["a", "b"])))')
    async with shop(ask) as first:
        partial = await first.funnel.ask(QUESTION, Options(mode="deep", limits=Limits(max_calls=1)))
    assert (partial.status, partial.usage.model_calls) == ("declined", 1)
    async with shop(SUBMIT, parts=["1", "2"]) as second:
        answer = await second.resume(partial.run, ResumeOptions(Limits(max_calls=9)))
        assert second.calls == (1, 2)
    assert (answer.status, answer.usage.model_calls) == ("complete", 4)
    assert len(answer.notices) == 1


async def test_a_turn_that_failed_is_asked_again(shop):
    async with shop(cell("x = 7"), DOWN, DOWN) as first:
        failed = await first.funnel.ask(QUESTION, Options(mode="deep"))
    assert failed.status == "failed"
    async with shop(SUBMIT) as second:
        answer = await second.resume(failed.run)
    assert (answer.status, answer.usage.model_calls) == ("complete", 2)


async def test_a_sub_call_that_failed_is_told_so_again_where_the_work_went_on(shop, stopped):
    ask = cell('r = llm_query_batched(["a", "b"])', "print([x['ok'] for x in r])")
    run = await stopped(ask, cell("y = 1"), parts=["fine", DOWN])
    async with shop(SUBMIT) as second:
        answer = await second.resume(run)
        assert second.calls == (1, 0)
        assert "[True, False]" in prompt(second.root.requests[0])
    assert answer.status == "complete"
    assert not any("no longer fitted" in notice for notice in answer.notices)


async def test_a_marker_that_was_refused_is_refused_again_though_it_was_given_later(shop, stopped):
    run = await stopped(cell('submit("14 days [1].")'), cell(CITED, "print(mark)"))
    async with shop(cell('submit(f"Fourteen {mark}.")')) as second:
        answer = await second.resume(run)
    assert answer.text == "Fourteen [1]."


async def test_an_answer_that_cites_nothing_is_asked_about_once_in_all_lives(shop, stopped):
    run = await stopped(cell('submit("14 days.")'))
    async with shop(cell('submit("14 days.")')) as second:
        answer = await second.resume(run)
        assert second.calls == (1, 0)
    assert answer.text == "14 days."


LONG = doc("long", "".join(f"Clause {i} speaks of matter {i * 7} and no other. " for i in range(2_000)))


async def test_an_absence_is_asked_about_once_in_all_lives(shop, stopped):
    source = RawDocuments([*SHOP, LONG])
    none = cell("submit('No cap was found.', citations=[])")
    run = await stopped(none, source=source)
    async with shop(none, source=source) as second:
        answer = await second.resume(run)
        assert second.calls == (1, 0)
        assert "'No cap was found.' claims that nothing else is there" in last(second.root.requests[0])
    assert (answer.status, answer.uncited[0].absent) == ("complete", True)


async def test_what_an_earlier_attempt_had_seen_is_in_the_answer_of_a_resumed_run(shop, stopped):
    source = RawDocuments([*SHOP, LONG])
    looks = (
        cell("print(read('long', 40_000, 42_000))", "found = grep('matter 7 ', docs='all')"),
        cell("print(llm_query('Is a cap here?', read('long', 60_000, 70_000)))"),
        cell("print(rlm_query('Is a cap there?', ['long']))"),
        cell("print(read('long', 80_000, 83_000))"),
        cell("submit('Clause 0 has none ' + cite('long', 0, 20))"),
    )
    none = cell("submit('No cap was found.', citations=[])")
    run = await stopped(*looks, parts=["NONE"], source=source)
    async with shop(none, none, source=source) as second:
        resumed = await second.resume(run)
    async with shop(*looks, none, none, parts=["NONE"], source=source) as whole:
        at_once = await whole.funnel.ask(QUESTION, Options(mode="deep", learn=False))
    assert resumed.coverage == at_once.coverage
    [long] = [each for each in resumed.coverage if each.document_id == "long"]
    assert (long.searched, long.matched) == (1, 1)
    assert long.read > 1_900
    assert long.judged > 12_900


async def test_a_note_of_a_child_is_not_undone_by_the_replay_of_its_parent(shop, stopped):
    run = await stopped(
        cell('note("k", "mine")', 'print(rlm_query("part", ["roth"]))'),
        cell('note("k", "of the child")', 'submit("x", citations=[])'),
    )
    async with shop(cell('submit(notes()["k"], citations=[])')) as second:
        assert (await second.resume(run)).text == "of the child"


NEWER = doc(
    "news", "Refunds refunds refunds: how long do refunds take? Refunds take long.", "Refunds refunds"
)


async def test_a_collection_that_grew_is_searched_as_it_was_for_what_was_done(shop, stopped):
    look = cell(
        'print([h["doc"] for h in search("refunds")], len(documents()))', 'g = grep("efund", docs="all")'
    )
    miss = cell('try:\n    read("news")\nexcept Exception as e:\n    print(e)', "print(len(g))")
    run = await stopped(look, miss)
    async with shop(
        cell('print(search("refunds")[0]["doc"])'), SUBMIT, source=RawDocuments([*SHOP, NEWER])
    ) as two:
        answer = await two.resume(run)
        assert "news" not in prompt(two.root.requests[0]).replace("document 'news'", "").replace('"news"', "")
        assert "\nnews\n" in last(two.root.requests[1])
    assert answer.status == "complete"
    assert not any("no longer fitted" in notice for notice in answer.notices)


class Slow(MontySandbox):
    """Says of the `at`-th cell that it took too long."""

    def __init__(self, at: int) -> None:
        super().__init__(max_processes=8)
        self.at = at

    @asynccontextmanager
    async def session(self, functions, variables, limits=None):
        async with super().session(functions, variables, limits) as session:
            yield _Counted(session, self.at)


class _Counted:
    def __init__(self, session, at) -> None:
        self.session, self.left = session, at

    async def run(self, code):
        self.left -= 1
        result = await self.session.run(code)
        return replace(result, stdout="too slow") if self.left == 0 else result


async def test_from_where_a_cell_comes_out_differently_the_work_is_done_anew(shop, stopped):
    run = await stopped(cell("print(1)"), cell("print(2)"), cell("print(3)"), sandbox=Slow(2))
    async with shop(cell("print(4)"), SUBMIT) as second:
        answer = await second.resume(run)
        assert second.calls == (2, 0)
        assert "too slow" not in prompt(second.root.requests[0])
    assert (answer.status, answer.usage.model_calls) == ("complete", 3 + 1 + 2)
    assert answer.notices[-1].startswith("From some step on, earlier results no longer fitted")


async def test_a_third_life_goes_on_with_what_the_second_did_and_not_the_first(shop, stopped):
    run = await stopped(
        cell("print(1)"), cell("print(2)"), cell("print(3)"), cell("print(5)"), sandbox=Slow(2)
    )
    async with shop(cell("print(4)"), POWER_CUT) as second:
        with pytest.raises(RuntimeError):
            await second.resume(run)
    async with shop(SUBMIT) as third:
        answer = await third.resume(run)
        assert third.calls == (1, 0)
        shown = prompt(third.root.requests[0])
    assert "print(4)" in shown
    assert "print(3)" not in shown
    assert "print(5)" not in shown
    assert not any("no longer fitted" in notice for notice in answer.notices)


class Failing(Lasting):
    """Its `at`-th write to the journal fails, and as many after that as `times` says."""

    def __init__(self, at: int, times: int = 1) -> None:
        super().__init__()
        self.at, self.times, self.written = at, times, 0

    async def put_many(self, where, items, *, ttl_s=None):
        self.written += any(key.startswith("journal/") for key in items)
        if any(key.startswith("journal/") for key in items) and 0 <= self.written - self.at < self.times:
            raise MemoryFailed("memory://", "the disk is full.")
        await super().put_many(where, items, ttl_s=ttl_s)


@pytest.mark.parametrize("memory", [Failing(at, times) for at in range(2, 8) for times in (1, 100)])
async def test_a_memory_that_fails_in_the_middle_ends_the_run_and_a_resume_goes_on(shop, memory):
    turns = {1: cell("x = 7"), 2: cell("print(llm_query('a'))"), 3: SUBMIT}
    calls = [lambda request: turns[int(last(request).rpartition("Turn ")[2][0])]] * 9
    async with shop(*calls, parts=["b"] * 9) as first:
        with pytest.raises(MemoryFailed, match="the disk is full"):
            await first.funnel.ask(QUESTION, Options(mode="deep"))
        made = first.calls
    memory.times = 0
    run = [listed.record.run async for listed in runs(memory, asker=LOCAL_OWNER)][-1]
    async with shop(*calls, parts=["b"] * 9) as second:
        answer = await second.resume(run)
    assert answer.status == "complete"
    assert sum(made) + sum(second.calls) <= 4 + 1


@pytest.mark.parametrize("memory", [Failing(4, 100)])
async def test_a_run_that_cannot_go_on_leaves_no_call_of_a_batch_behind(shop, memory):
    root = ScriptedLLM([cell('llm_query_batched([f"part {i}" for i in range(40)])')])
    sub = ScriptedLLM(["fine"] * 40, name="sub")
    models = Models(root, sub, prices=FREE, max_parallel=2)
    tasks = asyncio.all_tasks()
    async with shop(models=models) as first:
        with pytest.raises(MemoryFailed):
            await first.funnel.ask(QUESTION, Options(mode="deep"))
        made = len(sub.requests)
        assert asyncio.all_tasks() == tasks
        await asyncio.sleep(0.05)
    assert made == len(sub.requests) < 40
