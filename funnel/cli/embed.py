"""`funnel embed`: a pretrained model's vectors for a collection that answers already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TimeRemainingColumn,
)
from rich.text import Text

from funnel.cli import show
from funnel.cli.errors import one_line

if TYPE_CHECKING:
    from indexes import Collection, Status
    from indexes.retrieval.base import ProgressCallback

EPILOG = """Examples:

funnel embed --kb kb

The collection answers meanwhile. Stop it when you like, with Ctrl-C or any other way: what was embedded is
kept, and the next run goes on from there."""
RATE_OVER_S = 120.0


def embed(
    kb: Annotated[Path, typer.Option(help="The collection's directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print how far it has come as JSON.")] = False,
) -> None:
    """Embed the passages that wait for the collection's model; then its vectors serve."""
    with one_line():
        from indexes import Collection

        with Collection.open(kb) as collection:
            fill(collection)
            status = collection.status()
        if as_json:
            show.print_json(coverage(status))
        else:
            show.OUT.print(f"{standing(status)}.", markup=False)


def fill(collection: Collection) -> None:
    """Embed what waits, with a bar, and say on Ctrl-C that what was done is kept."""
    try:
        with bar() as tell:
            collection.embed(progress=tell)
    except KeyboardInterrupt:
        show.ERR.print(f"{standing(collection.status())}. The next run goes on from there.", markup=False)
        raise


def standing(status: Status) -> str:
    """How far the embedder has come, in one clause."""
    if status.serving == status.embedder:
        return f"{status.embedder} serves all {status.passages} passages"
    waiting = status.passages - status.embedded
    return f"{status.serving} serves while {waiting} of {status.passages} passages wait for {status.embedder}"


def coverage(status: Status) -> dict[str, str | int]:
    """The same as data."""
    return {
        "embedder": status.embedder,
        "serving": status.serving,
        "embedded": status.embedded,
        "passages": status.passages,
    }


class _Rate(ProgressColumn):
    """Texts a second, over the last two minutes."""

    def render(self, task: Task) -> Text:
        """As rich asks for it."""
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


@contextmanager
def bar() -> Iterator[ProgressCallback]:
    """A progress bar on stderr with the rate and the time left; what was done before counts for neither."""
    columns = (BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    # Off a terminal a bar would leave an empty line among the errors.
    silent = not show.ERR.is_terminal
    with Progress(
        *columns, console=show.ERR, transient=True, disable=silent, speed_estimate_period=RATE_OVER_S
    ) as progress:
        task: TaskID | None = None

        def tell(_stage: str, done: int, total: int | None) -> None:
            nonlocal task
            if task is None:
                # A task that begins at `done` takes no speed from it.
                task = progress.add_task("", total=total, completed=done)
            progress.update(task, completed=done, total=total)

        yield tell
