"""Writes batches of objects, all or none; knows objects and records, no keys and no clock of its own.

S3 has no transactions, but it has conditional writes. A batch writes each object with its old value, its new
value and the name of the batch. Then one small object, which must not exist before, says whether the batch is
committed: its verdict. Readers take the old values before that and the new ones afterwards. Then each object
is written again with the new value alone, and the verdict is deleted. So reading an object costs one request,
and one more for the verdict if the object is undecided. The idea is that of Percolator (Peng and Dabek,
2010).

If two batches meet, the older aborts the younger, which begins again; the younger waits for the older. So no
two wait for each other. A batch whose writer has been silent for a minute is aborted by any process that
meets it. Commit and abort write the same object under the same condition, so only one succeeds. A committed
batch that was never cleared is cleared when the memory is opened an hour later.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Coroutine, Iterable, Mapping
from secrets import token_bytes
from typing import Any

from funnel.backoff import pauses
from funnel.errors import MemoryFailed
from funnel.memory.backends.s3.bucket import Bucket, FoundObject
from funnel.memory.backends.s3.records import ObjectRecord, decoded
from funnel.memory.backends.value import Value

_COMMITTED, _ABORTED = b"committed", b"aborted"
_PATIENCE_S = 60.0
_LEFT_BEHIND_S = 3600.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5
_REMEMBERED = 1024
_UNCLEARED = 4
_TRIES = 20
_CLOSE_S = 5.0


class Batches:
    """The batches of one memory, whose verdicts are under `folder`. Every method raises `MemoryFailed`."""

    def __init__(self, bucket: Bucket, folder: str) -> None:
        self._bucket = bucket
        self._folder = folder
        self._verdicts: OrderedDict[bytes, bool] = OrderedDict()
        self._clearing: set[asyncio.Task[None]] = set()

    async def read(self, name: str) -> Value | None:
        """Return the value that an object holds now."""
        found = await self._bucket.get(name)
        while found is not None:
            record = self.record(name, found)
            if record.batch is None:
                return record.new
            committed = await self._committed(record.batch)
            if committed is not None:
                if found.age_s > _PATIENCE_S:
                    self.spawn(self._settle_one(record.batch, name))
                return record.new if committed else record.old
            again = await self._bucket.get(name)
            # If it is another one now, the batch was decided and cleared between the two requests.
            if again is not None and again.etag == found.etag:
                if again.age_s > _PATIENCE_S:
                    await self._decide(record.batch, _ABORTED)
                    continue
                return record.old
            found = again
        return None

    async def decided(self, name: str, rival: bytes | None = None) -> tuple[FoundObject | None, Value | None]:
        """Return an object and its value once no undecided batch holds it, so that it can be replaced.

        `rival`: the batch that is to replace it.
        """
        waits = pauses(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        while (found := await self._bucket.get(name)) is not None:
            record = self.record(name, found)
            if record.batch is None:
                return found, record.new
            committed = await self._committed(record.batch)
            if committed is not None:
                return found, record.new if committed else record.old
            if found.age_s > _PATIENCE_S or (rival is not None and rival < record.batch):
                await self._decide(record.batch, _ABORTED)
                continue
            await asyncio.sleep(next(waits))
        return None, None

    async def write(self, records: Mapping[str, ObjectRecord]) -> None:
        """Write all of these under their names, or none."""
        # The name begins with the time, which a repeated batch keeps, so that it becomes the oldest.
        began = int(self._bucket.now() * 1000).to_bytes(8, "big")
        for _ in range(_TRIES):
            batch = began + token_bytes(8)
            started = time.monotonic()
            etags: dict[str, str] = {}

            async def propose(
                name: str, record: ObjectRecord, batch: bytes = batch, etags: dict[str, str] = etags
            ) -> None:
                etags[name] = await self._propose(name, record, batch)

            try:
                await together(propose(name, record) for name, record in records.items())
                # Later than that, a verdict that aborted it may have been cleared already.
                in_time = time.monotonic() - started < _LEFT_BEHIND_S / 2
                committed = in_time and await self._decide(batch, _COMMITTED, records)
            except BaseException:
                self.spawn(self._withdraw(batch, records))
                raise
            if committed:
                self.spawn(self._clear(batch, records, etags))
                while len(self._clearing) > _UNCLEARED:
                    await asyncio.wait(self._clearing, return_when=asyncio.FIRST_COMPLETED)
                return
            # The next attempt overwrites what this one has left.
        await self._settle(batch, records)
        raise MemoryFailed(self._bucket.url, f"others aborted a batch {_TRIES} times. Write smaller batches.")

    async def clear_left_behind(self) -> None:
        """Complete what dead writers left behind: batches with a verdict older than an hour."""
        after = ""
        while True:
            page = await self._bucket.list(self._folder, after=after)
            for listed in page.objects:
                after = listed.name
                if listed.age_s < _LEFT_BEHIND_S or (found := await self._bucket.get(listed.name)) is None:
                    continue
                verdict, *names = found.body.split(b"\n")
                batch = bytes.fromhex(listed.name.removeprefix(self._folder))
                self._remember(batch, verdict == _COMMITTED)
                await self._settle(batch, [name.decode() for name in names])
                await self._bucket.delete([listed.name])
            if not page.more:
                return

    def record(self, name: str, found: FoundObject) -> ObjectRecord:
        """Return the record of an object."""
        try:
            return decoded(found.body)
        except ValueError as error:
            raise MemoryFailed(self._bucket.url, f"object {name}: {error}. Restore or delete it.") from error

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run this in the background. If it fails, nothing is lost: the next reader or writer does it."""

        async def quiet() -> None:
            with contextlib.suppress(MemoryFailed):
                await work

        task = asyncio.create_task(quiet())
        self._clearing.add(task)
        task.add_done_callback(self._clearing.discard)

    async def close(self) -> None:
        """Wait a while for the work in the background."""
        if self._clearing:
            _, late = await asyncio.wait(self._clearing, timeout=_CLOSE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _propose(self, name: str, record: ObjectRecord, batch: bytes) -> str:
        """Write an object whose value, old or new, depends on the batch; return its etag."""
        found, old = None, None
        while True:
            body = ObjectRecord(record.where, record.key, record.new, batch, old).encoded()
            if etag := await self.replace(name, found, body):
                return etag
            found, old = await self.decided(name, batch)

    async def replace(self, name: str, found: FoundObject | None, body: bytes) -> str | None:
        """Write an object if it is still as found; return its new etag, or None if it has changed."""
        if found is None:
            return await self._bucket.put(name, body, new=True)
        return await self._bucket.put(name, body, etag=found.etag)

    async def _decide(self, batch: bytes, verdict: bytes, names: Iterable[str] = ()) -> bool:
        """Give this verdict unless there is one; return True if the batch is committed."""
        body = b"\n".join([verdict, *(name.encode() for name in names)])
        if await self._bucket.put(self._folder + batch.hex(), body, new=True):
            return self._remember(batch, verdict == _COMMITTED)
        return bool(await self._committed(batch))

    async def _committed(self, batch: bytes) -> bool | None:
        """Return the verdict; None if the batch is undecided or cleared."""
        if batch not in self._verdicts:
            found = await self._bucket.get(self._folder + batch.hex())
            if found is None:
                return None
            self._remember(batch, found.body.startswith(_COMMITTED))
        return self._verdicts[batch]

    def _remember(self, batch: bytes, committed: bool) -> bool:  # noqa: FBT001  # it is the value that is kept
        self._verdicts[batch] = committed
        if len(self._verdicts) > _REMEMBERED:
            self._verdicts.popitem(last=False)
        return committed

    async def _withdraw(self, batch: bytes, names: Iterable[str]) -> None:
        await self._decide(batch, _ABORTED)
        await self._settle(batch, names)

    async def _clear(
        self, batch: bytes, records: Mapping[str, ObjectRecord], etags: Mapping[str, str]
    ) -> None:
        """Reduce the objects of a committed batch to their new values, and delete the verdict."""

        async def clear(name: str, record: ObjectRecord) -> None:
            # A writer that has replaced it knew the verdict.
            await self._bucket.put(name, record.encoded(), etag=etags[name])

        await together(clear(name, record) for name, record in records.items())
        await self._bucket.delete([self._folder + batch.hex()])

    async def _settle(self, batch: bytes, names: Iterable[str]) -> None:
        """Reduce each object that still belongs to a decided batch to its one value."""
        await together(self._settle_one(batch, name) for name in names)

    async def _settle_one(self, batch: bytes, name: str) -> None:
        found = await self._bucket.get(name)
        if found is None:
            return
        record = self.record(name, found)
        if record.batch != batch:
            return
        value = record.new if await self._committed(batch) else record.old
        if value is None:
            await self._bucket.discard(name, found.etag)
        else:
            await self.replace(name, found, ObjectRecord(record.where, record.key, value).encoded())


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all concurrently; the first error cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors.exceptions[0].__cause__
