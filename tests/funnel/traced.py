"""The trace of a deep run with calls at once and a child, written by a clock that the test sets."""

from __future__ import annotations

from contextlib import ExitStack

from funnel.trace.events import Events, JsonlSink

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


def write_trace(path, *, text=QUESTION, calls=4, finished=True):
    """A run of `calls` model calls at once, after one turn's; `text` stands wherever foreign text may."""
    clock = Clock()
    with JsonlSink(path) as sink:
        events = Events("20261122-150142-1f3c9a", sink, clock=clock)
        with ExitStack() as ends:
            run = ends.enter_context(
                events.span(
                    "run", parent=None, started_at="2026-11-22T15:01:42+00:00", question=text, mode="auto",
                    k=20, model="big", sub_model="small", sandbox="monty", memory="memory://",
                )
            )  # fmt: skip
            with events.span("retrieve", parent=run.id, query=text, k=20) as found:
                clock.now += 0.1
                found.data["documents"] = [{"id": "leases", "score": 0.75}]
            events.point(
                "route",
                parent=run.id,
                route="deep",
                probability=0.9,
                reasons=[f"asks for all: {text}"],
                pinned=False,
            )
            _turn(events, clock, run.id, text, calls)
            events.point("answer", parent=run.id, **_answer(text, calls))
    if not finished:
        written = path.read_bytes()
        path.write_bytes(written[: written.index(b'"kind": "answer"')])


def _turn(events, clock, parent, text, calls):
    with events.span("turn", parent=parent, number=1, depth=0) as turn:
        messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": f"Look: {text}"}]
        with _call(events, turn.id, "turn", "big", messages) as call:
            clock.now += 1.0
            call.data |= _said(f"```python\n{CODE}```", 1_000, 50, 0.01)
        with events.span("cell", parent=turn.id, code=CODE) as cell:
            events.point("note", parent=cell.id, key="k", text=text)
            with events.span("host_call", parent=cell.id, name="llm_query_batched", arguments=[text]) as host:
                with events.span("batch", parent=host.id, n=calls) as batch:
                    _at_once(events, clock, batch.id, text, calls)
                    batch.data |= {"done": calls, "failed": 0}
                host.data["result"] = text
            with (
                events.span(
                    "host_call", parent=cell.id, name="rlm_query", arguments=["'Who signed?'"]
                ) as host,
                events.span("turn", parent=host.id, number=1, depth=1),
            ):
                clock.now += 0.5
            events.point("submit", parent=cell.id, answer=text, citations=[1, 2], found=True)
            cell.data |= {"stdout": f"{text}\n", "error": f"ValueError: {text}"}


def _at_once(events, clock, parent, text, calls):
    with ExitStack() as ends:
        for number in range(calls):
            messages = [
                {"role": "system", "content": PROMPT},
                {"role": "user", "content": f"Part {number}: {text}"},
            ]
            call = ends.enter_context(_call(events, parent, "query", "small", messages))
            call.data |= _said(f"Reply {number}: {text}", 100, 10, 0.001)
            clock.now += 0.05
        clock.now += 0.5


def _call(events, parent, purpose, model, messages):
    return events.span(
        "model_call", parent=parent, purpose=purpose, model=model, messages=messages, max_output_tokens=512
    )


def _said(text, input_tokens, output_tokens, cost_usd):
    return {
        "input_tokens": input_tokens, "output_tokens": output_tokens, "cost_usd": cost_usd,
        "usage": "reported", "text": text, "finish_reason": "stop",
    }  # fmt: skip


def _answer(text, calls):
    cited = {"document_id": "leases", "title": text, "uri": text, "start": 57, "stop": 98, "quote": QUOTE}
    return {
        "question": text, "text": ANSWER, "status": "complete", "route": "deep", "route_probability": 0.9,
        "reasons": [], "citations": [cited, cited | {"quote": text}],
        "uncited": [{"start": ANSWER.index(UNCITED), "stop": len(ANSWER), "text": UNCITED}],
        "surroundings": [{"before": BEFORE, "after": AFTER}],
        "value": None, "model": "big", "sandbox": "monty", "notices": [text],
        "usage": {
            "model_calls": calls + 1, "input_tokens": 1_000 + 100 * calls, "output_tokens": 50 + 10 * calls,
            "cost_usd": 0.01 + 0.001 * calls, "wall_s": 2.0, "cached_calls": 0,
        },
    }  # fmt: skip
