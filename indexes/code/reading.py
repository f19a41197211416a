"""Reads source code in a worker process, since a hostile file can keep a parser busy or take all memory."""

from __future__ import annotations

from threading import Lock
from typing import Any

from indexes.code.definitions import Definition, Occurrence
from indexes.code.languages import Language
from indexes.errors import CodeUnread
from indexes.isolation.worker import Worker

LIMIT_S = 5.0
"""Processor time for one file."""
WAITS_S = 60.0
"""Time for one file on a machine that is busy."""
MEMORY_BYTES = 1 << 30
MAX_CHARS = 2_000_000
"""Generated files are longer than this, and nobody asks for what they define."""


class CodeReader:
    """A worker process that parses, started for the first file and kept until `close`. Thread-safe."""

    def __init__(self, *, limit_s: float = LIMIT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._worker = Worker(
            "indexes.code.worker", limit_s=limit_s, waits_s=WAITS_S, memory_bytes=memory_bytes
        )
        self._lock = Lock()

    def definitions(self, text: str, language: Language, *, loops: bool = False) -> list[Definition]:
        """Return what a file defines, in order; see `indexes.code.definitions`. Raises: `CodeUnread`."""
        found = self._ask(text, {"language": language.name, "loops": loops})
        return [Definition(*each) for each in found]

    def occurrences(self, text: str, language: Language, name: str) -> list[Occurrence]:
        """Return where a name stands as a name in a file, in order. Raises: `CodeUnread`."""
        found = self._ask(text, {"language": language.name, "name": name})
        return [Occurrence(*each) for each in found]

    def close(self) -> None:
        """End the worker, also while it parses; a later call starts another."""
        self._worker.stop()
        with self._lock:
            self._worker.close()

    def _ask(self, text: str, request: dict[str, Any]) -> list[Any]:
        if len(text) > MAX_CHARS:
            raise CodeUnread(f"it has {len(text):,} characters, and at most {MAX_CHARS:,} are parsed")
        with self._lock:
            reason, answer = self._worker.ask({**request, "text": text})
        if answer is None:
            raise CodeUnread(self._worker.describe(reason, "parsing it"))
        found: list[Any] = answer["found"]
        return found
