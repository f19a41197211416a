"""What the real servers of the tests share: where a program is, a free port, a start that is waited for."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

START_S = 60.0


def find_program(name: str, *folders: Path) -> Path:
    """The program's path. Where there is none the test is skipped, but in CI it fails."""
    for folder in [None, *folders]:
        if found := shutil.which(name, path=None if folder is None else str(folder)):
            return Path(found)
    raise missing(f"there is no {name} here; `make test` installs it (tests/services/install.sh)")


def missing(reason: str) -> Exception:
    """Return what skips a test, but in CI fails it."""
    return (
        pytest.fail.Exception(reason, pytrace=False)
        if os.environ.get("CI")
        else pytest.skip.Exception(reason)
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server(ABC):
    """A server program with its data in a temporary directory, as a user who is not root."""

    name: str

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"funnel-{self.name}-"))
        self.user = self._user()
        if self.user is not None:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.remove()
            raise

    @abstractmethod
    def prepare(self) -> None:
        """What is done once, before the first start."""

    @abstractmethod
    def command(self) -> list[str]:
        """What runs in the foreground until it is told to end."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves."""

    def start(self) -> None:
        """Start it and wait until it serves. One that was killed may need more than one try."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self._process is None or self._process.poll() is not None:
                with (self.folder / "log").open("ab") as log:
                    self._process = self.popen(self.command(), stdout=log, stderr=log)
            with contextlib.suppress(OSError):
                if self.answers():
                    return
            time.sleep(0.02)
        said = (self.folder / "log").read_text(errors="replace")[-2_000:]
        raise RuntimeError(f"{self.name} did not start within {START_S:g} s:\n{said}")

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def signal(self, what: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(what)

    def remove(self) -> None:
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def popen(self, command: list[str], **options) -> subprocess.Popen[bytes]:
        if self.user is not None:
            options |= {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        return subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, **options)

    @staticmethod
    def _user() -> pwd.struct_passwd | None:
        """Somebody else when this is root: PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return None
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        return known.get("postgres") or known["nobody"]


class MemoryServer(Server):
    """A server that a memory keeps its values in."""

    @abstractmethod
    def age(self, seconds: float) -> None:
        """Let so much time pass for what expires."""
