"""Processes of the tests' own that never outlive the block that they belong to."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

PIPES: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
IGNORING_SIGINT = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")
"""Before a command: what it starts with when a shell starts it in the background, or `nohup` does."""


@contextmanager
def started(command: Sequence[str | PathLike[str]], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process for as long as the block lasts; it is killed where the block ends before it does.

    `Popen` by itself waits for the process, and so for ever for one that an assertion left waiting.
    """
    with subprocess.Popen(list(map(str, command)), **options) as process:
        try:
            yield process
        finally:
            process.kill()


def gone(pids: Iterable[int | str], within_s: float) -> bool:
    """Whether none of these processes exists any more after at most so many seconds; needs /proc."""
    left = [Path(f"/proc/{pid}") for pid in pids]
    end = time.monotonic() + within_s
    while left and time.monotonic() < end:
        left = [path for path in left if path.exists()]
        time.sleep(0.02)
    return not left
