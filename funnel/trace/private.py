"""Files that only their owner may read, for text of documents; knows nothing of their content."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TextIO


def create_private(path: Path) -> TextIO:
    """Create or empty a UTF-8 file and return it, open for writing. Missing folders are created.

    A lone surrogate, which UTF-8 cannot encode, is written as its JSON escape.

    Raises: `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    # An existing file would keep its mode. A device such as /dev/null must not be changed.
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n")
