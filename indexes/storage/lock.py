"""A lock that allows one writer to a directory at a time, across processes; knows nothing about the data."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from indexes.errors import CollectionLocked, CollectionNotWritable
from indexes.storage import faults

WAIT_S = 1.0
"""Longer than a search takes to repair an engine after a crash."""

_UNKNOWN = "Another process"


class WriterLock:
    """The right to write to a directory. The operating system releases it if its holder dies."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._holder = directory / "writer"
        self._file = FileLock(directory / "write.lock", thread_local=False)

    @contextmanager
    def hold(self, *, wait_s: float = WAIT_S) -> Iterator[None]:
        """Hold the lock for the duration of a block. It is reentrant within one object.

        Raises: `CollectionLocked`, which names the process that holds it; `CollectionNotWritable`.
        """
        try:
            self._file.acquire(timeout=wait_s)
        except Timeout as exc:
            raise CollectionLocked(self._directory, self._holder_name()) from exc
        except OSError as exc:
            raise self._not_writable(exc) from exc
        faults.step("lock.held")
        try:
            if self._file.lock_counter == 1:
                self._write_holder()
            yield
        finally:
            if self._file.lock_counter == 1:
                self._holder.unlink(missing_ok=True)
                faults.step("lock.free")
            self._file.release()

    def _write_holder(self) -> None:
        """Write down who holds the lock, atomically: other processes read a complete line or none."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        temporary = self._holder.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps(holder), encoding="utf-8")
            temporary.replace(self._holder)
        except OSError as exc:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise self._not_writable(exc) from exc
        faults.step("lock.named")

    def _holder_name(self) -> str:
        try:
            holder = json.loads(self._holder.read_text(encoding="utf-8"))
            pid, host, since = int(holder["pid"]), str(holder["host"]), str(holder["since"])
        except (OSError, ValueError, TypeError, KeyError):
            return _UNKNOWN
        if host == socket.gethostname() and not _is_running(pid):
            return _UNKNOWN  # the file names a holder that died; the new one has not written its name yet
        return f"Process {pid} on {host} (since {since})"

    def _not_writable(self, error: OSError) -> CollectionNotWritable:
        return CollectionNotWritable(self._directory, error.strerror or str(error))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
