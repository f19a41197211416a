"""`funnel status`, `verify`, `backup`, `restore`, `erase`, `watch`: a collection looked after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import typer

from funnel.cli import embed, show
from funnel.cli.collection import bars
from funnel.cli.errors import FAILED, one_line

if TYPE_CHECKING:
    from indexes.errors import IndexesError
    from indexes.maintenance.erasure import Proof
    from indexes.maintenance.operations import Standing
    from indexes.maintenance.watch import Synced

STATUS_EPILOG = """Examples:

funnel status --kb kb

funnel status --kb kb --json"""
VERIFY_EPILOG = """Examples:

funnel verify --kb kb

Every text and hash is read, each engine's passages are compared with the catalog's, and a sample is searched
for by its own words. Exit status 1 when something is wrong. Engines are mended on opening; texts are not:
restore a backup, or index again."""
BACKUP_EPILOG = """Examples:

funnel backup kb-2026-11-22.tar.gz --kb kb

A gzip-compressed tar of the catalog, as it stands at one moment: others may write meanwhile. Engines are left
out and built anew when the restored collection is first opened."""
RESTORE_EPILOG = """Examples:

funnel restore kb-2026-11-22.tar.gz --kb kb

Everything is checked before it is put in place, and nothing is ever written over."""
ERASE_EPILOG = """Examples:

funnel erase contracts/old.txt --kb kb --proof

Texts, vectors, engine files, write-ahead logs and free space. --proof then looks for what only these
documents had in every byte of the directory; exit status 1 when anything is found.

The memory of runs holds copies: their pages, runs that had or name them, what was learnt from them, and every
cache of answers are taken out of FUNNEL_MEMORY or --memory, too. Copies elsewhere (other memories, backups,
traces, the file itself, what a memory's disk keeps of deleted values) are yours to remove."""
WATCH_EPILOG = """Examples:

funnel watch docs/ notes.md --kb kb

Stop it with Ctrl-C. A folder that is gone, or that lost over 30 % of its documents at once, takes nothing
out."""

SQLITE = "sqlite:///"
Kb = Annotated[Path, typer.Option(help="The collection's directory.")]
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def status(kb: Kb, as_json: Json = False) -> None:
    """Say how a collection stands: what it holds, its size, its engines, where it is from."""
    with one_line():
        from indexes import Collection
        from indexes.maintenance.operations import describe

        with Collection.open(kb) as collection:
            standing = describe(collection)
    if as_json:
        show.print_json({**asdict(standing), "total_bytes": standing.total_bytes})
        return
    for name, value in _lines(standing):
        show.OUT.print(f"{name:<12} {value}", markup=False)


def verify(kb: Kb, as_json: Json = False) -> None:
    """Check every text, hash and engine; list what is wrong."""
    with one_line():
        from indexes import Collection

        with Collection.open(kb) as collection:
            problems, mended, n_documents = collection.verify(), collection.mended, len(collection)
    if as_json:
        show.print_json({"problems": problems, "mended": mended, "documents": n_documents})
    else:
        for name in mended:
            show.OUT.print(f"Mended on opening: the {name} retriever was damaged or behind.", markup=False)
        for problem in problems:
            show.OUT.print(problem, markup=False)
        if not problems:
            show.OUT.print(f"{kb}: {n_documents} documents, nothing wrong.", markup=False)
    if problems:
        raise typer.Exit(FAILED)


def backup(
    file: Annotated[Path, typer.Argument(help="The file to make, a .tar.gz.")], kb: Kb, as_json: Json = False
) -> None:
    """Put a collection into one file, while others may write to it."""
    with one_line():
        from indexes.maintenance.backup import backup as write

        made = write(kb, file)
    if as_json:
        show.print_json(asdict(made))
    else:
        size = show_bytes(file.stat().st_size)
        show.OUT.print(f"{file}: {made.documents} documents, {size}.", markup=False)


def restore(
    file: Annotated[Path, typer.Argument(help="What funnel backup made.")],
    kb: Annotated[Path, typer.Option(help="The directory to make; it must not be there, or be empty.")],
    as_json: Json = False,
) -> None:
    """Make a collection from a backup."""
    with one_line():
        from indexes.maintenance.backup import restore as read

        made = read(file, kb)
    if as_json:
        show.print_json(asdict(made))
    else:
        show.OUT.print(f"{kb}: {made.documents} documents, as of {made.made}.", markup=False)


def erase(
    ids: Annotated[list[str], typer.Argument(help="Ids of documents, as search shows them.")],
    kb: Kb,
    proof: Annotated[
        bool, typer.Option("--proof", help="Look for traces in every byte of the directory.")
    ] = False,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Take them out of this memory of runs, too.  [default: FUNNEL_MEMORY]"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove documents and every trace of them."""
    with one_line(), bars() as tell:
        from indexes import Collection
        from indexes.maintenance import operations

        with Collection.open(kb) as collection:
            documents = collection.as_owner()
            infos = [info for id_ in ids if (info := documents.info(id_))]
            left = _files(info.uri for info in infos)
            # First, since it changes nothing where a run is at work on them.
            removed = asyncio.run(_out_of_memory(ids, memory)) if len(infos) == len(ids) else None
            if proof:
                proved = operations.erase(collection, ids, progress=tell)
            else:
                proved = None
                collection.erase(ids, progress=tell)
    if as_json:
        proof_as_dict = asdict(proved) if proved else None
        show.print_json({"erased": ids, "proof": proof_as_dict, "files_left": left, "memory": removed})
    else:
        show.OUT.print(f"Erased {len(set(ids))} of {kb}.", markup=False)
        if removed and any(removed[kind] for kind in ("runs", "documents", "caches", "learnt")):
            show.OUT.print(_told_of_memory(removed), markup=False)
        if proved:
            _print_proof(proved)
        for file in left:
            show.ERR.print(f"{file} is still there: the next funnel index would bring it back.", markup=False)
    if proved and proved.traces:
        raise typer.Exit(FAILED)


async def _out_of_memory(ids: list[str], url: str | None) -> dict[str, Any] | None:
    """What was taken out of the memory of runs; None where there is none yet."""
    from funnel.journal.housekeeping import erase_documents
    from funnel.memory import open_memory
    from funnel.settings import Settings

    url = Settings().memory if url is None else url
    if not await asyncio.to_thread(_is_there, url):
        return None
    memory = await asyncio.to_thread(open_memory, url)
    try:
        return {"url": memory.url, **asdict(await erase_documents(memory, ids))}
    finally:
        await memory.close()


def _is_there(url: str) -> bool:
    """A file that is not there yet is not made for this."""
    return not url.startswith(SQLITE) or Path(url.removeprefix(SQLITE)).expanduser().exists()


def _told_of_memory(removed: dict[str, Any]) -> str:
    return (
        f"Out of {removed['url']}: {len(removed['runs'])} runs, {removed['documents']} stored versions, "
        f"{removed['caches']} caches of answers, {removed['learnt']} places of what was learnt."
    )


def watch(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    kb: Annotated[Path, typer.Option(help="The collection's directory; made if it is not there.")],
    poll: Annotated[
        float | None, typer.Option(help="Look every so many seconds, as network folders need.", min=0.1)
    ] = None,
) -> None:
    """Keep a collection in step with files and folders until Ctrl-C."""
    with one_line():
        from indexes import Collection
        from indexes.maintenance.watch import watch as follow

        stop = Event()
        with Collection.open_or_create(kb) as collection:
            show.ERR.print(f"Watching {', '.join(map(str, paths))}; Ctrl-C ends it.", markup=False)
            try:
                follow(collection, paths, _told, stop=stop, poll_s=poll)
            except KeyboardInterrupt:
                show.ERR.print("Stopped watching.")


def show_bytes(size: float) -> str:
    """A size as people say it, in powers of 1,000."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004  # the step between units
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _lines(standing: Standing) -> list[tuple[str, Any]]:
    held = standing.status
    parts = ", ".join(f"{name} {show_bytes(size)}" for name, size in standing.size_bytes.items() if size)
    retrievers = ", ".join(f"{name} {generation}" for name, generation in held.retrievers.items())
    lines = [
        ("documents", f"{held.documents:,}"),
        ("passages", f"{held.passages:,}"),
        ("characters", f"{held.chars:,}"),
        ("size", f"{show_bytes(standing.total_bytes)}: {parts}"),
        ("embedder", embed.standing(held)),
        ("lexical", held.lexical),
        ("generation", f"{held.generation}; engines: {retrievers}"),
        ("last write", held.written or "never"),
    ]
    return [*lines, *(("source", f"{name or '(none)'}: {n:,}") for name, n in held.sources.items())]


def _files(uris: Iterable[str]) -> list[str]:
    """The files behind these URIs that exist."""
    parts = (urlsplit(uri) for uri in uris)
    paths = {url2pathname(part.path) for part in parts if part.scheme == "file"}
    return sorted(path for path in paths if Path(path).is_file())


def _print_proof(proved: Proof) -> None:
    shared = f", {proved.shared} of which other documents have too" if proved.shared else ""
    show.OUT.print(
        f"Looked for {proved.sequences} word sequences and names{shared}, and {proved.terms} search terms, "
        f"in {proved.files} files, {show_bytes(proved.size_bytes)}: "
        f"{len(proved.traces) or 'no'} trace{'' if len(proved.traces) == 1 else 's'}.",
        markup=False,
    )
    for trace in proved.traces:
        show.OUT.print(trace, markup=False)


def _told(path: Path, what: Synced | IndexesError) -> None:
    now = datetime.now().astimezone().strftime("%H:%M:%S")
    if isinstance(what, Exception):
        show.ERR.print(f"{now} {path}: {what}", markup=False)
        return
    changes = what.changes
    show.OUT.print(
        f"{now} {path}: {len(changes.added)} added, {len(changes.updated)} updated, "
        f"{len(changes.deleted)} deleted.",
        markup=False,
    )
    for problem in what.problems:
        show.ERR.print(f"{now} left out: {problem}", markup=False)
