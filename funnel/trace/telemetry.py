"""Runs as OpenTelemetry spans, by its semantic conventions for generative AI; knows no SDK and no exporter.

Numbers always go out, and so do the text fields that `funnel.trace.kinds` marks as ours. What people,
documents and models wrote goes out only with `content`: questions, prompts, replies, code, output, arguments,
results, notes, ids, and the messages of errors.

Importing this module without the extra `otel` raises `MissingExtra`.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from funnel.settings import EXTRACTIVE
from funnel.trace.events import Event
from funnel.trace.kinds import (
    AnswerGiven,
    Ended,
    EventData,
    HostCallStarted,
    ModelCallEnded,
    ModelCallStarted,
    Passing,
    RunStarted,
    Started,
    fields_of,
    plain,
)
from funnel.types import Answer
from indexes.errors import MissingExtra

try:
    from opentelemetry import context
    from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_tracer, set_span_in_context
except ImportError as error:
    raise MissingExtra("FUNNEL_OTEL", "otel") from error

Attributes = dict[str, str | bool | int | float | list[str]]

_WORKFLOW = "funnel"
_OPERATIONS = {
    "run": "invoke_workflow", "retrieve": "retrieval", "host_call": "execute_tool", "model_call": "chat",
}  # fmt: skip
_CLIENTS = frozenset({"retrieve", "model_call"})
_NAMES = {
    "model": "gen_ai.request.model", "max_output_tokens": "gen_ai.request.max_tokens",
    "input_tokens": "gen_ai.usage.input_tokens", "output_tokens": "gen_ai.usage.output_tokens",
    "name": "gen_ai.tool.name", "arguments": "gen_ai.tool.call.arguments",
    "result": "gen_ai.tool.call.result", "query": "gen_ai.retrieval.query.text",
    "documents": "gen_ai.retrieval.documents",
}  # fmt: skip
"""Fields that the conventions have a name for; any other goes out as `funnel.` and its own name."""
_ON_THE_SPAN = frozenset({"wall_s", "started_at", "error", "error_type"})
"""Fields that are expressed by a span's own times and status."""


class Telemetry:
    """A sink for any number of runs, which may overlap. The caller's current span becomes a run's parent.

    Spans have the true times of their events. A run leaves no span open, even if it ends by an error or is
    cancelled.
    """

    def __init__(self, *, content: bool = False, tracer: Tracer | None = None) -> None:
        self._tracer = tracer or get_tracer("funnel", version("funnel-rlm"))
        self._content = content
        self._open: dict[str, dict[int, Span]] = {}
        self._began_ns: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        if isinstance(event.data, Started):
            self._start(event)
        elif isinstance(event.data, Ended):
            self._end(event, event.data)
        elif not isinstance(event.data, Passing):
            self._point(event)

    def _start(self, event: Event) -> None:
        self._began_ns.setdefault(event.run, time.time_ns() - round(event.at_s * 1e9))
        spans = self._open.setdefault(event.run, {})
        around = context.get_current()
        if event.parent in spans:
            around = set_span_in_context(spans[event.parent], around)
        spans[event.id] = self._tracer.start_span(
            _span_name(event.data),
            context=around,
            kind=SpanKind.CLIENT if event.kind in _CLIENTS else SpanKind.INTERNAL,
            attributes=_standing(event) | self._attributes(event.data),
            start_time=self._at_ns(event),
        )

    def _end(self, event: Event, ended: Ended) -> None:
        spans = self._open.get(event.run, {})
        span = spans.pop(event.id, None)
        if span is None:
            return  # the run ended first, and ended this span with it
        span.set_attributes(self._attributes(event.data))
        if ended.error is not None:
            kind = ended.error_type or "_OTHER"
            span.set_attribute("error.type", kind if kind.isidentifier() else "_OTHER")
            span.set_status(StatusCode.ERROR, _sound(ended.error) if self._content else kind)
        at_ns = self._at_ns(event)
        span.end(at_ns)
        if event.parent is None:
            for left in reversed(spans.values()):
                left.set_status(StatusCode.ERROR, "the run ended first")
                left.end(at_ns)
            del self._open[event.run], self._began_ns[event.run]

    def _point(self, event: Event) -> None:
        """Add a span event to the span inside which it happened; an answer's outcome also to the run."""
        span = self._open.get(event.run, {}).get(event.parent or 0)
        if span is None:
            return
        if isinstance(event.data, AnswerGiven):
            attributes = _outcome(event.data)
            if self._content:
                attributes |= _content(event.data, "text", event.data.text)
            span.set_attributes(attributes)
        else:
            attributes = self._attributes(event.data)
        span.add_event(f"funnel.{event.kind}", attributes, timestamp=self._at_ns(event))

    def _at_ns(self, event: Event) -> int:
        return self._began_ns[event.run] + round(event.at_s * 1e9)

    def _attributes(self, data: EventData) -> Attributes:
        """Return the fields that may go out, under the names of the conventions."""
        attributes: Attributes = {}
        for name, spec in fields_of(type(data)).items():
            value = getattr(data, name)
            if value is None or name in _ON_THE_SPAN:
                continue
            if isinstance(value, (bool, int, float)) or "ours" in spec.metadata:
                attributes[_NAMES.get(name, f"funnel.{name}")] = value
            elif self._content:
                attributes |= _content(data, name, value)
        if isinstance(data, ModelCallEnded) and data.finish_reason:
            attributes["gen_ai.response.finish_reasons"] = [data.finish_reason]
        return attributes


def _span_name(data: EventData) -> str:
    """Return the operation and its target, as the conventions ask, so that there are few different names."""
    operation = _OPERATIONS.get(data.kind, data.kind)
    match data:
        case RunStarted():
            return f"{operation} {_WORKFLOW}"
        case HostCallStarted(name=name) | ModelCallStarted(model=name) if name:
            return f"{operation} {name}"
        case _:
            return operation


def _standing(event: Event) -> Attributes:
    """Return the attributes that every span of this kind has."""
    attributes: Attributes = {"funnel.kind": event.kind, "funnel.run": event.run}
    if event.kind in _OPERATIONS:
        attributes["gen_ai.operation.name"] = _OPERATIONS[event.kind]
    match event.data:
        case RunStarted():
            attributes["gen_ai.workflow.name"] = _WORKFLOW
        case HostCallStarted():
            attributes["gen_ai.tool.type"] = "function"
        case ModelCallStarted(model=model):
            # The conventions ask for the wire format; which company serves the model is not known here.
            attributes["gen_ai.provider.name"] = _WORKFLOW if model == EXTRACTIVE else "openai"
    return attributes


def _outcome(answer: Answer) -> Attributes:
    """Return what may go out about any answer."""
    outcome: Attributes = {"funnel.status": answer.status, "funnel.route": answer.route}
    outcome["funnel.end_reason"] = answer.end_reason.value
    usage = asdict(answer.usage).items()
    outcome |= {f"funnel.usage.{name}": value for name, value in usage if value is not None}
    return outcome | {"funnel.citations": len(answer.citations)}


def _content(data: EventData, name: str, value: Any) -> Attributes:
    """Return a field that we did not write: messages as a chat, other text as it is, the rest as JSON."""
    match data:
        case ModelCallStarted() if name == "messages":
            return {"gen_ai.input.messages": _json([_message(said.role, said.content) for said in value])}
        case ModelCallEnded() if name == "text":
            return {"gen_ai.output.messages": _json([_message("assistant", value)])}
        case _:
            shown = _sound(value) if isinstance(value, str) else _json(plain(value))
            return {_NAMES.get(name, f"funnel.{name}"): shown}


def _message(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def _json(value: Any) -> str:
    return _sound(json.dumps(value, ensure_ascii=False, default=str))


def _sound(text: str) -> str:
    """Return the text without lone surrogates, which exporters cannot encode."""
    return text.encode("utf-8", "replace").decode("utf-8")
