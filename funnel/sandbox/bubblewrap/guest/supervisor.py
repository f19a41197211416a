"""Process 1 of a session: allows one fork per cell, keeps or drops the result; runs no model-written code.

The worker that holds the session's state forks, and its child runs the cell. On "keep" the worker is killed
and the child becomes the worker; on "drop" the child is killed, and the worker still has the state before the
cell. Both run hostile code, so nothing that they report is trusted: the process numbers show whether
they are alive, and no other process is created in this PID namespace.
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
"""Combined with a process number, the id of that process's CPU-time clock (see clock_getcpuclockid)."""
_SECONDS: Final = struct.Struct("=d")
_SPAN: Final = 16
"""Process numbers to search for a new child. They are consecutive, but a failed fork may skip one."""
_PATIENCE_S: Final = 20.0
_ASK_S: Final = 5.0
_ASK_CPU_S: Final = 0.2
"""A worker that waits for its next cell asks to fork within milliseconds. One that takes longer, or computes
instead, has only said that its last cell is done."""
_CHECK_MS: Final = 50
_PAUSE_S: Final = 0.000_05
_CHUNK_BYTES: Final = 1 << 20
_SENDER_STACK_BYTES: Final = 128 * 1024


class Supervisor:
    """Holds the descriptors that no worker has: the host's commands, and the workers' requests to fork."""

    def __init__(
        self, control: int, data: int, run_signal: int, fork_reports: int, *, listener: int, worker: int
    ) -> None:
        self._control = control
        self._data = data
        self._run_signal = run_signal
        self._fork_reports = fork_reports
        self._listener = listener
        self._worker = worker
        self._child: int | None = None
        self._newest = worker
        self._may_fork = False
        self._forking = False
        self._told_at = self._cpu_before_s = 0.0

    def supervise(self) -> None:
        """Obey the host until it closes the control socket or no worker is left."""
        poll = select.poll()
        for descriptor in (self._control, self._listener, self._fork_reports):
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = dict(poll.poll(_CHECK_MS if self._may_fork else None))
            # A report that arrived before its sender's request to fork must be read before the request.
            if self._fork_reports in ready:
                self._forked()
            if events := ready.get(self._listener):
                if not events & select.POLLIN:
                    return  # no worker is alive
                self._answer()
            if self._control in ready:
                command = os.read(self._control, 1)
                if not command:
                    return
                self._obey(command)
            if self._may_fork and self._does_not_ask():
                return

    def _obey(self, command: bytes) -> None:
        if command == RUN:
            self._child, self._may_fork, self._forking = None, True, False
            self._told_at, self._cpu_before_s = time.monotonic(), _cpu_s(self._worker)
            os.write(self._run_signal, RUN)
        elif command == TIME:
            # The CPU time that the cell has used so far.
            os.write(self._control, _SECONDS.pack(0.0 if self._child is None else _cpu_s(self._child)))
        else:
            alive = self._keep() if command == KEEP else self._drop()
            os.write(self._control, DONE if alive else LOST)

    def _does_not_ask(self) -> bool:
        """Return whether the worker was told to run a cell and does something else instead."""
        computed_s = _cpu_s(self._worker) - self._cpu_before_s
        return computed_s > _ASK_CPU_S or time.monotonic() - self._told_at > _ASK_S

    def _answer(self) -> None:
        """Allow the one fork of a cell; any other fails with EAGAIN, as if no process could be created."""
        notice = bytearray(_NOTICE_BYTES)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, notice, True)
        except FileNotFoundError:
            return  # the process died while it asked
        (request,) = struct.unpack_from("=Q", notice)
        allowed, self._may_fork = self._may_fork, False
        reply = struct.pack("=QqiI", request, 0, 0 if allowed else -errno.EAGAIN, _CONTINUE if allowed else 0)
        with contextlib.suppress(FileNotFoundError):
            fcntl.ioctl(self._listener, _SEND, reply)
            self._forking = allowed

    def _forked(self) -> None:
        """Read a worker's report that its fork succeeded or failed; ignore it unless a fork was allowed."""
        if not os.read(self._fork_reports, _CHUNK_BYTES) or not self._forking:
            return
        self._forking = False
        span = range(self._newest + 1, self._newest + _SPAN)
        self._child = next(filter(_exists, span), None)
        self._newest = self._child or self._newest + 1

    def _keep(self) -> bool:
        if self._forking and _arrives(self._fork_reports):
            self._forked()
        if self._child is None:
            return False
        _kill(self._worker)
        _reap(self._worker)
        self._worker, self._child = self._child, None
        return self._is_alive()

    def _drop(self) -> bool:
        if self._may_fork:
            # The worker has not asked yet. Refuse it now, or it would use the permission of the next cell.
            self._may_fork = False
            if not _arrives(self._listener):
                return False
            self._answer()
        if self._forking and _arrives(self._fork_reports):
            self._forked()
        if self._child is not None:
            _kill(self._child)
            pause_s = _PAUSE_S
            while _exists(self._child) and pause_s < _PATIENCE_S:
                time.sleep(pause_s)
                pause_s *= 2
        self._child = None
        self._drain()
        return self._is_alive()

    def _drain(self) -> None:
        """Discard what the host sent to the dropped cell."""
        arrived = select.poll()
        arrived.register(self._data, select.POLLIN)
        while arrived.poll(0) and os.read(self._data, _CHUNK_BYTES):
            pass

    def _is_alive(self) -> bool:
        """Return whether the worker, a child that this process forked or adopted, is alive."""
        return os.waitpid(self._worker, os.WNOHANG) == (0, 0)


def _arrives(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(_ASK_S * 1000))


def _cpu_s(number: int) -> float:
    """Return the CPU time that a process has used, in seconds; 0 if it is gone."""
    try:
        return time.clock_gettime(~number << 3 | _ALL_THREADS)
    except OSError:
        return 0.0


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
    """Install the filter on this thread, and send its listener to the supervisor from another one.

    The filter would not allow this thread to send the descriptor.
    """
    installed = threading.Event()
    listener = -1

    def hand_over() -> None:
        installed.wait()
        if listener >= 0:
            socket.send_fds(to_supervisor, [READY], [listener])
            os.close(listener)

    threading.stack_size(_SENDER_STACK_BYTES)  # small: the stack stays mapped in the cell's process
    sender = threading.Thread(target=hand_over)
    sender.start()
    try:
        listener = install()
    finally:
        installed.set()
        sender.join()


def supervise(data: int, control: int) -> None:
    """Start the first worker, tell the host that it is ready, and supervise until the session ends."""
    run_read, run_write = os.pipe()
    reports_read, reports_write = os.pipe()
    mine, its = socket.socketpair()
    if not (worker := os.fork()):
        mine.close()
        os.close(control)
        os.close(run_write)
        os.close(reports_read)
        _filtered(its)
        its.close()
        serve(data, run_read, reports_write)
    its.close()
    os.close(run_read)
    os.close(reports_write)
    _, descriptors, _, _ = socket.recv_fds(mine, 1, 1)
    if not descriptors:
        return  # the worker has printed the reason on its standard error
    mine.close()
    os.write(control, READY)
    Supervisor(control, data, run_write, reports_read, listener=descriptors[0], worker=worker).supervise()
