"""The process that parses documents and may die of it; knows the readers and its own limits.

Reads a request a line from stdin, `{"path": ..., "suffix": ...}`, and answers a line on stdout: the parsed
document, or `{"error": reason}`. Started by `indexes.loaders.isolation`, and by nothing else.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from indexes.loaders.assembly import Unreadable
from indexes.loaders.documents import format_of

MAX_FILE_BYTES = 1 << 30
MAX_TEXT_CHARS = 50_000_000


def main() -> None:
    """Answer requests until stdin ends. Arguments: the memory in bytes and the seconds a request may take."""
    memory_bytes, limit_s = int(sys.argv[1]), float(sys.argv[2])
    # What a parser prints must not stand among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limits = _Limits(memory_bytes, limit_s)
    for request in sys.stdin.buffer:
        limits.renew()
        answer = json.dumps(_answer(json.loads(request)), ensure_ascii=False)
        # What a library says of a damaged file may hold what no encoding can.
        answers.write(answer.encode("utf-8", "replace") + b"\n")
        answers.flush()


class _Limits:
    """What the operating system enforces, where it can; the parent's clock holds everywhere."""

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
        """Give the next request its CPU time: so that it ends even if the parent was killed."""
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
                return  # macOS knows the name and refuses the limit


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return _parse(
            Path(os.fsdecode(request["path"].encode("utf-8", "surrogateescape"))), request["suffix"]
        )
    except MemoryError:
        return {"error": "memory"}
    except Unreadable as exc:
        return {"error": " ".join(str(exc).split())}
    except OSError as exc:
        return {"error": f"it cannot be read ({exc.strerror or exc})"}
    except Exception as exc:  # noqa: BLE001  (a damaged file may fail anywhere in its parser)
        reason = " ".join(f"{type(exc).__name__}: {exc}".split())[:200]
        return {"error": f"it is damaged, or not of the type that its name says ({reason})"}


def _parse(path: Path, suffix: str) -> dict[str, Any]:
    reader = format_of(suffix)
    if reader is None:
        raise Unreadable(f"nothing reads {suffix} files")
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
            raise Unreadable(f"it is larger than the {MAX_FILE_BYTES >> 20:,} MiB that are read")
        data = file.read()
    parsed = reader.read(data)
    if len(parsed.text) > MAX_TEXT_CHARS:
        raise Unreadable(f"its text has more than the {MAX_TEXT_CHARS:,} characters that are read")
    return parsed.as_json()
