"""Registers every command under its name; knows nothing else about them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from funnel.cli import ask, chat, collection, demo, doctor, embed, maintain, memory, trace, tune

app = typer.Typer(
    name="funnel",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(epilog=collection.INDEX_EPILOG)(collection.index)
app.command(epilog=embed.EPILOG)(embed.embed)
app.command(epilog=collection.SEARCH_EPILOG)(collection.search)
app.command(epilog=tune.EPILOG)(tune.tune)
app.command(epilog=ask.EPILOG)(ask.ask)
app.command(epilog=chat.EPILOG)(chat.chat)
app.command(epilog=trace.EPILOG)(trace.trace)
app.command(epilog=maintain.STATUS_EPILOG)(maintain.status)
app.command(epilog=maintain.VERIFY_EPILOG)(maintain.verify)
app.command(epilog=maintain.WATCH_EPILOG)(maintain.watch)
app.command(epilog=maintain.BACKUP_EPILOG)(maintain.backup)
app.command(epilog=maintain.RESTORE_EPILOG)(maintain.restore)
app.command(epilog=maintain.ERASE_EPILOG)(maintain.erase)
app.add_typer(memory.app, name="memory", epilog=memory.EPILOG, help="What the memories of runs hold.")
app.command(epilog=doctor.EPILOG)(doctor.doctor)
app.command(epilog=demo.EPILOG)(demo.demo)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer's signature for a callback
    if asked:
        typer.echo(f"funnel {version('funnel-rlm')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Answer questions over thousands of documents: retrieval first, recursion where it pays."""
