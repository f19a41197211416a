"""One writer at a time to a directory, across processes; knows nothing of what is written."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from indexes.errors import CollectionLocked

WAIT_S = 1.0
"""A search that mends an engine after a crash is done in less."""


class WriterLock:
    """The right to write to `directory`. The system takes it back when its holder dies."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._holder = directory / "writer"
        self._file = FileLock(directory / "write.lock", thread_local=False)

    @contextmanager
    def hold(self, *, wait_s: float = WAIT_S) -> Iterator[None]:
        """Hold the lock for a block. Raises: `CollectionLocked`, naming the process that has it."""
        try:
            self._file.acquire(timeout=wait_s)
        except Timeout as exc:
            raise CollectionLocked(self._directory, self._named()) from exc
        try:
            self._holder.write_text(f"Process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
            yield
        finally:
            self._holder.unlink(missing_ok=True)
            self._file.release()

    def _named(self) -> str:
        try:
            return self._holder.read_text(encoding="utf-8") or "Another process"
        except OSError:
            return "Another process"
