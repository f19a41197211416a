"""Begins, resumes and ends runs: joins record, journal, ledger, trace and documents into one `Run`.

Knows no part of the work. A resumed run takes the question, the asker's rights and the limits from its
record; what it had spent counts against its limits.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from funnel.asker import Asker
from funnel.errors import BadSetting, RunChanged, RunUnknown
from funnel.findings.store import FindingStore
from funnel.journal import Journal, RunRecord
from funnel.journal.found import HITS
from funnel.journal.swapping import Mailbox
from funnel.llm.budget import Ledger, Limits
from funnel.llm.cache import Completions
from funnel.llm.daily import DailyBudget
from funnel.llm.models import Models
from funnel.llm.shared import SharedLedger
from funnel.memory.base import Memory
from funnel.memory.swap.hot_swap import HotSwap
from funnel.prompts.addenda import Prompts
from funnel.prompts.forms import Forms
from funnel.run.audience import Audience
from funnel.run.context import Run
from funnel.run.earlier import earlier
from funnel.run.options import Options, ResumeOptions
from funnel.run.words import ProvisionalWords
from funnel.schema import AnswerSchema
from funnel.tools import RunTools, UserTool, user_tools
from funnel.trace.events import Events, JsonlSink, Sink
from funnel.trace.kinds import RunStarted
from funnel.types import Answer
from funnel.workspace.documents import ReadableDocuments
from funnel.workspace.notes import Notes
from funnel.workspace.workspace import Workspace
from indexes.counting import counted
from indexes.source import Documents, Source

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run that is ready to work. `ended`: the answer, if an earlier attempt already found it."""

    run: Run
    record: RunRecord
    trace: Path
    notices: tuple[str, ...] = ()
    ended: Answer | None = None


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The caller's choices for one attempt of a run that are not in its record."""

    asker: Asker
    schema: AnswerSchema | None
    tools: Sequence[UserTool]
    trace: Path
    sink: Sink | None
    ledger: Ledger | None
    fresh: bool


class RunLifecycle:
    """Begins and resumes the runs of one funnel.

    `keep_s`: how long their stored data is kept, forever if None.

    `learn`: whether runs learn from each other, unless a question's own options forbid it. `daily`: what all
    runs of a tenant may spend a day. `strict`: whether answers that no citation backs are declined, unless a
    question's own options say.
    """

    def __init__(  # noqa: PLR0913 - the parts of a funnel that a run needs
        self,
        documents: Source | Documents,
        *,
        models: Models,
        memory: Memory,
        sandbox: str,
        reserved: Collection[str],
        trace_dir: Path,
        prompts: Prompts,
        forms: Forms,
        keep_s: float | None,
        learn: bool,
        strict: bool,
        daily: Limits | None,
    ) -> None:
        self._audience = Audience(documents)
        self._models = models
        self._memory = memory
        self._sandbox = sandbox
        self._reserved = reserved
        self._trace_dir = trace_dir
        self._prompts = prompts
        self._forms = forms
        self._keep_s = keep_s
        self._learn = learn
        self._strict = strict
        self._sinks: list[Sink] = []
        self._cache = Completions(memory, ttl_s=keep_s)
        self._daily = None if daily is None else DailyBudget(memory, daily)

    def subscribe(self, sink: Sink) -> None:
        """Call `sink` with every event of every later run."""
        self._sinks.append(sink)

    @asynccontextmanager
    async def begin(self, question: str, options: Options, sink: Sink | None) -> AsyncIterator[PreparedRun]:
        """Begin a new run.

        Raises: `BudgetTooSmall`, `UnknownPrice`, `BadSchema`, `BadTool`, `UnknownName`, `BadQuestion`,
        `RunUnknown` for the run that it follows, before anything is written.
        """
        asker = self._audience.resolve(options.asker)
        tools = user_tools(options.tools, self._reserved)
        schema = None if options.schema is None else AnswerSchema(options.schema)
        record = RunRecord(
            run=f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}",
            question=question,
            mode=options.mode,
            k=options.k,
            limits=options.limits,
            access=asker.access,
            where=self._audience.narrow(options.where),
            statistics=self._audience.statistics(options.statistics),
            model=self._models.root.name,
            sub_model=self._models.sub.name,
            sandbox=self._sandbox,
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            labels=options.labels,
            schema=None if schema is None else schema.json_schema,
            learn=self._learn and options.learn,
            tools=tuple(each.line for each in tools),
            strict=self._strict if options.strict is None else options.strict,
            follows=options.follows,
            keep_variables=options.keep_variables,
        )
        if options.follows is not None:
            await Journal(self._memory, options.follows, asker=asker).record()
        async with self._parent_ledger(asker, options.ledger) as ledger:
            for meter in self._models.meters(Ledger(record.limits, parent=ledger), Events(record.run)):
                meter.check_start(record.limits)
            trace = options.trace or self._trace_dir / f"{record.run}.jsonl"
            async with Journal(self._memory, record.run, asker=asker, ttl_s=self._keep_s) as journal:
                await journal.begin(record)
                how = _Chosen(asker, schema, tools, trace, sink, ledger, fresh=options.fresh)
                async with self._open(record, journal, how) as run:
                    yield PreparedRun(run, record, trace)

    @asynccontextmanager
    async def resume(self, name: str, again: ResumeOptions, sink: Sink | None) -> AsyncIterator[PreparedRun]:
        """Resume a run that was interrupted, or that ended before it had an answer.

        Raises: `RunUnknown`; `RunTaken` while another process works on it; `RunChanged` if a document that it
        had has changed or was deleted, or its asker may no longer read it; `BadSetting` if the models, the
        sandbox or the tools are not the same; `BudgetTooSmall` and `UnknownPrice` as `begin`.
        """
        proved = self._audience.resolve(again.asker)
        async with Journal(self._memory, name, asker=proved, ttl_s=self._keep_s) as journal:
            record = await journal.record()
            asker = Asker(proved.tenant, record.access)
            if again.asker not in {None, asker}:
                raise RunUnknown(name, self._memory.url)
            self._check_parts(record)
            tools = _tools_again(record, again, self._reserved)
            await journal.resume()
            # The run may have begun in a funnel over more documents.
            where = self._audience.narrow(record.where)
            statistics = self._audience.statistics(record.statistics)
            record = replace(record, limits=again.limits or record.limits, where=where, statistics=statistics)
            schema = _schema_again(record, again)
            trace = again.trace or self._trace_dir / f"{name}.{journal.attempt}.jsonl"
            async with self._parent_ledger(asker, again.ledger) as ledger:
                how = _Chosen(asker, schema, tools, trace, sink, ledger, fresh=False)
                async with self._open(record, journal, how) as run:
                    for spent in journal.spent:
                        run.ledger.book(
                            input_tokens=spent.input_tokens,
                            output_tokens=spent.output_tokens,
                            usd=spent.cost_usd,
                            answered=spent.completion is not None,
                            cached=spent.cached,
                            calls=spent.calls,
                            cached_input_tokens=spent.cached_input_tokens,
                            tier=spent.tier,
                        )
                    within = self._audience.narrow(None)
                    await _check_documents(run, self._audience.source.for_asker(asker.access, within))
                    kept = await journal.answer()
                    ended = kept if kept is not None and kept.end_reason.is_final else None
                    if ended is None:
                        for meter in (run.root, run.sub):
                            meter.check_start(record.limits)
                    yield PreparedRun(run, record, trace, _notices(journal), ended)

    async def holds(self, name: str, asker: Asker | None) -> bool:
        """Whether the memory holds a run that this asker may resume. Raises: `MemoryFailed`."""
        journal = Journal(self._memory, name, asker=self._audience.resolve(asker))
        try:
            await journal.record()
        except RunUnknown:
            return False
        return True

    @asynccontextmanager
    async def _parent_ledger(self, asker: Asker, ledger: Ledger | None) -> AsyncIterator[Ledger | None]:
        """Yield the ledger that a run draws on: the one that its caller named, else the owner's for the day.

        Raises: `BadSetting` if there is a daily budget and the ledger does not draw on it.
        """
        if self._daily is None:
            yield ledger
        elif ledger is not None:
            self._daily.require(ledger, asker)
            yield ledger
        else:
            async with self._daily.open(asker) as day:
                yield day

    @asynccontextmanager
    async def job(self, limits: Limits, *, asker: Asker, name: str | None) -> AsyncIterator[Ledger]:
        """Yield the ledger of a job, as `Funnel.job` describes it."""
        async with self._parent_ledger(asker, None) as day:
            if name is None:
                yield Ledger(limits, parent=day, name="job")
            else:
                shared = SharedLedger(self._memory, f"job/{name}", limits, asker=asker, parent=day)
                async with shared:
                    yield shared

    @asynccontextmanager
    async def _open(
        self,
        record: RunRecord,
        journal: Journal,
        how: _Chosen,
    ) -> AsyncIterator[Run]:
        """Open the trace and the workspace of a run, and yield the `Run`."""
        asker, fresh = how.asker, how.fresh
        ledger, events = Ledger(record.limits, parent=how.ledger), Events(record.run)
        journal.count_with(ledger.count_stored)
        cache = self._cache.of(asker, fresh=fresh)
        root, sub = self._models.meters(ledger, events, cache=cache, journal=journal)
        findings = FindingStore(
            self._memory, asker=asker, ttl_s=self._keep_s, steady=root.cached and not fresh
        )
        with JsonlSink(how.trace, count=ledger.count_stored) as file:
            events.subscribe(file)
            for each in self._sinks:
                events.subscribe(each)
            if how.sink:
                events.subscribe(how.sink)
            begun = RunStarted(
                question=record.question, mode=record.mode, k=record.k, model=root.name, sub_model=sub.name,
                sandbox=self._sandbox, memory=self._memory.url,
                started_at=datetime.now(UTC).isoformat(timespec="milliseconds"), life=journal.attempt,
            )  # fmt: skip
            with events.open(begun, parent=None) as opened:
                async with (
                    self._mailbox(record.run, asker),
                    Workspace(
                        self._memory,
                        run=record.run,
                        asker=asker,
                        ttl_s=self._keep_s,
                        may_store=ledger.take_stored,
                    ) as workspace,
                ):
                    documents = ReadableDocuments(
                        self._audience.source.for_asker(
                            asker.access, record.where, statistics=record.statistics
                        ),
                        workspace,
                        everything=self._audience.source.for_asker(asker.access),
                    )
                    _restore_exposed(documents, journal)
                    before = await earlier(self._memory, record.follows, asker, documents, journal)
                    yield Run(
                        id=record.run,
                        question=record.question,
                        documents=documents,
                        notes=Notes(workspace),
                        ledger=ledger,
                        events=events,
                        root=root,
                        sub=sub,
                        journal=journal,
                        event=opened.id,
                        schema=how.schema,
                        prompts=self._prompts,
                        forms=self._forms,
                        findings=findings if self._learn and record.learn else None,
                        tools=RunTools(how.tools),
                        words=ProvisionalWords(events, opened.id) if self._sinks or how.sink else None,
                        earlier=before,
                        keep_variables=record.keep_variables,
                    )

    def _mailbox(self, run: str, asker: Asker) -> AbstractAsyncContextManager[object]:
        """Return the mailbox for requests to swap the memory, if it can be swapped."""
        if not isinstance(self._memory, HotSwap):
            return nullcontext()
        return Mailbox(self._memory, run, asker=asker, ttl_s=self._keep_s)

    def _check_parts(self, record: RunRecord) -> None:
        """Check that models and sandbox are those that the run began with. Raises: `BadSetting`."""
        for setting, was, now in (
            ("FUNNEL_MODEL", record.model, self._models.root.name),
            ("FUNNEL_SUB_MODEL", record.sub_model, self._models.sub.name),
            ("FUNNEL_SANDBOX", record.sandbox, self._sandbox),
        ):
            if was != now:
                raise BadSetting(setting, f"run {record.run} began with {was!r}, not {now!r}. Set {was!r}.")


async def _check_documents(run: Run, readable: Documents) -> None:
    """Check that the run's documents still exist, unchanged, and that its asker may read them.

    A document of which it was shown no more than the title, or which a caller's tool named, only has to be
    among `readable`: what the asker may read now, whatever the run's own filter is.

    Raises: `RunChanged`.
    """
    hits = run.journal.value_of("hits", HITS) or []
    changed = await run.documents.changed((hit.document.id, hit.document.version) for hit in hits)
    shown = [name for name in run.documents.view.exposed if name not in changed]
    changed += [name for name in shown if await asyncio.to_thread(readable.version, name) is None]
    if changed:
        named = ", ".join(repr(name[:80]) for name in changed[:_SHOWN])
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        reason = f"documents that it had read have changed or are closed to its asker: {named}{more}"
        raise RunChanged(run.id, reason)


def _restore_exposed(documents: ReadableDocuments, journal: Journal) -> None:
    """Record the documents that earlier attempts saw, since replayed results may hold their text."""
    documents.expose(journal.exposed)
    if journal.all_exposed:
        documents.expose_everything()


def _schema_again(record: RunRecord, again: ResumeOptions) -> AnswerSchema | None:
    """Return the schema of the answer. Raises: `BadSetting` if the run began with another one."""
    if again.schema is None:
        return None if record.schema is None else AnswerSchema(record.schema)
    schema = AnswerSchema(again.schema)
    if schema.json_schema != record.schema:
        raise BadSetting("schema", f"run {record.run} began with another one. Pass that one, or none.")
    return schema


def _tools_again(record: RunRecord, again: ResumeOptions, reserved: Collection[str]) -> tuple[UserTool, ...]:
    """Return the caller's tools. Raises: `BadSetting` if the run began with others; `BadTool`."""
    tools = user_tools(again.tools, reserved)
    if tuple(each.line for each in tools) != record.tools:
        began = ", ".join(record.tools) or "none"
        reason = f"run {record.run} began with {began}. Pass the same functions, in that order."
        raise BadSetting("tools", reason)
    return tools


def _notices(journal: Journal) -> tuple[str, ...]:
    """Return notices about the bill, for whoever resumed the run."""
    paid = sum(outcome.completion is not None and not outcome.cached for outcome in journal.spent)
    unknown = sum(outcome.calls for outcome in journal.spent if not (outcome.completion or outcome.failure))
    notices = [f"Resumed: {counted(paid, 'model call')} made before and not again."]
    if unknown:
        notices.append(
            f"{counted(unknown, 'call')} under way when the run stopped: counted at the worst case, and "
            "maybe paid for twice."
        )
    return tuple(notices)
