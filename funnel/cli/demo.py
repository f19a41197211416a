"""`funnel demo`: the whole funnel on the documentation that ships inside the running Python."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from funnel.cli import show
from funnel.cli.collection import bars
from funnel.cli.errors import one_line
from funnel.cli.running import run

if TYPE_CHECKING:
    from funnel.llm.budget import Limits
    from funnel.settings import Settings

EPILOG = """Examples:

funnel demo

funnel demo --dir /tmp/demo"""
MAX_USD = 0.25
MAX_CALLS_UNPRICED = 60
QUESTIONS = (
    "What does functools.lru_cache do?",
    "How does textwrap.dedent treat tabs and spaces?",
    "Compare how threading, multiprocessing and concurrent.futures let a caller wait with a timeout",
    "Which functions in the standard library can block for ever unless a timeout is given?",
)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "funnel" / "demo"


def demo(
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir", help="Where the collection and the traces go.", show_default="~/.cache/funnel/demo"
        ),
    ] = None,
) -> None:
    """Index Python's own documentation and ask four questions: two for lookup, two for the deep route."""
    with one_line():
        import asyncio

        from funnel.demo.python_docs import documents
        from funnel.pipeline import Options
        from funnel.settings import Settings
        from indexes import Collection

        where = directory or _cache()
        settings = Settings()
        limits = _limits(settings)
        started = time.perf_counter()
        with bars() as on_progress, Collection.open_or_create(where / "kb") as collection:
            collection.sync(documents(), source="python-docs", progress=on_progress)
            n_documents = len(collection)
        show.OUT.print(
            f"{n_documents:,} documents from the running Python in {time.perf_counter() - started:.1f} s, "
            f"into {escape(str(where / 'kb'))}"
        )
        spent: float | None = 0.0
        for number, question in enumerate(QUESTIONS, start=1):
            show.OUT.print()
            show.OUT.print(f"[bold]{number}. {escape(question)}[/]")
            if limits.max_usd is not None:
                limits = replace(limits, max_usd=round(MAX_USD - (spent or 0.0), 6))
            options = Options(limits=limits, trace=where / "traces" / f"question-{number}.jsonl")
            with Collection.open(where / "kb") as collection:
                answer = asyncio.run(run(collection.as_owner(), settings, question, options))
            spent = None if spent is None or answer.usage.cost_usd is None else spent + answer.usage.cost_usd
            show.answer(answer)
        show.OUT.print()
        show.OUT.print("[bold]Next[/]")
        show.OUT.print(f"funnel trace {where / 'traces' / 'question-3.jsonl'}", markup=False)
        show.OUT.print(f'funnel ask "What does textwrap.dedent do?" --kb {where / "kb"}', markup=False)


def _limits(settings: Settings) -> Limits:
    """Return the limits of the whole demo, and print them if a model may cost money."""
    from funnel.factory import limits
    from funnel.llm.prices import price_of

    allowed = limits(settings)
    if not settings.has_model:
        show.OUT.print(
            "No model is configured, so no language model will write: answers quote the documents."
        )
        return allowed
    if None in (price_of(name, settings.prices) for name in (settings.model, settings.sub_model)):
        show.OUT.print(
            f"Model {settings.model} has no known price: at most {MAX_CALLS_UNPRICED} calls per question."
        )
        return replace(allowed, max_calls=MAX_CALLS_UNPRICED)
    show.OUT.print(f"Model {settings.model}: the whole demo is capped at ${MAX_USD:.2f}.")
    return replace(allowed, max_usd=MAX_USD)
