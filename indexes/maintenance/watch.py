"""Keeps a collection in step with files and folders; knows when something changed, not its contents.

If the `watchfiles` package is installed, it reports a change at once; otherwise the files are polled every
few seconds. Either way, their modification times and sizes decide whether anything is read again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event

from indexes.collection import Collection
from indexes.errors import CollectionLocked, IndexesError
from indexes.loaders import load
from indexes.retrieval.base import ProgressCallback
from indexes.types import Changes

POLL_S = 2.0
"""Polling interval unless `watchfiles` reports changes."""

QUIET_S = 0.3
"""A burst of changes is over when nothing has changed for this long."""

_WAKE_MS = 5000
_LONGEST_BURST_S = 10.0

_Signature = frozenset[tuple[str, int, int]]
"""(path, modification time in ns, size) of each file below a root; empty if there is none."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """Result of syncing one path. `problems`: files that could not be read; their documents are kept."""

    changes: Changes
    problems: tuple[str, ...]


SyncCallback = Callable[[Path, SyncResult | IndexesError], None]


def sync_path(
    collection: Collection,
    path: Path,
    *,
    allow_mass_delete: bool = False,
    progress: ProgressCallback | None = None,
) -> SyncResult:
    """Bring the collection up to date with one file or folder.

    Everything is read once beforehand, so that files that cannot be read are known before anything is
    changed; the documents that came from them are kept.

    Raises: as `load` and `Collection.sync`.
    """
    first = load([path])
    for _ in first:
        pass
    problems = tuple(str(problem) for problem in first.problems)
    changes = collection.sync(
        load([path]),
        source=str(path.resolve()),
        unread=first.unread,
        allow_mass_delete=allow_mass_delete,
        progress=progress,
    )
    return SyncResult(changes, problems)


def watch(
    collection: Collection,
    paths: Sequence[Path],
    on_sync: SyncCallback,
    *,
    stop: Event,
    poll_s: float | None = None,
) -> None:
    """Sync each path now and whenever something below it changes, until `stop` is set.

    `on_sync` is called for each sync that changed anything or failed. A missing root, a mass deletion or a
    file that cannot be read is reported and removes nothing. If another process is writing to the collection,
    the sync is retried. With `poll_s`, files are polled at that interval even if `watchfiles` is installed.
    """
    seen: dict[Path, _Signature | None] = dict.fromkeys(paths)
    while not stop.is_set():
        for path in paths:
            now = _signature_after_burst(path, stop)
            if now != seen[path] and not stop.is_set():
                seen[path] = now if _sync_and_report(collection, path, on_sync) else None
        _wait(paths, stop, POLL_S if None in seen.values() else poll_s)


def _sync_and_report(collection: Collection, path: Path, on_sync: SyncCallback) -> bool:
    """Sync a path and report the result. Returns False if the sync must be retried."""
    try:
        done = sync_path(collection, path)
    except CollectionLocked as error:
        on_sync(path, error)
        return False
    except IndexesError as error:
        on_sync(path, error)
        return True
    if done.changes.any or done.problems:
        on_sync(path, done)
    return True


def _signature_after_burst(path: Path, stop: Event) -> _Signature:
    """Return the signature of the files once a burst of changes is over."""
    before = _signature(path)
    for _ in range(int(_LONGEST_BURST_S / QUIET_S)):
        if stop.wait(QUIET_S):
            break
        now = _signature(path)
        if now == before:
            break
        before = now
    return before


def _wait(paths: Iterable[Path], stop: Event, poll_s: float | None) -> None:
    """Wait until something may have changed."""
    there = [path for path in paths if path.exists()]
    if poll_s is None and there and find_spec("watchfiles") is not None:
        import watchfiles  # noqa: PLC0415  # optional

        # A change between the last check and this call is noticed when the time-out ends.
        changes = watchfiles.watch(*there, stop_event=stop, rust_timeout=_WAKE_MS, yield_on_timeout=True)
        next(changes, None)
    else:
        stop.wait(POLL_S if poll_s is None else poll_s)


def _signature(path: Path) -> _Signature:
    if path.is_file():
        return frozenset(_entry(path))
    below = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    return frozenset(entry for file in below for entry in _entry(file))


def _entry(path: Path) -> list[tuple[str, int, int]]:
    try:
        found = path.stat()
    except OSError:
        return []  # the file is gone, or is a broken link
    return [(os.fspath(path), found.st_mtime_ns, found.st_size)]
