"""The trace of a deep run with calls at once and a child, written by a clock that the test sets."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from second_stage import RUN

from funnel.trace.events import Events, JsonlSink
from funnel.trace.kinds import (
    AnswerGiven,
    AnswerSubmitted,
    BatchEnded,
    BatchStarted,
    CellEnded,
    CellStarted,
    FoundDocument,
    HostCallEnded,
    HostCallStarted,
    ModelCallEnded,
    ModelCallStarted,
    NoteWritten,
    RetrieveEnded,
    RetrieveStarted,
    RouteDecided,
    Surroundings,
    TurnStarted,
)
from funnel.types import Citation, DocumentCoverage, EndReason, Message, Span, Usage

QUESTION = "When does the lease end?"
QUOTE = "The lease of Hill House ends in May 2026."
BEFORE = "This agreement was made between the parties named below. "
AFTER = " Ada Roth signed it, and so did two witnesses."
UNCITED = "Nobody objected."
ANSWER = f"🦊 It ends in May 2026 [1], and Ada Roth signed it [2]. {UNCITED}"
CODE = 'for hit in grep("lease"):  # all of them\n    print(hit["line"], 42)\n'
PROMPT = "You are an inspector of documents. " * 20


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self):
        return self.now


def write_trace(path, *, text=QUESTION, calls=4, finished=True, life=0):
    """A run of `calls` model calls at once, after one turn's; `text` stands wherever foreign text may."""
    clock = Clock()
    with JsonlSink(path) as sink:
        events = Events("20261122-150142-1f3c9a", sink, clock=clock)
        with ExitStack() as ends:
            run = ends.enter_context(
                events.open(
                    replace(RUN, question=text, model="big", sub_model="small", life=life), parent=None
                )
            )
            with events.open(RetrieveStarted(query=text, k=20), parent=run.id) as retrieval:
                clock.now += 0.1
                retrieval.end_with(RetrieveEnded(documents=(FoundDocument("leases", 0.75),)))
            decided = RouteDecided(route="deep", probability=0.9, reasons=(f"asks for all: {text}",))
            events.point(decided, parent=run.id)
            _turn(events, clock, run.id, text, calls)
            events.point(_answer(text, calls), parent=run.id)
    if not finished:
        written = path.read_bytes()
        path.write_bytes(written[: written.index(b'"kind": "answer"')])


def _turn(events, clock, parent, text, calls):
    with events.open(TurnStarted(number=1), parent=parent) as turn:
        messages = Message("system", PROMPT), Message("user", f"Look: {text}")
        with _call(events, turn.id, "turn", "big", messages) as call:
            clock.now += 1.0
            call.end_with(_said(f"```python\n{CODE}```", 1_000, 50, 0.01))
        with events.open(CellStarted(code=CODE), parent=turn.id) as cell:
            events.point(NoteWritten(key="k", text=text), parent=cell.id)
            begun = HostCallStarted(name="llm_query_batched", arguments=(text,))
            with events.open(begun, parent=cell.id) as host:
                with events.open(BatchStarted(n=calls), parent=host.id) as batch:
                    _at_once(events, clock, batch.id, text, calls)
                    batch.end_with(BatchEnded(failed=0))
                host.end_with(HostCallEnded(result=text))
            with (
                events.open(
                    HostCallStarted(name="rlm_query", arguments=("'Who signed?'",)), parent=cell.id
                ) as host,
                events.open(TurnStarted(number=1, depth=1), parent=host.id),
            ):
                clock.now += 0.5
            events.point(AnswerSubmitted(answer=text, citations=(1, 2), found=True), parent=cell.id)
            cell.end_with(CellEnded(stdout=f"{text}\n", error=f"ValueError: {text}", error_type="ValueError"))


def _at_once(events, clock, parent, text, calls):
    with ExitStack() as ends:
        for number in range(calls):
            messages = Message("system", PROMPT), Message("user", f"Part {number}: {text}")
            call = ends.enter_context(_call(events, parent, "query", "small", messages))
            call.end_with(_said(f"Reply {number}: {text}", 100, 10, 0.001))
            clock.now += 0.05
        clock.now += 0.5


def _call(events, parent, purpose, model, messages):
    begun = ModelCallStarted(purpose=purpose, model=model, messages=messages, max_output_tokens=512)
    return events.open(begun, parent=parent)


def _said(text, input_tokens, output_tokens, cost_usd):
    return ModelCallEnded(
        input_tokens=input_tokens, output_tokens=output_tokens, cost_usd=cost_usd, usage="reported",
        text=text, finish_reason="stop",
    )  # fmt: skip


def _answer(text, calls):
    cited = Citation("leases", title=text, uri=text, start=57, stop=98, quote=QUOTE)
    usage = Usage(
        model_calls=calls + 1, input_tokens=1_000 + 100 * calls, output_tokens=50 + 10 * calls,
        cost_usd=0.01 + 0.001 * calls, wall_s=2.0,
    )  # fmt: skip
    return AnswerGiven(
        question=text, text=ANSWER, status="complete", route="deep", route_probability=0.9, reasons=(),
        citations=(cited, replace(cited, quote=text, header=text)), usage=usage, model="big", sandbox="monty",
        uncited=(Span(ANSWER.index(UNCITED), len(ANSWER), UNCITED),), notices=(text,),
        coverage=(DocumentCoverage("leases", text, 4_000, searched=1, matched=2, read=900),),
        surroundings=(Surroundings(BEFORE, AFTER),), end_reason=EndReason.ANSWERED,
    )  # fmt: skip
