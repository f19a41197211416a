"""`s3://bucket/prefix`: a memory in a bucket that many machines may share; knows no HTTP.

    prefix/.funnel-memory            marks these objects as a memory, with its format
    prefix/.batch/6f1c...            the verdict on a batch while it is being written
    prefix/.probe/9d02...            an object that is there for a moment when the memory is opened
    prefix/tenant-2frun-2f1!note-2fx the value under the key `note/x` in the namespace `tenant/run/1`

S3 writes an object as a whole, so getting a key costs one request, and so does putting it. The server must
support conditional writes (`If-None-Match`, `If-Match`), as Amazon's has since 2024; every process checks
this when it first uses a prefix.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from secrets import token_hex

from funnel.errors import MemoryFailed
from funnel.memory.backends import names
from funnel.memory.backends.opened import OpenedMemory
from funnel.memory.backends.s3.batches import Batches, together
from funnel.memory.backends.s3.bucket import Bucket, FoundObject, ListedObject
from funnel.memory.backends.s3.conditions import check
from funnel.memory.backends.s3.failures import Unfit
from funnel.memory.backends.s3.records import HEAD_BYTES, LASTING, Head, ObjectRecord, head, head_bytes
from funnel.memory.backends.value import Value
from funnel.memory.base import Entry, Namespace, require_keys, require_ttl

_FORMAT = 1
_KEEP_SPACE, _KEEP_KEY = 60, 150
"""Bytes of a text that its name keeps, so that no name is longer than S3 allows."""
_END = "!"  # ends a namespace; it sorts before everything that names are made of
_LAST = "~~"  # sorts after every name
_PAGE, _LONGEST_PAGE = 64, 1000
_SWEEP_S = 600.0


class S3Memory(OpenedMemory):
    """A memory in the bucket that `url` names: `s3://key:secret@bucket/prefix?endpoint=http://host:port`.

    If the URL has no credentials, those of Amazon's own tools are used; if it has no endpoint, Amazon's is.
    Connects when it is first used. A call that finds no server is retried for `retry_s` seconds. Values
    expire by the server's clock, to the second.

    Raises: `MemoryFailed` if the URL names no bucket.
    """

    def __init__(self, url: str, *, retry_s: float = 30.0) -> None:
        self._bucket = Bucket(url, retry_s=retry_s)
        prefix = self._bucket.place.prefix
        self._base = f"{prefix}/" if prefix else ""
        self._batches = Batches(self._bucket, f"{self._base}.batch/")
        self._now = self._bucket.now
        self._swept: dict[Namespace, float] = {}
        self._opening = asyncio.Lock()
        self._marked = False
        self._opened(self._bucket.url)

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that exist and have not expired."""
        return {key: value.value for key, value in (await self._values(where, keys)).items()}

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what `get_many` returns, each with its remaining life."""
        found = await self._values(where, keys)
        now = self._now()
        return {key: value.entry(now) for key, value in found.items()}

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none."""
        require_keys(items)
        require_ttl(ttl_s)
        await self._ready()
        expires_at = math.inf if ttl_s is None else self._now() + ttl_s
        records = {
            self._name(where, key): ObjectRecord(where, key, Value(value, expires_at))
            for key, value in items.items()
        }
        if len(records) == 1:
            [(name, record)] = records.items()
            await self._bucket.put(name, record.encoded())
        elif records:
            await self._batches.write(records)
        if ttl_s is not None and self._now() - self._swept.get(where, -math.inf) >= _SWEEP_S:
            self._swept[where] = self._now()
            self._batches.spawn(self._sweep(where))

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete keys; one that does not exist is ignored."""
        await self._ready()
        await self._bucket.delete([self._name(where, key) for key in dict.fromkeys(keys)])

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key holds `expected`, or if it does not exist and `expected` is None."""
        require_keys([key])
        await self._ready()
        name = self._name(where, key)
        body = ObjectRecord(where, key, Value(value)).encoded()
        if expected is None and await self._batches.replace(name, None, body):
            return True
        while True:
            found, held = await self._batches.decided(name)
            if (held.value if held is not None and held.expires_at > self._now() else None) != expected:
                return False
            if await self._batches.replace(name, found, body):
                return True

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Return up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""
        await self._ready()
        found: list[str] = []
        if limit > 0:
            async for key in self._keys(where, prefix, after, limit):
                found.append(key)
                if len(found) == limit:
                    break
        return found

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Return up to `limit` namespaces that hold a key and sort after `after`, in order of code points."""
        await self._ready()
        found: list[Namespace] = []
        start, more = self._base + names.beginning(after, keep=_KEEP_SPACE), True
        while more and len(found) < limit:
            spaces, start, more = await self._spaces(start)
            for space in spaces:
                if space > after and len(found) < limit and await self.scan(space, limit=1):
                    found.append(space)
        return found

    async def close(self) -> None:
        """Wait for calls under way and close; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._batches.close()
        await self._bucket.close()

    def _name(self, where: str, key: str) -> str:
        space = names.encode(where, keep=_KEEP_SPACE)
        return f"{self._base}{space}{_END}{names.encode(key, keep=_KEEP_KEY)}"

    async def _values(self, where: Namespace, keys: Sequence[str]) -> dict[str, Value]:
        await self._ready()
        found: dict[str, Value] = {}

        async def read(key: str) -> None:
            value = await self._batches.read(self._name(where, key))
            if value is not None and value.expires_at > self._now():
                found[key] = value

        if len(keys) == 1:
            await read(keys[0])
        else:
            await together(read(key) for key in dict.fromkeys(keys))
        return found

    async def _keys(self, where: Namespace, prefix: str, after: str, want: int) -> AsyncIterator[str]:
        """Yield the live keys with `prefix` after `after`, sorted."""
        base = f"{self._base}{names.encode(where, keep=_KEEP_SPACE)}{_END}"
        start = base + names.beginning(after, keep=_KEEP_KEY)
        within = base + names.beginning(prefix, keep=_KEEP_KEY)
        more = True
        while more:
            listed: list[ListedObject] = []
            # Names with a hash have no order among themselves, so a page must not end between two that
            # begin alike.
            while more and (not listed or names.is_hashed(listed[-1].name.removeprefix(base))):
                size = min(max(want + 1, _PAGE), _LONGEST_PAGE)
                page = await self._bucket.list(within, after=start, limit=size)
                listed += page.objects
                more = page.more and bool(page.objects)
                start = listed[-1].name if listed else start
            found: list[str] = []

            async def look(each: ListedObject, found: list[str] = found) -> None:
                key = await self._key(each, each.name.removeprefix(base))
                if key is not None and key > after and key.startswith(prefix):
                    found.append(key)

            await together(look(each) for each in listed)
            for key in sorted(found):
                yield key

    async def _key(self, listed: ListedObject, name: str) -> str | None:
        """Return the key of an object; None if it holds no value now."""
        if not names.is_name(name):
            return None
        kind = listed.size_bytes % 4
        if kind == LASTING and not names.is_hashed(name):
            return names.decode(name)
        looked = await self._head(listed.name)
        if looked is None:
            return None
        found, seen = looked
        expires_at = seen.expires_at
        if seen.batch is not None:
            value = await self._batches.read(listed.name)
            if value is None:
                return None
            expires_at = value.expires_at
        if expires_at > self._now():
            return seen.key
        if seen.batch is None:
            await self._bucket.discard(listed.name, found.etag)
        return None

    async def _head(self, name: str) -> tuple[FoundObject, Head] | None:
        """Return the beginning of an object, as far as its `Head` goes; None if there is no such object."""
        first = HEAD_BYTES
        while (found := await self._bucket.get(name, first=first)) is not None:
            try:
                if (needed := head_bytes(found.body)) <= first:
                    return found, head(found.body)
            except ValueError as error:
                reason = f"object {name}: {error}. Restore or delete it."
                raise MemoryFailed(self.url, reason) from error
            first = needed
        return None

    async def _spaces(self, start: str) -> tuple[list[Namespace], str, bool]:
        """Return the next namespaces that ever existed, where to continue, and whether more follow."""
        folders: list[str] = []
        more = True
        while more and (not folders or names.is_hashed(folders[-1])):
            page = await self._bucket.list(self._base, after=start, delimiter=_END)
            folders += [folder.removeprefix(self._base).removesuffix(_END) for folder in page.folders]
            more = page.more
            ends = [listed.name for listed in page.objects] + [each + _LAST for each in page.folders]
            start = max(ends, default=start)
        found: list[Namespace] = []
        for folder in folders:
            if names.is_name(folder):
                found += await self._space(folder)
        return sorted(found), start, more

    async def _space(self, folder: str) -> list[Namespace]:
        """Return the namespace of that name, or an empty list if its last object has just been deleted."""
        if not names.is_hashed(folder):
            return [Namespace(names.decode(folder))]
        page = await self._bucket.list(f"{self._base}{folder}{_END}", limit=1)
        looked = await self._head(page.objects[0].name) if page.objects else None
        return [] if looked is None else [Namespace(looked[1].where)]

    async def _sweep(self, where: Namespace) -> None:
        """Delete expired values, which listing them does."""
        async for _ in self._keys(where, "", "", _LONGEST_PAGE):
            pass

    async def _ready(self) -> None:
        self._require_open()
        if not self._marked:
            async with self._opening:
                if not self._marked:
                    await self._open()
                    self._marked = True

    async def _open(self) -> None:
        """Mark the prefix as a memory, or check that it is one; change nothing if it is something else."""
        mark = f"{self._base}.funnel-memory"
        found = await self._bucket.get(mark)
        if found is None:
            page = await self._bucket.list(self._base, limit=1)
            found = await self._bucket.get(mark)
            if found is None and page.objects:
                reason = "something else is stored there. Name another prefix, or an empty bucket."
                raise MemoryFailed(self.url, reason)
        created = False
        if found is None:
            body = json.dumps({"format": _FORMAT}).encode()
            created = await self._bucket.put(mark, body, new=True) is not None
        # A server that ignores conditions writes this, which says the same.
        content = json.dumps({"format": self._format(found) if found else _FORMAT, "check": token_hex(8)})
        try:
            await check(self._bucket, mark=mark, content=content.encode(), folder=f"{self._base}.probe/")
        except Unfit:
            if created:
                with suppress(MemoryFailed):
                    await self._bucket.delete([mark])
            raise
        if found is not None:
            self._batches.spawn(self._batches.clear_left_behind())

    def _format(self, mark: FoundObject) -> int:
        """Return the format of the memory. Raises: `MemoryFailed` if this version cannot read it."""
        try:
            found = json.loads(mark.body)["format"]
        except (ValueError, KeyError, TypeError):
            reason = ".funnel-memory is damaged. Restore it, or name another prefix."
            raise MemoryFailed(self.url, reason) from None
        if not isinstance(found, int) or found > _FORMAT:
            raise MemoryFailed(
                self.url, f"format {found}; this version reads up to {_FORMAT}. Upgrade funnel-rlm."
            )
        return found
