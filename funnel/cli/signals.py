"""The signals that end a command, however the process was started; knows no command.

A shell starts a command in the background with SIGINT ignored, and Python installs no handler then. SIGTERM,
which service managers send, would end Python at once, without any clean-up.
"""

from __future__ import annotations

import signal
from types import FrameType

_ended_by = signal.SIGINT


def take_signals() -> None:
    """Let SIGINT raise `KeyboardInterrupt`, and SIGTERM do whatever SIGINT does at that moment.

    While an event loop runs, asyncio handles SIGINT: it cancels the main task, which then ends cleanly.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _as_an_interrupt)


def exit_status() -> int:
    """Return the status of a command that a signal ended: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + _ended_by


def _as_an_interrupt(number: int, frame: FrameType | None) -> None:
    global _ended_by  # noqa: PLW0603 - a process has one set of signal handlers
    _ended_by = signal.Signals(number)
    on_interrupt = signal.getsignal(signal.SIGINT)
    if callable(on_interrupt):
        on_interrupt(signal.SIGINT, frame)
