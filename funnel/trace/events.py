"""One stream of events a run, and where it flows: callbacks, a JSONL file; knows nothing of what it carries.

A thing that lasts is two events with one id, `start` and `end`; a thing that happens is one `point`.
docs/events.md has every kind with its data.

A sink is called in the event loop, in the order of the events, and the run waits for it. What it raises ends
the run and reaches the caller: an observer that fails unseen is worse than one that fails. A sink that may
be slow puts the events into a queue of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from funnel.errors import BadSetting
from funnel.trace.folding import Texts
from funnel.trace.private import create_private

Kind = Literal[
    "run", "retrieve", "route", "turn", "cell", "host_call", "model_call", "batch",
    "budget", "retry", "cache", "note", "submit", "repair", "error", "answer",
]  # fmt: skip
Phase = Literal["start", "end", "point"]


@dataclass(frozen=True, slots=True)
class Event:
    """`at_s` is seconds since the run began; `parent` is the id of what it happened inside."""

    run: str
    id: int
    parent: int | None
    kind: Kind
    phase: Phase
    at_s: float
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The event as JSON types."""
        return {
            "run": self.run, "id": self.id, "parent": self.parent, "kind": self.kind,
            "phase": self.phase, "at_s": round(self.at_s, 6), "data": dict(self.data),
        }  # fmt: skip


Sink = Callable[[Event], None]


class Span:
    """An open thing: what is put into `data` before it closes travels with its end event."""

    def __init__(self, event_id: int) -> None:
        self.id = event_id
        self.data: dict[str, Any] = {}


class Events:
    """Numbers the events of one run and hands each to every sink, in order."""

    def __init__(self, run: str, *sinks: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self.run = run
        self._sinks = list(sinks)
        self._clock = clock
        self._started = clock()
        self._last = 0

    def subscribe(self, sink: Sink) -> None:
        """Hand every later event to `sink` too."""
        self._sinks.append(sink)

    def point(self, kind: Kind, *, parent: int | None, **data: Any) -> int:
        """Something happened. Returns its id."""
        self._last += 1
        self._emit(Event(self.run, self._last, parent, kind, "point", self._now(), data))
        return self._last

    @contextmanager
    def span(self, kind: Kind, *, parent: int | None, **data: Any) -> Iterator[Span]:
        """Something lasts: start now, end when the block ends, with `error` in the data if it raised."""
        self._last += 1
        span = Span(self._last)
        started = self._now()
        self._emit(Event(self.run, span.id, parent, kind, "start", started, data))
        try:
            yield span
        except BaseException as error:
            span.data.setdefault("error", f"{type(error).__name__}: {error}")
            raise
        finally:
            now = self._now()
            self._emit(
                Event(self.run, span.id, parent, kind, "end", now, {**span.data, "wall_s": now - started})
            )

    def _now(self) -> float:
        return self._clock() - self._started

    def _emit(self, event: Event) -> None:
        for sink in self._sinks:
            sink(event)


class JsonlSink:
    """Appends every event to a file as a line of JSON, flushed, so that a killed run leaves its trace.

    A long text is written once, in a line of its own before the first event that holds it: every call of a
    model repeats the transcript so far. The file is readable by its owner only: it holds text of documents.

    Raises: `BadSetting` when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._texts = Texts()
        try:
            self._file = create_private(path)
        except OSError as error:
            reason = (
                f"{path} cannot be written ({error.strerror}). Name another file or set FUNNEL_TRACE_DIR."
            )
            raise BadSetting("trace", reason) from error

    def __call__(self, event: Event) -> None:
        """Write one event."""
        shown = event.as_dict()
        shown["data"], new = self._texts.fold(shown["data"])
        lines = [{"text": name, "value": text} for name, text in new.items()]
        for line in (*lines, shown):
            self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
