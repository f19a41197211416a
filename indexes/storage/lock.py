"""One writer at a time to a directory, across processes; knows nothing of what is written."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from indexes.errors import CollectionLocked, CollectionNotWritable
from indexes.storage import faults

WAIT_S = 1.0
"""A search that mends an engine after a crash is done in less."""

_UNKNOWN = "Another process"


class WriterLock:
    """The right to write to `directory`. The system takes it back when its holder dies."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._holder = directory / "writer"
        self._file = FileLock(directory / "write.lock", thread_local=False)

    @contextmanager
    def hold(self, *, wait_s: float = WAIT_S) -> Iterator[None]:
        """Hold the lock for a block; a block inside another of the same object goes on at once.

        Raises: `CollectionLocked`, naming the process that has it; `CollectionNotWritable`.
        """
        try:
            self._file.acquire(timeout=wait_s)
        except Timeout as exc:
            raise CollectionLocked(self._directory, self._named()) from exc
        except OSError as exc:
            raise self._refused(exc) from exc
        faults.step("lock.held")
        try:
            if self._file.lock_counter == 1:
                self._sign()
            yield
        finally:
            if self._file.lock_counter == 1:
                self._holder.unlink(missing_ok=True)
                faults.step("lock.free")
            self._file.release()

    def _sign(self) -> None:
        """Say who holds the lock. Who waits for it reads a line that is whole, or none."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        temporary = self._holder.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps(holder), encoding="utf-8")
            temporary.replace(self._holder)
        except OSError as exc:
            raise self._refused(exc) from exc
        faults.step("lock.named")

    def _named(self) -> str:
        try:
            holder = json.loads(self._holder.read_text(encoding="utf-8"))
            pid, host, since = int(holder["pid"]), str(holder["host"]), str(holder["since"])
        except (OSError, ValueError, TypeError, KeyError):
            return _UNKNOWN
        if host == socket.gethostname() and not _lives(pid):
            return _UNKNOWN  # the name of a holder that died; the next one has not signed yet
        return f"Process {pid} on {host} (since {since})"

    def _refused(self, error: OSError) -> CollectionNotWritable:
        return CollectionNotWritable(self._directory, error.strerror or str(error))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
