"""`file:///dir`: a memory in a directory that several processes may share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from funnel.errors import MemoryFailed

if TYPE_CHECKING:
    from funnel.memory.backends.files.memory import FilesMemory


def open_files(url: str) -> FilesMemory:
    """Open the memory in the folder of `url`. Raises: `MemoryFailed`, on Windows always."""
    try:
        from funnel.memory.backends.files.memory import FilesMemory  # noqa: PLC0415 - its locks are those of POSIX
    except ImportError:
        raise MemoryFailed("file:", "Windows has no such locks. Use sqlite:///memory.sqlite.") from None
    return FilesMemory(url)
