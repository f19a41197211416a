"""How answers and hits look in a terminal; knows their types and nothing of how they came to be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from funnel.types import Answer, Citation, Usage
from indexes.types import DocumentHit

PIPED_COLUMNS = 200
OUT = Console(soft_wrap=True, highlight=False)
if not OUT.is_terminal:
    OUT.width = PIPED_COLUMNS
ERR = Console(stderr=True, soft_wrap=True, highlight=False)
MODELS_THAT_ARE_NONE = {"extractive": "extractive (no language model)"}
QUOTE_CHARS = 160


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=str))  # noqa: T201 - rich would wrap it


def answer(result: Answer) -> None:
    """Route and reasons, the text, its citations, what it took, where the trace lies."""
    reasons = "; ".join(result.reasons)
    probability = f"depth needed: p = {result.route_probability:.2f}"
    OUT.print(f"[bold]{result.route}[/] [dim]({probability})  {escape(reasons)}[/]")
    OUT.print()
    OUT.print(escape(result.text))
    if result.citations:
        OUT.print()
    for number, citation in enumerate(result.citations, start=1):
        OUT.print(_citation(number, citation))
    OUT.print()
    for notice in result.notices:
        OUT.print(f"[yellow]{escape(notice)}[/]")
    model = MODELS_THAT_ARE_NONE.get(result.model, result.model)
    parts = [result.status, model, *([result.sandbox] if result.sandbox else []), usage(result.usage)]
    OUT.print(f"[dim]{escape(' · '.join(parts))}[/]")
    OUT.print(f"[dim]trace: {escape(result.trace or '')}[/]")


def _citation(number: int, citation: Citation) -> str:
    quote = " ".join(citation.quote.split())
    if len(quote) > QUOTE_CHARS:
        quote = f"{quote[:QUOTE_CHARS]}…"
    place = f"{citation.document_id}, characters {citation.start}-{citation.stop}"
    return rf"[cyan]\[{number}][/] {escape(place)} [dim]“{escape(quote)}”[/]"


def usage(used: Usage) -> str:
    """Calls, tokens, dollars, seconds in one line."""
    cost = "price unknown" if used.cost_usd is None else dollars(used.cost_usd)
    calls = f"{used.model_calls} call{'' if used.model_calls == 1 else 's'}"
    calls += f" ({used.cached_calls} cached)" if used.cached_calls else ""
    tokens = f"{used.input_tokens:,} in + {used.output_tokens:,} out tokens"
    return f"{calls} · {tokens} · {cost} · {used.wall_s:.1f} s"


def dollars(usd: float) -> str:
    """An amount with as many digits as it needs."""
    return f"${usd:.2f}" if usd == 0 or usd >= 1 else f"${usd:.4f}"


def hits(found: Sequence[DocumentHit]) -> None:
    """Ranked documents with each leg's rank and score, and the best passage's beginning."""
    if not found:
        OUT.print("Nothing found.")
        return
    legs = sorted({leg for hit in found for leg in hit.legs})
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right")
    for leg in legs:
        table.add_column(leg, justify="right")
    table.add_column("document", overflow="fold")
    table.add_column("passage", no_wrap=True, overflow="ellipsis")
    for hit in found:
        shown = [
            f"{hit.legs[leg].rank}: {hit.legs[leg].score:.3f}" if leg in hit.legs else "-" for leg in legs
        ]
        text = " ".join(hit.passages[0].passage.text.split())[:100]
        table.add_row(str(hit.rank), f"{hit.score:.3f}", *shown, escape(hit.document.id), escape(text))
    OUT.print(table, soft_wrap=False)
