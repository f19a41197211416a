"""`funnel memory`: lists, copies, compares and swaps memories of runs; knows no backend."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import typer
from rich.markup import escape
from rich.table import Table

from funnel.asker import LOCAL_OWNER
from funnel.cli import show
from funnel.cli.errors import FAILED, one_line
from funnel.errors import BadSetting
from indexes.counting import counted

if TYPE_CHECKING:
    from funnel.journal.housekeeping import Removed
    from funnel.memory.base import Memory
    from funnel.memory.swap.copying import Copied, Difference

EPILOG = """Examples:

funnel memory ls

funnel memory show 20261122-180244-7bf81d

funnel memory copy sqlite:///memory.sqlite postgresql://localhost/funnel

funnel memory verify sqlite:///memory.sqlite postgresql://localhost/funnel

funnel memory swap 20261122-180244-7bf81d redis://localhost:6379/0

funnel memory rm --older-than 30"""
MEMORY_HELP = "The memory of the run.  [default: FUNNEL_MEMORY, or a file in the state directory]"
QUESTION_CHARS = 60

app = typer.Typer(no_args_is_help=True, add_completion=False)
MemoryOption = Annotated[str | None, typer.Option(metavar="URL", help=MEMORY_HELP)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def ls(memory: MemoryOption = None, as_json: JsonOption = False) -> None:
    """List the runs in a memory, and how much else it holds."""
    with one_line():
        found = asyncio.run(_listed(memory))
        if as_json:
            show.print_json(found)
            return
        table = Table("run", "status", "calls", "question", box=None)
        for run in found["runs"]:
            calls = "?" if run["model_calls"] is None else str(run["model_calls"])
            table.add_row(run["run"], run["status"], calls, escape(run["question"][:QUESTION_CHARS]))
        show.OUT.print(table)
        show.OUT.print(f"[dim]{escape(found['url'])}: {_holds(found['holds'])}[/]")


@app.command(name="show")
def show_run(
    run: Annotated[str, typer.Argument(help="The name of a run.")],
    memory: MemoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a run's question, notes, documents and progress."""
    with one_line():
        found = asyncio.run(_shown(run, memory))
        if as_json:
            show.print_json(found)
            return
        show.OUT.print(f"[bold]{escape(found['question'])}[/]")
        show.OUT.print(f"{found['status']}, begun {found['started_at']}, {escape(found['model'])}")
        for key, text in found["notes"].items():
            show.OUT.print(f"[cyan]note {escape(key)}[/] {escape(text)}")
        show.OUT.print(f"[dim]{len(found['documents'])} documents, {found['entries']} journal entries[/]")


@app.command()
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The URL of a memory.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The URL of a memory with none of these keys.")],
    as_json: JsonOption = False,
) -> None:
    """Copy everything in one memory into another, and read it back to compare."""
    with one_line():
        with show.ERR.status("copying") as line:
            copied = asyncio.run(_copied(source, target, line.update))
        if as_json:
            show.print_json({"keys": copied.keys, "bytes": copied.n_bytes})
        else:
            show.OUT.print(f"{copied.keys:,} keys, {copied.n_bytes:,} bytes; read back and the same.")


@app.command()
def verify(
    one: Annotated[str, typer.Argument(metavar="A", help="The URL of a memory.")],
    other: Annotated[str, typer.Argument(metavar="B", help="The URL of another.")],
    as_json: JsonOption = False,
) -> None:
    """Compare two memories, key by key and by checksums; exit status 1 if they differ."""
    with one_line():
        with show.ERR.status("comparing"):
            found = asyncio.run(_compared(one, other))
        if as_json:
            kinds = {"missing": found.missing, "extra": found.extra, "other": found.other}
            show.print_json({"same": found.none, "keys": found.keys, **kinds})
        else:
            show.OUT.print(escape(f"{found}."))
        if not found.none:
            raise typer.Exit(FAILED)


@app.command()
def swap(
    run: Annotated[str, typer.Argument(help="The name of a run in progress.")],
    url: Annotated[str, typer.Argument(help="The memory that it should use from now on.")],
    memory: MemoryOption = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the run's reply.")] = 600.0,
) -> None:
    """Change the memory of a run in progress in another process, without stopping it."""
    with one_line():
        with show.ERR.status("the run is copying"):
            now = asyncio.run(_swapped(run, url, memory, timeout_s=timeout))
        show.OUT.print(f"{escape(run)} now uses {escape(now)}.")


@app.command()
def rm(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Names of runs.")] = None,
    older_than: Annotated[
        float | None,
        typer.Option(metavar="DAYS", min=0, help="Every run that began at least this many days ago."),
    ] = None,
    memory: MemoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove runs, and the documents that only they had. A run that a process is working on is kept."""
    with one_line():
        if bool(runs) == (older_than is not None):
            raise BadSetting("RUN or --older-than", "name exactly one: runs, or an age in days.")
        removed = asyncio.run(_removed(runs or [], older_than, memory))
        if as_json:
            show.print_json({"runs": list(removed.runs), "documents": removed.documents})
        else:
            versions = counted(removed.documents, "document version")
            show.OUT.print(
                f"Removed {counted(len(removed.runs), 'run')} and {versions} that no other run had."
            )


@asynccontextmanager
async def _opened(*urls: str | None) -> AsyncIterator[list[Memory]]:
    """Open the memories at these URLs; None means the one in the settings."""
    from funnel.memory import open_memory
    from funnel.settings import Settings

    async with AsyncExitStack() as stack:
        memories = []
        for url in urls:
            memory = open_memory(Settings().memory if url is None else url)
            stack.push_async_callback(memory.close)
            memories.append(memory)
        yield memories


async def _listed(url: str | None) -> dict[str, Any]:
    from funnel.journal.listing import runs
    from funnel.memory.swap.copying import namespaces

    async with _opened(url) as (memory,):
        found = [
            {
                "run": listed.record.run,
                "question": listed.record.question,
                "started_at": listed.record.started_at,
                "end_reason": listed.record.end_reason,
                "status": "unfinished" if listed.answer is None else listed.answer.status,
                "model_calls": listed.model_calls,
            }
            async for listed in runs(memory, asker=LOCAL_OWNER)
        ]
        holds = Counter([_kind(where) async for where in namespaces(memory)])
        return {"url": memory.url, "runs": found, "holds": dict(holds)}


async def _shown(run: str, url: str | None) -> dict[str, Any]:
    from funnel.journal import Journal
    from funnel.workspace.workspace import Workspace

    async with _opened(url) as (memory,):
        journal = Journal(memory, run, asker=LOCAL_OWNER)
        record, answer = await journal.record(), await journal.answer()
        async with Workspace(memory, run=run, asker=LOCAL_OWNER) as workspace:
            documents = [
                {"id": stored.id, "version": stored.version, "n_chars": stored.n_chars}
                for stored in await workspace.documents()
            ]
            return {
                **json.loads(record.dump()),
                "status": "unfinished" if answer is None else answer.status,
                "answer": None if answer is None else answer.as_dict(),
                "notes": await workspace.notes(),
                "documents": documents,
                "entries": await journal.length(),
            }


async def _copied(source: str, target: str, on_progress: Any) -> Copied:
    from funnel.memory.swap.copying import copy_all

    async with _opened(source, target) as (ours, theirs):
        return await copy_all(
            ours, theirs, on_progress=lambda done: on_progress(f"{done.keys:,} keys, {done.n_bytes:,} bytes")
        )


async def _compared(one: str, other: str) -> Difference:
    from funnel.memory.swap.copying import compare

    async with _opened(one, other) as (ours, theirs):
        return await compare(ours, theirs)


async def _swapped(run: str, url: str, memory: str | None, *, timeout_s: float) -> str:
    from funnel.journal.swapping import request_swap

    async with _opened(memory) as (source,):
        return await request_swap(source, run, url, asker=LOCAL_OWNER, timeout_s=timeout_s)


async def _removed(runs: list[str], older_than: float | None, url: str | None) -> Removed:
    from funnel.journal import housekeeping

    async with _opened(url) as (memory,):
        if older_than is None:
            return await housekeeping.remove_runs(memory, runs, asker=LOCAL_OWNER)
        moment = datetime.now(UTC) - timedelta(days=older_than)
        return await housekeeping.remove_runs_before(memory, moment, asker=LOCAL_OWNER)


def _kind(where: str) -> str:
    """Return the kind of data in a namespace, which is its second part."""
    parts = where.split("/")
    return unquote(parts[1]) if len(parts) > 1 else parts[0]


def _holds(holds: dict[str, int]) -> str:
    names = {"run": "runs", "document": "document versions", "cache": "caches", "learnt": "learnt from"}
    return ", ".join(f"{count:,} {names.get(kind, kind)}" for kind, count in sorted(holds.items())) or "empty"
