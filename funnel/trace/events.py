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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from funnel.errors import BadSetting
from funnel.trace.folding import Texts
from funnel.trace.kinds import ENDED, Ended, EventData, Happened, Phase, Started
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
    """Something that has begun but not ended. `ended` is what its end event will say."""

    def __init__(self, event_id: int, kind: str) -> None:
        self.id = event_id
        self.ended: Ended | None = None
        self._kind = kind

    def end_with(self, ended: Ended) -> None:
        """Set what the end event will say. Raises: `ValueError` if that is the end of another kind."""
        if ended.kind != self._kind:
            raise ValueError(f"a {self._kind} cannot end as a {ended.kind}")
        self.ended = ended


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
        self._last += 1
        self._emit(Event(self.run, self._last, parent, self._now(), data))
        return self._last

    @contextmanager
    def open(self, data: Started, *, parent: int | None) -> Iterator[OpenEvent]:
        """Emit a start event now and an end event when the block is left, with the error if it raised one."""
        self._last += 1
        opened = OpenEvent(self._last, data.kind)
        started = self._now()
        self._emit(Event(self.run, opened.id, parent, started, data))
        failed: dict[str, Any] = {}
        try:
            yield opened
        except BaseException as error:
            failed = {"error": f"{type(error).__name__}: {error}", "error_type": type(error).__name__}
            raise
        finally:
            now = self._now()
            ended = opened.ended or ENDED[data.kind]()
            if ended.error is not None:
                failed = {}
            ended = replace(ended, wall_s=now - started, **failed)
            self._emit(Event(self.run, opened.id, parent, now, ended))

    def _now(self) -> float:
        return self._clock() - self._started

    def _emit(self, event: Event) -> None:
        for sink in self._sinks:
            sink(event)


class JsonlSink:
    """Writes every event to a file as a line of JSON and flushes it, so that a killed run leaves its trace.

    A long text is written once, in a line of its own before the first event that holds it, since every model
    call repeats the transcript so far. Only the owner may read the file, which holds text of documents.

    Raises: `BadSetting` if the file cannot be written.
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
