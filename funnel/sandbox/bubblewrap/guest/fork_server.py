"""Process 1 of the engine's sandbox: loads everything once, forks a session when asked; sees no cell.

A session's processes have numbers of their own, so that they can name no other session's, and no capability.
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

_NEW_PROCESS_NUMBERS = 0x20000000
_CAPABILITY_VERSION = 0x20080522


def main(requests: int) -> None:
    """Serve the engine until it goes: a byte and three descriptors for each session."""
    preload()
    gc.collect()
    gc.freeze()  # what was loaded stays shared between the processes
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # sessions end when they like
    with socket.socket(fileno=requests) as line:
        while True:
            request, descriptors, _, _ = socket.recv_fds(line, 1, 3)
            if not request:
                return
            if not os.fork():
                _session(line, *descriptors)
            for descriptor in descriptors:
                os.close(descriptor)


def _session(line: socket.socket, data: int, control: int, output: int) -> NoReturn:
    try:
        line.close()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        libc = ctypes.CDLL(None, use_errno=True)
        _check(libc.unshare(_NEW_PROCESS_NUMBERS), "namespace of process numbers")
        if not os.fork():
            _check(libc.capset(struct.pack("=Ii", _CAPABILITY_VERSION, 0), bytes(24)), "capset")
            supervise(data, control)
    except BaseException:  # noqa: BLE001 - whatever it is, the host reads it where output would be
        traceback.print_exc()
    finally:
        os._exit(0)


def _check(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
