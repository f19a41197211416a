"""One inspector at work on one task: prompt, code, sandbox and feedback until it submits or stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial

from funnel.errors import BudgetExceeded, LLMError, SandboxDied, WindowTooSmall
from funnel.findings.provenance import TextSpan
from funnel.inspector import canonical
from funnel.inspector.budget_line import left
from funnel.inspector.carrying import keep, told
from funnel.inspector.dialogue import MAX_CUTS, OUTPUT_TOKENS, Dialogue, Prompt
from funnel.inspector.opening import context_variable, describe_context
from funnel.inspector.output import printed_name
from funnel.inspector.progress import MAX_IDLE, MAX_REPAIRS, Advice, Progress
from funnel.inspector.replies import Code, Malformed, parse
from funnel.inspector.shared import Shared
from funnel.inspector.simple import describe_simply, hint
from funnel.inspector.tools.host import Host
from funnel.inspector.tools.models import Recurse
from funnel.inspector.tools.registry import MODULES, described, names
from funnel.inspector.tools.report import Submission
from funnel.inspector.transcript import Turn, feedback
from funnel.llm.base import Completion, StepId, estimated_tokens
from funnel.llm.hearing import unusable
from funnel.prompts import fence, render
from funnel.sandbox.base import CellResult, Sandbox, SandboxLimits, Session
from funnel.trace.kinds import CellEnded, CellStarted, ReplyRejected, TurnStarted, WorkStopped
from funnel.types import EndReason
from indexes.types import DocumentHit

PRELUDE = f"import {', '.join(MODULES)}"


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
    """The end of an inspector that did not submit: the reason in words and as a value.

    `opening` and `turns`: all that its model was shown, whatever was left out of later prompts.
    """

    reason: str
    end_reason: EndReason
    opening: str
    turns: tuple[Turn, ...]


class Inspection:
    """The state of one inspector; it works once."""

    def __init__(self, shared: Shared, task: Task, *, recurse: Recurse | None) -> None:
        self._shared = shared
        self._run = run = shared.run
        self._task = task
        # A child's answer is read by its parent's program, so the schema of the run does not apply to it.
        self._schema = run.schema if task.depth == 0 else None
        self._host = Host(
            shared,
            recurse,
            task.question,
            task.documents,
            lambda: left(run.ledger, self._number),
            self._schema,
        )
        self._canonical = run.prompts.is_canonical(run.root.name)
        # Such a model was trained on a prompt as long as the full form, however small it is.
        self._progress = Progress(task.question, "full" if self._canonical else run.form)
        self._talk = Dialogue(run)
        self._names: list[str] = []
        self._prompt: Prompt | None = None
        self._prompt_room, self._cuts = 0, 0
        self._number = 0
        self._prelude: asyncio.Task[CellResult] | None = None

    async def work(self, sandbox: Sandbox, limits: SandboxLimits) -> Submission | Unfinished:
        """Take turn after turn, and return the answer or why there is none.

        Raises: `BudgetTooSmall` if the first prompt passes `max_prompt_tokens`; `BudgetExceeded`, `LLMError`
        only if not even the first call was possible.
        """
        task, run = self._task, self._run
        context = await context_variable(task.documents, run.documents)
        self._names = [document["id"] for document in context]
        prompt = await self._prompted(sandbox)
        self._talk.measure(prompt)
        self._shared.recorder.texts(
            TextSpan(each["id"], 0, each["text"]) for each in context if each["text"] is not None
        )
        carried = run.earlier.values if task.depth == 0 else {}
        variables = {
            **carried,
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
                ended = await self._turn(session, partial(self._prompted, sandbox))
                if ended is not None:
                    if run.keep_variables and task.depth == 0:
                        await keep(run, session)
                    return ended
        return self._unfinished(f"max_turns = {self._number} is used up", EndReason.TURNS)

    async def _prompted(self, sandbox: Sandbox, cuts: int = 0) -> Prompt:
        """Return the beginning of each prompt, in the form that the model has now.

        It shows less once the model's window is known to be small, and after `cuts` refusals as too long.
        """
        form, run, task = self._progress.form, self._run, self._task
        self._cuts = max(self._cuts, cuts)
        room = run.root.prompt_room(OUTPUT_TOKENS[form]) * (MAX_CUTS - self._cuts) // MAX_CUTS
        if self._prompt is not None and (self._prompt.form, self._prompt_room) == (form, room):
            return self._prompt
        self._prompt_room = room
        typed = ""
        if self._schema is not None:
            typed = render("inspector_typed", schema=fence("schema", self._schema.text))
        findings = await self._shared.recall.opening(task.question, task.documents)
        before = told(run.earlier) if task.depth == 0 else ""
        if form == "simple":
            system = run.prompts.render_for(run.root.name, "inspector", form=form)
            text, shown = await describe_simply(
                task.question,
                self._names,
                run.documents,
                task.hits,
                room=room - estimated_tokens(system) - estimated_tokens(typed),
            )
            hinted: Callable[[int], str] = self._hint
        else:
            system = run.prompts.render_for(
                run.root.name, "inspector", tools=described(run.tools), dialect=sandbox.dialect
            )
            taken = estimated_tokens(system) + estimated_tokens(typed) + estimated_tokens(before)
            first = await describe_context(
                task.question,
                self._names,
                run.documents,
                task.hits,
                room=room - taken,
                shape=run.shape if task.depth == 0 else None,
            )
            text, shown, hinted = first.text, first.shown, _no_hint
        self._shared.recorder.texts(TextSpan(each.document_id, each.start, each.text) for each in shown)
        opening = "\n\n".join(part for part in (text, before, findings, typed) if part)
        self._shared.coverage.begin(task.documents, opening)
        self._prompt = Prompt(form, system, opening, hinted)
        if form == "full" and not self._talk.fits(self._prompt):
            # The window became known with a refusal, and is too small for all that the full form explains.
            self._progress.form = "simple"
            return await self._prompted(sandbox, cuts)
        self._progress.opening = opening
        return self._prompt

    def _hint(self, turn: int) -> str:
        return hint(self._task.question, turn, bare=self._progress.idle > 0)

    async def _turn(
        self, session: Session, prompted: Callable[[int], Awaitable[Prompt]]
    ) -> Submission | Unfinished | None:
        """Make one call and run one cell; None if there is more to do."""
        events, task, talk = self._run.events, self._task, self._talk
        with events.open(TurnStarted(number=self._number, depth=task.depth), parent=task.parent) as turn:
            self._run.ledger.count_turn(task.depth)
            # The fingerprint leaves out the closing line: a resumed run may have other limits.
            step = StepId((*task.path, self._number), talk.said)
            try:
                completion = await talk.ask(prompted, self._number, session, parent=turn.id, step=step)
            except (BudgetExceeded, WindowTooSmall, LLMError) as error:
                if not talk.history:
                    raise
                return self._unfinished(str(error), EndReason.of(error))
            except SandboxDied as error:
                return self._unfinished(str(error), EndReason.BROKEN)
            said = canonical.translated(completion.text) if self._canonical else completion.text
            code = parse(said, cut=completion.finish_reason == "length", tools=names(self._run.tools))
            if not isinstance(code, Code):
                return self._rejected(completion, code, turn.id)
            self._run.forms.well_formed(self._run.root.name)
            if (refused := self._progress.refuse(code.source)) is not None:
                self._astray(completion.text, refused, refused.text)
                return self._idle()
            return await self._ran(session, completion.text, code, turn.id, step.path)

    async def _ran(
        self, session: Session, reply: str, code: Code, parent: int, path: tuple[int, ...]
    ) -> Submission | Unfinished | None:
        """Run the cell of a turn; None if there is more to do."""
        try:
            result = await self._cell(session, code, parent, path)
        except TimeoutError:
            return self._unfinished(self._run.ledger.out_of_time().headline, EndReason.DEADLINE)
        except SandboxDied as error:
            return self._unfinished(str(error), EndReason.BROKEN)
        self._host.printed(result.stdout)
        if self._host.submission is not None:
            return self._host.submission
        remarks = [*([code.remark] if code.remark else []), *self._host.remarks]
        meant = feedback(result, remarks)
        advice = self._progress.follow(code.source, result, self._host.made)
        if advice is not None and advice.astray:
            self._astray(reply, advice, meant)
        else:
            self._talk.add(Turn(reply, meant), meant)
            shown = feedback(result, remarks, chars=self._talk.window, holder=printed_name(code.source))
            await self._shared.coverage.shown(shown)
            self._talk.show(Turn(reply, shown if advice is None else f"{shown}\n{advice.text}"))
        if (used_up := self._used_up(result.stdout)) is not None:
            return self._unfinished(str(used_up), EndReason.BUDGET)
        return self._idle()

    def _astray(self, reply: str, advice: Advice, meant: str) -> None:
        """Add a turn that led nowhere, without the reply itself, which would teach the next one."""
        self._talk.add(Turn(reply, meant), meant)
        self._talk.show(Turn("", advice.text, astray=True, again=advice.again))

    def _idle(self) -> Unfinished | None:
        """Return the end of the work if the model does nothing, turn after turn."""
        idle = self._progress.idle
        if idle <= MAX_IDLE:
            return None
        return self._unfinished(f"{idle} cells in a row did nothing", EndReason.MALFORMED)

    def _used_up(self, stdout: str) -> BudgetExceeded | None:
        """Count what a cell printed; return the error if the run may print or store no more."""
        ledger = self._run.ledger
        if ledger.take_output(len(stdout)) < len(stdout):
            return ledger.out_of_output()
        return ledger.out_of_storage() if ledger.remaining_stored_bytes() == 0 else None

    def _rejected(self, completion: Completion, wrong: Malformed, parent: int) -> Unfinished | None:
        """Tell the model what was wrong with its reply; the work ends if that has happened too often."""
        detail = unusable(completion)
        wrong, advice = self._progress.reject(wrong, completion.text, detail)
        reason = f"{wrong.reason} ({detail}.)" if detail else wrong.reason
        self._run.events.point(ReplyRejected(reason=reason), parent=parent)
        self._run.forms.malformed(self._run.root.name)
        self._astray(completion.text, advice, reason)
        in_a_row = self._progress.malformed
        if in_a_row <= MAX_REPAIRS:
            return None
        held = f"{in_a_row} replies in a row held no code to run"
        return self._unfinished(f"{held}: {detail}" if detail else held, EndReason.MALFORMED)

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
        opening = "" if self._prompt is None else self._prompt.opening
        return Unfinished(reason, end_reason, opening, tuple(self._talk.history))


def _no_hint(_number: int) -> str:
    """Return nothing: a model with the full form decides by itself what comes next."""
    return ""


async def _ended(task: asyncio.Task[CellResult]) -> None:
    """End a task before its session ends, and ignore its result."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
