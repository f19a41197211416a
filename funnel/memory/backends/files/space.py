"""One namespace as a directory with a file for each value; knows locks and crashes, no event loop.

    .state          a counter, odd while names change, and the namespace; it is also the file that is locked
    .one            a value that is being written
    .new/           a batch that is being written, all values under their final names
    .batch/         a complete batch: renaming `.new` to it commits the batch
    note-2fx        the value under the key `note/x`
    note-2fx~       a value that expires

Writers exclude each other by `flock`, which ends with its process. Readers take no lock: they read the
counter before and after, and wait for the lock if it is odd or has changed. A process that gets the lock and
finds an odd counter first completes the work of one that died: it moves a committed batch into place and
removes any other. So a batch is visible as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import shutil
import struct
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from funnel.errors import MemoryFailed
from funnel.memory.backends import names
from funnel.memory.backends.files.values import EXPIRES, file_names, read_head, read_value, write_value
from funnel.memory.backends.value import Value

_COUNTER = struct.Struct("<Q")
_LOCK_S = 30.0
_POLL_S = 0.002
_READ_TRIES = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Listing:
    """All keys, sorted, for one value of the counter, and when the expiring ones expire."""

    counter: int
    keys: list[str]
    expiring: dict[str, float]


class NamespaceDirectory:
    """The values of one namespace in the directory `path`. Every method may be called from any thread.

    Every method raises `OSError`, and `MemoryFailed` if a file is damaged or the lock cannot be taken.
    """

    def __init__(self, path: Path, where: str, url: str) -> None:
        self._path = str(path)
        self._label = _COUNTER.pack(0) + where.encode("utf-8", "surrogatepass")
        self._url = url
        self._thread_lock = threading.Lock()
        self._listing: _Listing | None = None

    def read(self, keys: Sequence[str], now: float) -> dict[str, Value]:
        """Return the live values of those keys, as one consistent snapshot."""

        def values() -> dict[str, Value]:
            found = ((key, self._value(key)) for key in keys)
            return {key: value for key, value in found if value is not None and value.expires_at > now}

        # One file is of one moment anyway, so a single value that was found need not be checked again.
        return self._consistent(values, settled=lambda found: len(keys) == 1 and bool(found)) or {}

    def write(self, items: Mapping[str, bytes], expires_at: float) -> None:
        """Write all items or none."""
        with self._exclusive() as state:
            self._write(state, items, expires_at)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete keys; one that does not exist is ignored."""
        if not self.exists():
            return
        with self._exclusive() as state:
            self._unlink(state, [name for key in keys for name in file_names(key)])

    def swap(self, key: str, expected: bytes | None, value: bytes, now: float) -> bool:
        """Write `value` if the key holds `expected`; return whether it did."""
        if expected is not None and not self.exists():
            return False
        with self._exclusive() as state:
            found = self._value(key)
            live = found.value if found is not None and found.expires_at > now else None
            if live != expected:
                return False
            self._write(state, {key: value}, math.inf)
            return True

    def scan(self, prefix: str, after: str, limit: int, now: float) -> list[str]:
        """Return up to `limit` live keys with `prefix` that sort after `after`, sorted."""
        listing = self._listed()
        first = max(bisect_left(listing.keys, prefix), bisect_right(listing.keys, after))
        found: list[str] = []
        for at in range(first, len(listing.keys)):
            key = listing.keys[at]
            if len(found) >= limit or not key.startswith(prefix):
                break
            if listing.expiring.get(key, math.inf) > now:
                found.append(key)
        return found

    def holds(self, now: float) -> bool:
        """Return True if there is a live key."""
        return bool(self.scan("", "", 1, now))

    def sweep(self, now: float) -> None:
        """Remove the files of expired values."""
        expired = [key for key, expires_at in self._listed().expiring.items() if expires_at <= now]
        if not expired:
            return
        with self._exclusive() as state:
            # A value may have been written again since it was listed.
            gone = [key for key in expired if (value := self._value(key)) and value.expires_at <= now]
            self._unlink(state, [name for key in gone for name in file_names(key)])

    def exists(self) -> bool:
        """Return True if anything was ever written here."""
        return os.path.exists(self._file(".state"))

    def _file(self, name: str) -> str:
        return f"{self._path}/{name}"

    # reading

    def _consistent(
        self, read: Callable[[], T], *, settled: Callable[[T], bool] = lambda _: False
    ) -> T | None:
        """Return the result of `read` during which no name changed; None if nothing was ever written."""
        for _ in range(_READ_TRIES):
            try:
                before = self._counter()
            except FileNotFoundError:
                return None
            if before % 2:
                break
            result = read()
            if settled(result) or self._counter() == before:
                return result
        with self._exclusive():
            return read()

    def _counter(self) -> int:
        fd = os.open(self._file(".state"), os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _counted(fd)
        finally:
            os.close(fd)

    def _value(self, key: str) -> Value | None:
        for name in file_names(key):
            if (value := self._read(read_value, name)) is not None:
                return value
        return None

    def _read(self, read: Callable[[str], T], name: str) -> T | None:
        """Return the result of `read` for a file; None if there is no such file."""
        try:
            return read(self._file(name))
        except FileNotFoundError:
            return None
        except ValueError as error:
            reason = f"{self._file(name)} {error}. Restore or remove it."
            raise MemoryFailed(self._url, reason) from error

    def _listed(self) -> _Listing:
        def listing() -> _Listing:
            counter = self._counter()
            if self._listing is not None and self._listing.counter == counter:
                return self._listing
            keys: list[str] = []
            expiring: dict[str, float] = {}
            with os.scandir(self._path) as files:
                for file in files:
                    name = file.name.removesuffix(EXPIRES)
                    if not names.is_name(name):
                        continue
                    key = None if names.is_hashed(name) else names.decode(name)
                    if key is None or name != file.name:
                        seen = self._read(read_head, file.name)
                        if seen is None:
                            continue
                        key, expires_at = seen
                        if expires_at != math.inf:
                            expiring[key] = expires_at
                    keys.append(key)
            return _Listing(counter, sorted(keys), expiring)

        found = self._consistent(listing) or _Listing(0, [], {})
        self._listing = found
        return found

    # writing, under the lock

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[int]:
        """Hold the lock and yield the open `.state`; first complete what a dead process left behind."""
        with self._thread_lock:
            state = self._opened()
            try:
                self._lock(state)
                if os.fstat(state).st_size < len(self._label):
                    os.pwrite(state, self._label, 0)
                if _counted(state) % 2:
                    self._recover(state)
                yield state
            finally:
                os.close(state)

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(self._file(".state"), flags, 0o600)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._path, 0o700)
            return os.open(self._file(".state"), flags, 0o600)

    def _lock(self, state: int) -> None:
        deadline = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(state, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    reason = f"another process has locked {self._path} for {_LOCK_S:g} s. End it, or wait."
                    raise MemoryFailed(self._url, reason) from None
                time.sleep(_POLL_S)
            else:
                return

    def _recover(self, state: int) -> None:
        if os.path.isdir(self._file(".batch")):
            self._move()
        os.pwrite(state, _COUNTER.pack(_counted(state) + 1), 0)

    @contextlib.contextmanager
    def _changing(self, state: int) -> Iterator[None]:
        """Have readers wait while names change. After an error the counter stays odd, for `_recover`."""
        counter = _counted(state)
        os.pwrite(state, _COUNTER.pack(counter + 1), 0)
        yield
        os.pwrite(state, _COUNTER.pack(counter + 2), 0)

    def _write(self, state: int, items: Mapping[str, bytes], expires_at: float) -> None:
        if len(items) != 1:
            self._write_batch(state, items, expires_at)
            return
        [(key, value)] = items.items()
        name, other = file_names(key, expires_at)
        if os.path.exists(self._file(other)):
            self._write_batch(state, items, expires_at)
            return
        one, file = self._file(".one"), self._file(name)
        write_value(one, key, value, expires_at)
        # A listing has the times of expiry, so it must be made again; a value that stays is in it already.
        if expires_at == math.inf and os.path.exists(file):
            os.replace(one, file)
            return
        with self._changing(state):
            os.replace(one, file)

    def _write_batch(self, state: int, items: Mapping[str, bytes], expires_at: float) -> None:
        new = self._file(".new")
        if os.path.exists(new):
            shutil.rmtree(new)
        os.mkdir(new, 0o700)
        try:
            for key, value in items.items():
                write_value(f"{new}/{file_names(key, expires_at)[0]}", key, value, expires_at)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        with self._changing(state):
            os.rename(new, self._file(".batch"))
            self._move()

    def _move(self) -> None:
        """Move the files of a committed batch into place. After a crash this can be repeated."""
        batch = self._file(".batch")
        for name in os.listdir(batch):
            plain = name.removesuffix(EXPIRES)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._file(plain if plain != name else plain + EXPIRES))
            os.replace(f"{batch}/{name}", self._file(name))
        os.rmdir(batch)

    def _unlink(self, state: int, found: Iterable[str]) -> None:
        with self._changing(state):
            for name in found:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._file(name))


def stored_namespace(path: Path) -> str:
    """Return the namespace of a directory; "" if none was ever written."""
    try:
        return (path / ".state").read_bytes()[_COUNTER.size :].decode("utf-8", "surrogatepass")
    except FileNotFoundError:
        return ""


def _counted(state: int) -> int:
    raw = os.pread(state, _COUNTER.size, 0)
    return int(_COUNTER.unpack(raw)[0]) if len(raw) == _COUNTER.size else 0
