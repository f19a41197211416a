"""Process 1 of the engine's sandbox: loads all modules once, forks a session on request; sees no cell.

Each session has its own PID namespace, so its processes cannot address those of another session, and it has
no capabilities.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import struct
import traceback
from typing import NoReturn

from funnel.sandbox.bubblewrap.guest.modules import preload
from funnel.sandbox.bubblewrap.guest.supervisor import supervise

_CLONE_NEWPID = 0x20000000
_CAPABILITY_VERSION = 0x20080522


def main(requests: int) -> None:
    """Serve the engine until it closes the socket `requests`.

    A request for a session is one byte with three descriptors.
    """
    preload()
    gc.collect()
    gc.freeze()  # so that the memory of loaded modules stays shared between the processes
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # sessions that end are reaped by the kernel
    with socket.socket(fileno=requests) as connection:
        while True:
            request, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
            if not request:
                return
            if not os.fork():
                _session(connection, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)


def _session(connection: socket.socket, data: int, control: int, output: int) -> NoReturn:
    try:
        connection.close()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        libc = ctypes.CDLL(None, use_errno=True)
        _check(libc.unshare(_CLONE_NEWPID), "PID namespace")
        if not os.fork():
            _check(libc.capset(struct.pack("=Ii", _CAPABILITY_VERSION, 0), bytes(24)), "capset")
            supervise(data, control)
    except BaseException:  # noqa: BLE001 - the host reads the traceback from the output pipe
        traceback.print_exc()
    finally:
        os._exit(0)


def _check(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
