"""What a run paid for and was told, appended as it happens and answered again on a resume; knows no model.

A path is where something happened in the tree of a run: (0, 3, 7, 12) is the 13th element of the 8th host
call of the third turn of the root inspector, and what begins with it is inside. Code that runs again comes to
the same paths in the same order, so a path and a check of what was asked there find the answer of last time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from funnel.errors import RunUnknown
from funnel.journal.lease import Lease
from funnel.journal.record import Record
from funnel.llm.base import Outcome, Place
from funnel.memory.base import Memory, Namespace, namespace

RECORD, ANSWER = "record", "answer"
MOVED = "moved"
"""Where the run went, in the memory that it left."""
_ENTRY = "journal/"
_LOADED = 256


@dataclass(frozen=True, slots=True)
class Kept:
    """What a host call gave: a result, or the error that it raised, and its remarks to the model."""

    result: Any
    error: str | None = None
    remarks: tuple[str, ...] = ()


class Journal:
    """The journal of one run, over any memory. Entries are written in order, those of one moment together.

    `ttl_s`: how long what is written stays. Use as an async context manager: leaving it writes what is left
    and lets others have the run.
    """

    def __init__(
        self, memory: Memory, run: str, *, tenant: str = "local", ttl_s: float | None = None
    ) -> None:
        self._memory = memory
        self._where: Namespace = namespace(tenant, "run", run)
        self._run = run
        self._ttl_s = ttl_s
        self._lease = Lease(memory, self._where, run)
        self._life = 0
        self._written = 0
        self._pending: list[tuple[bytes, asyncio.Future[None] | None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._outcomes: dict[tuple[int, ...], tuple[str, Outcome]] = {}
        self._kept: dict[tuple[int, ...], tuple[str, Kept]] = {}
        self._values: dict[str, Any] = {}
        self.citations: list[list[Any]] = []
        """Citation numbers as they were given, in order: what the shelf writes by `cite`."""
        self.spent: list[Outcome] = []
        """Every call of earlier lives; one that was in flight when its life ended at its worst case."""
        self.diverged = False

    async def begin(self, record: Record) -> None:
        """Start the journal of a new run. Raises: `RunTaken`, `MemoryFailed`."""
        await self._lease.take()
        await self._memory.put_many(self._where, {RECORD: record.dump()}, ttl_s=self._ttl_s)

    async def record(self) -> Record:
        """How the run began. Raises: `RunUnknown` when the memory holds no such run."""
        found = await self._memory.get_many(self._where, [RECORD, MOVED])
        if MOVED in found:
            raise RunUnknown(self._run, self._memory.url, f"it has moved to {json.loads(found[MOVED])}")
        stored = found.get(RECORD)
        if stored is None:
            raise RunUnknown(self._run, self._memory.url)
        try:
            return Record.load(stored)
        except (ValueError, KeyError, TypeError) as error:
            raise RunUnknown(self._run, self._memory.url, f"its record does not read ({error})") from error

    async def resume(self) -> None:
        """Take the run over and read what its earlier lives left.

        Raises: `RunTaken` while another process works on it; `MemoryFailed`.
        """
        await self._lease.take()
        asked: dict[tuple[int, tuple[int, ...]], Outcome] = {}
        after = _ENTRY
        while keys := await self._memory.scan(self._where, _ENTRY, after=after, limit=_LOADED):
            found = await self._memory.get_many(self._where, keys)
            for key in keys:
                self._life = int(key.removeprefix(_ENTRY).partition("/")[0])
                self._take(json.loads(found[key]), asked)
            after = keys[-1]
        self.spent += asked.values()
        self._life += 1

    @property
    def life(self) -> int:
        """How often the run was resumed: 0 in its first life."""
        return self._life

    @property
    def resumed(self) -> bool:
        """Whether the run had an earlier life."""
        return self._life > 0

    def replays(self, path: tuple[int, ...]) -> bool:
        """Whether anything at or after this path is known from an earlier life."""
        return any(at >= path for at in self._outcomes) or any(at >= path for at in self._kept)

    def outcome(self, place: Place) -> Outcome | None:
        """How a call ended that was made here in an earlier life with the same words."""
        if place.path not in self._outcomes:
            return None
        check, outcome = self._outcomes[place.path]
        if check != place.check:
            self._diverge(place.path)
            return None
        return outcome

    async def asked(self, place: Place, worst: Outcome) -> None:
        """A call is about to be made that may take as much as `worst`. Raises: `RunTaken`, `MemoryFailed`."""
        await self._append({"asked": place.path, "worst": worst.as_dict()})

    async def ended(self, place: Place, outcome: Outcome) -> None:
        """It ended so. Once this returns, the call is not made again. Raises: `RunTaken`, `MemoryFailed`."""
        await self._append({"ended": place.path, "check": place.check, "outcome": outcome.as_dict()})

    def kept(self, place: Place) -> Kept | None:
        """What a host call gave here in an earlier life for the same arguments."""
        if place.path not in self._kept:
            return None
        check, kept = self._kept[place.path]
        if check != place.check:
            self._diverge(place.path)
            return None
        return kept

    def keep(self, place: Place, kept: Kept) -> None:
        """Write what a host call gave, before anything that is written later, without waiting for it."""
        given = [kept.result, kept.error, list(kept.remarks)]
        self._enqueue({"kept": place.path, "check": place.check, "given": given}, None)

    def cite(self, number: int, citation: Sequence[Any]) -> None:
        """Write that a number was given to a citation."""
        self._enqueue({"cite": [number, *citation]}, None)

    def value(self, name: str) -> Any:
        """What `set_value` was given in an earlier life; None if nothing."""
        return self._values.get(name)

    def set_value(self, name: str, value: Any) -> None:
        """Write a value of the run as a whole: what stage one found, what the router decided."""
        self._enqueue({"value": name, "is": value}, None)

    async def finish(self, answer: Mapping[str, Any]) -> None:
        """Write the answer, after everything else. Raises: `RunTaken`, `MemoryFailed`."""
        await self._flushed()
        await self._lease.check()
        stored = json.dumps(dict(answer)).encode()
        await self._memory.put_many(self._where, {ANSWER: stored}, ttl_s=self._ttl_s)

    async def answer(self) -> dict[str, Any] | None:
        """The answer, where the run came to one."""
        stored = (await self._memory.get_many(self._where, [ANSWER])).get(ANSWER)
        found: dict[str, Any] | None = None if stored is None else json.loads(stored)
        return found

    async def length(self) -> int:
        """How many entries are written."""
        count, after = 0, _ENTRY
        while keys := await self._memory.scan(self._where, _ENTRY, after=after, limit=_LOADED):
            count, after = count + len(keys), keys[-1]
        return count

    async def close(self) -> None:
        """Write what is left and let go of the run; a second call does nothing."""
        try:
            if self._writer is not None:
                await self._writer
        finally:
            await self._lease.release()

    async def _flushed(self) -> None:
        if self._writer is not None:
            await self._writer
        if self._failure is not None:
            raise self._failure

    async def _append(self, entry: dict[str, Any]) -> None:
        """Write an entry and wait until it is written, with all those before it."""
        if self._failure is not None:
            raise self._failure
        await self._lease.check()
        written = asyncio.get_running_loop().create_future()
        self._enqueue(entry, written)
        await written

    def _enqueue(self, entry: dict[str, Any], written: asyncio.Future[None] | None) -> None:
        self._pending.append((json.dumps(entry).encode(), written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """One batch after another: what came in while one was under way is the next."""
        while self._pending:
            batch, self._pending = self._pending, []
            items = {}
            for entry, _ in batch:
                items[f"{_ENTRY}{self._life:06d}/{self._written:09d}"] = entry
                self._written += 1
            try:
                await self._memory.put_many(self._where, items, ttl_s=self._ttl_s)
            except BaseException as error:  # noqa: BLE001 - whoever waits hears of it, and all who come later
                self._failure = error
            for _, written in batch:
                if written is None or written.done():
                    continue
                if self._failure is None:
                    written.set_result(None)
                else:
                    written.set_exception(self._failure)

    def _take(self, entry: dict[str, Any], asked: dict[tuple[int, tuple[int, ...]], Outcome]) -> None:
        """Put one stored entry where it is looked for; a later one of the same path replaces the earlier."""
        match entry:
            case {"asked": path, "worst": worst}:
                asked[self._life, tuple(path)] = Outcome.from_dict(worst)
            case {"ended": path, "check": check, "outcome": outcome}:
                ended = Outcome.from_dict(outcome)
                self.spent.append(ended)
                asked.pop((self._life, tuple(path)), None)
                self._outcomes[tuple(path)] = (check, ended)
            case {"kept": path, "check": check, "given": [result, error, remarks]}:
                self._kept[tuple(path)] = (check, Kept(result, error, tuple(remarks)))
            case {"cite": citation}:
                self.citations.append(citation)
            case {"value": name, "is": value}:
                self._values[name] = value
            case {"forget": path}:
                self._forget(tuple(path))

    def _diverge(self, path: tuple[int, ...]) -> None:
        """What came at this place or later no longer fits; the run goes on from here as if it were new."""
        self.diverged = True
        self._forget(path)
        self._enqueue({"forget": path}, None)

    def _forget(self, path: tuple[int, ...]) -> None:
        self._outcomes = {at: found for at, found in self._outcomes.items() if at < path}
        self._kept = {at: found for at, found in self._kept.items() if at < path}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()


def check_of(*texts: str) -> str:
    """A short name of what was asked, to tell on a resume whether it is asked again."""
    digest = hashlib.sha256()
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.hexdigest()[:16]
