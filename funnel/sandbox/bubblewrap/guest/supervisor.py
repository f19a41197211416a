"""Process 1 of a session: lets one fork happen a cell, keeps or drops what it made; runs no model's code.

The worker that holds the session forks, and its child runs the cell. On "keep" the worker is killed and the
child holds the session; on "drop" the child is killed, and the worker stands as before the cell. Both run
hostile code and are believed nothing: who lives is read from the process numbers, which nobody else takes
here. It imports nothing outside the standard library but what is bound beside it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import threading
import time
from typing import Final

from funnel.sandbox.bubblewrap.guest.filter import install
from funnel.sandbox.bubblewrap.guest.worker import serve

RUN: Final = b"r"
TIME: Final = b"t"
KEEP: Final = b"k"
DROP: Final = b"d"
READY: Final = b"+"
DONE: Final = b"."
LOST: Final = b"x"

_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
"""SECCOMP_IOCTL_NOTIF_RECV and _SEND, with `struct seccomp_notif` and `_resp`."""
_NOTICE_BYTES: Final = 80
_CONTINUE: Final = 1
_ALL_THREADS: Final = 2
"""With a process number, the number of a clock that runs while that process does."""
_SECONDS: Final = struct.Struct("=d")
_SPAN: Final = 16
"""Process numbers follow one another; a fork that the kernel fails may skip one."""
_PATIENCE_S: Final = 20.0
_PAUSE_S: Final = 0.000_05
_CHUNK_BYTES: Final = 1 << 20
_SENDER_STACK_BYTES: Final = 128 * 1024


class Supervisor:
    """Holds the descriptors that no worker has: the host's commands, and the workers' requests to fork."""

    def __init__(self, control: int, data: int, go: int, born: int, *, listener: int, worker: int) -> None:
        self._control = control
        self._data = data
        self._go = go
        self._born = born
        self._listener = listener
        self._worker = worker
        self._child: int | None = None
        self._newest = worker
        self._may_fork = False
        self._forking = False

    def supervise(self) -> None:
        """Obey the host until it goes, or nobody is left to supervise."""
        poll = select.poll()
        for descriptor in (self._control, self._listener, self._born):
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            # A byte that came before its sender asked to fork must be seen before the request is.
            if self._born in ready:
                self._forked()
            if events := ready.get(self._listener):
                if not events & select.POLLIN:
                    return  # no worker lives
                self._answer()
            if self._control in ready:
                command = os.read(self._control, 1)
                if not command:
                    return
                self._obey(command)

    def _obey(self, command: bytes) -> None:
        if command == RUN:
            self._child, self._may_fork, self._forking = None, True, False
            os.write(self._go, RUN)
        elif command == TIME:
            os.write(self._control, _SECONDS.pack(self._computed_s()))
        else:
            stands = self._keep() if command == KEEP else self._drop()
            os.write(self._control, DONE if stands else LOST)

    def _computed_s(self) -> float:
        """What the cell has had of the processors so far."""
        if self._child is None:
            return 0.0
        try:
            return time.clock_gettime(~self._child << 3 | _ALL_THREADS)
        except OSError:
            return 0.0

    def _answer(self) -> None:
        """Allow a fork where one is due; any other fails as if there were no room for a process."""
        notice = bytearray(_NOTICE_BYTES)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, notice, True)
        except FileNotFoundError:
            return  # it died while it asked
        (request,) = struct.unpack_from("=Q", notice)
        allowed, self._may_fork = self._may_fork, False
        reply = struct.pack("=QqiI", request, 0, 0 if allowed else -errno.EAGAIN, _CONTINUE if allowed else 0)
        with contextlib.suppress(FileNotFoundError):
            fcntl.ioctl(self._listener, _SEND, reply)
            self._forking = allowed

    def _forked(self) -> None:
        """A byte from a worker: its fork is done, or failed. Before it asked for one, it proves nothing."""
        if not os.read(self._born, _CHUNK_BYTES) or not self._forking:
            return
        self._forking = False
        span = range(self._newest + 1, self._newest + _SPAN)
        self._child = next(filter(_exists, span), None)
        self._newest = self._child or self._newest + 1

    def _keep(self) -> bool:
        if self._forking and _arrives(self._born):
            self._forked()
        if self._child is None:
            return False
        _kill(self._worker)
        _reap(self._worker)
        self._worker, self._child = self._child, None
        return self._stands()

    def _drop(self) -> bool:
        if self._may_fork:
            # The worker has yet to ask: it is told no now, lest it fork in the next cell's stead.
            self._may_fork = False
            if _arrives(self._listener):
                self._answer()
        if self._forking and _arrives(self._born):
            self._forked()
        if self._child is not None:
            _kill(self._child)
            pause_s = _PAUSE_S
            while _exists(self._child) and pause_s < _PATIENCE_S:
                time.sleep(pause_s)
                pause_s *= 2
        self._child = None
        self._drain()
        return self._stands()

    def _drain(self) -> None:
        """Take away what the host sent to the cell that is gone."""
        arrived = select.poll()
        arrived.register(self._data, select.POLLIN)
        while arrived.poll(0) and os.read(self._data, _CHUNK_BYTES):
            pass

    def _stands(self) -> bool:
        """Whether the one worker lives: a child of this process, by birth or since its parent was killed."""
        return os.waitpid(self._worker, os.WNOHANG) == (0, 0)


def _arrives(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(_PATIENCE_S * 1000))


def _exists(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def _kill(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def _reap(number: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(number, 0)


def _filtered(to_supervisor: socket.socket) -> None:
    """Put this process behind the filter, which would not let it hand over the descriptor itself."""
    installed = threading.Event()
    listener = -1

    def hand_over() -> None:
        installed.wait()
        if listener >= 0:
            socket.send_fds(to_supervisor, [READY], [listener])
            os.close(listener)

    threading.stack_size(_SENDER_STACK_BYTES)  # which stays mapped, and is not to be the cell's
    sender = threading.Thread(target=hand_over)
    sender.start()
    try:
        listener = install()
    finally:
        installed.set()
        sender.join()


def supervise(data: int, control: int) -> None:
    """Start the first worker, say that it is there, and supervise until the session ends."""
    go_read, go_write = os.pipe()
    born_read, born_write = os.pipe()
    mine, its = socket.socketpair()
    if not (worker := os.fork()):
        mine.close()
        os.close(control)
        os.close(go_write)
        os.close(born_read)
        _filtered(its)
        its.close()
        serve(data, go_read, born_write)
    its.close()
    os.close(go_read)
    os.close(born_write)
    _, descriptors, _, _ = socket.recv_fds(mine, 1, 1)
    if not descriptors:
        return  # the worker has said why on its standard error
    mine.close()
    os.write(control, READY)
    Supervisor(control, data, go_write, born_read, listener=descriptors[0], worker=worker).supervise()
