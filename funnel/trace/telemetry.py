"""Runs as OpenTelemetry spans, by its semantic conventions for generative AI; knows no SDK and no exporter.

Numbers and the names that are ours always go out. What people, documents and models wrote goes out only with
`content`: questions, prompts, replies, code, output, arguments, results, notes, ids, and what errors say.

Needs the extra `otel`. Raises, when imported without it: `MissingExtra`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from funnel.settings import EXTRACTIVE
from funnel.trace.events import Event
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
"""What the conventions have a name for; anything else is `funnel.` and its name in the event."""
_OURS = frozenset(
    {"mode", "model", "sub_model", "sandbox", "purpose", "usage", "finish_reason", "name", "route", "status"}
)
"""Fields whose text is written by this program or its settings."""
_SAID_BY_THE_SPAN = frozenset({"wall_s", "started_at", "error"})


class Telemetry:
    """A sink for any number of runs, which may overlap. The caller's current span is a run's parent.

    Spans have the true times of their events. A run that ends, by an error or a cancellation too, leaves no
    span open.
    """

    def __init__(self, *, content: bool = False, tracer: Tracer | None = None) -> None:
        self._tracer = tracer or get_tracer("funnel", version("funnel-rlm"))
        self._content = content
        self._open: dict[str, dict[int, Span]] = {}
        self._began_ns: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        if event.phase == "start":
            self._start(event)
        elif event.phase == "end":
            self._end(event)
        else:
            self._point(event)

    def _start(self, event: Event) -> None:
        self._began_ns.setdefault(event.run, time.time_ns() - round(event.at_s * 1e9))
        spans = self._open.setdefault(event.run, {})
        around = context.get_current()
        if event.parent in spans:
            around = set_span_in_context(spans[event.parent], around)
        spans[event.id] = self._tracer.start_span(
            _span_name(event),
            context=around,
            kind=SpanKind.CLIENT if event.kind in _CLIENTS else SpanKind.INTERNAL,
            attributes=_standing(event) | self._attributes(event),
            start_time=self._at_ns(event),
        )

    def _end(self, event: Event) -> None:
        spans = self._open.get(event.run, {})
        span = spans.pop(event.id, None)
        if span is None:
            return  # its run ended first, and ended it
        span.set_attributes(self._attributes(event))
        if said := event.data.get("error"):
            kind = str(said).partition(":")[0]
            span.set_attribute("error.type", kind if kind.isidentifier() else "_OTHER")
            span.set_status(StatusCode.ERROR, _sound(str(said)) if self._content else kind)
        at_ns = self._at_ns(event)
        span.end(at_ns)
        if event.parent is None:
            for left in reversed(spans.values()):
                left.set_status(StatusCode.ERROR, "the run ended first")
                left.end(at_ns)
            del self._open[event.run], self._began_ns[event.run]

    def _point(self, event: Event) -> None:
        """A span event of what it happened in; the answer's outcome stands on the run itself, too."""
        span = self._open.get(event.run, {}).get(event.parent or 0)
        if span is None:
            return
        attributes = self._attributes(event)
        if event.kind == "answer":
            attributes = _outcome(event.data) | (
                _content("text", event.data["text"]) if self._content else {}
            )
            span.set_attributes(attributes)
        span.add_event(f"funnel.{event.kind}", attributes, timestamp=self._at_ns(event))

    def _at_ns(self, event: Event) -> int:
        return self._began_ns[event.run] + round(event.at_s * 1e9)

    def _attributes(self, event: Event) -> Attributes:
        """The fields that may go out, under the names that the conventions have for them."""
        attributes: Attributes = {}
        for key, value in event.data.items():
            if value is None or key in _SAID_BY_THE_SPAN:
                continue
            if isinstance(value, (bool, int, float)) or (key in _OURS and isinstance(value, str)):
                attributes[_NAMES.get(key, f"funnel.{key}")] = value
            elif self._content:
                attributes |= _messages(key, value) if event.kind == "model_call" else _content(key, value)
        if reason := event.data.get("finish_reason"):
            attributes["gen_ai.response.finish_reasons"] = [str(reason)]
        return attributes


def _span_name(event: Event) -> str:
    """As the conventions have it: the operation and what it is done with; few different names."""
    operation = _OPERATIONS.get(event.kind, event.kind)
    of = {"run": _WORKFLOW, "host_call": event.data.get("name"), "model_call": event.data.get("model")}
    return f"{operation} {of[event.kind]}" if of.get(event.kind) else operation


def _standing(event: Event) -> Attributes:
    """What every span of that kind has."""
    attributes: Attributes = {"funnel.kind": event.kind, "funnel.run": event.run}
    if event.kind in _OPERATIONS:
        attributes["gen_ai.operation.name"] = _OPERATIONS[event.kind]
    if event.kind == "run":
        attributes["gen_ai.workflow.name"] = _WORKFLOW
    elif event.kind == "host_call":
        attributes["gen_ai.tool.type"] = "function"
    elif event.kind == "model_call":
        # The wire format is what the conventions mean; which company serves the model is not known here.
        attributes["gen_ai.provider.name"] = _WORKFLOW if event.data.get("model") == EXTRACTIVE else "openai"
    return attributes


def _outcome(answer: Mapping[str, Any]) -> Attributes:
    """What may be told of an answer, whatever it says."""
    outcome: Attributes = {f"funnel.{key}": answer[key] for key in ("status", "route") if key in answer}
    usage = answer.get("usage", {})
    outcome |= {f"funnel.usage.{key}": value for key, value in usage.items() if value is not None}
    return outcome | {"funnel.citations": len(answer.get("citations", ()))}


def _messages(key: str, value: Any) -> Attributes:
    """Prompt and reply in the form that the conventions have for a chat."""
    if key == "messages":
        told = [_message(message["role"], message["content"]) for message in value]
        return {"gen_ai.input.messages": _sound(json.dumps(told, ensure_ascii=False))}
    if key == "text":
        replied = [_message("assistant", value)]
        return {"gen_ai.output.messages": _sound(json.dumps(replied, ensure_ascii=False))}
    return _content(key, value)


def _message(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def _content(key: str, value: Any) -> Attributes:
    """A field that somebody else wrote: text as it is, anything else as JSON."""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return {_NAMES.get(key, f"funnel.{key}"): _sound(shown)}


def _sound(text: str) -> str:
    """Text that every exporter can encode: no lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")
