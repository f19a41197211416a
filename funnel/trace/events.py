"""The stream of events of a run, and its sinks: callbacks and a JSONL file; knows no single kind of event.

Something that lasts is two events with one id, `start` and `end`; something that takes no time is one
`point`. `funnel.trace.kinds` declares what each can say, and docs/events.md documents it.

A sink is called in the event loop, in the order of the events, and the run waits for it. An exception that a
sink raises ends the run and reaches the caller, because an observer must not fail unseen. A sink that may be
slow should put the events into a queue of its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from funnel.errors import BadSetting
from funnel.trace.folding import Texts
from funnel.trace.kinds import ENDED, Ended, EventData, Happened, Passing, Phase, Started
from funnel.trace.private import create_private


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened, began or ended: where in the run, when, and what.

    `at_s` counts seconds from the start of the run. `parent` is the id of the event inside which it happened.
    """

    run: str
    id: int
    parent: int | None
    at_s: float
    data: EventData

    @property
    def kind(self) -> str:
        """What kind of thing happened."""
        return self.data.kind

    @property
    def phase(self) -> Phase:
        """Whether it began, ended, or takes no time."""
        return self.data.phase

    def as_dict(self) -> dict[str, Any]:
        """Return the event as JSON types: a line of a trace file."""
        data = self.data
        return {
            "run": self.run, "id": self.id, "parent": self.parent, "kind": data.kind,
            "phase": data.phase, "at_s": round(self.at_s, 6), "data": data.as_dict(),
        }  # fmt: skip


Sink = Callable[[Event], None]


class OpenEvent:
    """Something that lasts: `with` emits its start now, and its end when the block is left.

    The end event says what `end_with` was given, and the error if the block raised one.
    """

    __slots__ = ("_data", "_ended", "_events", "_parent", "_started_s", "id")

    def __init__(self, events: Events, data: Started, parent: int | None) -> None:
        self.id = 0
        self._events = events
        self._data = data
        self._parent = parent
        self._ended: Ended | None = None
        self._started_s = 0.0

    def end_with(self, ended: Ended) -> None:
        """Set what the end event will say, which belongs to this event from now on.

        Raises: `ValueError` if that is the end of another kind.
        """
        if ended.kind != self._data.kind:
            raise ValueError(f"a {self._data.kind} cannot end as a {ended.kind}")
        self._ended = ended

    def __enter__(self) -> Self:
        self.id, self._started_s = self._events.emit(self._data, self._parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = self._ended or ENDED[self._data.kind]()
        if kind is not None and ended.error is None:
            ended.fail(f"{kind.__name__}: {error}", kind.__name__)
        self._events.emit_end(ended, self.id, self._parent, self._started_s)


class Events:
    """Numbers the events of one run and hands each of them to every sink, in order."""

    def __init__(self, run: str, *sinks: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self.run = run
        self._sinks = list(sinks)
        self._clock = clock
        self._started = clock()
        self._last = 0

    def subscribe(self, sink: Sink) -> None:
        """Hand every later event to `sink` too."""
        self._sinks.append(sink)

    def point(self, data: Happened, *, parent: int | None) -> int:
        """Emit an event that takes no time, and return its id."""
        return self.emit(data, parent)[0]

    def open(self, data: Started, *, parent: int | None) -> OpenEvent:
        """Return a context manager that emits a start event and, when the block is left, an end event."""
        return OpenEvent(self, data, parent)

    def emit(self, data: EventData, parent: int | None) -> tuple[int, float]:
        """Emit an event with a new id, and return that and the seconds since the run began."""
        self._last += 1
        event = Event(self.run, self._last, parent, self._clock() - self._started, data)
        for sink in self._sinks:
            sink(event)
        return event.id, event.at_s

    def emit_end(self, ended: Ended, event_id: int, parent: int | None, started_s: float) -> None:
        """Emit the end of an event that began at `started_s`."""
        now = self._clock() - self._started
        ended.last(now - started_s)
        event = Event(self.run, event_id, parent, now, ended)
        for sink in self._sinks:
            sink(event)


_ENCODE = json.JSONEncoder(ensure_ascii=False, default=str).encode


class JsonlSink:
    """Writes each event to a file as a line of JSON and flushes it, so that a killed run leaves its trace.

    Words of an answer that are only passing are left out.

    A long text is written once, in a line of its own before the first event that holds it, since every model
    call repeats the transcript so far. Only the owner may read the file, which holds text of documents.
    `count` is called with the length of what is written.

    Raises: `BadSetting` if the file cannot be written.
    """

    def __init__(self, path: Path, *, count: Callable[[int], None] | None = None) -> None:
        self.path = path
        self._count = count
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
        if isinstance(event.data, Passing):
            return
        shown = event.as_dict()
        shown["data"], new = self._texts.fold(shown["data"])
        lines = [{"text": name, "value": text} for name, text in new.items()]
        for line in (*lines, shown):
            written = self._file.write(_ENCODE(line) + "\n")
            if self._count is not None:
                self._count(written)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
