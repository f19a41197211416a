"""The processes of the benchmark: the endpoint, and a worker per system; measures nothing.

Knows how they are started and how they communicate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
OURS = "funnel"
PEERS = ("rlms", "dspy")

Found = dict[str, Any]


class Process:
    """A Python process that reads orders from its standard input and answers each with a line."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid
        self._name = " ".join(command[1:3])

    def line(self) -> str:
        """Return the process's next line. Raises: `RuntimeError` if it has ended instead."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"{self._name} ended early; its own error is above")
        return line

    def send(self, order: Found) -> None:
        """Send the process an order."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The process ends when its input ends.
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Server(Process):
    """The endpoint. Run by the peers' Python, it also counts tokens."""

    def __init__(self, python: str) -> None:
        super().__init__([python, str(HERE / "inspector_server.py")], clean_environment())
        self.url = f"http://127.0.0.1:{int(self.line())}"

    def reset(self, delay_s: float) -> None:
        """Forget all calls, and delay each from now on."""
        self._post("/reset", {"delay_s": delay_s})

    def log(self) -> Found:
        """Return every call since the last reset."""
        return self._post("/log", {})

    def _post(self, path: str, body: Found) -> Found:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode())  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - loopback
            found: Found = json.load(answer)
        return found


class Worker(Process):
    """One system, warm once it has answered; `hello` is its first message."""

    def __init__(self, system: str, server: Server, peers: str, scratch: Path, *options: str) -> None:
        self.system = system
        self._server = server
        url = f"{server.url}/v1"
        if system == OURS:
            command = [
                sys.executable,
                str(HERE / "inspector_worker.py"),
                url,
                str(scratch / "traces"),
                *options,
            ]
            environment = clean_environment(PYTHONPATH=str(HERE.parent))
        else:
            command = [peers, str(HERE / "inspector_peer.py"), url, system]
            environment = clean_environment(HOME=str(scratch), LITELLM_LOCAL_MODEL_COST_MAP="True")
        super().__init__(command, environment)
        self.hello: Found = json.loads(self.line())

    def ask(self, order: Found, delay_s: float) -> Found:
        """Ask one question; returns the measurements of the worker and of the endpoint."""
        self._server.reset(delay_s)
        self.send(order)
        found: Found = json.loads(self.line())
        return {**found, **self._server.log()}


def clean_environment(**more: str) -> dict[str, str]:
    """Return an environment without the caller's settings, keys and proxies."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**inherited, **more}
