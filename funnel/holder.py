"""Identifies a process that holds something in a memory, and tells whether it has ended; knows no memory."""

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
    """Return seconds of a clock that, where there is one, also runs while this machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def identity() -> dict[str, Any]:
    """Return what this process writes when it holds something, with an id that no other holder has."""
    pid = os.getpid()
    return {"id": secrets.token_hex(8), "machine": machine(), "pid": pid, "born": _born(pid)}


def is_gone(holder: Mapping[str, Any]) -> bool:
    """Whether a holder is known to have ended: released, or a dead process of this machine."""
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
    # A process id may be reused, and a dead process keeps its own until its parent has waited for it.
    return _born(holder["pid"]) not in {None, holder["born"]}


def _born(pid: int) -> str | None:
    """Return when a process of this machine started; "" if it has ended, None if that is unknown."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # before it is a name of any characters
    return "" if state in {"Z", "X"} else fields[18]


@cache
def machine() -> str:
    """Return a name for where process ids are unique: this boot of this machine, in this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return platform.node()
