"""Options that several commands have: their types, names and help texts; knows no command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from funnel.cli import scope

Kb = Annotated[Path | None, typer.Option(help="The collection to ask, made by `funnel index`.")]
Docs = Annotated[Path | None, typer.Option(help="A file or folder to ask directly, without an index.")]
RouteMode = Annotated[str, typer.Option(help="auto lets the router decide; lookup or deep pins the route.")]
Where = Annotated[str | None, typer.Option(help=scope.WHERE_HELP)]
Principals = Annotated[list[str] | None, typer.Option("--as", help=scope.AS_HELP)]
SandboxName = Annotated[
    str | None,
    typer.Option(
        help="Where the model's programs run: monty, bubblewrap (Linux), or auto, one after the other."
    ),
]
