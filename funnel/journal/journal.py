"""A run's journal: the results that it paid for, appended as they come and replayed on a resume.

Knows no model. A path says where something happened in the tree of a run: (0, 3, 7, 12) is the 13th element
of the 8th host call in the third turn of the root inspector, and longer paths with that prefix lie inside it.
Code that runs again reaches the same paths in the same order, so a path and a fingerprint of the request
identify the earlier result.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from funnel.answers import ANSWERS
from funnel.asker import Asker
from funnel.errors import MemoryFailed, RunLost, RunTaken, RunUnknown
from funnel.journal import entries
from funnel.journal.entries import (
    CallAsked,
    CallEnded,
    CallPutOff,
    CitationNumbered,
    Entry,
    Forgotten,
    HostCallEnded,
    Kept,
    TextExposed,
    ValueSet,
)
from funnel.journal.lease import Lease
from funnel.journal.long_strings import TEXT, LongStrings
from funnel.journal.record import RunRecord
from funnel.llm.base import Outcome, StepId
from funnel.memory import layout
from funnel.memory.base import Memory, Namespace
from funnel.stored import Stored
from funnel.types import Answer, Citation, EndReason

T = TypeVar("T")

RECORD, ANSWER = "record", "answer"
MOVED = "moved"
"""The key of the URL that the run moved to, in the memory that it left."""
ENTRY = "journal/"
"""What the keys of entries begin with."""
_LOADED = 256
_FOLDED_BYTES = 2_048
"""A result that is smaller is stored as it is."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A result of an earlier attempt, with the fingerprint of its request."""

    attempt: int
    fingerprint: str
    value: Any


class Journal:
    """The journal of one run, over any memory. Entries are written in order and in batches.

    After the memory has failed nothing more is written until the journal is closed. Then one more attempt is
    made, so that what was paid for meanwhile is not paid for again if the memory has come back.

    `ttl_s`: how long entries are kept. Use as an async context manager: leaving it writes what is pending and
    releases the run.

    Raises: `RunUnknown` for an empty name.
    """

    def __init__(self, memory: Memory, run: str, *, asker: Asker, ttl_s: float | None = None) -> None:
        if not run:
            raise RunUnknown(run, memory.url)
        self._memory = memory
        self._where: Namespace = layout.run(asker, run)
        self._asker = asker
        self._run = run
        self._ttl_s = ttl_s
        self._lease = Lease(memory, self._where, run)
        self._attempt = 0
        self._record: RunRecord | None = None
        self._written = 0
        self._pending: list[tuple[bytes, asyncio.Future[None] | None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._outcomes: dict[tuple[int, ...], _Known] = {}
        self._kept: dict[tuple[int, ...], _Known] = {}
        self._values: dict[str, Any] = {}
        self._strings = LongStrings()
        self._stored_bytes = 0
        self._count: Callable[[int], None] | None = None
        self.citations: dict[int, Citation] = {}
        """The citations of earlier attempts, by the numbers that they were given."""
        self.exposed: list[str] = []
        """The documents whose text the run saw, as `expose` was called with them."""
        self.all_exposed = False
        """Whether the run may have seen text of every document that its asker may read."""
        self.spent: list[Outcome] = []
        """Every call of earlier attempts; one that was in flight at the end counts at its worst case."""
        self.diverged = False

    async def begin(self, record: RunRecord) -> None:
        """Start the journal of a new run. Raises: `RunTaken`, `MemoryFailed`."""
        self._attempt = await self._lease.take()
        self._record = record
        await self._memory.put_many(self._where, {RECORD: record.dump()}, ttl_s=self._ttl_s)

    async def record(self) -> RunRecord:
        """Return the run's record. Raises: `RunUnknown` if there is none that the asker may see."""
        found = await self._memory.get_many(self._where, [RECORD, MOVED])
        if MOVED in found:
            raise RunUnknown(self._run, self._memory.url, f"it has moved to {json.loads(found[MOVED])}")
        stored = found.get(RECORD)
        if stored is None:
            raise RunUnknown(self._run, self._memory.url)
        try:
            record = RunRecord.load(stored)
        except ValueError as error:
            raise RunUnknown(self._run, self._memory.url, f"its record cannot be read ({error})") from error
        if not self._asker.may_see(record.access):
            raise RunUnknown(self._run, self._memory.url)
        self._record = record
        return record

    async def resume(self) -> None:
        """Take over the run and read the entries of its earlier attempts.

        Raises: `RunTaken` if another process is working on it; `RunUnknown` if an entry cannot be read;
        `MemoryFailed`.
        """
        self._attempt = await self._lease.take()
        await self.look()

    async def look(self) -> None:
        """Read what the run's attempts kept, without taking the run over.

        Raises: `RunUnknown` if an entry cannot be read; `MemoryFailed`.
        """
        await self._load_entries()
        await self._load_texts()
        # Results of an earlier version, which kept no such record, may hold any text.
        self.all_exposed |= bool(self._kept) and not self.exposed

    async def model_calls(self) -> int:
        """Return how many calls the run's attempts so far are booked for, as a resume counts them.

        Needs no lease, so it also tells of a run that a process is working on. Raises: `RunUnknown` if an
        entry cannot be read; `MemoryFailed`.
        """
        reader = Journal(self._memory, self._run, asker=self._asker)
        await reader._load_entries()
        return sum(outcome.calls for outcome in reader.spent if not outcome.cached)

    async def _load_entries(self) -> None:
        asked: dict[tuple[int, tuple[int, ...]], Outcome] = {}
        after = ENTRY
        while keys := await self._memory.scan(self._where, ENTRY, after=after, limit=_LOADED):
            found = await self._memory.get_many(self._where, keys)
            for key in keys:
                if (stored := found.get(key)) is None:
                    continue  # removed meanwhile, with its run
                self._counted(len(stored))
                attempt = int(key.removeprefix(ENTRY).partition("/")[0])
                try:
                    entry = entries.load(stored)
                except ValueError as error:
                    reason = f"its entry {key} cannot be read ({error})"
                    raise RunUnknown(self._run, self._memory.url, reason) from error
                self._take(entry, attempt, asked)
            after = keys[-1]
        self.spent += asked.values()

    async def _load_texts(self) -> None:
        after = TEXT
        while keys := await self._memory.scan(self._where, TEXT, after=after, limit=_LOADED):
            found = await self._memory.get_many(self._where, keys)
            for key in keys:
                self._counted(len(found[key]))
                self._strings.load(key, found[key])
            after = keys[-1]

    def count_with(self, count: Callable[[int], None]) -> None:
        """Call `count` with the bytes stored so far, in earlier attempts too, and with all later ones."""
        self._count = count
        count(self._stored_bytes)

    def _counted(self, n_bytes: int) -> None:
        self._stored_bytes += n_bytes
        if self._count is not None:
            self._count(n_bytes)

    @property
    def attempt(self) -> int:
        """The number of times that the run was resumed: 0 in its first attempt."""
        return self._attempt

    @property
    def resumed(self) -> bool:
        """Whether the run had an earlier attempt."""
        return self._attempt > 0

    def entered(self, path: tuple[int, ...]) -> bool:
        """Whether an earlier attempt did anything inside this path."""
        n = len(path)
        return any(at[:n] == path for known in (self._outcomes, self._kept) for at in known)

    def went_on(self, path: tuple[int, ...]) -> bool:
        """Whether an earlier attempt did anything after this path, and so took note of its result."""
        n = len(path)
        return any(
            at > path and at[:n] != path and at[0] == path[0]
            for known in (self._outcomes, self._kept)
            for at in known
        )

    def outcome(self, place: StepId) -> Outcome | None:
        """Return how the same call ended at this step in an earlier attempt; None if it did not."""
        found: Outcome | None = self._found(self._outcomes, place)
        return found

    async def asked(self, place: StepId, worst: Outcome) -> None:
        """Record that a call of at most `worst` is about to be made.

        Raises: `RunTaken`, `RunLost`, `MemoryFailed`.
        """
        self._check()
        await self._append(CallAsked(place.path, worst))

    def asked_again(self, place: StepId, worst: Outcome) -> None:
        """Record that the call is about to be repeated, and may cost as much again."""
        self._enqueue(CallAsked(place.path, worst), None)

    def put_off(self, place: StepId, spent: Outcome) -> None:
        """Record that the call waits and is not under way, and what was booked for it so far."""
        self._enqueue(CallPutOff(place.path, spent), None)

    async def ended(self, place: StepId, outcome: Outcome) -> None:
        """Record how a call ended, so that no resume repeats it.

        Raises: `RunTaken`, `RunLost`, `MemoryFailed`.
        """
        await self._append(CallEnded(place.path, place.fingerprint, outcome))

    def kept(self, place: StepId) -> Kept | None:
        """Return the result of the same host call at this step in an earlier attempt; None if there is none.

        A failure that nothing followed is not returned, since its cause, such as a limit, may be gone.
        """
        found: Kept | None = self._found(self._kept, place)
        if found is None or (found.failed and not self.went_on(place.path)):
            return None
        return replace(found, result=self._strings.unfold(found.result)) if found.folded else found

    def keep(self, place: StepId, kept: Kept, *, at_most: int | None = None) -> bool:
        """Append the result of a host call, in order, without waiting until it is written.

        `at_most`: the bytes that it may take. Returns: whether it was appended.
        """
        stored = entries.dump(HostCallEnded(place.path, place.fingerprint, kept))
        new: dict[str, bytes] = {}
        if len(stored) > _FOLDED_BYTES:
            result, new = self._strings.fold(kept.result)
            kept = replace(kept, result=result, folded=True)
            stored = entries.dump(HostCallEnded(place.path, place.fingerprint, kept))
        size = len(stored) + sum(map(len, new.values()))
        if at_most is not None and size > at_most:
            self._strings.forget(new)
            return False
        self._strings.pending |= new
        self._counted(size - len(stored))
        self._append_bytes(stored, None)
        return True

    def cite(self, number: int, citation: Citation) -> None:
        """Record which number a citation was given."""
        self._enqueue(CitationNumbered(number, citation), None)

    def expose(self, ids: Iterable[str], *, everything: bool) -> None:
        """Record, before the next entry, that the run saw text of these documents, or perhaps of any.

        This alone causes no write, since only later entries can rest on these texts.
        """
        new = list(ids)
        self.exposed += new
        self.all_exposed |= everything
        stored = entries.dump(TextExposed(new, everything))
        self._counted(len(stored))
        self._pending.append((stored, None))

    def value(self, name: str) -> Any:
        """Return what an earlier attempt passed to `set_value`; None if nothing."""
        return self._values.get(name)

    def values_under(self, prefix: str) -> list[str]:
        """Return the names of the values of earlier attempts that begin with a prefix."""
        return [name for name in self._values if name.startswith(prefix)]

    def value_of(self, name: str, stored: Stored[T]) -> T | None:
        """Return a value as its type. Raises: `RunUnknown` if it cannot be read."""
        plain = self._values.get(name)
        try:
            return None if plain is None else stored.of(plain)
        except ValueError as error:
            reason = f"its {name} cannot be read ({error})"
            raise RunUnknown(self._run, self._memory.url, reason) from error

    def set_value(self, name: str, value: Any) -> None:
        """Record a value of the run as a whole, such as the hits or the router's decision."""
        self._enqueue(ValueSet(name, value), None)

    async def flush(self) -> None:
        """Wait until everything is written. Raises: `RunTaken`, `RunLost`, `MemoryFailed`."""
        if self._pending:
            self._start_writing()
        # Shielded: the caller may be cancelled, and what is pending is still written.
        if self._writer is not None:
            await asyncio.shield(self._writer)
        self._check()

    async def finish(self, answer: Answer) -> None:
        """Write the answer, after everything else; nothing if the memory no longer holds the run.

        Without what came before it, the answer would promise a resume that pays for everything again.

        Raises: `RunTaken`, `MemoryFailed`.
        """
        try:
            await self.flush()
            await self._lease.check(anew=True)
        except RunLost:
            return
        items = {ANSWER: ANSWERS.dump(answer), **self._ended(answer.end_reason)}
        await self._memory.put_many(self._where, items, ttl_s=self._ttl_s)

    async def stop(self, end_reason: EndReason) -> None:
        """Record why the run ends without an answer; a failure to write is ignored.

        Nothing is recorded in a memory that was emptied: a record alone would promise a resume.
        """
        with contextlib.suppress(RunTaken, RunLost, MemoryFailed):
            await self.flush()
            await self._lease.check(anew=True)
            await self._memory.put_many(self._where, self._ended(end_reason), ttl_s=self._ttl_s)

    def _ended(self, end_reason: EndReason) -> dict[str, bytes]:
        """Return the run's record with its end reason, by key; nothing if the record is not known."""
        if self._record is None:
            return {}
        self._record = replace(self._record, end_reason=end_reason)
        return {RECORD: self._record.dump()}

    async def answer(self) -> Answer | None:
        """Return the run's answer, or None if there is none yet.

        Raises: `RunUnknown` if it cannot be read; `MemoryFailed`.
        """
        stored = (await self._memory.get_many(self._where, [ANSWER])).get(ANSWER)
        try:
            return None if stored is None else ANSWERS.load(stored)
        except ValueError as error:
            raise RunUnknown(self._run, self._memory.url, f"its answer cannot be read ({error})") from error

    async def length(self) -> int:
        """Return how many entries are written."""
        count, after = 0, ENTRY
        while keys := await self._memory.scan(self._where, ENTRY, after=after, limit=_LOADED):
            count, after = count + len(keys), keys[-1]
        return count

    async def close(self) -> None:
        """Write what is pending and release the run; a second call does nothing."""
        try:
            if self._writer is not None:
                await asyncio.shield(self._writer)
            if self._pending and isinstance(self._failure, MemoryFailed):
                with contextlib.suppress(MemoryFailed, RunTaken, RunLost):
                    await self._put(len(self._pending))
        finally:
            await self._lease.release()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _append(self, entry: Entry) -> None:
        """Write an entry, and wait until it and all those before it are written."""
        written = asyncio.get_running_loop().create_future()
        self._enqueue(entry, written)
        await written

    def _enqueue(self, entry: Entry, written: asyncio.Future[None] | None) -> None:
        self._append_bytes(entries.dump(entry), written)

    def _append_bytes(self, stored: bytes, written: asyncio.Future[None] | None) -> None:
        self._counted(len(stored))
        self._pending.append((stored, written))
        if self._failure is not None:
            self._settle([written])
        else:
            self._start_writing()

    def _start_writing(self) -> None:
        if self._failure is None and (self._writer is None or self._writer.done()):
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """Write one batch after another; what arrives during a write goes into the next."""
        while self._pending and self._failure is None:
            waiting = [written for _, written in self._pending]
            try:
                await self._put(len(waiting))
            except BaseException as error:  # noqa: BLE001 - raised to all who wait now or later
                self._failure = error
                waiting = [written for _, written in self._pending]
            self._settle(waiting)

    async def _put(self, n: int) -> None:
        """Write the first `n` that are pending. Raises: `RunTaken`, `RunLost`, `MemoryFailed`."""
        await self._lease.check()
        items = {
            f"{ENTRY}{self._attempt:06d}/{number:09d}": entry
            for number, (entry, _) in enumerate(self._pending[:n], start=self._written)
        }
        texts = self._strings.take_pending()
        try:
            await self._memory.put_many(self._where, items | texts, ttl_s=self._ttl_s)
        except BaseException:
            self._strings.pending |= texts
            raise
        self._written += n
        del self._pending[:n]

    def _settle(self, waiting: Sequence[asyncio.Future[None] | None]) -> None:
        for written in waiting:
            if written is None or written.done():
                continue
            if self._failure is None:
                written.set_result(None)
            else:
                written.set_exception(self._failure)

    def _take(
        self, entry: Entry | None, attempt: int, asked: dict[tuple[int, tuple[int, ...]], Outcome]
    ) -> None:
        """Add one stored entry to the indexes of this journal; a later entry replaces an earlier one."""
        match entry:
            case CallAsked(path, worst):
                call = attempt, path
                asked[call] = worst if call not in asked else _both(asked[call], worst)
            case CallPutOff(path, spent):
                if spent.calls:
                    asked[attempt, path] = spent
                else:
                    asked.pop((attempt, path), None)
            case CallEnded(path, fingerprint, outcome):
                self.spent.append(outcome)
                asked.pop((attempt, path), None)
                self._outcomes[path] = _Known(attempt, fingerprint, outcome)
            case HostCallEnded(path, fingerprint, kept):
                self._kept[path] = _Known(attempt, fingerprint, kept)
            case CitationNumbered(number, citation):
                self.citations[number] = citation
            case TextExposed(ids, everything):
                self.exposed += ids
                self.all_exposed |= everything
            case ValueSet(name, value):
                self._values[name] = value
            case Forgotten(path):
                # Only the results of attempts before the one that wrote this entry are dropped.
                self._forget(path, before=attempt)

    def _found(self, known: Mapping[tuple[int, ...], _Known], place: StepId) -> Any:
        found = known.get(place.path)
        if found is None or found.fingerprint == place.fingerprint:
            return None if found is None else found.value
        self._diverge(place.path)
        return None

    def _diverge(self, path: tuple[int, ...]) -> None:
        """Drop the results that no longer fit, from this path on; from here the run goes on as if new."""
        self.diverged = True
        self._forget(path, before=self._attempt)
        self._enqueue(Forgotten(path), None)

    def _forget(self, path: tuple[int, ...], *, before: int) -> None:
        """Drop what attempts before number `before` recorded at this path or later."""
        for known in (self._outcomes, self._kept):
            for at in [at for at, found in known.items() if at >= path and found.attempt < before]:
                del known[at]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()


def _both(first: Outcome, second: Outcome) -> Outcome:
    """Return the sum of two attempts at one call, neither of which is known to have ended."""
    costs = first.cost_usd, second.cost_usd
    return Outcome(
        None,
        input_tokens=first.input_tokens + second.input_tokens,
        output_tokens=first.output_tokens + second.output_tokens,
        cost_usd=None if None in costs else math.fsum(cost or 0.0 for cost in costs),
        calls=first.calls + second.calls,
    )
