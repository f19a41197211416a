"""Prints answers and hits in a terminal; knows their types, not how they were made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from funnel.text.citations import answer_text
from funnel.text.unseen import visible, visible_json
from funnel.trace.kinds import ModelCallEnded
from funnel.types import Answer, Citation, Span, Usage
from indexes.counting import counted
from indexes.types import DocumentHit

PIPED_COLUMNS = 200
UNFOLDED_COLUMNS = 1_000_000
PASSAGE_FROM_COLUMNS = 80
"""A narrower terminal has no room for passages beside ranks and ids."""
ID_COLUMNS = 12
SHOWN_MODEL_NAMES = {"extractive": "extractive (no language model)"}
QUOTE_CHARS = 160
UNCITED_CHARS = 80
PASSAGE_CHARS = 100
NAME_CHARS = 400
ROWS_AROUND_WORDS = 5
"""Rows of the terminal that words of an answer leave free while they come."""


class Screen(Console):
    """A console that is safe for foreign text: unseen characters are spelled out, :emoji: codes kept."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, soft_wrap=True, highlight=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Spell out unseen characters; rich calls this for every string before it is laid out."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Spell them out in what reached rich as something other than a string, too."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else visible(segment.text)
            yield segment if text == segment.text else Segment(text, segment.style)


OUT = Screen()
if not OUT.is_terminal:
    OUT.width = PIPED_COLUMNS
ERR = Screen(stderr=True)


def plain(text: str) -> Text:
    """Return foreign text for places where rich would parse a string as markup."""
    return ERR.render_str(text, markup=False)


def is_watched() -> bool:
    """Whether somebody sees both what is printed and how far it has come."""
    return OUT.is_terminal and ERR.is_terminal


def with_tail(line: str, words: str) -> Text:
    """Return a progress line and below it the last of some foreign words, as many as have room."""
    if not words:
        return plain(line)
    rows = max(1, ERR.height - ROWS_AROUND_WORDS)
    lines = plain(words[-rows * ERR.width :]).wrap(ERR, max(1, ERR.width - 1))
    return Text("\n").join([plain(line), Text(), *lines[-rows:]])


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    shown = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    print(visible_json(shown))  # noqa: T201 - rich would wrap it


def answer(result: Answer) -> None:
    """Print the route and its reasons, the text, its citations, the usage, and the trace's path."""
    reasons = "; ".join(result.reasons)
    probability = f"depth needed: p = {result.route_probability:.2f}"
    shape = f", {result.shape}" if result.shape not in {None, result.route} else ""
    OUT.print(f"[bold]{result.route}[/]{shape} [dim]({probability})  {escape(reasons)}[/]")
    if result.standalone and result.standalone != result.question:
        OUT.print(f"[dim]understood as: {escape(result.standalone)}[/]")
    OUT.print()
    OUT.print(_marked(result))
    if result.value is not None and (value := answer_text(result.value)) != result.text:
        OUT.print()
        OUT.print(escape(value))
    if result.citations:
        OUT.print()
    for number, citation in enumerate(result.citations, start=1):
        OUT.print(_citation(number, citation))
    OUT.print()
    for notice in result.notices:
        OUT.print(f"[yellow]{escape(notice)}[/]")
    if result.uncited and result.citations:
        OUT.print(f"[yellow]{escape(_uncited(result.uncited))}[/]")
    if (rests := _rests_on(result)) is not None:
        OUT.print(f"[yellow]{escape(rests)}[/]")
    model = SHOWN_MODEL_NAMES.get(result.model, result.model)
    parts = [result.status, model, *([result.sandbox] if result.sandbox else []), usage(result.usage)]
    OUT.print(f"[dim]{escape(' · '.join(parts))}[/]")
    OUT.print(f"[dim]trace: {escape(result.trace or '')}[/]")


def _marked(result: Answer) -> str:
    """Return the text with uncited statements dimmed; unchanged if there are no citations at all."""
    if not result.citations:
        return escape(result.text)
    shown, at = "", 0
    for span in result.uncited:
        shown += f"{escape(result.text[at : span.start])}[dim]{escape(span.text)}[/]"
        at = span.stop
    return shown + escape(result.text[at:])


def _uncited(spans: Sequence[Span]) -> str:
    first = " ".join(spans[0].text.split())
    shown = first if len(first) <= UNCITED_CHARS else f"{first[:UNCITED_CHARS]}…"
    if len(spans) == 1:
        return f"1 statement carries no citation: “{shown}”"
    return f"{len(spans)} statements carry no citation, the first: “{shown}”"


def _rests_on(result: Answer) -> str | None:
    """Return what an answer's statements of absence rest on; None if it has none."""
    absent = next((span for span in result.uncited if span.absent), None)
    if absent is None or not result.coverage:
        return None
    opened = [each for each in result.coverage if each.read or each.judged]
    n_chars = sum(each.n_chars for each in opened)
    seen = sum(min(each.n_chars, each.read + each.judged) for each in opened)
    first = " ".join(absent.text.split())
    shown = first if len(first) <= UNCITED_CHARS else f"{first[:UNCITED_CHARS]}…"
    return (
        f"“{shown}” rests on {seen:,} of {n_chars:,} characters in {counted(len(opened), 'document')}; "
        f"{max(len(result.coverage), result.coverage_total.documents) - len(opened):,} more were not read"
    )


def _citation(number: int, citation: Citation) -> str:
    quote = _short(citation.quote)
    if citation.header:
        quote = f"{_short(citation.header)} … {quote}"
    place = f"{_name(citation.document_id)}, characters {citation.start}-{citation.stop}"
    return rf"[cyan]\[{number}][/] {escape(place)} [dim]“{escape(quote)}”[/]"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= QUOTE_CHARS else f"{line[:QUOTE_CHARS]}…"


def _name(document_id: str) -> str:
    """Return an id on one line. Ids come from files and records, and may contain anything."""
    name = document_id.replace("\n", "\\n")
    return name if len(name) <= NAME_CHARS else f"{name[:NAME_CHARS]}…"


def usage(used: Usage) -> str:
    """Format calls, tokens, dollars and seconds on one line."""
    cost = "price unknown" if used.cost_usd is None else dollars(used.cost_usd)
    calls = counted(used.model_calls, "call")
    calls += f" ({used.cached_calls} cached)" if used.cached_calls else ""
    tokens = f"{tokens_in(used)} + {used.output_tokens:,} out tokens"
    tier = f" ({used.tier})" if used.tier else ""
    return f"{calls} · {tokens} · {cost}{tier} · {used.wall_s:.1f} s"


def tokens_in(used: Usage | ModelCallEnded) -> str:
    """Format the tokens of prompts, and how many of them were in the endpoint's cache."""
    cached = f" ({used.cached_input_tokens:,} cached)" if used.cached_input_tokens else ""
    return f"{used.input_tokens:,} in{cached}"


def dollars(usd: float) -> str:
    """Format an amount of dollars: two decimals from one dollar up, four below."""
    return f"${usd:.2f}" if usd == 0 or usd >= 1 else f"${usd:.4f}"


def hits(found: Sequence[DocumentHit]) -> None:
    """Print ranked documents with each retriever's rank and score, and the start of the best passage."""
    if not found:
        OUT.print("Nothing found.")
        return
    retrievers = sorted({retriever for hit in found for retriever in hit.retrievers})
    roomy = OUT.width >= PASSAGE_FROM_COLUMNS
    table = Table(box=None, pad_edge=False, header_style="bold", expand=roomy)
    for name in ("rank", "score", *retrievers):
        table.add_column(name, justify="right", no_wrap=True)
    longest = max(ID_COLUMNS, OUT.width // 3)
    table.add_column("document", overflow="fold", min_width=ID_COLUMNS, max_width=longest)
    if roomy:
        table.add_column("passage", no_wrap=True, overflow="ellipsis", ratio=1)
    for hit in found:
        shown = [
            f"{hit.retrievers[name].rank}: {hit.retrievers[name].score:.3f}"
            if name in hit.retrievers
            else "-"
            for name in retrievers
        ]
        cells = [str(hit.rank), f"{hit.score:.3f}", *shown, escape(_name(hit.document.id))]
        text = " ".join(hit.passages[0].passage.text.split())[:PASSAGE_CHARS]
        table.add_row(*cells, *([escape(text)] if roomy else []))
    OUT.print(table, soft_wrap=False)


def tree(root: Tree) -> None:
    """Print a tree with no line cut off: folded in a terminal, unfolded elsewhere."""
    screen = OUT if OUT.is_terminal else Screen(width=UNFOLDED_COLUMNS)
    screen.print(root, soft_wrap=False)
