"""The command line: one file a group of commands; each is thin over the library.

The commands are imported by `main`: whoever interrupts the second that this takes is told no traceback.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from funnel.cli.commands import app as app

_INTERRUPTED = 130


def main() -> None:
    """The installed script `funnel`."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        raise SystemExit(_INTERRUPTED) from None


def _run() -> None:
    import io
    import logging

    from funnel.cli.commands import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character shows its number, rather than ending the command.
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    app()


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module 'funnel.cli' has no attribute {name!r}")
    from funnel.cli.commands import app

    return app
