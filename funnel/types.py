"""What leaves the system: Answer, Citation, Usage. Stable and documented in docs/answer.md; no I/O."""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

from funnel.errors import BudgetError, BudgetExceeded

Mode = Literal["auto", "lookup", "deep"]
Route = Literal["lookup", "deep"]
Shape = Literal["lookup", "scan", "aggregate", "compare", "multi-hop"]
Status = Literal["complete", "partial", "declined", "failed"]
Purpose = Literal["read", "turn", "query", "extract"]
"""Why a model is called: by the reader, for an inspector's turn, a sub-call, or the final extraction."""
MODES: tuple[Mode, ...] = ("auto", "lookup", "deep")


class EndReason(StrEnum):
    """Why the work of a run ended. Answers and traces show the value."""

    ANSWERED = "answered"
    """The model gave an answer."""
    NOT_FOUND = "not_found"
    """The model, or stage one, found nothing in the documents that answers the question."""
    BUDGET = "budget"
    """A limit on money, calls, tokens or output was used up."""
    DEADLINE = "deadline"
    """The time was up."""
    TURNS = "turns"
    """The inspector had taken all its turns."""
    MALFORMED = "malformed"
    """The model's replies did not have the form that was asked for, even after repairs."""
    BROKEN = "broken"
    """A part failed: the model's endpoint, the sandbox, the memory."""
    CANCELLED = "cancelled"
    """The run was cancelled. Stands in the run's record only, since there is no answer."""

    @classmethod
    def of(cls, error: BaseException) -> EndReason:
        """Return why the work ends if this error ends it."""
        match error:
            case BudgetExceeded(limit="timeout_s"):
                return cls.DEADLINE
            case BudgetError():
                return cls.BUDGET
            case CancelledError() | KeyboardInterrupt():
                return cls.CANCELLED
            case _:
                return cls.BROKEN

    @property
    def is_final(self) -> bool:
        """Whether the run has come to its answer; after any other end a resume goes on with the work."""
        return self in {EndReason.ANSWERED, EndReason.NOT_FOUND}


@dataclass(frozen=True, slots=True)
class Citation:
    """A span of a stored document: `document.text[start:stop] == quote` held when the answer left."""

    document_id: str
    title: str
    uri: str
    start: int
    stop: int
    quote: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of an answer's text: `answer.text[start:stop] == text`."""

    start: int
    stop: int
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer took. `cost_usd` is None when the price of a model that was called is unknown.

    `cached_calls` were answered from the cache and are not in `model_calls`. `replayed_calls` were answered
    from the journal of an interrupted run: not made again, but in all sums here, as they were paid for then.
    `depth` is that of the deepest inspector that took a turn, 0 where no child did; `output_chars` is what
    all cells printed and noted.
    """

    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    wall_s: float = 0.0
    cached_calls: int = 0
    replayed_calls: int = 0
    turns: int = 0
    depth: int = 0
    output_chars: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """The router's word: which route, how probable that depth is needed, and why in plain words.

    `shape` is a guess at what kind of work the question asks for, `shape_reason` what it rests on.
    """

    route: Route
    probability: float
    reasons: tuple[str, ...]
    pinned: bool = False
    shape: Shape | None = None
    shape_reason: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer and how it came to be.

    `text` marks its citations as [1], [2], …: `citations[0]`, `citations[1]`, ….
    `status`: complete; partial (a limit ended the work, this is what was found); declined (nothing in the
    documents answers it); failed (a part of the system broke; `notices` say which).
    `end_reason` says why the work ended. `route_probability` is the router's probability that the question
    needs the deep route; `shape` its guess at what kind of work the question asks for. `uncited` are the
    statements of `text` that carry no citation.
    """

    question: str
    text: str
    status: Status
    route: Route
    route_probability: float
    reasons: tuple[str, ...]
    citations: tuple[Citation, ...] = ()
    value: Any = None
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    sandbox: str | None = None
    run: str = ""
    trace: str | None = None
    notices: tuple[str, ...] = ()
    shape: Shape | None = None
    uncited: tuple[Span, ...] = ()
    end_reason: EndReason = field(kw_only=True)

    def as_dict(self) -> dict[str, Any]:
        """The answer as JSON types: what `funnel ask --json` prints."""
        return asdict(self)
