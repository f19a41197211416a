"""Checks that a server keeps what a memory in a bucket rests on; knows no record and no key.

Two writers who both win, or a key that a listing leaves out, show only when it is too late. So every process
checks when it first uses a bucket, whatever an earlier one found: the server may have been changed, and many
take a condition without heeding it. The mark of the memory is written under conditions that do not hold, with
the content that it has; an object of its own, which nobody else knows, shows the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from secrets import token_hex

from funnel.errors import MemoryFailed
from funnel.memory.backends.s3.bucket import Bucket
from funnel.memory.backends.s3.failures import Refused, Unclear, Unfit

_DENIED = 403
_OTHER_ETAG = f'"{"0" * 32}"'
_FIRST, _SECOND = b"first", b"second"
_LEFT_BEHIND_S = 3600.0
_TRIES = 3


async def check(bucket: Bucket, *, mark: str, content: bytes, folder: str) -> None:
    """Check conditional writes, reads after writes and listings of a bucket.

    `mark`: an object that exists. `content`: what it may hold as well as what it holds, and no other process
    would write. `folder`: where an object may be put for a moment.

    Raises: `Unfit` if the server cannot hold a memory; `MemoryFailed`.
    """
    # Both end, so that neither leaves anything behind.
    checks = _check_refusals(bucket, mark, content), _check_writes(bucket, folder)
    for error in await asyncio.gather(*checks, return_exceptions=True):
        # Who may only read does no harm, and is told so where it writes.
        if isinstance(error, BaseException) and not (isinstance(error, Refused) and error.code == _DENIED):
            raise error


async def _check_refusals(bucket: Bucket, mark: str, content: bytes) -> None:
    for header, etag in (("If-None-Match", None), ("If-Match", _OTHER_ETAG)):
        if await _written(bucket, mark, content, etag):
            raise _unfit(bucket, f"it ignores {header}, so two writers could both win")


async def _written(bucket: Bucket, mark: str, content: bytes, etag: str | None) -> bool:
    """Whether the server writes although the condition does not hold."""
    for _ in range(_TRIES):
        # What is there is not ours, so nothing was written, as long as nobody wrote since.
        with suppress(Unclear):
            return await bucket.put(mark, content, new=etag is None, etag=etag) is not None
    return False


async def _check_writes(bucket: Bucket, folder: str) -> None:
    name = f"{folder}{token_hex(8)}"
    async with _removed(bucket, name):
        etag = await bucket.put(name, _FIRST, new=True)
        if etag is None:
            raise _unfit(bucket, "it refuses If-None-Match for an object that does not exist")
        found, page = await asyncio.gather(bucket.get(name), bucket.list(folder))
        if found is None or found.body != _FIRST:
            raise _unfit(bucket, "it does not give what was just written")
        if found.etag != etag:
            raise _unfit(bucket, "it gives an object another ETag when it is read than when it was written")
        if name not in {listed.name for listed in page.objects} and not page.more:
            raise _unfit(bucket, "it does not list what was just written")
        if await bucket.put(name, _SECOND, etag=etag) is None:
            raise _unfit(bucket, "it refuses If-Match for an object that has not changed")
        found = await bucket.get(name)
        if found is None or found.body != _SECOND:
            raise _unfit(bucket, "it does not give what was just written")
    found, page = await asyncio.gather(bucket.get(name), bucket.list(folder))
    if found is not None or name in {listed.name for listed in page.objects}:
        raise _unfit(bucket, "it still gives what was just deleted")
    left = [listed.name for listed in page.objects if listed.age_s > _LEFT_BEHIND_S]
    await bucket.delete(left)


@asynccontextmanager
async def _removed(bucket: Bucket, name: str) -> AsyncIterator[None]:
    """Delete the object in the end, also after an error, which is then the one that is raised."""
    try:
        yield
    except BaseException:
        with suppress(MemoryFailed):
            await bucket.delete([name])
        raise
    await bucket.delete([name])


def _unfit(bucket: Bucket, what: str) -> Unfit:
    return Unfit(bucket.url, f"its server does not support conditional writes as S3 does: {what}")
