"""Who holds something that is kept in a memory: a process, and whether it has ended; knows no memory."""

from __future__ import annotations

import os
import platform
import secrets
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


def clock() -> float:
    """Seconds that go on while this machine sleeps, where it can tell: others do not wait for it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def identity() -> dict[str, Any]:
    """What this process writes where it holds something, with an id that no other holder has."""
    pid = os.getpid()
    return {"id": secrets.token_hex(8), "machine": machine(), "pid": pid, "born": _born(pid)}


def is_gone(holder: Mapping[str, Any]) -> bool:
    """Whether a holder is known to have ended: released, or a dead process of this very machine."""
    if holder["pid"] is None:
        return True
    if holder["machine"] != machine():
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    # A number is given again to another process, and a dead one keeps its own until its parent has looked.
    return _born(holder["pid"]) not in {None, holder["born"]}


def _born(pid: int) -> str | None:
    """When a process of this machine began; "" if it has ended, None if that cannot be told."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # what stands before is a name of any characters
    return "" if state in {"Z", "X"} else fields[18]


@cache
def machine() -> str:
    """Where process ids mean the same: this boot of this machine, in this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()
