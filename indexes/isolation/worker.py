"""The caller's side of a worker process: starts it, asks it, and ends it when it is late or has died."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

MEMORY_BYTES = 2 << 30

_MAX_ANSWER_BYTES = 1 << 30
_OVER_TIME = getattr(signal, "SIGXCPU", 0)


class Worker:
    """A process, started for the first request and reused for the others. Not thread-safe.

    `main`: the module whose `main` answers in the process, by `indexes.isolation.serving.serve`. A request
    may take `limit_s` seconds of processor time and of the clock, or `waits_s` of the clock if that is given,
    for a machine that is busy; and the process `memory_bytes` of address space. The operating system limits
    processor time and memory, if it can, as Linux does.
    """

    def __init__(
        self, main: str, *, limit_s: float, waits_s: float | None = None, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self._main = main
        self.limit_s = limit_s
        self._waits_s = limit_s if waits_s is None else waits_s
        self.memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def ask(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
        """Return ("", answer), or the reason and None: "time", "memory", "crash", or the worker's message."""
        is_fresh = self._process is None
        reason, answer = self._request(request)
        if reason in {"memory", "crash"} and not is_fresh and not self._stopped:
            # Earlier requests may have left the process in a bad state, so try once in a fresh one.
            reason, answer = self._request(request)
        return reason, answer

    def stop(self) -> None:
        """End the process though a request is under way, in any thread: the request ends as a crash."""
        self._stopped = True
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End the process; a second call does nothing."""
        self._stopped = False
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # a request that the process did not read before it died
                    continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _request(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
        process = self._process = self._process or self._start()
        timed_out = threading.Event()

        def stop() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(self._waits_s, stop)
        timer.start()
        try:
            line = _exchange(process, request)
        finally:
            timer.cancel()
            timer.join()
        if not line.endswith(b"\n"):
            self.close()
            is_late = timed_out.is_set() or process.returncode == -_OVER_TIME
            return "time" if is_late else "crash", None
        answer: dict[str, Any] = json.loads(line)
        reason = answer.get("error", "")
        if reason == "memory" or timed_out.is_set():
            self.close()
        return reason, None if reason else answer

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: import no module from the current folder, which may be the one that is being indexed.
        code = f"from {self._main} import main; main()"
        command = [sys.executable, "-P", "-c", code, str(self.memory_bytes), str(self.limit_s)]
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

    def describe(self, reason: str, doing: str) -> str:
        """Return a reason in words. `doing`: what took too long or too much, such as "reading it"."""
        memory = f"{self.memory_bytes >> 20:,} MiB"
        explanations = {
            "time": f"{doing} took longer than {self.limit_s:g} s",
            "memory": f"{doing} takes more than {memory} of memory",
            "crash": f"its parser crashed, or took more than {memory} of memory; it is damaged or malicious",
        }
        return explanations.get(reason, reason)


def _exchange(process: subprocess.Popen[bytes], request: Mapping[str, Any]) -> bytes:
    """Send a request and return the answer, which is incomplete if the worker died."""
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the worker was started without pipes")
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        return process.stdout.readline(_MAX_ANSWER_BYTES)
    except BrokenPipeError:
        return b""
