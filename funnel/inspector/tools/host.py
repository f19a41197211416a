"""The tools of one inspector as its sandbox calls them: traced, replayed from the journal, checked.

Knows no tool by its name: the declaration of each says what it needs.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from funnel.inspector.shared import Shared
from funnel.inspector.tools.arguments import brief, brief_call
from funnel.inspector.tools.declaration import Arguments, Exposes, Tool, declared
from funnel.inspector.tools.documents import DocumentTools
from funnel.inspector.tools.models import ModelTools, Recurse
from funnel.inspector.tools.registry import of_user
from funnel.inspector.tools.report import ReportTools, Submission
from funnel.inspector.tools.structure import StructureTools
from funnel.inspector.tools.sub_calls import CallSite
from funnel.journal.entries import Kept
from funnel.llm.base import StepId
from funnel.sandbox.base import EndCell, HostError, HostFunction
from funnel.schema import AnswerSchema
from funnel.trace.kinds import HostCallEnded, HostCallStarted
from indexes.fingerprint import joint_fingerprint

MAX_REFUSED = 10
"""How many calls are refused, after nothing more may be stored, before the cell ends."""


@dataclass
class Host:
    """The tools of one inspector. `given`: the documents that it was given to work on.

    `question`: what it was asked. `left`: what `budget()` returns. `schema`: the schema that `submit`
    requires of an answer; None if it accepts anything.
    """

    shared: Shared
    recurse: Recurse | None
    question: str
    given: tuple[str, ...]
    left: Callable[[], dict[str, Any]]
    schema: AnswerSchema | None = None
    path: tuple[int, ...] = ()
    remarks: list[str] = field(default_factory=list)
    _made: int = 0
    _refused: int = 0

    def __post_init__(self) -> None:
        """Make the tools; by default they grep what this inspector was given."""
        mine = dict.fromkeys(self.given)
        self._run, self._documents = self.shared.run, self.shared.run.documents
        self._report = ReportTools(self.shared, self.question, self.left, self.schema)
        self._models = ModelTools(self.shared, self.recurse, self.given, self.remarks)
        documents = DocumentTools(self.shared, mine, self.remarks)
        structure = StructureTools(self.shared, documents, self.remarks)
        self._owners = documents, structure, self._models, self._report

    @property
    def submission(self) -> Submission | None:
        """The answer, once the model's code has submitted one."""
        return self._report.submission

    def begin(self, path: tuple[int, ...], parent: int) -> None:
        """Begin a cell, at that path of the run and under that event."""
        self.path = path
        self._report.begin(parent)
        self._made = 0
        self._models.begin()
        self.remarks.clear()

    @property
    def made(self) -> int:
        """How many calls the cell has made so far."""
        return self._made

    def printed(self, output: str) -> None:
        """Keep what the last cell printed, for `last_output`."""
        self._report.output = output

    def functions(self) -> dict[str, HostFunction]:
        """Return the tools by the names that the model's code uses."""
        own = {
            each.name: self._traced(each, owner) for owner in self._owners for each in declared(type(owner))
        }
        users = [of_user(self._run.tools, each) for each in self._run.tools]
        return own | {each.name: self._traced(each, None) for each in users}

    def _traced(self, tool: Tool, owner: object) -> HostFunction:
        """Return the tool with an event around it; wrong arguments are reported as the code's mistake."""

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._made += 1
            path = (*self.path, self._made)
            started = HostCallStarted(name=tool.name, arguments=brief_call(args, kwargs))
            with self._run.events.open(started, parent=self._report.parent) as host_call:
                tool.bounds.check(tool.name, args, kwargs)
                bound = _bound(tool, args, kwargs)
                if not tool.last:
                    self._check_storage()
                if tool.counts is not None:
                    tool.counts()
                site = {"site": CallSite(host_call.id, path)} if tool.sited else {}
                work = partial(tool.function, owner, *bound.args, **bound.kwargs, **site)
                try:
                    result = await self._replayed(tool, bound.arguments, path, work)
                except HostError as error:
                    if tool.refused is not None:
                        tool.refused(owner, bound.arguments, error)
                    raise
                if tool.records is not None:
                    tool.records(self.shared, bound.arguments, result)
                if tool.then is not None:
                    tool.then(owner, bound.arguments, result)
                host_call.end_with(HostCallEnded(result=brief(result)))
            if self.submission is not None:
                raise EndCell
            return result

        return call

    def _check_storage(self) -> None:
        """Refuse a call if the run may store no more, since its trace is stored, too.

        Raises: `HostError`; `EndCell` for code that goes on calling, whatever it catches.
        """
        if self._run.ledger.remaining_stored_bytes() == 0:
            self._refused += 1
            if self._refused > MAX_REFUSED:
                raise EndCell
            raise HostError(f"{self._run.ledger.out_of_storage()} Submit what you have")

    async def _replayed(
        self, tool: Tool, arguments: Arguments, path: tuple[int, ...], work: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Return the result of the call in an earlier attempt of the run, or make the call.

        Results are journalled if the tool asks for it, and errors always, so that the code sees them again.
        """
        journal = self._run.journal

        def step() -> StepId:
            return StepId(path, joint_fingerprint(tool.name, json.dumps(arguments)))

        if journal.resumed and (kept := journal.kept(step())) is not None:
            self.remarks += kept.remarks
            if kept.error is not None:
                raise HostError(kept.error, code=kept.code)
            return kept.result
        before = len(self.remarks)
        try:
            result = await work()
        except HostError as error:
            self._expose_error(tool)
            kept = Kept(None, str(error), tuple(self.remarks[before:]), failed=True, code=error.code)
            self._keep(step(), kept)
            raise
        self._expose(tool, result)
        failed = isinstance(result, list) and any(
            isinstance(r, dict) and not r.get("ok", True) for r in result
        )
        if failed or tool.replayed(arguments):
            kept = Kept(result, None, tuple(self.remarks[before:]), failed)
            if not self._keep(step(), kept, at_most=self._run.ledger.remaining_stored_bytes()):
                reason = (
                    f"{tool.name}() returned more than this run may still store "
                    f"({self._run.ledger.out_of_storage()}) Ask for less, or submit what you have"
                )
                self._run.ledger.end_storage()
                self._keep(step(), Kept(None, reason, failed=True))
                raise HostError(reason)
        if tool.durable:
            await journal.flush()
        return result

    def _keep(self, step: StepId, kept: Kept, *, at_most: int | None = None) -> bool:
        """Journal a result, after the record of the documents whose text it may hold.

        Returns: whether it takes `at_most` that many bytes; if not, it is not journalled.
        """
        self._run.record_exposed()
        return self._run.journal.keep(step, kept, at_most=at_most)

    def _expose(self, tool: Tool, result: Any) -> None:
        """Record which documents a result may hold text of."""
        ids = tool.exposes(result) if callable(tool.exposes) else ()
        if ids is None or tool.exposes is Exposes.EVERYTHING:
            self._documents.expose_everything()
        else:
            self._documents.expose(ids)

    def _expose_error(self, tool: Tool) -> None:
        """Record the same for an error, whose words may hold any text that the tool saw."""
        if tool.exposes not in {Exposes.NOTHING, Exposes.RECORDED}:
            self._documents.expose_everything()


def _bound(tool: Tool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
    try:
        return tool.signature.bind(*args, **kwargs)
    except TypeError as error:
        raise HostError(f"{tool.name}(): {error}. Signature: {tool.name}{tool.signature}") from None
