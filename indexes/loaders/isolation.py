"""Parses documents in a worker process, so that no file can crash the main one; knows no format.

Parsers of PDF and Office files are large, partly written in C, and read untrusted files: a file may crash
them, keep them busy forever or exhaust the memory. In each case a `BadFile` is raised.
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
_MAIN = "from indexes.loaders.worker import main; main()"


class Isolation:
    """A worker process, started for the first document and reused for the others. Not thread-safe.

    A document may take `limit_s` seconds, and the worker `memory_bytes` of address space if the operating
    system supports that limit, as Linux does.
    """

    def __init__(self, *, limit_s: float = LIMIT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._limit_s = limit_s
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None

    def parse(self, path: Path, suffix: str) -> Parsed:
        """Parse a file in the format of its extension.

        Raises: `BadFile` with the reason, also if the parser crashes or exceeds a limit.
        """
        is_fresh = self._process is None
        reason, answer = self._request(path, suffix)
        if reason in {"memory", "crash"} and not is_fresh:
            # Earlier files may have left the worker in a bad state, so try once in a fresh one.
            reason, answer = self._request(path, suffix)
        if answer is not None:
            return Parsed.from_json(answer)
        raise BadFile(path, self._describe_reason(reason))

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
                except BrokenPipeError:  # a request that the worker did not read before it died
                    continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _request(self, path: Path, suffix: str) -> tuple[str, dict[str, Any] | None]:
        """Return ("", answer), or the reason and None: "time", "memory", "crash", or the worker's message."""
        process = self._process = self._process or self._start_worker()
        timed_out = threading.Event()

        def stop() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(self._limit_s, stop)
        timer.start()
        try:
            line = _exchange(process, {"path": _json_path_text(path), "suffix": suffix})
        finally:
            timer.cancel()
            timer.join()
        if not line.endswith(b"\n"):
            self.close()
            return "time" if timed_out.is_set() else "crash", None
        answer: dict[str, Any] = json.loads(line)
        reason = answer.get("error", "")
        if reason == "memory" or timed_out.is_set():
            self.close()
        return reason, None if reason else answer

    def _start_worker(self) -> subprocess.Popen[bytes]:
        # -P: import no module from the current folder, which may be the one that is being indexed.
        command = [sys.executable, "-P", "-c", _MAIN, str(self._memory_bytes), str(self._limit_s)]
        search_path = os.pathsep.join(folder for folder in sys.path if folder)
        return subprocess.Popen(  # noqa: S603  (our own interpreter and code)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": search_path},
            # So that Ctrl-C reaches only the parent, which then ends the worker.
            start_new_session=True,
        )

    def _describe_reason(self, reason: str) -> str:
        memory = f"{self._memory_bytes >> 20:,} MiB"
        explanations = {
            "time": f"reading it took longer than {self._limit_s:g} s",
            "memory": f"reading it takes more than {memory} of memory",
            "crash": f"its parser crashed, or took more than {memory} of memory; it is damaged or malicious",
        }
        return explanations.get(reason, reason)


def _exchange(process: subprocess.Popen[bytes], request: dict[str, str]) -> bytes:
    """Send a request and return the answer, which is incomplete if the worker died."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the worker was started without pipes")
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        return process.stdout.readline(_MAX_ANSWER_BYTES)
    except BrokenPipeError:
        return b""


def _json_path_text(path: Path) -> str:
    """Return a path as text for JSON; bytes that are not UTF-8 become lone surrogates."""
    return os.fsencode(path.absolute()).decode("utf-8", "surrogateescape")
