"""`funnel status`, `verify`, `backup`, `restore`, `erase`, `watch`: maintenance of a collection."""

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

from funnel.cli import embed, scope, show
from funnel.cli.collection import bars
from funnel.cli.errors import FAILED, one_line
from indexes.counting import counted, plural

if TYPE_CHECKING:
    from indexes.errors import IndexesError
    from indexes.maintenance.erasure import Proof
    from indexes.maintenance.operations import StorageStatus
    from indexes.maintenance.watch import SyncResult

STATUS_EPILOG = """Examples:

funnel status --kb kb

funnel status --kb kb --json"""
VERIFY_EPILOG = """Examples:

funnel verify --kb kb

Every text and hash is read, each engine's passages are compared with the catalog's, and a sample of passages
is searched for by its own words. The exit status is 1 if something is wrong. Engines are repaired when the
collection is opened; texts are not: restore a backup, or index again."""
BACKUP_EPILOG = """Examples:

funnel backup kb-2026-11-22.tar.gz --kb kb

A gzip-compressed tar of a snapshot of the catalog; others may write meanwhile. Engines are not included: they
are rebuilt when the restored collection is first opened."""
RESTORE_EPILOG = """Examples:

funnel restore kb-2026-11-22.tar.gz --kb kb

Everything is checked before it is put in place, and nothing is ever overwritten."""
ERASE_EPILOG = """Examples:

funnel erase contracts/old.txt --kb kb --proof

Erases texts, vectors, engine files, write-ahead logs and free space. --proof then searches every byte of the
directory for what only these documents contained; the exit status is 1 if anything is found.

The memory of runs holds copies. Their pages, the runs that had or name them, the findings from them, and
every cache of answers are removed from FUNNEL_MEMORY or --memory, too. You must remove copies elsewhere
(other memories, backups, traces, the file itself, what a memory's disk keeps of deleted values)."""
WATCH_EPILOG = """Examples:

funnel watch docs/ notes.md --kb kb

Ctrl-C or SIGTERM ends it, with exit status 0. If a folder disappears, or loses over 30 % of its documents at
once, nothing is removed from the collection."""

SQLITE = "sqlite:///"
Kb = Annotated[Path, typer.Option(help="The collection's directory.")]
Shared = Annotated[bool, typer.Option("--shared", help=scope.SHARED_HELP)]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def status(kb: Kb, as_json: Json = False) -> None:
    """Describe a collection: its contents, size, engines and sources."""
    with one_line():
        from indexes import Collection
        from indexes.maintenance.operations import describe

        with Collection.open(kb) as collection:
            stored = describe(collection)
    if as_json:
        show.print_json({**asdict(stored), "total_bytes": stored.total_bytes})
        return
    for name, value in _lines(stored):
        show.OUT.print(f"{name:<12} {value}", markup=False)


def verify(kb: Kb, as_json: Json = False) -> None:
    """Check every text, hash and engine; list what is wrong."""
    with one_line():
        from indexes import Collection

        with Collection.open(kb) as collection:
            problems, recovered, n_documents = collection.verify(), collection.recovered, len(collection)
    if as_json:
        show.print_json({"problems": problems, "mended": recovered, "documents": n_documents})
    else:
        for name in recovered:
            show.OUT.print(f"Repaired on opening: the {name} retriever was damaged or behind.", markup=False)
        for problem in problems:
            show.OUT.print(problem, markup=False)
        if not problems:
            show.OUT.print(f"{kb}: {n_documents} documents, nothing wrong.", markup=False)
    if problems:
        raise typer.Exit(FAILED)


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, a .tar.gz.")],
    kb: Kb,
    shared: Shared = False,
    as_json: Json = False,
) -> None:
    """Back up a collection into one file; others may write to the collection meanwhile."""
    with one_line():
        from indexes.maintenance.backup import backup as write

        made = write(kb, file, shared=shared)
    if as_json:
        show.print_json(asdict(made))
    else:
        size = show_bytes(file.stat().st_size)
        show.OUT.print(f"{file}: {made.documents} documents, {size}.", markup=False)


def restore(
    file: Annotated[Path, typer.Argument(help="A file written by funnel backup.")],
    kb: Annotated[Path, typer.Option(help="The directory to create; it must not exist, or be empty.")],
    shared: Shared = False,
    as_json: Json = False,
) -> None:
    """Restore a collection from a backup."""
    with one_line():
        from indexes.maintenance.backup import restore as read

        made = read(file, kb, shared=shared)
    if as_json:
        show.print_json(asdict(made))
    else:
        show.OUT.print(f"{kb}: {made.documents} documents, as of {made.made}.", markup=False)


def erase(
    ids: Annotated[list[str], typer.Argument(help="Ids of documents, as shown by funnel search.")],
    kb: Kb,
    proof: Annotated[
        bool, typer.Option("--proof", help="Search every byte of the directory for traces.")
    ] = False,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Remove them from this memory of runs, too.  [default: FUNNEL_MEMORY]"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove documents and every trace of them."""
    with one_line(), bars() as on_progress:
        from indexes import Collection
        from indexes.maintenance import operations

        with Collection.open(kb) as collection:
            documents = collection.as_owner()
            infos = [info for id_ in ids if (info := documents.info(id_))]
            files_left = _files(info.uri for info in infos)
            # First, because it refuses, before anything is changed, if a run is using the documents.
            removed = asyncio.run(_erase_from_memory(ids, memory)) if len(infos) == len(ids) else None
            if proof:
                proved = operations.erase(collection, ids, progress=on_progress)
            else:
                proved = None
                collection.erase(ids, progress=on_progress)
    if as_json:
        proof_as_dict = asdict(proved) if proved else None
        show.print_json({"erased": ids, "proof": proof_as_dict, "files_left": files_left, "memory": removed})
    else:
        show.OUT.print(f"Erased {len(set(ids))} from {kb}.", markup=False)
        if removed and any(removed[kind] for kind in ("runs", "documents", "caches", "learnt")):
            show.OUT.print(_memory_summary(removed), markup=False)
        if proved:
            _print_proof(proved)
        for file in files_left:
            show.ERR.print(f"{file} is still there: the next funnel index would bring it back.", markup=False)
    if proved and proved.traces:
        raise typer.Exit(FAILED)


async def _erase_from_memory(ids: list[str], url: str | None) -> dict[str, Any] | None:
    """Erase documents from the memory of runs; return what was removed, or None if there is no memory yet."""
    from funnel.journal.housekeeping import erase_documents
    from funnel.memory import open_memory
    from funnel.settings import Settings

    url = Settings().memory if url is None else url
    if not await asyncio.to_thread(_may_exist, url):
        return None
    memory = await asyncio.to_thread(open_memory, url)
    try:
        return {"url": memory.url, **asdict(await erase_documents(memory, ids))}
    finally:
        await memory.close()


def _may_exist(url: str) -> bool:
    """Return True if a memory may exist at the URL. A missing SQLite file must not be created for this."""
    return not url.startswith(SQLITE) or Path(url.removeprefix(SQLITE)).expanduser().exists()


def _memory_summary(removed: dict[str, Any]) -> str:
    caches, findings = counted(removed["caches"], "cache"), counted(removed["learnt"], "set")
    return (
        f"Removed from {removed['url']}: {counted(len(removed['runs']), 'run')}, "
        f"{counted(removed['documents'], 'stored version')}, {caches} of answers, {findings} of findings."
    )


def watch(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    kb: Annotated[Path, typer.Option(help="The collection's directory; created if it does not exist.")],
    poll: Annotated[
        float | None, typer.Option(help="Poll every this many seconds, which network folders need.", min=0.1)
    ] = None,
    shared: Shared = False,
) -> None:
    """Keep a collection in step with files and folders until Ctrl-C."""
    with one_line():
        from indexes import Collection
        from indexes.maintenance.watch import watch as follow

        stop = Event()
        with Collection.open_or_create(kb, shared=shared) as collection:
            show.ERR.print(f"Watching {', '.join(map(str, paths))}; Ctrl-C ends it.", markup=False)
            try:
                follow(collection, paths, _print_sync, stop=stop, poll_s=poll)
            except KeyboardInterrupt:
                show.ERR.print("Stopped watching.")


def show_bytes(size: float) -> str:
    """Format a size in bytes, kB, MB or GB, in powers of 1,000."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004  # the step between units
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _lines(stored: StorageStatus) -> list[tuple[str, Any]]:
    counts = stored.status
    parts = ", ".join(f"{name} {show_bytes(size)}" for name, size in stored.size_bytes.items() if size)
    retrievers = ", ".join(f"{name} {generation}" for name, generation in counts.retrievers.items())
    lines = [
        ("documents", f"{counts.documents:,}"),
        ("passages", f"{counts.passages:,}"),
        ("characters", f"{counts.chars:,}"),
        ("size", f"{show_bytes(stored.total_bytes)}: {parts}"),
        ("embedder", embed.embedding_progress(counts)),
        ("lexical", counts.lexical),
        ("generation", f"{counts.generation}; engines: {retrievers}"),
        ("last write", counts.written or "never"),
    ]
    return [*lines, *(("source", f"{name or '(none)'}: {n:,}") for name, n in counts.sources.items())]


def _files(uris: Iterable[str]) -> list[str]:
    """Return the existing files that these URIs name."""
    parts = (urlsplit(uri) for uri in uris)
    paths = {url2pathname(part.path) for part in parts if part.scheme == "file"}
    return sorted(path for path in paths if Path(path).is_file())


def _print_proof(proved: Proof) -> None:
    shared = f", {proved.shared} of which other documents contain too" if proved.shared else ""
    show.OUT.print(
        f"Searched for {proved.sequences} word sequences and names{shared}, and {proved.terms} search terms, "
        f"in {proved.files} files, {show_bytes(proved.size_bytes)}: "
        f"{len(proved.traces) or 'no'} {plural(len(proved.traces), 'trace')}.",
        markup=False,
    )
    for trace in proved.traces:
        show.OUT.print(trace, markup=False)


def _print_sync(path: Path, what: SyncResult | IndexesError) -> None:
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
        show.ERR.print(f"{now} skipped: {problem}", markup=False)
