"""The tools with which the model's code reports: citations, notes and the answer; asks no model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from funnel.errors import BadAnswer
from funnel.inspector.coverage_claims import claims
from funnel.inspector.coverage_told import Doubts, may_go_on
from funnel.inspector.shared import Shared
from funnel.inspector.tools.arguments import as_list, brief_name, markers, require_integers, require_text
from funnel.inspector.tools.bounds import DOCUMENT, Bounds
from funnel.inspector.tools.checking import checked
from funnel.inspector.tools.declaration import Arguments, Exposes, always, tool
from funnel.run.context import Run
from funnel.sandbox.base import HostError
from funnel.schema import AnswerSchema
from funnel.text.citations import answer_text, markers_in
from funnel.trace.kinds import AnswerSubmitted, NoteWritten

MAX_ANSWER_CHARS = 100_000
MAX_ANSWER_PARTS = 60_000
"""Values in an answer and its citations, more than a schema's check accepts."""
MAX_NOTE_CHARS, MAX_NOTE_KEY_CHARS = 200_000, 500
MAX_UNKNOWN = 20
"""How many unknown citations an error names."""
_UNCITED, _ABSENT = "uncited", "absent"
"""The codes of errors that are raised only once: if the model submits the same again, that is accepted."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The checked arguments of `submit`."""

    answer: Any
    text: str
    numbers: tuple[int, ...]
    found: bool


def _record_note(shared: Shared, arguments: Arguments, _result: None) -> None:
    key, noted = arguments["key"], arguments["text"]
    if isinstance(noted, str):
        shared.recorder.words("note", key, noted, shared.cited_in(noted))
    else:
        shared.recorder.noted(key, noted)


@dataclass
class ReportTools:
    """The tools of one inspector. `parent`: the event that contains their events.

    `question`: what this inspector was asked. `left`: what `budget()` returns. `schema`: the schema that
    `submit` requires of an answer; None if it accepts anything.
    """

    shared: Shared
    question: str
    left: Callable[[], dict[str, Any]]
    schema: AnswerSchema | None = None
    parent: int = 0
    output: str = ""
    submission: Submission | None = None
    _uncited: bool = False
    _doubted: bool = False
    _insists: bool = False

    def begin(self, parent: int) -> None:
        """Begin a cell under that event: the model has read what the one before was told."""
        self.parent = parent
        self._insists = self._doubted

    @property
    def run(self) -> Run:
        """The run that all inspectors share."""
        return self.shared.run

    @tool(
        prompt='- `cite(doc, start=None, stop=None, quote=None)` -> "[3]": doc alone is a match (the '
        "sentence around it); quote: exact words of doc, spaces aside.",
        exposes=Exposes.RECORDED,
        bounds=DOCUMENT,
    )
    async def cite(
        self, doc: Any, start: Any = None, stop: int | None = None, quote: str | None = None
    ) -> str:
        """Return a marker like "[3]" for a span, or for a quote that occurs in the document word for word."""
        if isinstance(start, str):
            start, quote = None, start
        elif isinstance(doc, dict) and start is None and quote is None and "start" in doc:
            require_integers(start=doc["start"], stop=doc.get("stop"))
            return await self.shared.citations.cite_sentence(doc, doc["start"], doc.get("stop"))
        if quote is not None:
            require_text(quote=quote)
            return await self.shared.citations.cite_quote(doc, quote, self.shared.coverage.shown_of)
        require_integers(start=start, stop=stop)
        if start is None or stop is None:
            raise HostError('cite(match), cite(doc, start, stop) or cite(doc, quote="exact words")')
        return await self.shared.citations.cite(doc, start, stop)

    def _count_note(self, arguments: Arguments, _result: None) -> None:
        """Count a note, which is stored and traced like printed output, in every attempt of the run."""
        self.run.ledger.take_output(len(arguments["key"]) + len(_note_text(arguments["text"])))

    @tool(
        prompt="- `note(key, text)` (or a list, dict, number),",
        # Not written again: a child whose result is replayed wrote its own later, maybe under the same key.
        replayed=always,
        exposes=Exposes.NOTHING,
        records=_record_note,
        then=_count_note,
        bounds=Bounds(chars=2 * MAX_NOTE_CHARS, parts=MAX_ANSWER_PARTS),
    )
    async def note(self, key: str, text: Any) -> None:
        """Keep a text or a value for later turns, and for the answer if the budget ends first."""
        is_text = isinstance(text, str)
        require_text(key=key, **({"text": text} if is_text else {}))
        text = _note_text(text)
        if len(key) > MAX_NOTE_KEY_CHARS or len(text) > MAX_NOTE_CHARS:
            raise HostError(
                f"a note has at most {MAX_NOTE_CHARS:,} characters and its key {MAX_NOTE_KEY_CHARS}: "
                "note what was found, not the text that it was found in"
            )
        if self.run.ledger.remaining_output_chars() == 0:
            raise HostError(f"{self.run.ledger.out_of_output()} No more is noted: submit what you have")
        await self.run.notes.put(key, text, is_json=not is_text)
        self.run.events.point(NoteWritten(key=key, text=text), parent=self.parent)

    @tool(prompt="`notes()`: kept if the budget ends.", replayed=always, exposes=Exposes.NOTHING)
    async def notes(self) -> dict[str, Any]:
        """Return every note of this run, by key; a value comes back as JSON has it."""
        return await self.run.notes.values()

    @tool(prompt="`last_output()`, whole.", exposes=Exposes.NOTHING)
    async def last_output(self) -> str:
        """Return all that the previous cell printed, however much of it was shown."""
        return self.output

    @tool(prompt="`budget()`.", replayed=always, exposes=Exposes.NOTHING)
    async def budget(self) -> dict[str, Any]:
        """Return what is left: turns, calls, seconds, dollars, tokens; None if there is no limit."""
        return self.left()

    def _note_refusal(self, _arguments: Arguments, error: HostError) -> None:
        self._uncited |= error.code == _UNCITED
        self._doubted |= error.code == _ABSENT

    @tool(
        prompt="- `submit(answer, citations=None, found=True)`: text with markers, or a value and its "
        'markers in citations. If the documents lack all of it: submit("what is missing", found=False).',
        exposes=Exposes.NOTHING,
        refused=_note_refusal,
        bounds=Bounds(chars=4 * MAX_ANSWER_CHARS, parts=MAX_ANSWER_PARTS),
        last=True,
    )
    async def submit(self, answer: Any, citations: Any = None, *, found: bool = True) -> None:
        """End the run with this answer."""
        try:
            text = answer_text(answer)
        except ValueError:
            raise HostError(
                "the answer holds nan or inf, which JSON lacks; submit None or text there"
            ) from None
        if answer is None or not text.strip():
            raise HostError(
                "the answer is empty; to say that there is none: submit('what is missing', found=False)"
            )
        if len(text) > MAX_ANSWER_CHARS:
            raise HostError(f"the answer has {len(text):,} characters; at most {MAX_ANSWER_CHARS:,}")
        if not isinstance(found, bool):
            raise HostError(
                "found is True or False; if a part is missing, say so in the answer and leave found out"
            )
        if found and self.schema is not None:
            await _check(answer, self.schema)
        numbers = markers_in(answer)
        for marker in as_list(citations if citations is not None else []):
            numbers += markers(marker)
        known = self.shared.citations.cited(numbers)
        if unknown := sorted(set(numbers) - set(known)):
            some = ", ".join(f"[{brief_name(str(n))}]" for n in unknown[:MAX_UNKNOWN])
            more = f" and {len(unknown) - MAX_UNKNOWN:,} more" if len(unknown) > MAX_UNKNOWN else ""
            raise HostError(
                f"no citation {some}{more}: markers come from cite(). "
                "Do not invent them, and write other numbers without square brackets."
            )
        # A small model is not asked to cite: what supports its answer is looked for in the passages.
        asked_to_cite = self.run.form == "full" and citations is None and not self._uncited
        if found and not known and asked_to_cite:
            raise HostError(
                "the answer cites nothing. Put the markers that cite() returns into the text, "
                "or submit(answer, citations=[]) if nothing can be cited",
                code=_UNCITED,
            )
        if not self._insists and (doubt := await self._doubt(answer, numbers, found=bool(found))):
            raise HostError(doubt, code=_ABSENT)
        self.submission = Submission(answer, text, tuple(dict.fromkeys(numbers)), bool(found))
        submitted = AnswerSubmitted(answer=text, citations=tuple(known), found=bool(found))
        self.run.events.point(submitted, parent=self.parent)

    async def _doubt(self, answer: Any, numbers: Sequence[int], *, found: bool) -> str | None:
        """Return what to tell the model about an absence that it claims; None if there is nothing to tell."""
        left, used = self.left(), self.run.ledger.usage
        made = claims(answer, self.question, placed=bool(numbers), found=found)
        spent = used.input_tokens + used.output_tokens
        if not made or not may_go_on(
            left, turns=used.turns, tokens=spent, usd=used.cost_usd, seconds=used.wall_s
        ):
            return None
        briefly = self.run.form == "simple"
        cited = {each.document_id for some in self.shared.citations.cited(numbers).values() for each in some}
        doubts = Doubts(self.run.documents, self.shared.coverage, self.question, briefly=briefly, cited=cited)
        return await doubts.about(made, left)


def _note_text(noted: Any) -> str:
    """Return a note as text. Raises: `HostError` if it is nothing, or no value of JSON."""
    if isinstance(noted, str):
        return noted
    if noted is None:
        raise HostError("text is None; note a text, a number, a list or a dict")
    try:
        return json.dumps(noted, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise HostError("the value holds nan or inf, which JSON lacks; note None or text there") from None


async def _check(answer: Any, schema: AnswerSchema) -> None:
    try:
        await checked(partial(schema.check, answer))
    except BadAnswer as error:
        raise HostError(
            f"the answer does not meet the schema in the first message: {error}. Submit the "
            "corrected value itself; or, if the documents do not hold it, say so with found=False"
        ) from error
