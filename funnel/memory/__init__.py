"""Memories, which store an inspector's documents, notes, journal and caches; one folder per backend."""

from __future__ import annotations

from collections.abc import Callable

from funnel.errors import MemoryFailed, UnknownName
from funnel.memory.backends.in_memory import InMemory
from funnel.memory.backends.sqlite.memory import SqliteMemory
from funnel.memory.base import Entry, Memory, Namespace, namespace
from indexes.errors import MissingExtra, PlugInFailed
from indexes.plugins import BuiltIn, Registry

_POSTGRES = BuiltIn("funnel.memory.backends.postgres.memory:PostgresMemory", extra="postgres")
_REDIS = BuiltIn("funnel.memory.backends.redis.memory:RedisMemory", extra="redis")

MEMORIES: Registry[Callable[[str], Memory]] = Registry(
    "memory",
    "funnel.memory",
    {
        "file": BuiltIn("funnel.memory.backends.files:open_files"),
        "memory": BuiltIn("funnel.memory.backends.in_memory:open_in_memory"),
        "postgres": _POSTGRES,
        "postgresql": _POSTGRES,
        "redis": _REDIS,
        "redis+sentinel": _REDIS,
        "rediss": _REDIS,
        "rediss+sentinel": _REDIS,
        "s3": BuiltIn("funnel.memory.backends.s3.memory:S3Memory", extra="s3"),
        "sqlite": BuiltIn("funnel.memory.backends.sqlite.memory:SqliteMemory"),
        "unix": _REDIS,
    },
    unknown=UnknownName,
)
"""Functions or classes that take a whole URL and return the memory, by the URL's scheme."""


FORMS = {
    "file": "file:///srv/runs",
    "memory": "memory://, which keeps nothing",
    "postgres": "as postgresql:",
    "postgresql": "postgresql://user:password@host:5432/database?options=-csearch_path%3Dschema",
    "redis": "redis://user:password@host:6379/0?prefix=acme",
    "redis+sentinel": "redis+sentinel://user:password@host:26379,host:26379/NAME/0?prefix=acme",
    "rediss": "rediss://user:password@host:6379/0?ssl_ca_certs=/path/ca.pem",
    "rediss+sentinel": "as redis+sentinel:, with TLS",
    "s3": "s3://key:secret@bucket/prefix?endpoint=https://host",
    "sqlite": "sqlite:////path/runs.sqlite",
    "unix": "unix:///path/redis.sock?db=0",
}
"""How the URL of a memory is written, by its scheme."""


def known_memories() -> tuple[str, ...]:
    """Return the schemes that `open_memory` understands, including those of installed plug-ins, sorted."""
    return tuple(MEMORIES)


def open_memory(url: str) -> Memory:
    """Open the memory at `url`.

    `memory://`, `sqlite:///file`, `sqlite:////absolute/file`, `file:///absolute/folder`,
    `s3://key:secret@bucket/prefix?endpoint=http://host:port`, `postgresql://user:password@host/database`,
    `redis://user:password@host:6379/0`, `rediss://…` (TLS), `unix:///path` (the socket of Redis),
    `redis+sentinel://host:26379,host:26379/NAME/0` (the master of that name), or the URL of a plug-in. Of
    Redis, `?prefix=acme:` is before every key.

    Raises: `UnknownName` for another scheme; `MemoryFailed` if the memory cannot be opened. Neither repeats
    what follows an unknown scheme, which may contain credentials.
    """
    scheme = url.partition(":")[0].lower()
    try:
        memory = MEMORIES.get(scheme)
    except MissingExtra as error:
        advice = f"Run: pip install 'funnel-rlm[{error.extra}]'"
        reason = f"what it needs is not installed ({error.__cause__}). {advice}"
        raise MemoryFailed(f"{scheme}:", reason) from error
    except PlugInFailed as error:
        raise MemoryFailed(f"{scheme}:", f"{error.reason}.") from error
    return memory(url)


__all__ = [
    "FORMS",
    "MEMORIES",
    "Entry",
    "InMemory",
    "Memory",
    "Namespace",
    "SqliteMemory",
    "known_memories",
    "namespace",
    "open_memory",
]
