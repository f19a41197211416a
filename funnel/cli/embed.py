"""`funnel embed`: computes a pretrained model's vectors for a collection that can already be searched."""

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

The collection can be searched meanwhile. You can stop it at any time, with Ctrl-C or otherwise: what was
embedded is kept, and the next run continues from there."""
RATE_OVER_S = 120.0


def embed(
    kb: Annotated[Path, typer.Option(help="The collection's directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the progress as JSON.")] = False,
) -> None:
    """Embed the passages that the collection's model has not embedded yet; then searches use its vectors."""
    with one_line():
        from indexes import Collection

        with Collection.open(kb) as collection:
            fill(collection)
            status = collection.status()
        if as_json:
            show.print_json(coverage(status))
        else:
            show.OUT.print(f"{embedding_progress(status)}.", markup=False)


def fill(collection: Collection) -> None:
    """Embed the remaining passages with a progress bar; on Ctrl-C, report what was done and kept."""
    try:
        with bar() as on_progress:
            collection.embed(progress=on_progress)
    except KeyboardInterrupt:
        show.ERR.print(
            f"{embedding_progress(collection.status())}. The next run continues from there.", markup=False
        )
        raise


def embedding_progress(status: Status) -> str:
    """Describe the progress of embedding in one clause."""
    if status.serving == status.embedder:
        return f"{status.embedder} serves all {status.passages} passages"
    waiting = status.passages - status.embedded
    return f"{status.serving} serves while {waiting} of {status.passages} passages wait for {status.embedder}"


def coverage(status: Status) -> dict[str, str | int]:
    """Return the progress of embedding as data."""
    return {
        "embedder": status.embedder,
        "serving": status.serving,
        "embedded": status.embedded,
        "passages": status.passages,
    }


class _Rate(ProgressColumn):
    """Texts per second over the last two minutes."""

    def render(self, task: Task) -> Text:
        """Render the column for rich."""
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


@contextmanager
def bar() -> Iterator[ProgressCallback]:
    """Show a progress bar on stderr with rate and remaining time, neither of which counts earlier runs."""
    columns = (BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    # Without a terminal, a bar would leave an empty line among the errors.
    silent = not show.ERR.is_terminal
    with Progress(
        *columns, console=show.ERR, transient=True, disable=silent, speed_estimate_period=RATE_OVER_S
    ) as progress:
        task: TaskID | None = None

        def on_progress(_stage: str, done: int, total: int | None) -> None:
            nonlocal task
            if task is None:
                # If the task begins at `done`, what was done before does not count as speed.
                task = progress.add_task("", total=total, completed=done)
            progress.update(task, completed=done, total=total)

        yield on_progress
