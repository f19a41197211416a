"""Events as OpenTelemetry spans: names, parents, times, outcomes, and what never leaves."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from second_stage import FREE, RUN, SHOP, cell

from funnel.factory import build
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.settings import Settings
from funnel.trace.events import Events
from funnel.trace.kinds import BatchStarted, CallRetried, CellStarted, TurnStarted
from funnel.trace.telemetry import Telemetry
from indexes import RawDocuments
from indexes.errors import MissingExtra

QUESTION = "How long do refunds take?"
TURN = cell('answer = llm_query("How long?", read("refunds"))', "submit(answer, citations=[])")
REPLY = "Fourteen days."


class Exported:
    """Spans that have ended, and a sink that makes them."""

    def __init__(self, *, content=False):
        self.memory = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.memory))
        self.tracer = provider.get_tracer("test")
        self.sink = Telemetry(content=content, tracer=self.tracer)

    @property
    def spans(self):
        return {span.name: span for span in self.memory.get_finished_spans()}


@pytest.fixture
def exported():
    return Exported()


async def ask(tmp_path, sandbox, sink, *, root=(TURN,), sub=(REPLY,)):
    models = Models(
        ScriptedLLM(list(root)), ScriptedLLM(list(sub), name="sub"), prices=FREE | {"sub": (0.0, 0.0)}
    )
    funnel = Funnel(
        RawDocuments(SHOP).as_owner(), models=models, memory=InMemory(), sandbox=sandbox, trace_dir=tmp_path,
        router=Router(),
    )  # fmt: skip
    return await funnel.ask(QUESTION, Options(mode="deep"), on_event=sink)


def tree(spans):
    """The names of spans, each under its parent's."""
    names = {span.context.span_id: name for name, span in spans.items()}
    return {name: span.parent and names[span.parent.span_id] for name, span in spans.items()}


async def test_a_deep_run_is_a_tree_of_spans_named_by_the_conventions(tmp_path, sandbox, exported):
    await ask(tmp_path, sandbox, exported.sink)
    names = tree(exported.spans)
    assert names["invoke_workflow funnel"] is None
    assert names["retrieval"] == names["turn"] == "invoke_workflow funnel"
    assert (names["chat scripted"], names["cell"]) == ("turn", "turn")
    assert names["execute_tool read"] == names["execute_tool llm_query"] == "cell"


async def test_a_model_call_says_model_tokens_and_why_it_ended(tmp_path, sandbox, exported):
    await ask(tmp_path, sandbox, exported.sink)
    call = exported.spans["chat sub"]
    assert call.kind is SpanKind.CLIENT
    expected = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "sub",
        "gen_ai.usage.output_tokens": 4, "gen_ai.response.finish_reasons": ("stop",),
        "funnel.purpose": "query",
    }  # fmt: skip
    assert expected.items() <= dict(call.attributes).items()
    assert call.attributes["gen_ai.usage.input_tokens"] > 0


async def test_the_outcome_stands_on_the_run(tmp_path, sandbox, exported):
    await ask(tmp_path, sandbox, exported.sink)
    run = exported.spans["invoke_workflow funnel"].attributes
    outcome = {"funnel.status": "complete", "funnel.citations": 0, "funnel.usage.model_calls": 2}
    assert outcome.items() <= dict(run).items()


def said(spans):
    """All text that went out."""
    return "\n".join(span.to_json() for span in spans)


async def test_no_text_of_question_documents_prompts_code_or_replies_goes_out(tmp_path, sandbox, exported):
    await ask(tmp_path, sandbox, exported.sink)
    text = said(exported.memory.get_finished_spans())
    for canary in (QUESTION, "refunds", "How long", "14 days", "Fourteen", "submit(", "citations="):
        assert canary not in text


async def test_with_content_prompts_and_replies_go_out_in_the_form_of_the_conventions(tmp_path, sandbox):
    exported = Exported(content=True)
    await ask(tmp_path, sandbox, exported.sink)
    call = exported.spans["chat sub"].attributes
    assert json.loads(call["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": REPLY}]}
    ]
    assert "We refund within 14 days." in json.loads(call["gen_ai.input.messages"])[-1]["parts"][0]["content"]
    assert exported.spans["retrieval"].attributes["gen_ai.retrieval.query.text"] == QUESTION


async def test_an_error_is_the_status_and_says_its_class_only(tmp_path, sandbox, exported):
    await ask(tmp_path, sandbox, exported.sink, root=[cell('{}["refunds"]'), TURN])
    failed = [s for s in exported.memory.get_finished_spans() if s.status.status_code is StatusCode.ERROR]
    assert [(s.name, s.attributes["error.type"], s.status.description) for s in failed] == [
        ("cell", "KeyError", "KeyError")
    ]


async def test_a_cancelled_run_leaves_no_span_open(tmp_path, sandbox, exported):
    began = asyncio.Event()

    class Hanging(ScriptedLLM):
        async def complete(self, *_):
            began.set()
            await asyncio.Event().wait()

    models = Models(Hanging([]), Hanging([]), prices=FREE)
    funnel = Funnel(
        RawDocuments(SHOP).as_owner(), models=models, memory=InMemory(), sandbox=sandbox, trace_dir=tmp_path,
        router=Router(),
    )  # fmt: skip
    task = asyncio.create_task(funnel.ask(QUESTION, Options(mode="deep"), on_event=exported.sink))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ended = exported.spans
    assert set(ended) == {"invoke_workflow funnel", "retrieval", "turn", "chat scripted"}
    assert {ended[n].attributes.get("error.type") for n in ended} == {None, "CancelledError"}
    assert ended["retrieval"].status.status_code is StatusCode.UNSET


async def test_the_callers_span_is_the_parent_of_the_run(tmp_path, sandbox, exported):
    with exported.tracer.start_as_current_span("request"):
        await ask(tmp_path, sandbox, exported.sink)
    assert tree(exported.spans)["invoke_workflow funnel"] == "request"
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_spans_have_the_times_of_their_events(exported):
    events = Events("r", exported.sink, clock=iter([10.0, 10.0, 10.5, 12.25, 13.0]).__next__)
    with events.open(RUN, parent=None) as run, events.open(TurnStarted(number=1), parent=run.id):
        pass
    run, turn = exported.spans["invoke_workflow funnel"], exported.spans["turn"]
    assert (turn.start_time - run.start_time, turn.end_time - run.start_time) == (5 * 10**8, 225 * 10**7)
    assert run.end_time - run.start_time == 3 * 10**9


def test_what_happened_is_an_event_of_the_span_that_it_happened_in(exported):
    events = Events("r", exported.sink)
    with events.open(RUN, parent=None) as run:
        events.point(CallRetried(attempt=2, reason="said the endpoint", wait_s=1.5), parent=run.id)
    [event] = exported.spans["invoke_workflow funnel"].events
    assert (event.name, dict(event.attributes)) == (
        "funnel.retry",
        {"funnel.attempt": 2, "funnel.wait_s": 1.5},
    )


def test_runs_that_overlap_do_not_mix(exported):
    first, second = Events("1", exported.sink), Events("2", exported.sink)
    with (
        first.open(RUN, parent=None) as one,
        second.open(RUN, parent=None) as other,
        first.open(TurnStarted(number=1), parent=one.id),
        second.open(CellStarted(code="1"), parent=other.id),
    ):
        pass
    spans = exported.memory.get_finished_spans()
    assert len({span.context.trace_id for span in spans}) == 2
    assert {(span.name, span.attributes["funnel.run"]) for span in spans} == {
        ("turn", "1"), ("cell", "2"), ("invoke_workflow funnel", "1"), ("invoke_workflow funnel", "2"),
    }  # fmt: skip


def test_what_outlives_its_run_is_ended_with_it(exported):
    events = Events("r", exported.sink)
    with events.open(RUN, parent=None) as run:
        late = events.open(BatchStarted(n=1), parent=run.id)
        late.__enter__()
    late.__exit__(None, None, None)
    assert exported.spans["batch"].status.description == "the run ended first"
    assert exported.sink._open == exported.sink._began_ns == {}


def test_a_lone_surrogate_can_be_sent():
    exported = Exported(content=True)
    with Events("r", exported.sink).open(replace(RUN, question="\ud800?"), parent=None):
        pass
    assert exported.spans["invoke_workflow funnel"].attributes["funnel.question"] == "??"


async def test_the_setting_turns_every_run_into_spans(tmp_path, monkeypatch, exported):
    monkeypatch.setattr("funnel.trace.telemetry.Telemetry", lambda: exported.sink)
    async with build(RawDocuments(SHOP).as_owner(), Settings(trace_dir=tmp_path, otel=True)) as funnel:
        await funnel.ask(QUESTION)
    assert "invoke_workflow funnel" in exported.spans


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "funnel.trace.telemetry")
    with pytest.raises(MissingExtra, match=r"^FUNNEL_OTEL needs .*: pip install 'funnel-rlm\[otel\]'\.$"):
        __import__("funnel.trace.telemetry")
