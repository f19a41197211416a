"""One budget of memory for all sandboxes of a process; knows no engine.

A session counts with all that it may take. One that does not fit waits. A parent keeps its session while it
waits for its children, so a session is admitted only if there would still be room for a child of it, a child
of that, and so on down to the deepest level. So of all sessions that are open, the deepest can always go on.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

SHARE = 0.75
"""The share of this machine's memory, or of the container's, that all sandboxes may take together."""
_FALLBACK_BYTES = 4 * 1024**3
"""Where the size of the memory cannot be read."""
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_LIMIT_FILES = ("memory.max", "memory/memory.limit_in_bytes")


@dataclass(eq=False, slots=True)
class _Asked:
    """A session that is open or waits: its bytes, and its depth of at most `max_depth`."""

    need: int
    depth: int
    max_depth: int
    loop: asyncio.AbstractEventLoop
    turn: asyncio.Future[None]

    @property
    def below(self) -> int:
        """How many levels of children may wait for room while this session is open."""
        return max(0, self.max_depth - self.depth)


class Room:
    """Admits sessions while their memory fits; thread-safe, for any number of event loops.

    `total`: bytes; at least one session of each level fits, however small it is.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._lock = threading.Lock()
        self._open: dict[_Asked, None] = {}
        self._waiting: dict[_Asked, None] = {}

    @asynccontextmanager
    async def of(self, need: int, *, depth: int, max_depth: int) -> AsyncIterator[None]:
        """Wait until a session that may take `need` bytes fits; it counts for as long as the block lasts."""
        loop = asyncio.get_running_loop()
        asked = _Asked(need, depth, max_depth, loop, loop.create_future())
        with self._lock:
            self._waiting[asked] = None
            self._admit()
        try:
            await asked.turn
            yield
        finally:
            with self._lock:
                self._waiting.pop(asked, None)
                self._open.pop(asked, None)
                self._admit()

    @property
    def n_open(self) -> int:
        """The number of sessions that count now."""
        return len(self._open)

    def _admit(self) -> None:
        """Admit all that fit, the deepest first, since others wait for these."""
        for asked in sorted(self._waiting, key=lambda each: each.below):
            if self._fits(asked):
                del self._waiting[asked]
                self._open[asked] = None
                if not _wake(asked):
                    del self._open[asked]

    def _fits(self, asked: _Asked) -> bool:
        largest = max(asked.need, *(each.need for each in self._open)) if self._open else asked.need
        total = max(self.total, (asked.max_depth + 1) * largest)
        taken = sum(each.need for each in self._open)
        return not self._open or taken + asked.need + asked.below * largest <= total


def _wake(asked: _Asked) -> bool:
    """Let a waiting task go on, from any thread. Returns: False if its event loop has ended."""
    try:
        asked.loop.call_soon_threadsafe(_set, asked.turn)
    except RuntimeError:
        return False
    return True


def _set(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


@functools.cache
def room_of_process() -> Room:
    """Return the room that all sandboxes of this process share."""
    return Room(int(SHARE * memory_bytes()))


def memory_bytes() -> int:
    """Return the bytes of memory that this process may use: the machine's, or the container's if less."""
    found = [limit for name in _LIMIT_FILES if (limit := _limit(_CONTROL_GROUPS / name)) is not None]
    try:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        found.append(_FALLBACK_BYTES)
    return min(found)


def _limit(file: Path) -> int | None:
    """Return the limit in a control group's file; None if it has none."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


if hasattr(os, "register_at_fork"):
    # A child process begins with no session open, and another thread of the parent may hold the lock.
    os.register_at_fork(after_in_child=room_of_process.cache_clear)
