"""`funnel ask`: one question to one cited answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from funnel.cli import rerank as reranking
from funnel.cli import scope, show
from funnel.cli.errors import FAILED, one_line
from funnel.errors import BadSetting
from funnel.types import Mode

if TYPE_CHECKING:
    from funnel.events import Event
    from funnel.pipeline import Options
    from funnel.run import Source
    from funnel.settings import Settings
    from funnel.types import Answer
    from indexes import Collection, RawDocuments

EPILOG = """Examples:

funnel ask "What is our refund policy?" --kb kb

funnel ask "Compare the liability clauses of all contracts" --kb kb --max-usd 0.50

funnel ask "Where may this code deadlock?" --docs src/ --json"""

DEFAULT_K = 20


def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    kb: Annotated[Path | None, typer.Option(help="The collection to ask, made by `funnel index`.")] = None,
    docs: Annotated[
        Path | None, typer.Option(help="A file or folder to ask directly, without an index.")
    ] = None,
    mode: Annotated[
        str, typer.Option(help="auto lets the router decide; lookup or deep pins the route.")
    ] = "auto",
    k: Annotated[
        int | None,
        typer.Option(
            "-k", help="How many documents stage one hands on.", show_default=f"{DEFAULT_K}; with --docs all"
        ),
    ] = None,
    where: Annotated[str | None, typer.Option(help=scope.WHERE_HELP)] = None,
    principals: Annotated[list[str] | None, typer.Option("--as", help=scope.AS_HELP)] = None,
    rerank: Annotated[str | None, typer.Option(metavar="MODEL", help=reranking.HELP)] = None,
    max_usd: Annotated[float | None, typer.Option(help="Spend at most so many US dollars.")] = None,
    max_calls: Annotated[int | None, typer.Option(help="Call a model at most so often.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds until the answer is due.")] = None,
    memory: Annotated[
        str | None,
        typer.Option(help="Where the inspector keeps what it reads and notes: memory://, sqlite:///FILE."),
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="Write the run's events to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Answer a question from a collection, or from files as they are, with citations."""
    with one_line():
        from funnel.budget import Limits
        from funnel.factory import limits
        from funnel.pipeline import Options
        from funnel.settings import Settings

        settings = Settings(**({} if memory is None else {"memory": memory}))
        allowed: Limits = limits(settings)
        given: dict[str, Any] = {"max_usd": max_usd, "max_calls": max_calls, "timeout_s": timeout}
        allowed = replace(allowed, **{name: value for name, value in given.items() if value is not None})
        asker, wanted = scope.access(principals or ()), scope.where(where)
        pinned: Mode = mode  # type: ignore[assignment]  # the pipeline checks it and lists the known
        with source(kb, docs) as documents:
            everything = max(1, len(documents)) if docs is not None else DEFAULT_K
            options = Options(
                mode=pinned,
                k=everything if k is None else k,
                limits=allowed,
                access=asker,
                where=wanted,
                trace=trace,
            )
            answer = asyncio.run(run(reranking.reranked(documents, rerank), settings, question, options))
        if as_json:
            show.print_json(answer.as_dict())
        else:
            show.answer(answer)
        if answer.status == "failed":
            raise typer.Exit(FAILED)


@contextmanager
def source(kb: Path | None, docs: Path | None) -> Iterator[Collection | RawDocuments]:
    """The collection or the raw documents that were named; exactly one of the two."""
    from indexes import Collection, RawDocuments

    if (kb is None) == (docs is None):
        raise BadSetting(
            "--kb or --docs", "name exactly one: a collection (--kb DIR), or files (--docs PATH)."
        )
    if kb is not None:
        with Collection.open(kb) as collection:
            yield collection
    elif docs is not None:
        from indexes.loaders import load

        loading = load([docs])
        documents = RawDocuments(loading)
        for problem in loading.problems:
            show.ERR.print(f"[yellow]Left out:[/] {escape(str(problem))}")
        yield documents


async def run(source: Source, settings: Settings, question: str, options: Options) -> Answer:
    """The answer, with a line on stderr that says what is going on."""
    from funnel.factory import build

    async with build(source, settings) as funnel:
        with show.ERR.status("retrieving") as line:
            progress = Progress(lambda text: line.update(show.plain(text)))
            return await funnel.ask(question, options, on_event=progress)


@dataclass
class Progress:
    """Turns the event stream into one line that is always up to date."""

    show: Callable[[str], None]
    calls: int = 0
    tokens: int = 0
    stage: str = "retrieving"
    open_calls: set[int] = field(default_factory=set)

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        if event.kind == "route":
            self.stage = "reading" if event.data["route"] == "lookup" else "inspecting"
        elif event.kind == "turn" and event.phase == "start":
            self.stage = f"inspecting, turn {event.data['number']}"
        elif event.kind == "retry":
            self.show(f"{event.data['reason']}; trying again in {event.data['wait_s']:.0f} s")
            return
        elif event.kind == "model_call" and event.phase == "start":
            self.open_calls.add(event.id)
        elif event.kind == "model_call":
            self.open_calls.discard(event.id)
            self.calls += 1
            self.tokens += event.data.get("input_tokens", 0) + event.data.get("output_tokens", 0)
        self.show(
            f"{self.stage} · {self.calls} calls · {len(self.open_calls)} in flight · {self.tokens:,} tokens"
        )
