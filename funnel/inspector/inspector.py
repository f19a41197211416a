"""The deep route as the pipeline sees it: hits in, a cited draft out, whatever happened on the way."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from funnel.budget import Reservation
from funnel.citations import MARKER, renumber
from funnel.errors import BudgetExceeded, LLMError
from funnel.inspector.host import Site, Submission
from funnel.inspector.inspection import Inspection, Task, Unfinished
from funnel.inspector.shelf import Shelf
from funnel.inspector.turns import Turn, prose
from funnel.llm.base import Message, Place, Request
from funnel.prompts import fence, render
from funnel.run import Draft, Run
from funnel.sandbox.base import HostError, Sandbox, SandboxLimits
from indexes.types import DocumentHit

EXTRACT_INPUT_CHARS = 16_000
EXTRACT_OUTPUT_TOKENS = 4_000
EXTRACT_TIME_SHARE = 0.15
EXTRACT_TIME_S = 20.0
"""Of the time, too, something is kept for the last call: this share, and at most so much."""
WORTH_RESERVING_CALLS = 4
CHILDREN_AT_ONCE = 100
"""At one depth, in all runs of a funnel: each has a process of the sandbox."""
ROOT, EXTRACTION = (0,), (1,)
"""Where the journal has the inspectors' work, and the last call."""


class Inspector:
    """Answers by letting a model write programs over documents, in `sandbox`."""

    def __init__(self, sandbox: Sandbox, *, limits: SandboxLimits | None = None) -> None:
        self._sandbox = sandbox
        self._limits = limits or SandboxLimits()
        # By depth: a parent waits for its children, so they may not wait for each other's places.
        self._at_once: defaultdict[int, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(CHILDREN_AT_ONCE)
        )

    async def answer(self, run: Run, hits: Sequence[DocumentHit]) -> Draft:
        """The submitted answer; when the budget ends first, the best that can be told from the work so far.

        Raises: `SandboxUnavailable`; `BudgetExceeded` and `LLMError` only when not even the first call was
        possible.
        """
        shelf = Shelf(run.source, run.workspace, run.journal, access=run.access, where=run.where)
        if run.journal.resumed:
            await shelf.restore()
        documents = await shelf.add(hit.document for hit in hits)
        best = {
            str(hit.document.id): (hit.passages[0].passage.start, hit.passages[0].passage.stop)
            for hit in hits
        }
        kept = _reserve_extraction(run)
        try:
            with run.ledger.keeping_back(EXTRACT_TIME_SHARE, at_most_s=EXTRACT_TIME_S):
                ended = await self._inspect(
                    run, shelf, Task(run.question, documents, 0, run.span, ROOT, best)
                )
        finally:
            if kept is not None:
                run.ledger.release(kept)
        if isinstance(ended, Submission):
            return self._submitted(shelf, ended)
        return await self._extract(run, shelf, ended)

    async def _inspect(self, run: Run, shelf: Shelf, task: Task) -> Submission | Unfinished:
        may_recurse = task.depth < run.ledger.limits.max_depth
        recurse = partial(self._child, run, shelf, task.depth + 1) if may_recurse else None
        return await Inspection(run, shelf, task, recurse=recurse).work(self._sandbox, self._limits)

    async def _child(
        self, run: Run, shelf: Shelf, depth: int, question: str, ids: Sequence[str], at: Site
    ) -> str:
        """What `rlm_query` returns: the child's answer, or a `HostError` where it has none."""
        task = Task(question, tuple(ids), depth, at.span, at.path)
        try:
            async with self._at_once[depth]:
                ended = await self._inspect(run, shelf, task)
        except (BudgetExceeded, LLMError) as error:
            raise HostError(f"the recursive call could not begin: {error}") from error
        if isinstance(ended, Unfinished):
            raise HostError(f"the recursive call ended without an answer: {ended.reason}")
        if not ended.found:
            return f"NOT FOUND: {ended.text}"
        in_text = {int(number) for number in MARKER.findall(ended.text)}
        return " ".join([ended.text, *(f"[{n}]" for n in ended.numbers if n not in in_text)])

    def _submitted(self, shelf: Shelf, submission: Submission) -> Draft:
        text, citations = renumber(submission.text, shelf.cited(submission.numbers))
        bare = submission.found and not citations
        return Draft(
            text,
            "complete" if submission.found else "declined",
            citations,
            value=None if isinstance(submission.answer, str) else json.loads(text),
            sandbox=self._sandbox.name,
            notices=("Nothing in this answer is backed by a quote.",) if bare else (),
        )

    async def _extract(self, run: Run, shelf: Shelf, ended: Unfinished) -> Draft:
        """The best answer that notes and turns hold, by one last call where the budget has one."""
        notes = await run.workspace.notes()
        work = f"{fence('question', run.question)}\n\n{fence('work', _material(notes, ended.turns))}"
        messages = (Message("system", render("extract")), Message("user", work))
        try:
            request = Request(messages, "extract", max_output_tokens=EXTRACT_OUTPUT_TOKENS)
            place = Place((*EXTRACTION, len(ended.turns)), "")
            text = prose((await run.root.complete(request, parent=run.span, place=place)).text)
        except (BudgetExceeded, LLMError) as error:
            run.events.point("budget", parent=run.span, reason=str(error))
            text = "\n".join(f"{key}: {value}" for key, value in notes.items())
        notices = (f"The work ended before an answer was submitted: {ended.reason}",)
        if not text or text.startswith("NOT FOUND"):
            looked = (
                f"No answer was found in {_counted(len(shelf.ids), 'document')} "
                f"and {_counted(len(ended.turns), 'turn')}."
            )
            return Draft(
                looked, "failed" if ended.broken else "declined", sandbox=self._sandbox.name, notices=notices
            )
        answer, citations = renumber(text, shelf.cited([int(n) for n in MARKER.findall(text)]))
        return Draft(answer, "partial", citations, sandbox=self._sandbox.name, notices=notices)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _reserve_extraction(run: Run) -> Reservation | None:
    """Set the last call aside before the work begins; None where the limits are too small to share."""
    calls = run.ledger.limits.max_calls
    if calls is not None and calls < WORTH_RESERVING_CALLS:
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
