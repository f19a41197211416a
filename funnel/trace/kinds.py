"""The data of events: a class for each kind of event that takes no time, two for each that lasts; no I/O.

A kind that lasts has a class for its start and another for its end, which says what is known only then. The
names of kinds and fields are stable and documented in docs/events.md; the schema there is generated from
these classes by `python -m funnel.trace.schema`. A field that is added later needs a default, so that older
traces can still be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Literal, TypeVar, dataclass_transform

from funnel.types import Answer, Decision, EndReason, Message, Mode, Purpose, Route, Shape

Kind = Literal[
    "run", "retrieve", "route", "turn", "cell", "host_call", "model_call", "batch",
    "budget", "retry", "wait", "cache", "note", "submit", "repair", "answer", "answer.delta",
    "answer.retracted", "follows",
]  # fmt: skip
Phase = Literal["start", "end", "point"]

_T = TypeVar("_T")
OURS: Mapping[str, Any] = {"ours": True}
"""Marks a field whose text comes from this program or its settings, not from a person, document or model."""
OMITTED: Mapping[str, Any] = {"omitted": True}
"""Marks a field that is left out of the event while it is None."""
_SCALARS = frozenset({str, int, float, bool, type(None)})


class EventData(Mapping[str, Any]):
    """The data of one event, as typed fields; also a mapping from the documented names to JSON types."""

    __slots__ = ()
    kind: ClassVar[str]
    phase: ClassVar[Phase]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types, without those that are left out."""
        shown = {}
        for name, omitted in _shown(self.__class__):
            value = getattr(self, name)
            if value is not None or not omitted:
                shown[name] = value if value.__class__ in _SCALARS else plain(value)
        return shown

    def __getitem__(self, name: str) -> Any:
        spec = fields_of(type(self)).get(name)
        value = None if spec is None else getattr(self, name)
        if spec is None or (value is None and "omitted" in spec.metadata):
            raise KeyError(name)
        return value if value.__class__ in _SCALARS else plain(value)

    def __iter__(self) -> Iterator[str]:
        for name, omitted in _shown(self.__class__):
            if not omitted or getattr(self, name) is not None:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def fields_of(data: type[EventData]) -> dict[str, Field[Any]]:
    """Return the fields of a class of event data, by name."""
    return {spec.name: spec for spec in fields(data)}  # type: ignore[arg-type]  # every subclass is a dataclass


@cache
def _shown(data: type[EventData]) -> tuple[tuple[str, bool], ...]:
    """Return the names of the fields, and whether each is left out while it is None."""
    return tuple((name, "omitted" in spec.metadata) for name, spec in fields_of(data).items())


def plain(value: Any) -> Any:
    """Return the value of a field as JSON types."""
    kind = value.__class__
    if kind in _SCALARS:
        return value
    if kind is tuple or kind is list:
        return [item if item.__class__ in _SCALARS else plain(item) for item in value]
    if (names := _names(kind)) is not None:
        return {name: plain(getattr(value, name)) for name in names}
    return value.value if isinstance(value, Enum) else value


@cache
def _names(kind: type[Any]) -> tuple[str, ...] | None:
    """Return the field names of a dataclass, else None. `dataclasses.asdict` would copy each value."""
    return tuple(spec.name for spec in fields(kind)) if is_dataclass(kind) else None


@dataclass_transform(eq_default=False, frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def _data(declared: type[_T]) -> type[_T]:
    """Make a class of event data: a frozen dataclass that is compared as a mapping."""
    return dataclass(frozen=True, slots=True, kw_only=True, eq=False)(declared)


class Started(EventData):
    """The start of something that lasts."""

    __slots__ = ()
    phase: ClassVar[Phase] = "start"


@_data
class Ended(EventData):
    """The end of something that lasted `wall_s` seconds.

    If it failed or was cancelled, `error` says `Class: message`, and `error_type` the class.
    """

    phase: ClassVar[Phase] = "end"
    wall_s: float = 0.0
    error: str | None = field(default=None, metadata=OMITTED)
    error_type: str | None = field(default=None, metadata=OMITTED)

    # A copy with these three set would cost more than all else that an event takes.

    def last(self, wall_s: float) -> None:
        """Set how long it lasted; for the event that ends with this."""
        object.__setattr__(self, "wall_s", wall_s)

    def fail(self, error: str, error_type: str) -> None:
        """Set how it failed; for the event that ends with this."""
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "error_type", error_type)


class Happened(EventData):
    """Something that takes no time."""

    __slots__ = ()
    phase: ClassVar[Phase] = "point"


class Passing(Happened):
    """Something that is heard while it happens, and is kept in no trace."""

    __slots__ = ()


@_data
class RunStarted(Started):
    """A run begins, or is resumed."""

    kind: ClassVar[Kind] = "run"
    question: str
    mode: Mode = field(metadata=OURS)
    k: int
    model: str = field(metadata=OURS)
    sub_model: str = field(metadata=OURS)
    sandbox: str = field(metadata=OURS)
    memory: str
    started_at: str
    life: int = 0


@_data
class RunEnded(Ended):
    """The run is over, with or without an answer."""

    kind: ClassVar[Kind] = "run"


@_data
class RetrieveStarted(Started):
    """Stage one is asked for documents."""

    kind: ClassVar[Kind] = "retrieve"
    query: str
    k: int


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A document that stage one found."""

    id: str
    score: float


@_data
class RetrieveEnded(Ended):
    """What stage one found, best first."""

    kind: ClassVar[Kind] = "retrieve"
    documents: tuple[FoundDocument, ...] | None = field(default=None, metadata=OMITTED)


@_data
class TurnStarted(Started):
    """A turn of an inspector begins."""

    kind: ClassVar[Kind] = "turn"
    number: int
    depth: int = 0


@_data
class TurnEnded(Ended):
    """The turn is over."""

    kind: ClassVar[Kind] = "turn"


@_data
class ModelCallStarted(Started):
    """A model is called."""

    kind: ClassVar[Kind] = "model_call"
    purpose: Purpose = field(metadata=OURS)
    model: str = field(metadata=OURS)
    messages: tuple[Message, ...]
    max_output_tokens: int


@_data
class ModelCallEnded(Ended):
    """What the model replied, and what the call was booked at."""

    kind: ClassVar[Kind] = "model_call"
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    usage: Literal["reported", "estimated", "worst_case", "none"] = field(default="none", metadata=OURS)
    text: str | None = field(default=None, metadata=OMITTED)
    finish_reason: str | None = field(default=None, metadata={**OMITTED, **OURS})
    cached_input_tokens: int | None = field(default=None, metadata=OMITTED)
    tier: str | None = field(default=None, metadata={**OMITTED, **OURS})
    thoughts: str | None = field(default=None, metadata=OMITTED)
    cut: str | None = field(default=None, metadata={**OMITTED, **OURS})


@_data
class CallWaits(Started):
    """A model call waits until its endpoint takes it. `wait_s`: about how long, 0 if that is not known."""

    kind: ClassVar[Kind] = "wait"
    reason: str
    wait_s: float


@_data
class CallWaited(Ended):
    """The wait is over."""

    kind: ClassVar[Kind] = "wait"


@_data
class CellStarted(Started):
    """Code of the model begins to run."""

    kind: ClassVar[Kind] = "cell"
    code: str


@_data
class CellEnded(Ended):
    """What the code printed."""

    kind: ClassVar[Kind] = "cell"
    stdout: str | None = field(default=None, metadata=OMITTED)


@_data
class HostCallStarted(Started):
    """The model's code calls a host function."""

    kind: ClassVar[Kind] = "host_call"
    name: str = field(metadata=OURS)
    arguments: tuple[str, ...]


@_data
class HostCallEnded(Ended):
    """What the host function returned."""

    kind: ClassVar[Kind] = "host_call"
    result: str | None = field(default=None, metadata=OMITTED)


@_data
class BatchStarted(Started):
    """Several calls begin at once."""

    kind: ClassVar[Kind] = "batch"
    n: int


@_data
class BatchEnded(Ended):
    """How many of the calls failed."""

    kind: ClassVar[Kind] = "batch"
    failed: int | None = field(default=None, metadata=OMITTED)


@_data
class QuestionFollows(Happened):
    """A question that follows those of an earlier run was written so that it stands alone."""

    kind: ClassVar[Kind] = "follows"
    run: str = field(metadata=OURS)
    standalone: str


@_data
class RouteDecided(Happened):
    """The router has chosen a route."""

    kind: ClassVar[Kind] = "route"
    route: Route = field(metadata=OURS)
    probability: float
    reasons: tuple[str, ...]
    pinned: bool = False
    shape: Shape | None = None
    shape_reason: str = ""
    shape_sure: bool = False

    @classmethod
    def of(cls, decision: Decision) -> RouteDecided:
        """Return the event data of the router's decision."""
        return cls(**{spec.name: getattr(decision, spec.name) for spec in fields(decision)})


@_data
class CacheHit(Happened):
    """A reply that was not paid for: from the cache, or from the journal of an interrupted run."""

    kind: ClassVar[Kind] = "cache"
    source: Literal["cache", "journal"]
    purpose: Purpose = field(metadata=OURS)
    model: str = field(metadata=OURS)
    text: str
    saved_input_tokens: int | None = field(default=None, metadata=OMITTED)
    saved_output_tokens: int | None = field(default=None, metadata=OMITTED)


@_data
class CallRetried(Happened):
    """An attempt at a model call failed and will be made again."""

    kind: ClassVar[Kind] = "retry"
    attempt: int
    reason: str
    wait_s: float
    tier: str | None = field(default=None, metadata={**OMITTED, **OURS})


@_data
class ReplyRejected(Happened):
    """A reply could not be used; the model was told the reason and asked again."""

    kind: ClassVar[Kind] = "repair"
    reason: str


@_data
class WorkStopped(Happened):
    """A limit or a failure ended the work of the reader or of an inspector."""

    kind: ClassVar[Kind] = "budget"
    reason: str
    end_reason: EndReason | None = field(default=None, metadata={**OMITTED, **OURS})


@_data
class NoteWritten(Happened):
    """The model's code wrote a note."""

    kind: ClassVar[Kind] = "note"
    key: str
    text: str


@_data
class AnswerSubmitted(Happened):
    """The model's code submitted an answer."""

    kind: ClassVar[Kind] = "submit"
    answer: str
    citations: tuple[int, ...]
    found: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The stored text before and after a citation."""

    before: str
    after: str


@_data
class AnswerGiven(Happened, Answer):
    """The run's answer, and the text around each of its citations."""

    kind: ClassVar[Kind] = "answer"
    surroundings: tuple[Surroundings, ...] = ()

    @classmethod
    def of(cls, answer: Answer, surroundings: tuple[Surroundings, ...]) -> AnswerGiven:
        """Return the event data of an answer."""
        values = {spec.name: getattr(answer, spec.name) for spec in fields(answer)}
        return cls(**values, surroundings=surroundings)


@_data
class AnswerDelta(Passing):
    """The next words of an answer, provisional until the `answer` comes."""

    kind: ClassVar[Kind] = "answer.delta"
    text: str


@_data
class AnswerRetracted(Passing):
    """The words shown so far do not stand: others follow, or the `answer` has its own."""

    kind: ClassVar[Kind] = "answer.retracted"
    reason: str = field(metadata=OURS)


STARTED: tuple[type[Started], ...] = (
    RunStarted, RetrieveStarted, TurnStarted, ModelCallStarted, CallWaits, CellStarted, HostCallStarted,
    BatchStarted,
)  # fmt: skip
ENDED: dict[str, type[Ended]] = {
    each.kind: each
    for each in (
        RunEnded,
        RetrieveEnded,
        TurnEnded,
        ModelCallEnded,
        CallWaited,
        CellEnded,
        HostCallEnded,
        BatchEnded,
    )
}
HAPPENED: tuple[type[Happened], ...] = (
    RouteDecided, CacheHit, CallRetried, ReplyRejected, WorkStopped, NoteWritten, AnswerSubmitted,
    AnswerGiven, AnswerDelta, AnswerRetracted,
)  # fmt: skip
ALL: dict[tuple[str, str], type[EventData]] = {
    (each.kind, each.phase): each for each in (*STARTED, *ENDED.values(), *HAPPENED)
}
"""Every class of event data, by kind and phase."""
