"""The functions that the model's code calls: each checks its arguments and says what was wrong with them."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from funnel.errors import BadAnswer
from funnel.findings.recall import Recall
from funnel.inspector.readable import Shelf
from funnel.inspector.tools.arguments import as_list, brief, markers, require_integers, require_text
from funnel.inspector.tools.documents import DocumentTools
from funnel.inspector.tools.models import ModelTools, Recurse
from funnel.inspector.tools.sub_calls import CallSite
from funnel.journal.journal import Kept, fingerprint_of
from funnel.llm.base import StepId
from funnel.run.context import Run
from funnel.sandbox.base import EndCell, HostError, HostFunction
from funnel.schema import AnswerSchema
from funnel.text.citations import answer_text, markers_in
from funnel.trace.kinds import AnswerSubmitted, HostCallEnded, HostCallStarted, NoteWritten

MAX_ANSWER_CHARS = 100_000
MAX_NOTE_CHARS, MAX_NOTE_KEY_CHARS = 200_000, 500
CITES_NOTHING = (
    "the answer cites nothing. Put the markers that cite() returns into the text, "
    "or submit(answer, citations=[]) if nothing can be cited"
)
"""Said once; whoever submits the same again is taken at their word."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What `submit` was given, checked."""

    answer: Any
    text: str
    numbers: tuple[int, ...]
    found: bool


@dataclass
class Host:
    """The host functions of one inspector; `parent` is the event under which their events belong.

    `schema`: what `submit` takes for an answer; None is anything.
    """

    run: Run
    shelf: Shelf
    known: Recall
    recurse: Recurse | None
    given: tuple[str, ...]
    status: Callable[[], dict[str, Any]]
    schema: AnswerSchema | None = None
    parent: int = 0
    path: tuple[int, ...] = ()
    output: str = ""
    remarks: list[str] = field(default_factory=list)
    submission: Submission | None = None
    _made: int = 0
    _uncited: bool = False

    def __post_init__(self) -> None:
        """What this inspector was given is what it greps when it names nothing."""
        mine = dict.fromkeys(self.given)
        self._looking = DocumentTools(self.run, self.shelf, self.known, mine, self.remarks)
        self._asking = ModelTools(self.run, self.shelf, self.recurse, self.given)

    def begin(self, path: tuple[int, ...], parent: int) -> None:
        """A cell begins, at that path of the run and under that event."""
        self.path, self.parent = path, parent
        self._made = 0
        self.remarks.clear()

    def functions(self) -> dict[str, HostFunction]:
        """By the name under which the model's code knows them."""
        parts = {DocumentTools: self._looking, ModelTools: self._asking, Host: self}
        return {name: self._traced(name, getattr(parts[part], name)) for name, part in FUNCTIONS.items()}

    def _traced(self, name: str, function: HostFunction) -> HostFunction:
        """The function with an event around it, and wrong arguments told as the code's mistake."""

        async def call(*args: Any, **kwargs: Any) -> Any:
            shown = *map(brief, args), *(f"{key}={brief(value)}" for key, value in kwargs.items())
            self._made += 1
            path = (*self.path, self._made)
            begun = HostCallStarted(name=name, arguments=shown)
            with self.run.events.open(begun, parent=self.parent) as host_call:
                try:
                    bound = _SIGNATURES[name].bind(*args, **kwargs)
                except TypeError as error:
                    raise HostError(f"{name}(): {error}. Signature: {name}{_SIGNATURES[name]}") from None
                placed = {"at": CallSite(host_call.id, path)} if name in _PLACED else {}
                work = partial(function, *bound.args, **bound.kwargs, **placed)
                keeps = name in _KEPT or bound.arguments.get("docs") == "all"

                def place() -> StepId:
                    return StepId(path, fingerprint_of(name, json.dumps(bound.arguments)))

                try:
                    result = await self._remembered(place, work, keeps=keeps)
                except HostError as error:
                    self._uncited |= str(error) == CITES_NOTHING
                    raise
                await self.known.lessons.heard(name, bound.arguments, result)
                if name == "note":
                    # Stored and traced like what is printed, and counted in every attempt of the run.
                    self.run.ledger.take_output(sum(map(len, bound.arguments.values())))
                if name == "search":
                    self._looking.mine |= dict.fromkeys(hit["doc"] for hit in result)
                host_call.end_with(HostCallEnded(result=brief(result)))
            if self.submission is not None:
                raise EndCell
            return result

        return call

    async def _remembered(
        self, place: Callable[[], StepId], work: Callable[[], Awaitable[Any]], *, keeps: bool
    ) -> Any:
        """What the call gave in an earlier attempt of the run, or gives now.

        Kept are what `keeps` says, and all failures: what the code was told, it is told again.
        """
        journal = self.run.journal
        if journal.resumed and (kept := journal.kept(place())) is not None:
            self.remarks += kept.remarks
            if kept.error is not None:
                raise HostError(kept.error)
            return kept.result
        before = len(self.remarks)
        try:
            result = await work()
        except HostError as error:
            journal.keep(place(), Kept(None, str(error), tuple(self.remarks[before:]), failed=True))
            raise
        failed = isinstance(result, list) and any(
            isinstance(r, dict) and not r.get("ok", True) for r in result
        )
        if keeps or failed:
            journal.keep(place(), Kept(result, None, tuple(self.remarks[before:]), failed))
        return result

    async def note(self, key: str, text: str) -> None:
        """Keep something for later turns, and for the answer should the budget end."""
        require_text(key=key, text=text)
        if len(key) > MAX_NOTE_KEY_CHARS or len(text) > MAX_NOTE_CHARS:
            raise HostError(
                f"a note has at most {MAX_NOTE_CHARS:,} characters and its key {MAX_NOTE_KEY_CHARS}: "
                "note what was found, not the text that it was found in"
            )
        if self.run.ledger.remaining_output_chars() == 0:
            raise HostError(f"{self.run.ledger.out_of_output()} No more is noted: submit what you have")
        await self.run.workspace.note(key, text)
        self.run.events.point(NoteWritten(key=key, text=text), parent=self.parent)

    async def notes(self) -> dict[str, str]:
        """Everything noted in this run."""
        return await self.run.workspace.notes()

    async def cite(
        self, doc: Any, start: Any = None, stop: int | None = None, quote: str | None = None
    ) -> str:
        """A marker like "[3]" for a span or for a quote that stands in the document word for word."""
        if isinstance(start, str):
            start, quote = None, start
        elif isinstance(doc, dict) and start is None and quote is None and "start" in doc:
            require_integers(start=doc["start"], stop=doc.get("stop"))
            return await self.shelf.cite_sentence(doc, doc["start"], doc.get("stop"))
        if quote is not None:
            require_text(quote=quote)
            return await self.shelf.cite_quote(doc, quote)
        require_integers(start=start, stop=stop)
        if start is None or stop is None:
            raise HostError('cite(match), cite(doc, start, stop) or cite(doc, quote="exact words")')
        return await self.shelf.cite(doc, start, stop)

    async def budget(self) -> dict[str, Any]:
        """What is left: turns, calls, seconds, dollars, tokens; None where there is no limit."""
        return self.status()

    async def last_output(self) -> str:
        """All that the previous cell printed, however much was shown."""
        return self.output

    async def submit(self, answer: Any, citations: Any = None, *, found: bool = True) -> None:
        """End the run with this answer."""
        try:
            text = answer_text(answer)
        except ValueError:
            raise HostError(
                "the answer holds nan or inf, which JSON has not; submit None or text there"
            ) from None
        if answer is None or not text.strip():
            raise HostError(
                "the answer is empty; to say that there is none: submit('what is missing', found=False)"
            )
        if len(text) > MAX_ANSWER_CHARS:
            raise HostError(f"the answer has {len(text):,} characters; at most {MAX_ANSWER_CHARS:,}")
        if found and self.schema is not None:
            await self._check(answer, self.schema)
        numbers = markers_in(answer)
        for marker in as_list(citations if citations is not None else []):
            numbers += markers(marker)
        known = self.shelf.cited(numbers)
        if unknown := sorted(set(numbers) - set(known)):
            raise HostError(
                f"no citation {', '.join(f'[{n}]' for n in unknown)}: markers come from cite(). "
                "Do not invent them, and write other numbers without square brackets."
            )
        if found and not known and citations is None and not self._uncited:
            raise HostError(CITES_NOTHING)
        self.submission = Submission(answer, text, tuple(dict.fromkeys(numbers)), bool(found))
        submitted = AnswerSubmitted(answer=text, citations=tuple(known), found=bool(found))
        self.run.events.point(submitted, parent=self.parent)

    async def _check(self, answer: Any, schema: AnswerSchema) -> None:
        try:
            await asyncio.to_thread(schema.check, answer)
        except BadAnswer as error:
            raise HostError(
                f"the answer does not meet the schema in the first message: {error}. Submit the "
                "corrected value itself; or, if the documents do not hold it, say so with found=False"
            ) from error


FUNCTIONS: dict[str, type[Any]] = {
    **dict.fromkeys(("read", "grep", "search", "documents", "recall"), DocumentTools),
    **dict.fromkeys(("llm_query", "llm_query_batched", "rlm_query", "rlm_query_batched"), ModelTools),
    **dict.fromkeys(("note", "notes", "cite", "budget", "last_output", "submit"), Host),
}
"""The host functions, by the names under which the model's code knows them, and where each is."""


def _signature(name: str) -> inspect.Signature:
    """A function as the model's code sees it: without `self`, `at` and annotations."""
    signature = inspect.signature(getattr(FUNCTIONS[name], name))
    shown = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name not in {"self", "at"}
    ]
    return signature.replace(parameters=shown, return_annotation=inspect.Signature.empty)


_SIGNATURES = {name: _signature(name) for name in FUNCTIONS}
_PLACED = frozenset(name for name, part in FUNCTIONS.items() if part is ModelTools)
_KEPT = frozenset(
    {"search", "recall", "documents", "note", "notes", "budget", "rlm_query", "rlm_query_batched"}
)
"""What may give or do something else in a later attempt of the run: that is answered from the journal then.

The calls of `llm_query` are in the journal by themselves; the texts of a run do not change. A note is not
written again: a child whose result is kept wrote its own after it, maybe under the same key.
"""
