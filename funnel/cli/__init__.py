"""The command line: one file a group of commands; each is thin over the library."""

from __future__ import annotations

import io
import logging
import sys

import typer

from funnel.cli import ask, collection, demo, doctor, embed, maintain, trace, tune

app = typer.Typer(
    name="funnel",
    help="Answer questions over thousands of documents: retrieval first, recursion where it pays.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(epilog=collection.INDEX_EPILOG)(collection.index)
app.command(epilog=embed.EPILOG)(embed.embed)
app.command(epilog=collection.SEARCH_EPILOG)(collection.search)
app.command(epilog=tune.EPILOG)(tune.tune)
app.command(epilog=ask.EPILOG)(ask.ask)
app.command(epilog=trace.EPILOG)(trace.trace)
app.command(epilog=maintain.STATUS_EPILOG)(maintain.status)
app.command(epilog=maintain.VERIFY_EPILOG)(maintain.verify)
app.command(epilog=maintain.WATCH_EPILOG)(maintain.watch)
app.command(epilog=maintain.BACKUP_EPILOG)(maintain.backup)
app.command(epilog=maintain.RESTORE_EPILOG)(maintain.restore)
app.command(epilog=maintain.ERASE_EPILOG)(maintain.erase)
app.command(epilog=doctor.EPILOG)(doctor.doctor)
app.command(epilog=demo.EPILOG)(demo.demo)


def main() -> None:
    """The installed script `funnel`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character shows its number, rather than ending the command.
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    app()
