"""Parses documents in a process of their own, so that none takes this one down; knows no format.

Parsers of PDF and Office files are large, written in C in part, and read what strangers made: a file may
crash them, keep them busy for ever or fill the memory. What happens then is one `BadFile`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from indexes.errors import BadFile
from indexes.loaders.assembly import Parsed

LIMIT_S = 120.0
MEMORY_BYTES = 2 << 30

_MAX_ANSWER_BYTES = 1 << 30
_START = "from indexes.loaders.worker import main; main()"


class Isolation:
    """One worker process, started at the first document and used for all that follow. One thread at a time.

    A document may take `limit_s` seconds and the worker `memory_bytes` of address space (where the operating
    system can limit that: Linux does).
    """

    def __init__(self, *, limit_s: float = LIMIT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._limit_s = limit_s
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None

    def parse(self, path: Path, suffix: str) -> Parsed:
        """The document in a file, read as its extension says.

        Raises: `BadFile` with the reason, also when the parser crashed or passed a limit.
        """
        is_fresh = self._process is None
        reason, answer = self._ask(path, suffix)
        if reason in {"memory", "crash"} and not is_fresh:
            # The worker may have been worn out by the files before this one.
            reason, answer = self._ask(path, suffix)
        if answer is not None:
            return Parsed.from_json(answer)
        raise BadFile(path, self._explained(reason))

    def close(self) -> None:
        """End the worker; a second call does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # a request that it did not live to read
                    continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, path: Path, suffix: str) -> tuple[str, dict[str, Any] | None]:
        """An answer, or None and why: "time", "memory", "crash", or what the worker said of the file."""
        process = self._process = self._process or self._started()
        is_late = threading.Event()

        def stop() -> None:
            is_late.set()
            process.kill()

        timer = threading.Timer(self._limit_s, stop)
        timer.start()
        try:
            line = _exchange(process, {"path": _spelt(path), "suffix": suffix})
        finally:
            timer.cancel()
            timer.join()
        if not line.endswith(b"\n"):
            self.close()
            return "time" if is_late.is_set() else "crash", None
        answer: dict[str, Any] = json.loads(line)
        reason = answer.get("error", "")
        if reason == "memory" or is_late.is_set():
            self.close()
        return reason, None if reason else answer

    def _started(self) -> subprocess.Popen[bytes]:
        # -P: no module is taken from the current folder, which may be the very one that is indexed.
        command = [sys.executable, "-P", "-c", _START, str(self._memory_bytes), str(self._limit_s)]
        search_path = os.pathsep.join(folder for folder in sys.path if folder)
        return subprocess.Popen(  # noqa: S603  (our own interpreter and code)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": search_path},
            # Ctrl-C is for the parent, which then ends the worker.
            start_new_session=True,
        )

    def _explained(self, reason: str) -> str:
        memory = f"{self._memory_bytes >> 20:,} MiB"
        explanations = {
            "time": f"reading it took longer than {self._limit_s:g} s",
            "memory": f"reading it takes more than {memory} of memory",
            "crash": f"its parser crashed, or took more than {memory} of memory; it is damaged or malicious",
        }
        return explanations.get(reason, reason)


def _exchange(process: subprocess.Popen[bytes], request: dict[str, str]) -> bytes:
    """The worker's answer, cut short where it died."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the worker was started without pipes")
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        return process.stdout.readline(_MAX_ANSWER_BYTES)
    except BrokenPipeError:
        return b""


def _spelt(path: Path) -> str:
    """A path as JSON can carry it: bytes that are no UTF-8 as halves of surrogate pairs."""
    return os.fsencode(path.absolute()).decode("utf-8", "surrogateescape")
