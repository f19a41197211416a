"""Parses documents in a worker process, so that no file can crash the main one; knows no format.

Parsers of PDF and Office files are large, partly written in C, and read untrusted files: a file may crash
them, keep them busy forever or exhaust the memory. In each case a `BadFile` is raised.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from indexes.errors import BadFile
from indexes.isolation.worker import MEMORY_BYTES, Worker
from indexes.loaders.assembly import Parsed

LIMIT_S = 120.0

_MAIN = "indexes.loaders.worker"


class Isolation:
    """A worker process, started for the first document and reused for the others. Not thread-safe.

    A document may take `limit_s` seconds, and the worker `memory_bytes` of address space if the operating
    system supports that limit, as Linux does.
    """

    def __init__(self, *, limit_s: float = LIMIT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._worker = Worker(_MAIN, limit_s=limit_s, memory_bytes=memory_bytes)

    def parse(self, path: Path, suffix: str) -> Parsed:
        """Parse a file in the format of its extension.

        Raises: `BadFile` with the reason, also if the parser crashes or exceeds a limit.
        """
        reason, answer = self._worker.ask({"path": _json_path_text(path), "suffix": suffix})
        if answer is not None:
            return Parsed.from_json(answer)
        raise BadFile(path, self._worker.describe(reason, "reading it"))

    def close(self) -> None:
        """End the worker; a second call does nothing."""
        self._worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _json_path_text(path: Path) -> str:
    """Return a path as text for JSON; bytes that are not UTF-8 become lone surrogates."""
    return os.fsencode(path.absolute()).decode("utf-8", "surrogateescape")
