"""One inspector at work on one task: prompt, code, sandbox and feedback until it submits or stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

from funnel.errors import (
    BudgetExceeded,
    BudgetTooSmall,
    ContextTooLong,
    LLMError,
    SandboxDied,
    WindowTooSmall,
)
from funnel.findings.provenance import TextSpan
from funnel.inspector import canonical
from funnel.inspector.opening import context_variable, describe_context
from funnel.inspector.replies import Code, parse
from funnel.inspector.shared import Shared
from funnel.inspector.tools.host import Host
from funnel.inspector.tools.models import Recurse
from funnel.inspector.tools.registry import MODULES, described, names
from funnel.inspector.tools.report import Submission
from funnel.inspector.transcript import (
    MIN_TURNS_TOKENS,
    Turn,
    compact,
    feedback,
    room_for_turns,
    shorten,
    transcript,
)
from funnel.llm.base import MAX_REPLY_CHARS, Completion, Request, StepId, estimated_tokens
from funnel.llm.hearing import unusable
from funnel.prompts import fence, render
from funnel.sandbox.base import CellResult, Sandbox, SandboxLimits, Session
from funnel.trace.kinds import CellEnded, CellStarted, ReplyRejected, TurnStarted, WorkStopped
from funnel.types import EndReason
from indexes.fingerprint import joint_fingerprint
from indexes.types import DocumentHit

MAX_REPAIRS = 3
PRELUDE = f"import {', '.join(MODULES)}"
PLENTY = 0.5
"""While this share of every limit is left, the exact amount does not change what a model does."""
MAX_CUTS = 4
"""How often a prompt is compacted further because the model refuses it as too long."""
TURN_OUTPUT_TOKENS = 8_192
"""The thinking of a reasoning model counts, too."""


@dataclass(frozen=True, slots=True)
class Task:
    """A question over some documents at some depth. `parent`: the event that contains its events.

    `path`: its path in the tree of the run, as in the journal. `hits`: what a search for the question found
    in the documents.
    """

    question: str
    documents: tuple[str, ...]
    depth: int
    parent: int
    path: tuple[int, ...]
    hits: Sequence[DocumentHit] = ()


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The end of an inspector that did not submit: the reason in words and as a value, and its turns."""

    reason: str
    end_reason: EndReason
    turns: tuple[Turn, ...]


class Inspection:
    """The state of one inspector; it works once."""

    def __init__(self, shared: Shared, task: Task, *, recurse: Recurse | None) -> None:
        self._shared = shared
        self._run = run = shared.run
        self._task = task
        # A child's answer is read by its parent's program, so the schema of the run does not apply to it.
        self._schema = run.schema if task.depth == 0 else None
        self._host = Host(shared, recurse, task.documents, self._left, self._schema)
        self._turns: tuple[Turn, ...] = ()
        self._said = joint_fingerprint()
        self._number = 0
        self._repairs = 0
        self._room = 0
        self._prelude: asyncio.Task[CellResult] | None = None
        self._canonical = run.prompts.is_canonical(run.root.name)

    async def work(self, sandbox: Sandbox, limits: SandboxLimits) -> Submission | Unfinished:
        """Take turn after turn, and return the answer or why there is none.

        Raises: `BudgetTooSmall` if the first prompt passes `max_prompt_tokens`; `BudgetExceeded`, `LLMError`
        only if not even the first call was possible.
        """
        task, run = self._task, self._run
        system = run.prompts.render_for(
            run.root.name, "inspector", tools=described(run.tools), dialect=sandbox.dialect
        )
        context = await context_variable(task.documents, run.documents)
        typed = ""
        if self._schema is not None:
            typed = render("inspector_typed", schema=fence("schema", self._schema.text))
        room = run.root.prompt_room(TURN_OUTPUT_TOKENS) - estimated_tokens(system) - estimated_tokens(typed)
        first = await describe_context(
            task.question,
            [document["id"] for document in context],
            run.documents,
            task.hits,
            room=room,
            shape=run.shape if task.depth == 0 else None,
        )
        findings = await self._shared.recall.opening(task.question, task.documents)
        opening = "\n\n".join(part for part in (first.text, findings, typed) if part)
        self._measure(system, opening)
        self._shared.recorder.texts(
            TextSpan(each["id"], 0, each["text"]) for each in context if each["text"] is not None
        )
        self._shared.recorder.texts(TextSpan(each.document_id, each.start, each.text) for each in first.shown)
        variables = {
            "context": context,
            "question": task.question,
            "n_documents": await run.documents.count(),
        } | (canonical.VARIABLES if self._canonical else {})
        async with AsyncExitStack() as stack:
            async with run.ledger.in_time("no sandbox was free, and the model was never asked"):
                session = await stack.enter_async_context(
                    sandbox.session(self._host.functions(), variables, limits)
                )
            # Runs while the model thinks, before its first cell: every child has to run it.
            self._prelude = asyncio.create_task(session.run(PRELUDE))
            stack.push_async_callback(_ended, self._prelude)
            while self._number < self._run.ledger.limits.max_turns:
                self._number += 1
                ended = await self._turn(session, system, opening)
                if ended is not None:
                    return ended
        return self._unfinished(f"max_turns = {self._number} is used up", EndReason.TURNS)

    async def _turn(self, session: Session, system: str, opening: str) -> Submission | Unfinished | None:
        """Make one call and run one cell; None if there is more to do."""
        events, task = self._run.events, self._task
        with events.open(TurnStarted(number=self._number, depth=task.depth), parent=task.parent) as turn:
            self._run.ledger.count_turn(task.depth)
            # The fingerprint leaves out the closing line: a resumed run may have other limits.
            step = StepId((*task.path, self._number), self._said)
            try:
                completion = await self._ask(system, opening, turn.id, step)
            except (BudgetExceeded, WindowTooSmall, LLMError) as error:
                if not self._turns:
                    raise
                return self._unfinished(str(error), EndReason.of(error))
            said = canonical.translated(completion.text) if self._canonical else completion.text
            code = parse(said, cut=completion.finish_reason == "length", tools=names(self._run.tools))
            if not isinstance(code, Code):
                return self._rejected(completion, code.reason, turn.id)
            self._repairs = 0
            try:
                result = await self._cell(session, code, turn.id, step.path)
            except TimeoutError:
                return self._unfinished(self._run.ledger.out_of_time().headline, EndReason.DEADLINE)
            except SandboxDied as error:
                return self._unfinished(str(error), EndReason.BROKEN)
            self._host.printed(result.stdout)
            remarks = [*([code.remark] if code.remark else []), *self._host.remarks]
            self._tell(Turn(completion.text, feedback(result, remarks)))
            used_up = self._used_up(result.stdout) if self._host.submission is None else None
            if used_up is not None:
                return self._unfinished(str(used_up), EndReason.BUDGET)
            return self._host.submission

    def _used_up(self, stdout: str) -> BudgetExceeded | None:
        """Count what a cell printed; return the error if the run may print or store no more."""
        ledger = self._run.ledger
        if ledger.take_output(len(stdout)) < len(stdout):
            return ledger.out_of_output()
        return ledger.out_of_storage() if ledger.remaining_stored_bytes() == 0 else None

    def _measure(self, system: str, opening: str) -> None:
        """Set how much room there is for turns. Raises: `BudgetTooSmall`, `WindowTooSmall`."""
        root = self._run.root
        room = root.prompt_room(TURN_OUTPUT_TOKENS)
        try:
            self._room = room_for_turns(system, opening, max_prompt_tokens=room)
        except BudgetTooSmall as error:
            if room == self._run.ledger.limits.max_prompt_tokens:
                raise
            raise root.window_too_small(int(error.needed), TURN_OUTPUT_TOKENS, "a program's turn") from None

    async def _ask(self, system: str, opening: str, parent: int, step: StepId) -> Completion:
        """Return the model's next reply; if the prompt does not fit its window, compact it and ask again.

        Raises: as `Meter.complete`; `WindowTooSmall` if not even the smallest prompt fits.
        """
        cuts = 0
        while True:
            self._measure(system, opening)
            self._turns = compact(self._turns, limit=max(MIN_TURNS_TOKENS, self._room * (4 - cuts) // 4))
            closing, varying = self._closing()
            messages = transcript(system, opening, self._turns, closing)
            request = Request(messages, "turn", max_output_tokens=TURN_OUTPUT_TOKENS, varying=varying)
            try:
                return await self._run.root.complete(request, parent=parent, place=step)
            except ContextTooLong:
                if cuts == MAX_CUTS:
                    raise
                cuts += 1

    def _rejected(self, completion: Completion, reason: str, parent: int) -> Unfinished | None:
        """Tell the model what was wrong with its reply; the work ends if that has happened too often."""
        reply = completion.text
        if wrong := unusable(completion):
            reason = f"{reason} ({wrong}.)"
        self._run.events.point(ReplyRejected(reason=reason), parent=parent)
        shown = shorten(reply) if len(reply) > MAX_REPLY_CHARS else reply
        self._tell(Turn(shown or "(empty)", reason))
        self._repairs += 1
        if self._repairs <= MAX_REPAIRS:
            return None
        held = f"{self._repairs} replies in a row held no code to run"
        return self._unfinished(f"{held}: {wrong}" if wrong else held, EndReason.MALFORMED)

    def _tell(self, turn: Turn) -> None:
        """Add a turn, also to the fingerprint of all turns, which no compaction changes."""
        self._turns = (*self._turns, turn)
        self._said = joint_fingerprint(self._said, turn.reply, turn.feedback)

    async def _cell(self, session: Session, code: Code, parent: int, path: tuple[int, ...]) -> CellResult:
        """Run one cell, no longer than the run has time. Raises: `TimeoutError`, `SandboxDied`."""
        with self._run.events.open(CellStarted(code=code.source), parent=parent) as cell:
            self._host.begin(path, cell.id)
            async with asyncio.timeout(self._run.ledger.remaining_s):
                if self._prelude is not None:
                    await self._prelude
                result = await session.run(code.source)
            ended = CellEnded(stdout=result.stdout)
            if (error := result.error) is not None:
                ended = replace(ended, error=f"{error.kind}: {error.message}", error_type=error.kind)
            cell.end_with(ended)
            return result

    def _unfinished(self, reason: str, end_reason: EndReason) -> Unfinished:
        stopped = WorkStopped(reason=reason, end_reason=end_reason)
        self._run.events.point(stopped, parent=self._task.parent)
        return Unfinished(reason, end_reason, self._turns)

    def _left(self) -> dict[str, Any]:
        """Return what `budget()` returns."""
        ledger = self._run.ledger
        seconds, usd = ledger.remaining_s, ledger.remaining_usd()
        return {
            "turns_left": ledger.limits.max_turns - self._number,
            "calls_left": ledger.remaining_calls(),
            "seconds_left": None if seconds is None else round(seconds),
            "usd_left": None if usd is None else round(usd, 4),
            "tokens_left": ledger.remaining_tokens(),
        }

    def _closing(self) -> tuple[str, tuple[str, str] | None]:
        """Return the line that ends each message, and what replaces its changing part in the cache's key.

        The line says which turn this is and what is left of the limits. While plenty is left, the key holds
        the limits instead: a model does not act differently for a second or a call less, and a run that
        repeats another would otherwise never hit the cache after its first turn.
        """
        left, limits = self._left(), self._run.ledger.limits
        names = {
            "calls_left": ("model calls", limits.max_calls),
            "seconds_left": ("seconds", limits.timeout_s),
            "usd_left": ("dollars", limits.max_usd),
            "tokens_left": ("tokens", limits.max_tokens),
        }
        bounded = [(left[key], name, limit) for key, (name, limit) in names.items() if limit is not None]
        budget = ", ".join(f"{amount} {name}" for amount, name, _ in bounded)
        line = f"Turn {self._number} of {limits.max_turns}." + (f" Left: {budget}." if budget else "")
        if self._number == limits.max_turns:
            line += " This is the last turn: submit now what you have."
        plenty = all(amount >= PLENTY * limit for amount, _, limit in bounded)
        counts = ", ".join(f"{limit:g} {name}" for _, name, limit in bounded)
        return line, (f"Left: {budget}.", f"Of: {counts}.") if budget and plenty else None


async def _ended(task: asyncio.Task[CellResult]) -> None:
    """End a task before its session ends, and ignore its result."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
