"""The deep route as the pipeline sees it: hits in, a cited draft out, whatever happens in between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from funnel.errors import BudgetExceeded, BudgetTooSmall, LLMError
from funnel.inspector import extraction, reading
from funnel.inspector.loop import Inspection, Task, Unfinished
from funnel.inspector.shared import Shared
from funnel.inspector.tools.models import CHILD_LOST, LOST
from funnel.inspector.tools.report import Submission
from funnel.inspector.tools.sub_calls import CallSite
from funnel.llm.limiter import Limiter
from funnel.prompts.forms import Form
from funnel.run.context import NOT_BACKED, Draft, Run
from funnel.sandbox.base import HostError, Sandbox, SandboxLimits
from funnel.sandbox.room import Room, room_of_process
from funnel.seen import merged
from funnel.text.citations import MARKER, answer_text, renumber_value
from funnel.types import EndReason, Status
from indexes.types import DocumentHit

EXTRACT_TIME_SHARE = 0.15
EXTRACT_TIME_S: dict[Form, float] = {"full": 20.0, "simple": 120.0}
"""The share of the time that is kept for the last call, and its upper limit in seconds.

A small model on a machine without an accelerator takes a minute to read what it is shown.
"""
CHILDREN_AT_ONCE = 200
"""Maximum at one depth, over all runs of a funnel, since each child has a process of the sandbox."""
_NOT_ASKED = "the documents were still being read, and the model was never asked"
ROOT = (0,)
"""The path of the first inspector in the journal."""


class Inspector:
    """Answers by letting a model write programs over documents, in `sandbox`.

    `limits`: those of each session. `room`: the memory of all sessions together; None means the room that all
    sandboxes of the process share.
    """

    def __init__(
        self, sandbox: Sandbox, *, limits: SandboxLimits | None = None, room: Room | None = None
    ) -> None:
        self._sandbox = sandbox
        self._limits = limits or SandboxLimits()
        self._room = room
        # By depth: a parent waits for its children, so it must not hold a slot that they wait for.
        self._at_once: defaultdict[int, Limiter] = defaultdict(lambda: Limiter(CHILDREN_AT_ONCE))

    async def answer(self, run: Run, hits: Sequence[DocumentHit]) -> Draft:
        """Return the submitted answer or, if the budget ends first, the best answer from the work so far.

        Raises: `SandboxUnavailable`; `BudgetExceeded` and `LLMError` only if not even the first call was
        possible.
        """
        async with run.ledger.in_time(_NOT_ASKED):
            if run.journal.resumed:
                await run.documents.restore()
            documents = await run.documents.add(hit.document for hit in hits)
        shared = Shared.of(run)
        kept = [await extraction.reserve(run), await reading.reserve(run)]
        try:
            with run.ledger.keeping_back(EXTRACT_TIME_SHARE, at_most_s=EXTRACT_TIME_S[run.form]):
                ended = await self._inspect(shared, Task(run.question, documents, 0, run.event, ROOT, hits))
        finally:
            for each in filter(None, kept):
                run.ledger.release(each)
        if isinstance(ended, Submission):
            draft = _submitted(shared, ended)
        else:
            draft = await extraction.extract(run, shared.citations, ended, hits)
        if run.form == "simple":
            # Such a model seldom cites, and what it answered may stand word for word in what it was shown.
            draft = await reading.backed(run, hits, draft)
        await shared.coverage.settle()
        # The reader, where it was asked in the end, has seen passages of its own.
        draft = replace(draft, coverage=merged(shared.coverage.report(), draft.coverage))
        return replace(_with_what_is_lost(shared, draft), sandbox=self._sandbox.name)

    async def _inspect(self, shared: Shared, task: Task) -> Submission | Unfinished:
        may_recurse = task.depth < shared.run.ledger.limits.max_depth
        recurse = partial(self._child, shared, task.depth + 1) if may_recurse else None
        room, ledger = self._room or room_of_process(), shared.run.ledger
        async with AsyncExitStack() as stack:
            # Before the documents of the task are read, since those who wait would hold them, too.
            async with ledger.in_time("no sandbox was free, and the model was never asked"):
                need, deepest = self._limits.memory_bytes, max(task.depth, ledger.limits.max_depth)
                await stack.enter_async_context(room.of(need, depth=task.depth, max_depth=deepest))
            return await Inspection(shared, task, recurse=recurse).work(self._sandbox, self._limits)

    async def _child(
        self, shared: Shared, depth: int, question: str, ids: Sequence[str], site: CallSite
    ) -> str:
        """Return what `rlm_query` returns. Raises: `HostError` if the child has no answer."""
        task = Task(question, tuple(ids), depth, site.event, site.path)
        coverage = shared.coverage.child(site.path)
        try:
            async with self._at_once[depth]:
                ended = await self._inspect(replace(shared, coverage=coverage), task)
        except (BudgetExceeded, BudgetTooSmall, LLMError) as error:
            raise HostError(f"{CHILD_LOST} could not begin: {error}", code=LOST) from error
        await shared.coverage.add_child(coverage)
        if isinstance(ended, Unfinished):
            raise HostError(f"{CHILD_LOST} ended without an answer: {ended.reason}", code=LOST)
        if not ended.found:
            text = f"NOT FOUND: {ended.text}"
            shared.no_answer(text)
            return text
        in_text = {int(number) for number in MARKER.findall(ended.text)}
        return " ".join([ended.text, *(f"[{n}]" for n in ended.numbers if n not in in_text)])


def _with_what_is_lost(shared: Shared, draft: Draft) -> Draft:
    """Return the draft with a notice if sub-calls failed for good.

    It is not complete unless the model knew of that, and there were few.
    """
    notice = shared.lost.notice()
    if notice is None:
        return draft
    status: Status = "partial" if draft.status == "complete" and shared.lost.spoil else draft.status
    return replace(draft, status=status, notices=(*draft.notices, notice))


def _submitted(shared: Shared, submission: Submission) -> Draft:
    found = submission.found
    value, citations = renumber_value(submission.answer, shared.citations.cited(submission.numbers))
    # If the answer is to be typed, words that say why there is none are not a value.
    typed = found if shared.run.schema is not None else not isinstance(value, str)
    return Draft(
        answer_text(value).strip(),
        "complete" if found else "declined",
        citations,
        value=value if typed else None,
        end_reason=EndReason.ANSWERED if found else EndReason.NOT_FOUND,
        notices=(NOT_BACKED,) if found and not citations else (),
    )
