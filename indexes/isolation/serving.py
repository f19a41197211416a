"""The worker's side of a worker process: its loop over requests, and its own limits.

Reads one request per line from stdin, an object, and answers on one line of stdout with an object, or with
`{"error": reason}`. Only `indexes.isolation.worker` starts it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any


def serve(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Answer requests until stdin ends. Arguments: memory limit (bytes), time limit per request (seconds).

    `answer` raises `MemoryError` if a request takes too much; anything else that it raises ends the process.
    """
    memory_bytes, limit_s = int(sys.argv[1]), float(sys.argv[2])
    # The output of a parser must not be mixed with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limits = _Limits(memory_bytes, limit_s)
    for request in sys.stdin.buffer:
        limits.renew()
        try:
            given = answer(json.loads(request))
        except MemoryError:
            given = {"error": "memory"}
        # A library's message about a damaged file may contain lone surrogates.
        answers.write(json.dumps(given, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        answers.flush()


class _Limits:
    """Limits that the operating system enforces, if it can. The parent's timer works everywhere."""

    def __init__(self, memory_bytes: int, limit_s: float) -> None:
        self._limit_s = limit_s
        try:
            import resource  # noqa: PLC0415  (not on Windows)
        except ImportError:
            self._resource = None
            return
        self._resource = resource
        self._set(resource.RLIMIT_CORE, 0)
        self._set(resource.RLIMIT_AS, memory_bytes)

    def renew(self) -> None:
        """Set the CPU time limit for the next request, so that it ends even if the parent is killed."""
        if self._resource:
            used = self._resource.getrusage(self._resource.RUSAGE_SELF)
            self._set(self._resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + self._limit_s) + 2)

    def _set(self, kind: int, value: int) -> None:
        if self._resource:
            hard = self._resource.getrlimit(kind)[1]
            value = value if hard == self._resource.RLIM_INFINITY else min(value, hard)
            try:
                self._resource.setrlimit(kind, (value, hard))
            except (ValueError, OSError):
                return  # macOS defines the limit but refuses to set it
