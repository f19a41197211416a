"""`postgresql://`, `postgres://`: a memory in the tables of a PostgreSQL database, 13 or later; knows no SQL.

The URL is that of libpq, with its options: `?options=-csearch_path%3Dnotes` puts the tables into the schema
`notes`, which must exist. The tables are made when a memory is first used. Every call is one statement and
one transaction, sent in binary, so a pooler such as PgBouncer may stand between, in any mode. Without one,
a statement is prepared after a few uses. Values expire by the server's clock.
psycopg_pool was considered: it reopens lost connections at its own pace rather than before a deadline, says
only in a log why it cannot, and adds 35 µs or more to a call of 140.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

import psycopg

from funnel.errors import MemoryFailed
from funnel.memory.backends.postgres import queries
from funnel.memory.backends.postgres.client import Client, explain, is_url
from funnel.memory.backends.postgres.connection import Row
from funnel.memory.backends.postgres.tables import Tables
from funnel.memory.backends.retrying import ServerConnection, ServerMemory, ServerPool
from funnel.memory.base import Entry, Namespace, require_keys, require_ttl
from funnel.memory.credentials import without_credentials

_HEAD_BYTES = 1024
_SWEEP_AFTER = 256
"""How many expiring values this process writes before it deletes what has expired."""

_NAMES = 16_384
"""How many namespaces this process remembers as recorded."""


class PostgresMemory(ServerMemory[Client]):
    """A memory in the database that `url` names: `postgresql://user:password@host:5432/database`.

    Opens its connections, at most `max_connections`, when they are first used. A call that loses its
    connection is retried for `retry_s` seconds; after that a write may have been done or not.

    Raises: `MemoryFailed` if libpq does not understand the URL.
    """

    def __init__(self, url: str, *, retry_s: float = 10.0, max_connections: int = 8) -> None:
        if not is_url(url):
            reason = "it is not the URL of a database. Write postgresql://user:password@host:5432/database."
            raise MemoryFailed(without_credentials(url), reason)
        tables = Tables(url)
        super().__init__(
            ServerPool(
                url,
                lambda: Client(tables),
                size=max_connections,
                retry_s=retry_s,
                errors=(psycopg.Error, OSError),
                explain=explain,
            )
        )
        self._n_ending = 0
        self._named: set[Namespace] = set()

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that exist and have not expired."""
        self._require_open()
        if not keys:
            return {}
        if len(keys) == 1:
            rows = await self._run(queries.GET_ONE, {**_space(where), **_split(keys[0])})
        else:
            rows = await self._run(queries.GET, {**_space(where), **_columns(keys)})
        return {keys[n - 1]: value for n, value in rows}

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what `get_many` returns, each with its remaining life, by the server's clock."""
        self._require_open()
        if not keys:
            return {}
        rows = await self._run(queries.ENTRIES, {**_space(where), **_columns(keys)})
        return {keys[n - 1]: Entry(value, ttl_s) for n, value, ttl_s in rows}

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none."""
        require_keys(items)
        require_ttl(ttl_s)
        self._require_open()
        if not items:
            return
        await self._name(where)
        if len(items) == 1:
            [(key, value)] = items.items()
            await self._write(queries.PUT_ONE, where, {**_split(key), "value": value, "ttl_s": ttl_s})
        else:
            # All batches use one order, so two of them never wait for each other's rows.
            keys = sorted(items)
            values = [items[key] for key in keys]
            await self._write(queries.PUT, where, {**_columns(keys), "values": values, "ttl_s": ttl_s})
        if ttl_s is not None:
            await self._sweep(len(items))

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete keys; one that does not exist is ignored."""
        self._require_open()
        if keys:
            await self._write(queries.DELETE, where, _columns(sorted(keys)))

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key holds `expected`, or if it does not exist and `expected` is None."""
        require_keys([key])
        self._require_open()
        await self._name(where)
        arguments = {**_split(key), "value": value, "expected": expected}
        [(won,)] = await self._write(queries.COMPARE_AND_SET, where, arguments)
        return bool(won)

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Return up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""
        asked = {
            **_space(where),
            **_bound("first", max(_bytes(prefix), _behind(after))),
            # No byte of UTF-8 is 0xFF, so this is above every key with the prefix.
            **_bound("last", _bytes(prefix) + b"\xff"),
            "limit": max(0, limit),
        }
        return [_text(head + rest) for head, rest in await self._run(queries.SCAN, asked)]

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Return up to `limit` namespaces that hold a key and sort after `after`, in order of code points."""
        asked = {**_bound("first", _behind(after)), "limit": max(0, limit)}
        return [Namespace(_text(head + rest)) for head, rest in await self._run(queries.NAMESPACES, asked)]

    async def matching(
        self, where: Namespace, tokens: Sequence[str], *, after: str = "", limit: int = 1000
    ) -> dict[str, bytes]:
        """Return up to `limit` values under `TERMS` with any of these tokens, by key, after `after`."""
        self._require_open()
        if not tokens or limit < 1:
            return {}
        first = _bound("first", _behind(after))
        asked = {**_space(where), **first, "words": " | ".join(tokens), "limit": limit}
        return {_text(head + rest): value for head, rest, value in await self._run(queries.MATCHING, asked)}

    async def _run(self, query: str, arguments: Mapping[str, object]) -> list[Row]:
        return await self._pool.call(lambda held: held.connection.run(query, arguments))

    async def _write(self, query: str, where: Namespace, arguments: Mapping[str, object]) -> list[Row]:
        async def write(held: ServerConnection[Client]) -> list[Row]:
            once = {"writer": held.writer, "number": held.number}
            return await held.connection.run(query, {**_space(where), **arguments, **once})

        return await self._pool.call(write)

    async def _name(self, where: Namespace) -> None:
        """Record the namespace before the first write to it; it is listed while it holds a key."""
        if where not in self._named:
            await self._run(queries.NAME, _space(where))
            if len(self._named) >= _NAMES:
                self._named.clear()
            self._named.add(where)

    async def _sweep(self, n_written: int) -> None:
        """Sometimes delete expired values, more of them than were written since the last time."""
        self._n_ending += n_written
        if self._n_ending >= _SWEEP_AFTER:
            self._n_ending = 0
            await self._run(queries.SWEEP_ITEMS, {})


@lru_cache(maxsize=1024)
def _space(where: Namespace) -> Mapping[str, object]:
    name = _bytes(where)
    return {"space": UUID(bytes=sha256(name).digest()[:16]), **_bound("space", name)}


def _split(key: str) -> dict[str, bytes]:
    whole = _bytes(key)
    rest = whole[_HEAD_BYTES:]
    return {
        "head": whole[:_HEAD_BYTES],
        "digest": sha256(whole).digest() if rest else b"",
        "rest": rest,
    }


def _columns(keys: Sequence[str]) -> dict[str, list[bytes]]:
    rows = [_split(key) for key in keys]
    return {f"{column}s": [row[column] for row in rows] for column in ("head", "digest", "rest")}


def _bound(name: str, whole: bytes) -> dict[str, bytes]:
    return {f"{name}_head": whole[:_HEAD_BYTES], f"{name}_rest": whole[_HEAD_BYTES:]}


def _behind(text: str) -> bytes:
    """Return the smallest bytes that sort after those of a text; for the empty text, the smallest of all."""
    return _bytes(text) + b"\x00" if text else b""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(whole: bytes) -> str:
    return whole.decode("utf-8", "surrogatepass")
