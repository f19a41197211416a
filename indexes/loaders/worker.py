"""The worker process that parses documents and may crash on one; knows the readers and its own limits.

Reads one request per line from stdin, `{"path": ..., "suffix": ...}`, and answers on one line of stdout with
the parsed document or `{"error": reason}`. Only `indexes.loaders.isolation` starts it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from indexes.errors import PlugInFailed
from indexes.loaders.assembly import Parsed, Unreadable
from indexes.loaders.decoding import read_text
from indexes.loaders.discovery import HTML
from indexes.loaders.documents import format_of
from indexes.loaders.texts import parse_text

MAX_FILE_BYTES = 1 << 30
MAX_TEXT_CHARS = 50_000_000


def main() -> None:
    """Answer requests until stdin ends. Arguments: memory limit (bytes), time limit per request (seconds)."""
    memory_bytes, limit_s = int(sys.argv[1]), float(sys.argv[2])
    # The output of a parser must not be mixed with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limits = _Limits(memory_bytes, limit_s)
    for request in sys.stdin.buffer:
        limits.renew()
        answer = json.dumps(_answer(json.loads(request)), ensure_ascii=False)
        # A library's message about a damaged file may contain lone surrogates.
        answers.write(answer.encode("utf-8", "replace") + b"\n")
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


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return _parse(
            Path(os.fsdecode(request["path"].encode("utf-8", "surrogateescape"))), request["suffix"]
        )
    except MemoryError:
        return {"error": "memory"}
    except Unreadable as exc:
        return {"error": " ".join(str(exc).split())}
    except PlugInFailed as exc:
        return {"error": str(exc).removesuffix(".")}
    except OSError as exc:
        return {"error": f"it cannot be read ({exc.strerror or exc})"}
    except Exception as exc:  # noqa: BLE001  (a damaged file may fail anywhere in its parser)
        reason = " ".join(f"{type(exc).__name__}: {exc}".split())[:200]
        return {"error": f"it is damaged, or not of the type that its name says ({reason})"}


def _parse(path: Path, suffix: str) -> dict[str, Any]:
    reader = format_of(suffix)
    if reader is None and suffix in HTML:
        return _markup(path, suffix).as_json()
    if reader is None:
        raise Unreadable(f"nothing reads {suffix} files")
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
            raise Unreadable(f"it is larger than the limit of {MAX_FILE_BYTES >> 20:,} MiB")
        data = file.read()
    parsed = reader.read(data)
    if len(parsed.text) > MAX_TEXT_CHARS:
        raise Unreadable(f"its text is longer than the limit of {MAX_TEXT_CHARS:,} characters")
    return parsed.as_json()


def _markup(path: Path, suffix: str) -> Parsed:
    try:
        return parse_text(suffix, read_text(path))
    except ValueError as exc:
        raise Unreadable(str(exc)) from exc
