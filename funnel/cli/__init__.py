"""The command line: one file per group of commands, each a thin layer over the library.

`main` imports the commands, which takes a second, so that Ctrl-C during the import prints no traceback.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from funnel.cli.signals import exit_status, take_signals

if TYPE_CHECKING:
    from funnel.cli.commands import app as app

_INTERRUPTED = 130


def main() -> None:
    """Run the installed script `funnel`."""
    take_signals()
    try:
        _run()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        raise SystemExit(exit_status()) from None
    except SystemExit as ended:
        # Commands and typer end with this status whichever signal it was.
        if ended.code == _INTERRUPTED:
            raise SystemExit(exit_status()) from None
        raise


def _one_that_spells_out(form: str) -> Any:
    """Return a formatter of log records, which may quote foreign text."""
    import logging

    from funnel.text.unseen import visible

    class Formatter(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return visible(super().format(record))

    return Formatter(form)


def _run() -> None:
    import io
    import logging

    from funnel.cli.commands import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal cannot show is escaped, rather than ending the command.
            stream.reconfigure(errors="backslashreplace")
    shown = logging.StreamHandler()
    shown.setFormatter(_one_that_spells_out("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[shown])
    app()


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module 'funnel.cli' has no attribute {name!r}")
    from funnel.cli.commands import app

    return app
