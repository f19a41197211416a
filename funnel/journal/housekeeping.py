"""Removes from a memory what is no longer wanted: runs, or everything derived from a document.

Knows where runs, documents, caches and findings are kept, and little of their content.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from funnel.asker import Asker
from funnel.errors import RunTaken, RunUnknown
from funnel.journal.entries import exposes_everything
from funnel.journal.journal import ENTRY, MOVED, RECORD
from funnel.journal.lease import Lease
from funnel.journal.record import RunRecord
from funnel.llm.daily import PREFIX
from funnel.llm.shares import SHARE
from funnel.memory import layout
from funnel.memory.base import Memory, Namespace
from funnel.memory.swap.copying import keys, namespaces
from funnel.stored import spellings
from funnel.workspace.pages import COMPLETE
from funnel.workspace.workspace import Workspace

_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class Removed:
    """The names of the removed runs, and the numbers of document versions, caches and finding stores."""

    runs: tuple[str, ...] = ()
    documents: int = 0
    caches: int = 0
    learnt: int = 0


async def remove_runs(memory: Memory, runs: Collection[str], *, asker: Asker) -> Removed:
    """Remove these runs of an asker, and the document versions that no other run has.

    The owner of a tenant may remove all its runs, anyone else those that were asked with the same rights.

    A run that begins at the same moment over such a version may find its pages gone and must be asked again.

    Raises: `RunUnknown`; `RunTaken` while a process works on one of them; `MemoryFailed`.
    """
    if "" in runs:
        raise RunUnknown("", memory.url)
    wanted = {layout.run(asker, run) for run in runs}
    for run in runs:
        where = layout.run(asker, run)
        if not (await memory.scan(where, limit=1) and await _may_see(memory, where, asker)):
            raise RunUnknown(run, memory.url)
    async with _held(memory, wanted):
        theirs: set[Namespace] = set()
        others: set[Namespace] = set()
        async for where in namespaces(memory):
            parts = _parts(where)
            if parts[1:2] == ["run"]:
                (theirs if where in wanted else others).update(await _documents(memory, parts))
        for where in wanted:
            await _empty(memory, where)
        for where in theirs - others:
            await _empty(memory, where)
    return Removed(tuple(sorted(runs)), len(theirs - others))


async def remove_runs_before(memory: Memory, moment: datetime, *, asker: Asker) -> Removed:
    """Remove an asker's runs that began before `moment`.

    For the owner, also remove the remains of expired runs and the ledgers of earlier days. Runs that a
    process is working on, and ledgers that it draws on, are kept. Raises: `MemoryFailed`.
    """
    old: list[str] = []
    async for where in namespaces(memory):
        parts = _parts(where)
        if asker.access.everything and _day_before(parts, asker, moment):
            if not await memory.scan(where, SHARE, limit=1):
                await _empty(memory, where)
            continue
        if parts[:2] != [asker.tenant, "run"] or not await _may_see(memory, where, asker):
            continue
        if await _began_before(memory, where, moment):
            try:
                async with _held(memory, [where]):
                    old.append(parts[2])
            except RunTaken:
                continue
    return await remove_runs(memory, old, asker=asker)


async def erase_documents(memory: Memory, ids: Collection[str]) -> Removed:
    """Remove every version of these documents, and all that may hold their text, for all tenants.

    This includes runs that had one of them, mention it, or may have had text of any document, as from a
    caller's own tool; findings about it; and every cache of completions, since completions do not say what
    they were made from.

    Raises: `RunTaken` if a process is working on such a run, and then nothing is changed; `MemoryFailed`.
    """
    named = _naming(ids)
    found: dict[str, list[Namespace]] = {"run": [], "document": [], "cache": [], "learnt": []}
    async for where in namespaces(memory):
        parts = _parts(where)
        kind = parts[1] if len(parts) > 1 else ""
        in_words = kind in {"run", "learnt"} and await _any_value(memory, where, named)
        if in_words or _may_derive_from(parts, ids):
            found[kind].append(where)
    async with _held(memory, found["run"]):
        for spaces in found.values():
            for where in spaces:
                await _empty(memory, where)
    return Removed(
        tuple(sorted(_parts(where)[2] for where in found["run"])),
        len(found["document"]),
        len(found["cache"]),
        len(found["learnt"]),
    )


@asynccontextmanager
async def _held(memory: Memory, runs: Iterable[Namespace]) -> AsyncIterator[None]:
    """Hold the leases of these runs, so that nobody else works on them. Raises: `RunTaken`."""
    leases: list[Lease] = []
    try:
        for where in sorted(runs):
            if await memory.get_many(where, [MOVED]):
                continue  # it has moved to another memory
            lease = Lease(memory, where, _parts(where)[2])
            await lease.take()
            leases.append(lease)
        yield
    finally:
        for lease in leases:
            await lease.release()


async def _began_before(memory: Memory, where: Namespace, moment: datetime) -> bool:
    stored = (await memory.get_many(where, [RECORD])).get(RECORD)
    try:
        return stored is None or datetime.fromisoformat(RunRecord.load(stored).started_at) < moment
    except ValueError:
        return False  # written by a later version: left alone


def _day_before(parts: list[str], asker: Asker, moment: datetime) -> bool:
    """Whether this is a ledger of the asker's tenant for a day before that of `moment`."""
    match parts:
        case [asker.tenant, "ledger", name] if name.startswith(PREFIX):
            return name.removeprefix(PREFIX) < moment.astimezone(UTC).date().isoformat()
    return False


async def _may_see(memory: Memory, where: Namespace, asker: Asker) -> bool:
    """Whether the asker may see a run. Without a readable record only the owner may."""
    if asker.access.everything:
        return True
    stored = (await memory.get_many(where, [RECORD])).get(RECORD)
    try:
        return stored is not None and asker.may_see(RunRecord.load(stored).access)
    except ValueError:
        return False


async def _documents(memory: Memory, parts: list[str]) -> set[Namespace]:
    """Return the namespaces of the document versions that a run has."""
    owner = Asker.owner(parts[0])
    async with Workspace(memory, run=parts[2], asker=owner) as workspace:
        found = await workspace.documents()
    return {layout.document(owner, stored.id, stored.version) for stored in found}


def _may_derive_from(parts: list[str], ids: Collection[str]) -> bool:
    """Whether the name of a namespace says that its content may derive from one of these documents."""
    match parts:
        case [_, "cache", *_] | [_, "learnt", _]:
            return True
        case [_, "document", name, *_] | [_, "learnt", _, name, *_]:
            return name in ids
    return False


def _naming(ids: Iterable[str]) -> Callable[[str, bytes], bool]:
    """Return a test for whether a key or a JSON value names one of these documents, or means any."""
    ids = list(ids)
    quoted = [quoted for name in ids for quoted in spellings(name)]
    documents = {f"document/{name}" for name in ids}

    def test(key: str, value: bytes) -> bool:
        in_words = key in documents or any(name in value for name in quoted)
        return in_words or (key.startswith(ENTRY) and exposes_everything(value))

    return test


async def _any_value(memory: Memory, where: Namespace, wanted: Callable[[str, bytes], bool]) -> bool:
    async for batch in _batches(memory, where):
        found = await memory.get_many(where, batch)
        if any(wanted(key, value) for key, value in found.items()):
            return True
    return False


async def _empty(memory: Memory, where: Namespace) -> None:
    """Delete all keys, the mark of a complete document first, so that nobody reads half of one."""
    await memory.delete_many(where, [COMPLETE])
    async for batch in _batches(memory, where):
        await memory.delete_many(where, batch)


async def _batches(memory: Memory, where: Namespace) -> AsyncIterator[list[str]]:
    batch: list[str] = []
    async for key in keys(memory, where):
        batch.append(key)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _parts(where: Namespace) -> list[str]:
    """Return the parts that a namespace was made from."""
    return [unquote(part, errors="surrogatepass") for part in where.split("/")]
