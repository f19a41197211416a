"""The values that leave the system, such as an answer and its citations; no I/O.

The fields of an answer are stable and documented in docs/answer.md.
"""

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
Purpose = Literal["read", "turn", "query", "extract", "follow_up"]
"""Why a model is called: by the reader, for an inspector's turn, a sub-call, the final extraction, or to
make a question stand alone that follows others."""
Tier = Literal["standard", "flex", "priority"]
"""A service tier of an endpoint: flex costs less and may be slow or busy, priority costs more."""
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
    """The run was cancelled. Only the run's record shows this, since there is no answer."""

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
    """A span of a stored document. When the answer was given, `document.text[start:stop] == quote` held.

    `header`: if the quote begins with a row of a table, the stored text of the rows above it that name the
    columns; in source code the lines that begin the definitions around it, such as its class; else "".
    """

    document_id: str
    title: str
    uri: str
    start: int
    stop: int
    quote: str
    header: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A span of an answer's text: `answer.text[start:stop] == text`.

    `absent`: whether it says that something is absent, or that what it names is all there is.
    """

    start: int
    stop: int
    text: str
    absent: bool = False


@dataclass(frozen=True, slots=True)
class DocumentCoverage:
    """What a run has seen of a document of `n_chars` characters.

    `searched`: how many patterns were looked for in its whole text. `matched`: how many matches and found
    passages of it the run was given, at least. `read`: how many of its characters the root model was shown.
    `judged`: how many were given to sub-models, or were read by children.
    """

    document_id: str
    title: str
    n_chars: int
    searched: int = 0
    matched: int = 0
    read: int = 0
    judged: int = 0


@dataclass(frozen=True, slots=True)
class CoverageTotal:
    """How many of `documents` in all were found or seen: searched by a pattern, matched, read and judged."""

    documents: int = 0
    searched: int = 0
    matched: int = 0
    read: int = 0
    judged: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost. `cost_usd` is None if the price of a model that was called is unknown.

    `cached_calls` were answered from the cache and are not counted in `model_calls`. `replayed_calls` were
    answered from the journal of an interrupted run: they were not made again, but are counted in all sums
    here, since they had been paid for. `depth` is the depth of the deepest inspector that took a turn, 0 for
    the root. `output_chars` counts the characters that all cells printed and noted, `stored_bytes` what the
    run wrote into its memory and its trace. Of `input_tokens`,
    `cached_input_tokens` were in the endpoint's cache, and are billed as such. `tier` names the service tiers
    that were asked for or served, if any was: "flex", or "flex, standard" if some calls fell back.
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
    stored_bytes: int = 0
    cached_input_tokens: int = 0
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the router decided: the route, how probable it is that depth is needed, and why in plain words.

    `shape` is its guess at the kind of work that the question asks for, and `shape_reason` the reason for it.
    `shape_sure`: whether the model is told, which it is only where the guess is nearly always right.
    `pinned`: the caller chose the route.
    """

    route: Route
    probability: float
    reasons: tuple[str, ...]
    pinned: bool = False
    shape: Shape | None = None
    shape_reason: str = ""
    shape_sure: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, its citations, and how it was found.

    `text` refers to `citations[0]`, `citations[1]`, … by the markers [1], [2], ….

    `status` is `complete`, `partial` (the work was cut short, or sub-calls failed, and this is what was found
    by then), `declined` (no answer was found in the documents) or `failed` (a part of the system broke
    before anything was found; `notices` say which). `end_reason` says why the work ended.

    `route_probability` is the router's probability that the question needs the deep route, and `shape` its
    guess at the kind of work that the question asks for. `uncited` lists the statements of `text` that carry
    no citation. `coverage` says what was seen of each document, those of which most was seen first,
    and `coverage_total` counts all of them.
    `standalone`: the question as it was understood, if it followed others; else "".
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
    coverage: tuple[DocumentCoverage, ...] = ()
    standalone: str = ""
    coverage_total: CoverageTotal = field(default_factory=CoverageTotal)
    end_reason: EndReason = field(kw_only=True)

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as JSON types, as `funnel ask --json` prints it."""
        return {**asdict(self), "end_reason": self.end_reason.value}
