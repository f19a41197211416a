"""Turns an error into one line on stderr and a non-zero exit status; knows no command."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.markup import escape

from funnel.cli.show import ERR
from funnel.errors import FunnelError
from indexes.errors import IndexesError

FAILED = 1
INTERRUPTED = 130


@contextmanager
def one_line() -> Iterator[None]:
    """Print errors that users cause or can fix on one line. Any other is a bug and keeps its traceback."""
    try:
        yield
    except (FunnelError, IndexesError) as error:
        ERR.print(f"[red]Error:[/] {escape(' '.join(str(error).split()))}")
        raise typer.Exit(FAILED) from None
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # the reader of a pipe has gone; typer exits quietly
        where = f"{error.filename}: " if error.filename else ""
        ERR.print(f"[red]Error:[/] {escape(f'{where}{error.strerror or error}.')}")
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        ERR.print("Stopped.")
        raise typer.Exit(INTERRUPTED) from None
