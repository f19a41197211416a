"""The program that a worker process of the Monty engine starts as; knows no pool and no session."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import sys

from pydantic_monty._binary import find_monty_binary


def programs() -> tuple[str | None, ...]:
    """Return the programs to try, best first; None means the engine's own choice.

    On Linux the first is a script. It makes the kernel kill the worker when this process dies, since a worker
    that computes would notice that only at its next host call. It also keeps the worker's raw messages, such
    as "memory allocation failed", off this process's standard error; the pool reports the same by itself.
    """
    script = _script() if sys.platform == "linux" else None
    return (None,) if script is None else (f"/proc/{os.getpid()}/fd/{script}", None)


@functools.cache
def _script() -> int | None:
    """Return a descriptor of the script, which is in memory, since a folder for files may forbid programs.

    Returns None if this machine lacks what the script needs.
    """
    setpriv, shell = shutil.which("setpriv"), shutil.which("sh")
    if setpriv is None or shell is None:
        return None
    try:
        command = shlex.join([setpriv, "--pdeathsig", "KILL", find_monty_binary()])
        writable = os.memfd_create("funnel-monty")
    except OSError:
        return None
    try:
        os.write(writable, f'#!{shell}\nexec {command} "$@" 2>/dev/null\n'.encode())
        os.fchmod(writable, 0o500)
        # A file that is open for writing cannot be executed.
        return os.open(f"/proc/self/fd/{writable}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    finally:
        os.close(writable)
