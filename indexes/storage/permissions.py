"""Who may read a collection's files: its owner only, or, if made with `shared`, whoever the umask allows.

The file of the catalog decides for all that is written later, as SQLite does for its own logs. So whoever
changes the permissions of a whole collection by hand changes them for good.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

CATALOG = "catalog.sqlite"
"""The name of the catalog's file in a collection's directory."""

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_FILE = 0o666
_FOLDER = 0o777
_READABLE = 0o444


def make_collection_folder(path: Path, *, shared: bool) -> None:
    """Make the directory of a collection. One that exists keeps its permissions, unless it is empty and ours.

    Raises: `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.mkdir(mode=_FOLDER if shared else _PRIVATE_FOLDER)
        return
    if not path.is_dir():
        raise FileExistsError(17, "Not a directory", str(path))
    if not shared and not any(path.iterdir()):
        with suppress(PermissionError):
            path.chmod(_PRIVATE_FOLDER)


def create_file(path: Path, *, shared: bool) -> int:
    """Create a file that must not exist, and return a descriptor that is open for writing.

    Raises: `OSError`.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE if shared else _PRIVATE_FILE)


def create_missing(path: Path, *, shared: bool) -> None:
    """Create an empty file, unless it exists. Raises: `OSError`."""
    with suppress(FileExistsError):
        os.close(create_file(path, shared=shared))


def create_beside_catalog(path: Path) -> None:
    """Create an empty file for those who may read the catalog beside it, unless it exists.

    Raises: `OSError`.
    """
    create_missing(path, shared=False)
    follow_catalog(path.parent)


def make_engine_folder(path: Path) -> None:
    """Make a directory in that of a collection, for those who may read its catalog; it may exist already.

    Raises: `OSError`.
    """
    path.mkdir(parents=True, exist_ok=True)
    mode = _catalog_mode(path.parent)
    if mode is not None and _mode(path) != _as_folder(mode):
        with suppress(PermissionError):
            path.chmod(_as_folder(mode))


def follow_catalog(collection: Path) -> None:
    """Give every file of a collection the permissions of its catalog, as far as this user may."""
    mode = _catalog_mode(collection)
    if mode is None:
        return
    folders = [entry for entry in collection.iterdir() if entry.is_dir() and not entry.is_symlink()]
    for file in [*collection.iterdir(), *(file for folder in folders for file in folder.iterdir())]:
        # Others may replace or remove files meanwhile.
        with suppress(OSError):
            if file.is_file() and not file.is_symlink() and _mode(file) != mode:
                file.chmod(mode)


def _catalog_mode(collection: Path) -> int | None:
    try:
        return _mode(collection / CATALOG)
    except FileNotFoundError:
        return None


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _as_folder(mode: int) -> int:
    """Return the mode of a directory for whose files this is the mode: who may read may enter."""
    return mode | (mode & _READABLE) >> 2
