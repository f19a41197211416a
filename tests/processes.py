"""Processes of the tests' own that never outlive the block that they belong to."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
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
