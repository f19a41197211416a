"""`funnel index` and `funnel search`: stage one from the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from funnel.cli import embed, scope, show
from funnel.cli import rerank as reranking
from funnel.cli.errors import one_line
from funnel.cli.options import Principals, Where
from indexes.counting import counted

if TYPE_CHECKING:
    from indexes.loaders import Loading
    from indexes.retrieval.base import ProgressCallback

INDEX_EPILOG = """Examples:

funnel index docs/ --kb kb

funnel index corpus.jsonl notes.md --kb kb --embedder all-MiniLM-L6-v2

funnel embed --kb kb

A second run processes only what changed. A file that was deleted is removed from the collection; one that
cannot be read this time stays as it was."""
SEARCH_EPILOG = """Examples:

funnel search "refund policy" --kb kb

funnel search "lru_cache" --kb kb -k 5 --json

funnel search "refund policy" --kb kb --rerank cross-encoder/ms-marco-MiniLM-L6-v2"""
PROBLEMS_SHOWN = 10
TYPES_SHOWN = 5


def index(
    paths: Annotated[
        list[Path], typer.Argument(help="Files and folders; .jsonl with id, title, text, metadata.")
    ],
    kb: Annotated[Path, typer.Option(help="The collection's directory; created if it does not exist.")],
    embedder: Annotated[
        str | None,
        typer.Option(help="latent (default), a sentence-transformers name or path, or openai:MODEL."),
    ] = None,
    lexical: Annotated[str | None, typer.Option(help="tantivy (default) or rank-bm25.")] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Embed with a pretrained model now, rather than later by funnel embed."),
    ] = False,
    allow_mass_delete: Annotated[
        bool,
        typer.Option(
            "--allow-mass-delete", help="Delete documents even if over 30 % of a path's documents are gone."
        ),
    ] = False,
    shared: Annotated[bool, typer.Option("--shared", help=scope.SHARED_HELP)] = False,
    statistics: Annotated[
        str | None, typer.Option(help=f"{scope.STATISTICS_HELP} Kept in the collection.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what changed as JSON.")] = False,
) -> None:
    """Index files and folders into a collection, or update it from them."""
    with one_line():
        from indexes import Collection
        from indexes.loaders import load

        kept = None if statistics is None else scope.statistics(statistics)
        distinct = list({path.resolve(): path for path in paths}.values())
        with bars() as on_progress:
            loading = load(distinct)
            check(loading, on_progress)
            problems = [str(problem) for problem in loading.problems]
        with Collection.open_or_create(
            kb, embedder=embedder, lexical=lexical, shared=shared, statistics=kept
        ) as collection:
            with bars() as on_progress:
                changes = [
                    collection.sync(
                        load([path]),
                        source=str(path.resolve()),
                        unread=loading.unread,
                        allow_mass_delete=allow_mass_delete,
                        progress=on_progress,
                    )
                    for path in distinct
                ]
            if wait:
                embed.fill(collection)
            status = collection.status()
    report = {
        "added": sum(len(c.added) for c in changes),
        "updated": sum(len(c.updated) for c in changes),
        "deleted": sum(len(c.deleted) for c in changes),
        "unchanged": sum(c.unchanged for c in changes),
        "documents": status.documents,
        "waiting": status.passages - status.embedded,
        "problems": problems,
        "skipped": dict(loading.unknown.most_common()),
    }
    if as_json:
        show.print_json(report)
        return
    for problem in problems[:PROBLEMS_SHOWN]:
        show.ERR.print(f"[yellow]Skipped:[/] {escape(problem)}")
    if len(problems) > PROBLEMS_SHOWN:
        show.ERR.print(f"[yellow]… and {len(problems) - PROBLEMS_SHOWN} more files.[/]")
    if loading.unknown:
        show.ERR.print(f"[yellow]Skipped:[/] {escape(skipped(loading.unknown))}")
    show.OUT.print(
        f"{report['added']} added, {report['updated']} updated, {report['deleted']} deleted, "
        f"{report['unchanged']} unchanged: {escape(str(kb))} holds {status.documents} documents."
    )
    if status.embedded < status.passages:
        show.OUT.print(f"{embed.embedding_progress(status)}: funnel embed --kb {kb}", markup=False)


def skipped(unknown: Counter[str]) -> str:
    """Describe how many files have an unknown type, with their commonest extensions."""
    common = [
        f"{count:,} {suffix or 'without extension'}" for suffix, count in unknown.most_common(TYPES_SHOWN)
    ]
    if (more := len(unknown) - TYPES_SHOWN) > 0:
        common.append(f"{more} more")
    return f"{counted(unknown.total(), 'file')} of unknown type ({', '.join(common)})"


def check(loading: Loading, on_progress: ProgressCallback) -> None:
    """Read everything once, so that invalid input is reported before the collection is changed."""
    for _ in loading:
        on_progress("checking", loading.done, len(loading.files))


def search(
    query: Annotated[str, typer.Argument(help="What to search for.")],
    kb: Annotated[Path, typer.Option(help="The collection's directory.")],
    k: Annotated[int, typer.Option("-k", help="How many documents.", min=1)] = 20,
    where: Where = None,
    principals: Principals = None,
    rerank: Annotated[str | None, typer.Option(metavar="MODEL", help=reranking.HELP)] = None,
    statistics: Annotated[str | None, typer.Option(help=scope.STATISTICS_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the hits as JSON.")] = False,
) -> None:
    """Rank documents, with each retriever's rank and score."""
    with one_line():
        from indexes import Collection

        access, wanted = scope.asker(principals or ()).access, scope.where(where)
        chosen = scope.statistics(statistics)
        with Collection.open(kb) as collection:
            documents = reranking.reranked(collection, rerank).for_asker(access, wanted, statistics=chosen)
            found = documents.search(query, k)
        for note in found.notes:
            show.ERR.print(f"[yellow]{escape(note)}[/]")
        if as_json:
            show.print_json([asdict(hit) for hit in found])
        else:
            show.hits(found)


@contextmanager
def bars() -> Iterator[ProgressCallback]:
    """Show progress bars on stderr, one per stage, for the duration of the block."""
    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    # Without a terminal, a bar would leave an empty line among the errors.
    silent = not show.ERR.is_terminal
    with Progress(*columns, console=show.ERR, transient=True, disable=silent) as progress:

        def on_progress(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done, total=total)

        yield on_progress
