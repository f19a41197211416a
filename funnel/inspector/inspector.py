"""The recursive loop: prompt, code, sandbox, feedback, until submit or the budget ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from funnel.budget import Reservation
from funnel.citations import MARKER, renumber
from funnel.errors import BudgetExceeded
from funnel.inspector.host import Host, Submission
from funnel.inspector.opening import context_variable, describe_context
from funnel.inspector.shelf import Shelf
from funnel.inspector.turns import Malformed, Turn, compact, feedback, parse, transcript
from funnel.llm.base import Message, Request
from funnel.prompts import fence, render
from funnel.run import Draft, Run
from funnel.sandbox.base import HostError, Sandbox, SandboxLimits
from indexes.types import DocumentHit

MAX_REPAIRS = 3
EXTRACT_INPUT_CHARS = 16_000
EXTRACT_OUTPUT_TOKENS = 1_000
_WORTH_RESERVING = 4


@dataclass(frozen=True, slots=True)
class Task:
    """A question over some documents at some depth; `parent` is the event it belongs under."""

    question: str
    documents: tuple[str, ...]
    depth: int
    parent: int


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An inspector that stopped without submitting, and why."""

    reason: str
    turns: tuple[Turn, ...]


class Inspector:
    """Answers by letting a model write programs over documents, in `sandbox`."""

    def __init__(self, sandbox: Sandbox, *, limits: SandboxLimits | None = None) -> None:
        self._sandbox = sandbox
        self._limits = limits or SandboxLimits()

    async def answer(self, run: Run, hits: Sequence[DocumentHit]) -> Draft:
        """The submitted answer; when the budget ends first, the best that can be told from the work so far.

        Raises: `LLMError`, `SandboxError`; `BudgetError` only when not even the first call was possible.
        """
        shelf = Shelf(run.source, run.workspace, access=run.access)
        documents = await shelf.add(hit.document for hit in hits)
        kept = _reserve_extraction(run)
        try:
            ended = await self._inspect(run, shelf, Task(run.question, documents, 0, run.span))
        finally:
            if kept is not None:
                run.ledger.release(kept)
        if isinstance(ended, Submission):
            return self._submitted(shelf, ended)
        return await self._extract(run, shelf, ended)

    async def _inspect(self, run: Run, shelf: Shelf, task: Task) -> Submission | Unfinished:
        """One inspector: turns until it submits, or until turns, repairs or the budget are used up."""
        limits = run.ledger.limits
        turns: tuple[Turn, ...] = ()
        number = 0

        def status() -> dict[str, Any]:
            seconds, usd = run.ledger.remaining_s, run.ledger.remaining_usd()
            return {
                "turns_left": limits.max_turns - number,
                "calls_left": run.ledger.remaining_calls(),
                "seconds_left": None if seconds is None else round(seconds),
                "usd_left": None if usd is None else round(usd, 4),
                "tokens_left": run.ledger.remaining_tokens(),
            }

        deeper = partial(self._child, run, shelf, task.depth + 1) if task.depth < limits.max_depth else None
        host = Host(run, shelf, deeper, task.documents, status)
        system = render("inspector", dialect=self._sandbox.dialect)
        opening = await describe_context(task.question, task.documents, shelf)
        variables = {"context": await context_variable(task.documents, shelf), "question": task.question}
        repairs = 0
        async with self._sandbox.session(host.functions(), variables, self._limits) as session:
            while number < limits.max_turns:
                number += 1
                with run.events.span("turn", parent=task.parent, number=number, depth=task.depth) as turn:
                    turns = compact(turns)
                    messages = transcript(system, opening, turns, _closing(number, limits.max_turns, status()))
                    try:
                        completion = await run.root.complete(Request(messages, "turn"), parent=turn.id)
                    except BudgetExceeded as error:
                        if not turns:
                            raise
                        return Unfinished(str(error), turns)
                    code = parse(completion.text, cut=completion.finish_reason == "length")
                    if isinstance(code, Malformed):
                        run.events.point("repair", parent=turn.id, reason=code.reason)
                        turns = (*turns, Turn(completion.text or "(empty)", code.reason))
                        repairs += 1
                        if repairs > MAX_REPAIRS:
                            return Unfinished(f"{repairs} replies in a row held no code to run", turns)
                        continue
                    repairs = 0
                    try:
                        with run.events.span("cell", parent=turn.id, code=code.source) as cell:
                            host.parent = cell.id
                            host.remarks.clear()
                            result = await session.run(code.source)
                            cell.data.update(
                                stdout=result.stdout, error=result.error and f"{result.error.kind}: {result.error.message}"
                            )
                    except BudgetExceeded as error:
                        return Unfinished(str(error), (*turns, Turn(completion.text, str(error))))
                    if host.submission is not None:
                        return host.submission
                    host.output = result.stdout
                    turns = (*turns, Turn(completion.text, feedback(result, host.remarks)))
        return Unfinished(f"max_turns = {limits.max_turns} is used up", turns)

    async def _child(self, run: Run, shelf: Shelf, depth: int, question: str, ids: Sequence[str], parent: int) -> str:
        """What `rlm_query` returns: the child's answer, or a `HostError` where it has none."""
        ended = await self._inspect(run, shelf, Task(question, tuple(ids), depth, parent))
        if isinstance(ended, Unfinished):
            raise HostError(f"the recursive call ended without an answer: {ended.reason}")
        if not ended.found:
            return f"NOT FOUND: {ended.text}"
        loose = [f"[{n}]" for n in ended.numbers if n not in map(int, MARKER.findall(ended.text))]
        return " ".join([ended.text, *loose])

    def _submitted(self, shelf: Shelf, submission: Submission) -> Draft:
        text, citations = renumber(submission.text, shelf.cited(submission.numbers))
        return Draft(
            text,
            "complete" if submission.found else "declined",
            citations,
            value=None if isinstance(submission.answer, str) else submission.answer,
            sandbox=self._sandbox.name,
            notices=() if citations or not submission.found else ("Nothing in this answer is backed by a quote.",),
        )

    async def _extract(self, run: Run, shelf: Shelf, ended: Unfinished) -> Draft:
        """The best answer that notes and turns hold, by one last call where the budget has one."""
        notes = await run.workspace.notes()
        notice = f"The work ended before an answer was submitted: {ended.reason}"
        material = _material(notes, ended.turns)
        text = ""
        try:
            request = Request(
                (
                    Message("system", render("extract")),
                    Message("user", f"{fence('question', run.question)}\n\n{fence('work', material)}"),
                ),
                "extract",
                max_output_tokens=EXTRACT_OUTPUT_TOKENS,
            )
            text = (await run.root.complete(request, parent=run.span)).text.strip()
        except BudgetExceeded as error:
            run.events.point("budget", parent=run.span, reason=str(error))
        if not text:
            text = "\n".join(f"{key}: {value}" for key, value in notes.items())
        if not text or text == "NOT FOUND":
            looked = f"{len(shelf.ids)} documents in {len(ended.turns)} turns"
            return Draft(f"No answer was found in {looked}.", "declined", sandbox=self._sandbox.name, notices=(notice,))
        numbered = shelf.cited([int(n) for n in MARKER.findall(text)])
        answer, citations = renumber(text, numbered)
        return Draft(answer, "partial", citations, sandbox=self._sandbox.name, notices=(notice,))


def _reserve_extraction(run: Run) -> Reservation | None:
    """Set the last call aside before the work begins; None where the limits are too small to share."""
    calls = run.ledger.remaining_calls()
    if calls is not None and calls < _WORTH_RESERVING:
        return None
    try:
        return run.ledger.reserve(
            input_tokens=EXTRACT_INPUT_CHARS // 2, output_tokens=EXTRACT_OUTPUT_TOKENS, price=run.root.price
        )
    except BudgetExceeded:
        return None


def _material(notes: dict[str, str], turns: Sequence[Turn]) -> str:
    """Notes first, then the latest turns, within what the extraction's reservation covers."""
    parts = [f"note {key}: {value}" for key, value in notes.items()]
    size = sum(map(len, parts))
    latest: list[str] = []
    for turn in reversed(turns):
        size += turn.size
        if size > EXTRACT_INPUT_CHARS:
            break
        latest.insert(0, f"{turn.reply}\n{turn.feedback}")
    return "\n\n".join([*parts, *latest])[:EXTRACT_INPUT_CHARS]


def _closing(number: int, of: int, left: dict[str, Any]) -> str:
    """The line that ends each message: which turn this is and what is left."""
    names = {"calls_left": "model calls", "seconds_left": "seconds", "usd_left": "dollars", "tokens_left": "tokens"}
    budget = ", ".join(f"{left[key]} {name}" for key, name in names.items() if left[key] is not None)
    line = f"Turn {number} of {of}." + (f" Left: {budget}." if budget else "")
    return f"{line} This is the last turn: submit now what you have." if number == of else line
