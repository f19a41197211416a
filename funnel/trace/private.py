"""A file that only its owner may read, for what holds text of documents; knows nothing of its content."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TextIO


def create_private(path: Path) -> TextIO:
    """An empty UTF-8 file at `path`, which may have been there before; folders are made as needed.

    A lone surrogate, which UTF-8 lacks, is written as the escape that JSON has for it.

    Raises: `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    # A file that was there before keeps its mode; a device such as /dev/null is not ours to change.
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n")
