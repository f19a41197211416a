"""`funnel ask`: one question to one cited answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from funnel.cli import rerank as reranking
from funnel.cli import running, scope, show
from funnel.cli.errors import FAILED, one_line
from funnel.cli.options import Docs, Kb, Principals, RouteMode, SandboxName, Where
from funnel.errors import BadSetting
from funnel.types import Mode

if TYPE_CHECKING:
    from funnel.journal import RunRecord
    from funnel.run.options import ResumeOptions
    from funnel.settings import Settings
    from funnel.types import Answer

EPILOG = """Examples:

funnel ask "What is our refund policy?" --kb kb

funnel ask "Compare the liability clauses of all contracts" --kb kb --max-usd 0.50

funnel ask "Where may this code deadlock?" --docs src/ --json

funnel ask "Which leases end before 2027?" --kb kb --schema leases.json --json

funnel ask --resume last"""

DEFAULT_K = 20
LAST = "last"


def ask(
    question: Annotated[str | None, typer.Argument(help="The question, in quotes.")] = None,
    kb: Kb = None,
    docs: Docs = None,
    mode: RouteMode = "auto",
    k: Annotated[
        int | None,
        typer.Option(
            "-k", help="How many documents stage one passes on.", show_default=f"{DEFAULT_K}; with --docs all"
        ),
    ] = None,
    where: Where = None,
    principals: Principals = None,
    rerank: Annotated[str | None, typer.Option(metavar="MODEL", help=reranking.HELP)] = None,
    statistics: Annotated[str | None, typer.Option(help=scope.STATISTICS_HELP)] = None,
    max_usd: Annotated[float | None, typer.Option(help="Spend at most this many US dollars.")] = None,
    max_calls: Annotated[int | None, typer.Option(help="Make at most this many model calls.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds until the answer is due.")] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Where a run keeps what it reads, notes and pays for: sqlite:///FILE, memory://."),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Continue a run that was stopped, paying for nothing twice; or `last`."
        ),
    ] = None,
    follows: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="A run that the question goes on with, such as 'And in 2024?'."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Use no cached answers of models.")] = False,
    learn: Annotated[
        bool, typer.Option(help="Use the findings of earlier questions, and keep those of this one.")
    ] = True,
    strict: Annotated[
        bool | None,
        typer.Option(
            "--strict/--no-strict", help="Decline an answer that no citation backs.", show_default=False
        ),
    ] = None,
    sandbox: SandboxName = None,
    schema: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json", help="A JSON Schema: the answer's value is data that conforms to it."
        ),
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="Write the run's events to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Answer a question from a collection, or directly from files, with citations."""
    with one_line():
        from funnel.factory import limits
        from funnel.llm.budget import Limits
        from funnel.pipeline import Options
        from funnel.run.options import ResumeOptions
        from funnel.schema import AnswerSchema
        from funnel.settings import Settings

        chosen: dict[str, Any] = {"memory": memory, "sandbox": sandbox}
        settings = Settings(**{name: value for name, value in chosen.items() if value is not None})
        given: dict[str, Any] = {"max_usd": max_usd, "max_calls": max_calls, "timeout_s": timeout}
        given = {name: value for name, value in given.items() if value is not None}
        if (question is None) == (resume is None):
            raise BadSetting("QUESTION or --resume", "give exactly one: a question in quotes, or a run.")
        if resume is not None:
            _refuse_with_resume(
                mode=mode != "auto",
                k=k,
                where=where,
                rerank=rerank,
                schema=schema,
                fresh=fresh,
                statistics=statistics,
                follows=follows,
                strict=strict,
            )
            asker = scope.asker(principals) if principals else None
            again = ResumeOptions(trace=trace, asker=asker)
            answer = _resumed(resume, settings, kb, docs, again, given, words=not as_json)
        elif question is not None:
            allowed: Limits = replace(limits(settings), **given)
            reader, wanted = scope.asker(principals or ()), scope.where(where)
            pinned: Mode = mode  # type: ignore[assignment]  # the pipeline checks it and lists the known modes
            with running.source(kb, docs) as documents:
                everything = max(1, len(documents)) if docs is not None else DEFAULT_K
                options = Options(
                    mode=pinned,
                    k=everything if k is None else k,
                    limits=allowed,
                    asker=reader,
                    where=wanted,
                    statistics=scope.statistics(statistics),
                    trace=trace,
                    schema=None if schema is None else AnswerSchema.load(schema).json_schema,
                    fresh=fresh,
                    learn=learn,
                    follows=follows,
                    strict=strict,
                    labels=_labels(kb=kb, docs=docs, rerank=rerank),
                )
                ranked = reranking.reranked(documents, rerank)
                answer = asyncio.run(
                    running.run(
                        ranked,
                        running.with_writable_state(settings),
                        question,
                        options,
                        words=not as_json,
                    )
                )
        if as_json:
            show.print_json(answer.as_dict())
        else:
            show.answer(answer)
        if answer.status == "failed":
            raise typer.Exit(FAILED)


def _labels(*, kb: Path | None, docs: Path | None, rerank: str | None) -> dict[str, str]:
    """Return what a resume needs to find the same documents again."""
    paths = {"kb": kb, "docs": docs}
    labels = {name: str(path.absolute()) for name, path in paths.items() if path is not None}
    return labels | ({} if rerank is None else {"rerank": rerank})


def _refuse_with_resume(**given: object) -> None:
    """Refuse options that a resumed run cannot change, since it keeps those that it began with."""
    for name, value in given.items():
        if value not in {None, False}:
            option = "-k" if name == "k" else f"--{name}"
            raise BadSetting(option, "a resumed run keeps the value that it began with. Leave it out.")


def _resumed(
    name: str,
    settings: Settings,
    kb: Path | None,
    docs: Path | None,
    again: ResumeOptions,
    given: dict[str, Any],
    *,
    words: bool,
) -> Answer:
    """Resume a run over the documents that it began with. `given` are new limits."""
    record = asyncio.run(_record(name, settings.memory))
    labels = record.labels
    if kb is None and docs is None:
        kb, docs = (Path(labels[label]) if label in labels else None for label in ("kb", "docs"))
    parts = {"model": record.model, "sub_model": record.sub_model, "sandbox": record.sandbox}
    settings = settings.with_parts(**parts)
    again = replace(again, limits=replace(record.limits, **given))
    with running.source(kb, docs) as documents:
        ranked = reranking.reranked(documents, labels.get("rerank"))
        return asyncio.run(running.resume(ranked, settings, record.run, again, words=words))


async def _record(name: str, url: str) -> RunRecord:
    """Return the record of a run; the name `last` means the latest run without a final answer."""
    from funnel.asker import LOCAL_OWNER
    from funnel.errors import RunUnknown
    from funnel.journal import Journal
    from funnel.journal.listing import runs
    from funnel.memory import open_memory

    memory = open_memory(url)
    try:
        if name != LAST:
            return await Journal(memory, name, asker=LOCAL_OWNER).record()
        known = [listed async for listed in runs(memory, asker=LOCAL_OWNER)]
        open_runs = [
            listed.record
            for listed in known
            if listed.answer is None or not listed.answer.end_reason.is_final
        ]
        if not open_runs:
            reason = "every run in it has an answer" if known else "it holds no run"
            raise RunUnknown(name, memory.url, reason)
        return open_runs[-1]
    finally:
        await memory.close()
