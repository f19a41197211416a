"""`redis://`, `rediss://`, `unix://`: a memory in a Redis or Valkey server, 6.2 or later; knows no Cluster.

`redis+sentinel://host,host/NAME/0` names Sentinels, of port 26379 unless it says otherwise, and the master.
With `?prefix=acme:` every key begins with that, for several memories in one database.

A batch is one Lua script, so it is done as a whole and in one round trip. Values are as safe as the server
keeps them: with `appendonly yes` they survive a restart. They expire by the server's clock, to the
millisecond. A server that evicts lasting values (`maxmemory-policy allkeys-*`) also evicts these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from redis.exceptions import RedisError

from funnel.errors import MemoryFailed
from funnel.memory.backends.redis.client import Client, Command
from funnel.memory.backends.redis.failures import explain
from funnel.memory.backends.redis.scripts import Script, Scripts
from funnel.memory.backends.redis.server import RedisServer
from funnel.memory.backends.redis.url import FORM, address
from funnel.memory.backends.retrying import ServerConnection, ServerMemory, ServerPool
from funnel.memory.base import Entry, Namespace, require_keys, require_ttl
from funnel.memory.credentials import without_credentials

_RETRY_S, _FAILOVER_S = 10.0, 60.0
"""How long a call is retried; Sentinels take up to half a minute to make another server the master."""

_SCAN_AT_LEAST, _SCAN_AT_MOST = 256, 4096
"""Entries that the server examines in one step, which blocks it."""

_STAGE_BYTES = 4096
"""Batches of this size and more do not pass through the script, which only renames their values."""


class RedisMemory(ServerMemory[Client]):
    """A memory in the Redis database that `url` names: `redis://user:password@host:6379/0`.

    Opens its connections, at most `max_connections`, when they are first used. A call that loses its
    connection is retried for `retry_s` seconds, which is a minute if there are Sentinels and ten seconds
    if not; after that a write may have been done or not.

    Raises: `MemoryFailed` if the URL names no server.
    """

    def __init__(self, url: str, *, retry_s: float | None = None, max_connections: int = 16) -> None:
        try:
            found = address(url)
        except ValueError as error:
            raise MemoryFailed(without_credentials(url), f"{str(error).rstrip('.')}.") from None
        try:
            found.connection()
        except (ValueError, TypeError):
            # The error may quote the password.
            raise MemoryFailed(found.shown, f"it is not the URL of a server. {FORM}") from None
        server, self._scripts = RedisServer(found), Scripts.of(found.prefix)
        self._funnel = f"{found.prefix}funnel:".encode()
        self._has_rights = False
        super().__init__(
            ServerPool(
                url,
                lambda: Client(server, self._scripts),
                size=max_connections,
                retry_s=retry_s if retry_s is not None else _FAILOVER_S if found.sentinels else _RETRY_S,
                errors=(RedisError, OSError),
                explain=partial(explain, prefix=found.prefix),
                shown=found.shown,
            )
        )

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that exist and have not expired."""
        self._require_open()
        if not keys:
            return {}
        prefix = _space(self._funnel, where).items
        items = [prefix + _bytes(key) for key in keys]
        values = await self._pool.call(lambda held: held.connection.get(items))
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what `get_many` returns, each with its remaining life, by the server's clock."""
        self._require_open()
        if not keys:
            return {}
        prefix = _space(self._funnel, where).items
        items = [prefix + _bytes(key) for key in keys]
        found = await self._run(self._scripts.entries, items)
        rows = zip(keys, found[::2], found[1::2], strict=True)
        return {
            key: Entry(value, None if life_ms < 0 else life_ms / 1000)
            for key, value, life_ms in rows
            if value is not None
        }

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none. With `ttl_s` the server expires them."""
        require_keys(items)
        require_ttl(ttl_s)
        self._require_open()
        if not items:
            return
        if ttl_s is not None and ttl_s <= 0:
            await self.delete_many(where, [*items])
            return
        life = "" if ttl_s is None else str(math.ceil(ttl_s * 1000))
        keys = [_bytes(key) for key in items]
        if sum(map(len, items.values())) < _STAGE_BYTES:
            pairs = [part for pair in zip(keys, items.values(), strict=True) for part in pair]
            await self._write(self._scripts.put, where, life, "0", *pairs)
        else:
            values = list(items.values())
            await self._write(self._scripts.put, where, life, "1", *keys, staged=_Staged(values, life))

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete keys; one that does not exist is ignored."""
        self._require_open()
        if keys:
            await self._write(self._scripts.delete, where, *(_bytes(key) for key in keys))

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key holds `expected`, or if it does not exist and `expected` is None."""
        require_keys([key])
        wanted = [] if expected is None else [expected]
        return await self._write(self._scripts.compare_and_set, where, _bytes(key), value, *wanted)

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Return up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""
        self._require_open()
        space = _space(self._funnel, where)
        first, last = _bytes(prefix), _bytes(after)
        # UTF-8 sorts by code point, and none of its bytes is 0xFF.
        start = b"(" + last if after and last >= first else b"[" + first
        end = b"(" + first + b"\xff"
        found: list[str] = []
        while len(found) < limit:
            batch = min(max(limit - len(found), _SCAN_AT_LEAST), _SCAN_AT_MOST)
            arguments = (space.name, space.items, start, end, batch)
            n_seen, seen, live = await self._run(self._scripts.scan, [space.index], *arguments)
            found += [key.decode("utf-8", "surrogatepass") for key in live[: limit - len(found)]]
            if n_seen < batch:
                break
            start = b"(" + seen
        return found

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Return up to `limit` namespaces that hold a key and sort after `after`, in order of code points."""
        self._require_open()
        found: list[Namespace] = []
        while len(found) < limit:
            start, wanted = b"(" + _bytes(after) if after else b"-", limit - len(found)
            page = await self._run(self._scripts.namespaces, [], start, wanted)
            for name, certain in zip(page[::2], page[1::2], strict=True):
                where = Namespace(name.decode("utf-8", "surrogatepass"))
                # Its first key has expired; perhaps all have.
                if certain or await self.scan(where, limit=1):
                    found.append(where)
                after = where
            if len(page) < 2 * wanted:
                break
        return found

    async def _run(self, script: Script, keys: Sequence[bytes], *arguments: bytes | str | int) -> Any:
        return await self._pool.call(lambda held: held.connection.run(script, keys, *arguments))

    async def _write(
        self, script: Script, where: Namespace, *arguments: bytes | str, staged: _Staged | None = None
    ) -> bool:
        space = _space(self._funnel, where)

        async def write(held: ServerConnection[Client]) -> bool:
            client = held.connection
            if not self._has_rights:
                await client.check_rights()
                self._has_rights = True
            writer = self._funnel + b"writer:" + held.writer.hex.encode()
            whole = (held.number, space.name, space.items, *arguments)
            if staged is None:
                done = await client.run(script, [writer, space.index], *whole)
            else:
                stage = staged.commands(writer)
                done = await client.run_after(stage, script, [writer, space.index], *whole)
            await client.wait_for_replica()
            return bool(done)

        return await self._pool.call(write)


@dataclass(frozen=True, slots=True)
class _Staged:
    """Values that are set under temporary names before the script renames them."""

    values: Sequence[bytes]
    life: str

    def commands(self, writer: bytes) -> list[Command]:
        end = ("PX", self.life) if self.life else ()
        return [("SET", b"%s:%d" % (writer, n), value, *end) for n, value in enumerate(self.values, start=1)]


@dataclass(frozen=True, slots=True)
class _Space:
    """The parts of the server's keys for one namespace."""

    name: bytes
    index: bytes
    items: bytes


@lru_cache(maxsize=1024)
def _space(funnel: bytes, where: Namespace) -> _Space:
    name = _bytes(where)
    # The length is part of it, so that no key of one namespace can be a key of another.
    return _Space(name, funnel + b"keys:" + name, b"%sitem:%d:%s:" % (funnel, len(name), name))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
