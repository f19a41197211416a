"""Where an inspector's documents, notes, journal and caches live, one file a backend."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from funnel.errors import MemoryFailed, UnknownName
from funnel.memory.backends.in_memory import InMemory
from funnel.memory.backends.sqlite.memory import SqliteMemory
from funnel.memory.base import Entry, Memory, Namespace, namespace

ENTRY_POINTS = "funnel.memory"
"""A package that brings a memory names it here: scheme = "module:function", function(url) -> Memory."""


def _in_memory(url: str) -> Memory:
    if url.partition(":")[2].strip("/"):
        raise MemoryFailed(url, "it takes nothing after memory://, since it lives in this process only.")
    return InMemory()


def _extra(name: str, backend: str) -> Callable[[str], Memory]:
    """What loads a backend, "module:class", that needs the extra `name` of this distribution."""

    def load(url: str) -> Memory:
        module, _, member = backend.partition(":")
        try:
            memory: Callable[[str], Memory] = getattr(import_module(module), member)
        except ImportError as error:
            scheme = url.partition(":")[0]
            reason = f"what it needs is not installed ({error}). Run: pip install 'funnel-rlm[{name}]'"
            raise MemoryFailed(f"{scheme}:", reason) from error
        return memory(url)

    return load


def _files(url: str) -> Memory:
    try:
        memory: Callable[[str], Memory] = import_module("funnel.memory.backends.files.memory").FilesMemory
    except ImportError:
        # Its locks are those of POSIX.
        raise MemoryFailed("file:", "Windows has no such locks. Use sqlite:///memory.sqlite.") from None
    return memory(url)


_redis = _extra("redis", "funnel.memory.backends.redis.memory:RedisMemory")
_LOADERS: dict[str, Callable[[str], Memory]] = {
    "file": _files,
    "memory": _in_memory,
    "postgresql": _extra("postgres", "funnel.memory.backends.postgres.memory:PostgresMemory"),
    "redis": _redis,
    "rediss": _redis,
    "s3": _extra("s3", "funnel.memory.backends.s3.memory:S3Memory"),
    "sqlite": SqliteMemory,
    "unix": _redis,
}


def _plug_ins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS) if point.name not in _LOADERS}


def known_memories() -> tuple[str, ...]:
    """The schemes that `open_memory` understands, those of installed plug-ins included, sorted."""
    return tuple(sorted([*_LOADERS, *_plug_ins()]))


def open_memory(url: str) -> Memory:
    """The memory at `url`.

    `memory://`, `sqlite:///file`, `sqlite:////absolute/file`, `file:///absolute/folder`,
    `s3://key:secret@bucket/prefix?endpoint=http://host:port`, `postgresql://user:password@host/database`,
    `redis://user:password@host:6379/0`, `rediss://…` (TLS), `unix:///path` (Redis' socket), or a plug-in's.

    Raises: `UnknownName` for another scheme; `MemoryFailed` when it cannot be opened. Neither repeats what
    follows an unknown scheme, where credentials may stand.
    """
    scheme = url.partition(":")[0].lower()
    if loader := _LOADERS.get(scheme):
        return loader(url)
    plug_ins = _plug_ins()
    if scheme not in plug_ins:
        raise UnknownName("memory", scheme, known_memories())
    try:
        load: Callable[[str], Memory] = plug_ins[scheme].load()
    except (ImportError, AttributeError) as error:
        raise MemoryFailed(
            f"{scheme}:", f"its plug-in {plug_ins[scheme].value} does not load: {error}."
        ) from error
    return load(url)


__all__ = [
    "Entry",
    "InMemory",
    "Memory",
    "Namespace",
    "SqliteMemory",
    "known_memories",
    "namespace",
    "open_memory",
]
