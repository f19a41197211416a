"""The whole flow: one question in, one answer and one trace out."""

from __future__ import annotations

import asyncio
import json
import re
import stat
import threading
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path

import pytest
from event_loops import jumping
from second_stage import FREE, PUBLIC, SHOP, cell, doc, prompt, reading

import funnel
from funnel.asker import Asker
from funnel.errors import (
    BadQuestion,
    BudgetExceeded,
    BudgetTooSmall,
    LLMUnavailable,
    UnknownName,
    UnknownPrice,
)
from funnel.llm.budget import Limits
from funnel.llm.extractive import Extractive
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory, SqliteMemory
from funnel.pipeline import Funnel, Options
from funnel.prompts import fenced
from funnel.router import Router
from funnel.sandbox.monty.engine import MontySandbox
from funnel.trace.reading import read_trace
from funnel.types import Citation, DocumentCoverage, EndReason, Span
from indexes import Collection, RawDocuments, SourceWrapper
from indexes.types import Document

QUESTION = "How long do refunds take?"
LOOKUP, DEEP = Options(mode="lookup"), Options(mode="deep")
READ = reading("They take 14 days [1].", (1, "We refund within 14 days."))
SUBMIT = cell('submit("14 days " + cite("refunds", quote="We refund within 14 days."))')
DOWN = LLMUnavailable("scripted", "http://localhost", "connection refused")


@asynccontextmanager
async def a_funnel(tmp_path, *replies, source=None, memory=None, root=None, prices=FREE):
    model = root or ScriptedLLM(replies)
    funnel = Funnel(
        (source or RawDocuments(SHOP)).as_owner(),
        models=Models(model, model, prices=prices),
        memory=memory or InMemory(),
        sandbox=MontySandbox(max_processes=32),
        trace_dir=tmp_path / "traces",
        router=Router(),
    )
    async with funnel:
        yield funnel


async def test_an_answer_holds_exactly_the_documented_fields(tmp_path):
    async with a_funnel(tmp_path, READ) as funnel:
        answer = (await funnel.ask(QUESTION, LOOKUP)).as_dict()
    assert set(answer) == set(ORDER)
    assert set(answer["citations"][0]) == {"document_id", "title", "uri", "start", "stop", "quote", "header"}
    assert set(answer["usage"]) == {
        "model_calls", "input_tokens", "output_tokens", "cost_usd", "wall_s", "cached_calls",
        "replayed_calls", "turns", "depth", "output_chars", "stored_bytes", "cached_input_tokens", "tier",
    }  # fmt: skip


def test_the_fields_of_an_answer_are_those_that_are_documented():
    page = (Path(__file__).parents[2] / "docs" / "answer.md").read_text()
    answer, citation, reasons, _typed, uncited, coverage = re.split(r"\n(?:A citation:|## [\w ]+)\n", page)
    assert documented(answer) == list(ORDER)
    assert documented(citation) == [field.name for field in fields(Citation)]
    assert documented(reasons)[1:] == [str(reason) for reason in EndReason if reason != EndReason.CANCELLED]
    assert documented(uncited) == [field.name for field in fields(Span)]
    assert documented(coverage) == [field.name for field in fields(DocumentCoverage)]


def documented(table):
    """The names in the first column."""
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


ORDER = (
    "question", "text", "value", "status", "end_reason", "route", "route_probability", "reasons", "shape",
    "standalone",
    "citations", "uncited", "coverage", "coverage_total", "usage", "model", "sandbox", "run", "trace",
    "notices",
)  # fmt: skip


async def test_an_answer_is_json(tmp_path):
    async with a_funnel(tmp_path, SUBMIT) as funnel:
        answer = await funnel.ask(QUESTION, DEEP)
    assert json.loads(json.dumps(answer.as_dict()))["citations"][0]["quote"] == "We refund within 14 days."


async def test_a_lookup_is_one_call_and_no_sandbox(tmp_path):
    async with a_funnel(tmp_path, READ) as funnel:
        answer = await funnel.ask(QUESTION, LOOKUP)
    assert (answer.status, answer.route, answer.text) == ("complete", "lookup", "They take 14 days [1].")
    assert (answer.usage.model_calls, answer.model, answer.sandbox) == (1, "scripted", None)
    assert answer.reasons


async def test_an_answer_and_its_trace_tell_the_shape_of_the_question(tmp_path):
    events = []
    async with a_funnel(tmp_path, SUBMIT) as funnel:
        answer = await funnel.ask("Compare the leases", DEEP, on_event=events.append)
    routed = next(dict(event.data) for event in events if event.kind == "route")
    assert answer.shape == routed["shape"] == "compare"
    assert routed["shape_reason"] == "asks to compare ('compare')"


async def test_the_inspector_hears_what_the_question_looks_like(tmp_path):
    root = ScriptedLLM([SUBMIT])
    async with a_funnel(tmp_path, root=root) as funnel:
        await funnel.ask("List all leases in the collection that contain a clause on renewal", DEEP)
    assert "This may be about all of something " in root.requests[0].messages[1].content


async def test_the_inspector_hears_no_guess_of_which_the_router_is_not_sure(tmp_path):
    root = ScriptedLLM([SUBMIT])
    async with a_funnel(tmp_path, root=root) as funnel:
        answer = await funnel.ask("Compare the leases", DEEP)
    assert answer.shape == "compare"
    assert "This may " not in root.requests[0].messages[1].content


async def test_what_an_answer_states_without_a_citation_is_named(tmp_path):
    said = reading("They take 14 days [1]. Ask the desk.", (1, "We refund within 14 days."))
    async with a_funnel(tmp_path, said, reading("It is not said.", found=False)) as funnel:
        answer = await funnel.ask(QUESTION, LOOKUP)
        declined = await funnel.ask(QUESTION, LOOKUP)
    assert answer.uncited == (Span(23, 36, "Ask the desk."),)
    assert declined.uncited == ()


async def test_the_sentence_that_names_what_is_missing_needs_no_citation(tmp_path):
    gap = "The passages do not say what it costs."
    said = f"They take 14 days [1]. {gap} Ask the desk."
    reply = reading(said, (1, "We refund within 14 days."), missing=gap)
    async with a_funnel(tmp_path, reply) as funnel:
        answer = await funnel.ask(QUESTION, LOOKUP)
    assert [span.text for span in answer.uncited] == ["Ask the desk."]
    assert (answer.status, answer.notices) == ("partial", (f"The question is answered in part: {gap}",))


async def test_a_lookup_says_what_it_read_of_each_document(tmp_path):
    async with a_funnel(tmp_path, READ) as funnel:
        answer = await funnel.ask(QUESTION, LOOKUP)
    seen = {each.document_id: (each.read, each.n_chars) for each in answer.coverage}
    assert seen["refunds"] == (len(SHOP[0].text), len(SHOP[0].text))


async def test_a_deep_answer_says_what_was_seen_of_each_document(tmp_path):
    async with a_funnel(
        tmp_path, cell("found = grep('Ada', docs='all')", "print(len(found))"), SUBMIT
    ) as funnel:
        answer = await funnel.ask(QUESTION, DEEP)
    assert {each.document_id: (each.searched, each.matched > 0) for each in answer.coverage} == {
        "refunds": (1, False), "leases": (1, True), "roth": (1, True),
    }  # fmt: skip


async def test_a_deep_answer_names_its_sandbox(tmp_path):
    async with a_funnel(tmp_path, SUBMIT) as funnel:
        answer = await funnel.ask(QUESTION, DEEP)
    assert (answer.status, answer.route, answer.sandbox) == ("complete", "deep", "monty")


async def test_the_router_decides_where_no_route_is_pinned(tmp_path):
    async with a_funnel(tmp_path, READ, SUBMIT) as funnel:
        lookup = await funnel.ask(QUESTION)
        deep = await funnel.ask("Compare all leases and list every one that ends before 2027")
    assert (lookup.route, deep.route) == ("lookup", "deep")
    assert lookup.route_probability < 0.5 < deep.route_probability


async def test_k_documents_go_from_stage_one_to_stage_two(tmp_path):
    async with a_funnel(tmp_path, cell("submit(len(context), citations=[])")) as funnel:
        assert (await funnel.ask(QUESTION, Options(mode="deep", k=2))).value == 2


@pytest.mark.parametrize("options", [LOOKUP, DEEP])
async def test_the_events_of_a_run_are_one_tree_and_what_starts_ends(tmp_path, options):
    seen = []
    replies = [READ] if options is LOOKUP else [cell("search('roth')"), SUBMIT]
    async with a_funnel(tmp_path, *replies) as funnel:
        await funnel.ask(QUESTION, options, on_event=seen.append)
    first = [event for event in seen if event.phase != "end"]
    known: set[int] = set()
    for event in first:
        assert event.parent in known or (event.parent is None and event.kind == "run")
        assert event.id not in known
        known.add(event.id)
    assert sum(event.parent is None for event in first) == 1
    started = [event.id for event in seen if event.phase == "start"]
    assert sorted(started) == sorted(event.id for event in seen if event.phase == "end")
    assert [event.at_s for event in seen] == sorted(event.at_s for event in seen)
    assert {event.run for event in seen} == {seen[0].run}


async def test_the_last_event_but_one_holds_the_answer(tmp_path):
    async with a_funnel(tmp_path, READ) as funnel:
        events = [event async for event in funnel.stream(QUESTION, LOOKUP)]
    assert [(event.kind, event.phase) for event in events[-2:]] == [("answer", "point"), ("run", "end")]
    assert events[-2].data["text"] == "They take 14 days [1]."


async def test_a_stream_raises_what_the_run_raised_after_its_events(tmp_path):
    seen = []
    async with a_funnel(tmp_path, DOWN) as funnel:
        stream = funnel.stream(QUESTION, LOOKUP)
        with pytest.raises(LLMUnavailable):
            await collect(stream, seen)
    assert [(event.kind, event.phase) for event in seen][-1] == ("run", "end")


async def collect(stream, seen):
    async for event in stream:
        seen.append(event)


async def test_leaving_a_stream_early_cancels_the_run(tmp_path):
    waiting = asyncio.Event()

    class Hanging(ScriptedLLM):
        cancelled = False

        async def complete(self, request, options=None):
            waiting.set()
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                Hanging.cancelled = True
                raise

    async with a_funnel(tmp_path, root=Hanging([])) as funnel:
        stream = funnel.stream(QUESTION, LOOKUP)
        async for event in stream:
            if event.kind == "model_call":
                await waiting.wait()
                break
        await stream.aclose()
        assert Hanging.cancelled
    [trace] = (tmp_path / "traces").iterdir()
    assert "CancelledError" in read_trace(trace).data["error"]


class Watched(SourceWrapper):
    """Raw documents that keep the statistics of each search."""

    def __init__(self, documents):
        super().__init__(RawDocuments(documents))
        self.statistics = []

    def search(self, query, k, scope):
        self.statistics.append(scope.statistics)
        return super().search(query, k, scope)


@pytest.mark.parametrize("statistics", ["collection", "visible"])
async def test_both_stages_search_with_the_statistics_that_were_asked_for(tmp_path, statistics):
    source = Watched(SHOP)
    async with a_funnel(tmp_path, cell("search('roth')"), SUBMIT, source=source) as funnel:
        await funnel.ask(QUESTION, Options(mode="deep", statistics=statistics))
    assert source.statistics == [statistics, statistics]


class Changing(SourceWrapper):
    """Raw documents of which one is rewritten, or closed to the asker, once there is an answer."""

    def __init__(self, documents, later):
        super().__init__(RawDocuments(documents))
        self.later = RawDocuments(later)
        self.changed = False

    def read(self, document_id, start, stop, scope):
        held = self.later if self.changed else self._source
        return held.read(document_id, start, stop, scope)


@pytest.mark.parametrize("later", [[], [doc("refunds", "We never refund anything, whatever happens.")]])
async def test_a_citation_that_is_no_longer_stored_text_does_not_leave(tmp_path, later):
    source = Changing(SHOP, [*later, *SHOP[1:]])

    def read_both(request):
        numbers = [int(a["n"]) for q in ("We refund", "Ada Roth signed")
                   for a, text in fenced("passage", prompt(request)) if q in text]  # fmt: skip
        days, who = numbers
        return reading(
            f"Ada [{who}], 14 days [{days}].",
            (days, "We refund within 14 days."),
            (who, "Ada Roth signed it."),
        )

    replies = [
        read_both,
        cell(
            'a, b = cite("refunds", 0, 9), cite("leases", quote="Ada Roth signed it.")',
            'submit({"days": "14 " + a, "who": "Ada " + b})',
        ),
    ]
    async with a_funnel(tmp_path, *replies, source=source) as funnel:

        def changes(event):
            source.changed |= (event.kind, event.phase) == ("model_call", "end")

        read = await funnel.ask("refund Ada Roth signed Hill House", Options(mode="lookup"), on_event=changes)
        source.changed = False

        def changes_at_the_end(event):
            source.changed |= event.kind == "submit"

        deep = await funnel.ask(QUESTION, DEEP, on_event=changes_at_the_end)
    for answer in (read, deep):
        assert answer.notices == (
            "1 of 2 citations were dropped: the documents no longer say so at these places.",
        )
        assert [c.quote for c in answer.citations] == ["Ada Roth signed it."]
    assert read.text == "Ada [1], 14 days."
    assert deep.value == {"days": "14", "who": "Ada [1]"} == json.loads(deep.text)


async def test_an_answer_says_if_only_part_of_a_long_question_was_searched_for(tmp_path):
    long = " ".join(f"word{i}" for i in range(600)) + f" {QUESTION}"
    async with a_funnel(tmp_path, READ) as funnel:
        answer = await funnel.ask(long, Options(mode="lookup"))
    assert "different words the" in answer.notices[0]


@pytest.mark.parametrize(
    ("question", "options", "error"),
    [
        ("", Options(), BadQuestion),
        (" \n\t", Options(), BadQuestion),
        (QUESTION, Options(k=0), BadQuestion),
        (QUESTION, Options(mode="shallow"), UnknownName),
        (QUESTION, Options(limits=Limits(max_calls=0)), BudgetTooSmall),
        (QUESTION, Options(limits=Limits(timeout_s=0)), BudgetTooSmall),
        (QUESTION, Options(limits=Limits(max_tokens=100)), BudgetTooSmall),
    ],
)
async def test_what_cannot_be_asked_is_told_before_anything_is_done(tmp_path, question, options, error):
    seen = []
    async with a_funnel(tmp_path) as funnel:
        with pytest.raises(error):
            await funnel.ask(question, options, on_event=seen.append)
    assert seen == []
    assert not (tmp_path / "traces").exists()


async def test_the_deadline_holds_for_stage_one_and_the_model_was_never_asked(tmp_path):
    class Stuck(RawDocuments):
        def search(self, *_, **__):
            released.wait(300)
            return []

    released = threading.Event()
    async with a_funnel(tmp_path, source=Stuck(SHOP)) as funnel:
        with pytest.raises(BudgetExceeded, match=r"timeout_s = 0\.1 is used up .*the model was never asked"):
            await funnel.ask(QUESTION, Options(limits=Limits(timeout_s=0.1)))
    assert not released.is_set()
    released.set()


async def test_what_stage_one_raises_is_raised(tmp_path):
    class Broken(RawDocuments):
        def search(self, *_, **__):
            raise TimeoutError("its own")

    async with a_funnel(tmp_path, source=Broken(SHOP)) as funnel:
        with pytest.raises(TimeoutError, match="its own"):
            await funnel.ask(QUESTION)


@jumping
@pytest.mark.usefixtures("ledgers_in_loop_time")
async def test_a_model_that_does_not_answer_in_time_is_told_as_such(tmp_path):
    class Hanging(ScriptedLLM):
        async def complete(self, request, options=None):
            loop = asyncio.get_running_loop()
            loop.jump_to(loop.time() + 100)
            await asyncio.sleep(3_600)

    async with a_funnel(tmp_path, root=Hanging([])) as funnel:
        with pytest.raises(BudgetExceeded, match="the model had not answered"):
            await funnel.ask(QUESTION, Options(mode="lookup", limits=Limits(timeout_s=100)))


async def test_a_first_call_that_does_not_fit_names_what_it_needs(tmp_path):
    async with a_funnel(tmp_path, prices={"scripted": (0.0, 10.0)}) as funnel:
        limits = Limits(
            max_usd=0.0405
        )  # the last call's 4,000 tokens are kept, 0.04; the first takes 64 more
        with pytest.raises(BudgetTooSmall, match=r"max_usd = 0\.0405 .*the first call may take 0\.0406"):
            await funnel.ask(QUESTION, Options(mode="deep", limits=limits))


async def test_a_dollar_limit_without_a_price_is_told_before_anything_is_spent(tmp_path):
    async with a_funnel(tmp_path, READ, prices={}) as funnel:
        with pytest.raises(UnknownPrice, match="scripted"):
            await funnel.ask(QUESTION, Options(limits=Limits(max_usd=1.0)))
        assert funnel._models.root.remaining == 1
    assert not (tmp_path / "traces").exists()


async def test_an_unknown_price_makes_the_cost_unknown_and_not_nothing(tmp_path):
    async with a_funnel(tmp_path, READ, prices={}) as funnel:
        assert (await funnel.ask(QUESTION, LOOKUP)).usage.cost_usd is None


async def test_a_known_price_is_what_the_answer_costs(tmp_path):
    async with a_funnel(tmp_path, READ, prices={"scripted": (1.0, 10.0)}) as funnel:
        usage = (await funnel.ask(QUESTION, LOOKUP)).usage
    assert usage.cost_usd == pytest.approx((usage.input_tokens * 1.0 + usage.output_tokens * 10.0) / 1e6)


async def test_the_trace_is_its_owners_and_its_path_is_in_the_answer(tmp_path):
    async with a_funnel(tmp_path, READ, READ) as funnel:
        answer = await funnel.ask(QUESTION, LOOKUP)
        named = await funnel.ask(QUESTION, Options(mode="lookup", trace=tmp_path / "mine.jsonl"))
    assert named.trace == str(tmp_path / "mine.jsonl")
    for path in (Path(answer.trace), tmp_path / "mine.jsonl"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        run = read_trace(path)
        assert run.data["question"] == QUESTION
        assert run.children[-1].data["text"] == answer.text


async def test_a_run_that_fails_leaves_a_trace_that_says_how(tmp_path):
    async with a_funnel(tmp_path, DOWN) as funnel:
        with pytest.raises(LLMUnavailable):
            await funnel.ask(QUESTION, LOOKUP)
    [trace] = (tmp_path / "traces").iterdir()
    run = read_trace(trace)
    assert run.ended
    assert "connection refused" in run.data["error"]
    assert [child.kind for child in run.children] == ["retrieve", "route", "model_call"]


async def test_a_listener_that_fails_ends_the_run_and_is_not_swallowed(tmp_path):
    def listen(_event):
        raise ZeroDivisionError

    async with a_funnel(tmp_path, READ) as funnel:
        with pytest.raises(ZeroDivisionError):
            await funnel.ask(QUESTION, LOOKUP, on_event=listen)


async def test_twenty_questions_at_once_do_not_mix(tmp_path):
    documents = [doc(f"d{i}", f"The colour of house number{i} is shade{i}.") for i in range(20)]
    async with a_funnel(tmp_path, source=RawDocuments(documents), root=Extractive(), prices={}) as funnel:
        answers = await asyncio.gather(
            *(
                funnel.ask(
                    f"What is the colour of house number{i}?",
                    Options(mode="deep" if i % 4 == 0 else "lookup", k=3),
                )
                for i in range(20)
            )
        )
    for i, answer in enumerate(answers):
        assert answer.citations[0].document_id == f"d{i}"
        assert answer.citations[0].quote == f"The colour of house number{i} is shade{i}."
    assert len({answer.trace for answer in answers}) == 20
    assert all(read_trace(Path(answer.trace)).ended for answer in answers)


SECRETS = (
    doc("open", "The canteen opens at noon for those who earn.", readers=[PUBLIC]),
    doc("mine", "Alice earns 100.", readers=["alice"]),
    doc("theirs", "Bob earns 900, says the heptagon.", title="Heptagon pay", readers=["bob"]),
    doc("nobodys", "The owner earns 5000, says the heptagon.", title="Heptagon"),
)


@pytest.fixture(params=["raw", "collection"])
def secrets(request, tmp_path):
    if request.param == "raw":
        yield RawDocuments(SECRETS)
        return
    with Collection.create(tmp_path / "kb") as collection:
        collection.upsert(SECRETS)
        yield collection


@pytest.mark.parametrize("mode", ["lookup", "deep"])
async def test_what_the_asker_may_not_read_reaches_no_prompt_no_trace_and_no_memory(tmp_path, secrets, mode):
    store = tmp_path / "memory.sqlite"
    replies = [
        cell("print(search('earns', k=50), grep('earns'), documents(), context)"),
        cell("try:", "    read('theirs')", "except RuntimeError as e:", "    print(e)"),
        cell("submit('x', citations=[])"),
    ]
    model = ScriptedLLM([reading("x")] if mode == "lookup" else replies)
    async with a_funnel(
        tmp_path, root=model, source=secrets, memory=SqliteMemory(f"sqlite:///{store}")
    ) as funnel:
        options = Options(mode=mode, asker=Asker.of("alice"), trace=tmp_path / "t.jsonl")
        answer = await funnel.ask("Who earns what?", options)
    shown = "\n".join(prompt(request) for request in model.requests)
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("memory.sqlite*"))
    trace = (tmp_path / "t.jsonl").read_text()
    assert "Alice earns 100" in shown
    assert "Alice earns 100" in trace
    if mode == "deep":
        assert b"Alice earns 100" in kept
    for place in (shown, trace, kept.decode("latin-1"), str(answer)):
        assert "heptagon" not in place.lower()
        assert "nobodys" not in place


async def test_the_owner_reads_everything(tmp_path):
    model = ScriptedLLM([reading("x")])
    async with a_funnel(tmp_path, root=model, source=RawDocuments(SECRETS)) as funnel:
        await funnel.ask("Who earns what?", LOOKUP)
    assert "Bob earns 900" in prompt(model.requests[0])


def settings(tmp_path):
    return funnel.Settings(trace_dir=tmp_path)


def test_a_script_asks_without_await(tmp_path):
    with funnel.build_sync(RawDocuments(SHOP).as_owner(), settings(tmp_path)) as ready:
        answer = ready.ask("Who signed the lease of Hill House?")
    assert answer.citations[0].quote == "The lease of Hill House ends in May 2026."


async def test_a_notebook_asks_inside_its_running_loop(tmp_path):
    with funnel.build_sync(RawDocuments(SHOP).as_owner(), settings(tmp_path)) as ready:
        assert ready.ask(QUESTION, DEEP).route == "deep"


def test_a_sync_funnel_hears_events_and_raises_what_the_run_raises(tmp_path):
    seen = []
    with funnel.build_sync(RawDocuments(SHOP).as_owner(), settings(tmp_path)) as ready:
        ready.ask(QUESTION, LOOKUP, on_event=seen.append)
        with pytest.raises(BadQuestion):
            ready.ask(" ")
    assert seen[-1].kind == "run"


def test_what_cannot_be_built_is_told_by_the_sync_funnel_too(tmp_path):
    with pytest.raises(UnknownName, match=r"Unknown sandbox 'docker'\. Known: auto, bubblewrap, monty"):
        funnel.build_sync(
            RawDocuments(SHOP).as_owner(), funnel.Settings(trace_dir=tmp_path, sandbox="docker")
        )


async def test_one_funnel_is_built_from_settings(tmp_path):
    async with funnel.build(RawDocuments(SHOP).as_owner(), settings(tmp_path)) as ready:
        answer: funnel.Answer = await ready.ask(QUESTION)
    assert (answer.model, answer.usage.cost_usd) == ("extractive", 0.0)


def test_the_public_names_are_there_and_no_others():
    assert all(getattr(funnel, name).__name__ == name for name in funnel.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Inspector'"):
        _ = funnel.Inspector


@pytest.mark.parametrize("documents", [[], [Document("d", " \n ")]])
async def test_a_source_without_a_word_declines(tmp_path, documents):
    async with a_funnel(tmp_path, source=RawDocuments(documents), root=Extractive(), prices={}) as funnel:
        assert (await funnel.ask(QUESTION, LOOKUP)).status == "declined"
        assert (await funnel.ask(QUESTION, DEEP)).status == "declined"
