"""`file:///dir`: a memory in a directory that several processes may share; knows no format of files.

The URL is that of RFC 8089: three slashes begin an absolute path, and `%20` is a space. Writes are not synced
to the disk: values survive a killed process, but a power cut can lose those of the last seconds. Reading a
value that was truncated that way raises an error.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from funnel.errors import MemoryFailed
from funnel.memory.backends import names
from funnel.memory.backends.files.space import NamespaceDirectory, stored_namespace
from funnel.memory.backends.files.values import KEEP
from funnel.memory.backends.opened import OpenedMemory
from funnel.memory.base import Entry, Namespace, require_keys, require_ttl

_VERSION_FILE = "funnel-memory.json"
_FORMAT = 1
_THREADS = 8
_SPACES = 32
"""How many namespaces keep their list of keys in this process."""
_SWEEP_S = 600.0

T = TypeVar("T")


class FilesMemory(OpenedMemory):
    """A memory in the directory that `url` names, created if missing, and readable only by its owner.

    `clock` returns seconds since 1970. Values expire by the clock of each reader, so these must agree.

    Raises: `MemoryFailed` if the directory cannot be made or written to, or holds something else.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.time) -> None:
        self._path = _path(url)
        self._url = url
        self._clock = clock
        self._spaces: OrderedDict[Namespace, NamespaceDirectory] = OrderedDict()
        self._swept: dict[Namespace, float] = {}
        with self._translated():
            self._prepare()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="funnel-files")
        self._opened(url)

    async def get_many(self, where: Namespace, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values of those keys that exist and have not expired, as they were at one moment."""
        space = self._space(where)
        found = await self._run(lambda: space.read(keys, self._clock()))
        return {key: value.value for key, value in found.items()}

    async def get_entries(self, where: Namespace, keys: Sequence[str]) -> dict[str, Entry]:
        """Return what `get_many` returns, each with its remaining life."""
        space, now = self._space(where), self._clock()
        found = await self._run(lambda: space.read(keys, now))
        return {key: value.entry(now) for key, value in found.items()}

    async def put_many(
        self, where: Namespace, items: Mapping[str, bytes], *, ttl_s: float | None = None
    ) -> None:
        """Write all items or none."""
        require_keys(items)
        require_ttl(ttl_s)
        if not items:
            self._require_open()
            return
        space, now = self._space(where), self._clock()
        sweeps = ttl_s is not None and now - self._swept.get(where, -math.inf) >= _SWEEP_S
        if sweeps:
            self._swept[where] = now

        def put() -> None:
            if sweeps:
                space.sweep(now)
            space.write(items, math.inf if ttl_s is None else now + ttl_s)

        await self._run(put)

    async def delete_many(self, where: Namespace, keys: Sequence[str]) -> None:
        """Delete keys; one that does not exist is ignored."""
        space = self._space(where)
        await self._run(lambda: space.delete(keys))

    async def compare_and_set(
        self, where: Namespace, key: str, *, expected: bytes | None, value: bytes
    ) -> bool:
        """Write `value` if the key holds `expected`, or if it does not exist and `expected` is None."""
        require_keys([key])
        space = self._space(where)
        return await self._run(lambda: space.swap(key, expected, value, self._clock()))

    async def scan(
        self, where: Namespace, prefix: str = "", *, after: str = "", limit: int = 1000
    ) -> list[str]:
        """Return up to `limit` keys with `prefix` that sort after `after`, in order of their code points."""
        space = self._space(where)
        return await self._run(lambda: space.scan(prefix, after, limit, self._clock()))

    async def namespaces(self, *, after: str = "", limit: int = 1000) -> list[Namespace]:
        """Return up to `limit` namespaces that hold a key and sort after `after`, in order of code points."""

        def spaces() -> list[Namespace]:
            found: list[Namespace] = []
            for where in self._stored():
                if len(found) >= limit:
                    break
                # A directory object of its own, so that listing all namespaces does not evict those in use.
                if where > after and NamespaceDirectory(self._folder(where), where, self._url).holds(
                    self._clock()
                ):
                    found.append(where)
            return found

        return await self._run(spaces)

    async def close(self) -> None:
        """Wait for calls under way and close; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)

    async def _run(self, work: Callable[[], T]) -> T:
        self._require_open()
        with self._translated():
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = f"{error.filename or self._path}: {error.strerror or error}"
            advice = "Check that the directory can be written and that its disk has room."
            raise MemoryFailed(self._url, f"{reason}. {advice}") from error

    def _space(self, where: Namespace) -> NamespaceDirectory:
        space = self._spaces.pop(where, None) or NamespaceDirectory(self._folder(where), where, self._url)
        self._spaces[where] = space
        if len(self._spaces) > _SPACES:
            self._spaces.popitem(last=False)
        return space

    def _folder(self, where: Namespace) -> Path:
        if not where:
            raise ValueError("a namespace may not be empty; build one with funnel.memory.namespace")
        return self._path / names.encode(where, keep=KEEP)

    def _stored(self) -> list[Namespace]:
        """Return every namespace that was ever written to, sorted."""
        with os.scandir(self._path) as files:
            folders = [file.name for file in files if names.is_name(file.name) and file.is_dir()]
        found = (
            stored_namespace(self._path / name) if names.is_hashed(name) else names.decode(name)
            for name in folders
        )
        return sorted(Namespace(where) for where in found if where)

    def _prepare(self) -> None:
        """Create the directory, or check that it is a memory; anything else is left unchanged."""
        version_file = self._path / _VERSION_FILE
        try:
            self._check_format(version_file.read_bytes())
        except FileNotFoundError:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Another process may be making the same memory, with its file still under a temporary name.
            if any(not file.name.startswith(_VERSION_FILE) for file in self._path.iterdir()):
                # It may also have finished, and written its first namespace.
                if version_file.exists():
                    return
                reason = (
                    "the directory holds something else. Name an empty one, or one that is yet to be made."
                )
                raise MemoryFailed(self._url, reason) from None
            made = self._path / f"{_VERSION_FILE}.{secrets.token_hex(8)}"
            try:
                with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                    json.dump({"format": _FORMAT}, file)
                made.replace(version_file)
            except BaseException:
                made.unlink(missing_ok=True)
                raise

    def _check_format(self, content: bytes) -> None:
        try:
            found = json.loads(content)["format"]
        except (ValueError, KeyError, TypeError):
            reason = f"{_VERSION_FILE} is damaged. Restore it, or name another directory."
            raise MemoryFailed(self._url, reason) from None
        if not isinstance(found, int) or found > _FORMAT:
            raise MemoryFailed(
                self._url, f"format {found}; this version reads up to {_FORMAT}. Upgrade funnel-rlm."
            )


def _path(url: str) -> Path:
    """Return the directory that `url` names."""
    _, _, rest = url.partition(":")
    path = unquote(rest.removeprefix("//localhost").removeprefix("//"), errors="surrogateescape")
    if not rest.startswith(("///", "//localhost/")) or not path.strip("/") or "\0" in path:
        # The URL may name a host and, with it, a user and a password.
        reason = "it names no directory of this machine. Write file:///srv/memory, with an absolute path."
        raise MemoryFailed("file:", reason)
    return Path(path)
