"""`funnel tune`: fits the fusion weight to labelled queries; measures through the library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from funnel.cli import show
from funnel.cli.collection import bars
from funnel.cli.errors import one_line

EPILOG = """Examples:

funnel tune --kb kb --queries queries.jsonl --qrels qrels.tsv

funnel tune --kb kb --queries queries.jsonl --qrels qrels.tsv --measure ndcg -k 10

Queries and judgements are in BEIR format: {"_id", "text"} on each line; query id, document id and grade,
separated by tabs."""


def tune(
    kb: Annotated[Path, typer.Option(help="The collection's directory.")],
    queries: Annotated[Path, typer.Option(help="queries.jsonl")],
    qrels: Annotated[Path, typer.Option(help="The judgements, a .tsv file")],
    measure: Annotated[str, typer.Option(help="recall or ndcg, of the first -k documents.")] = "recall",
    k: Annotated[int, typer.Option("-k", min=1, help="How many documents count.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fit the dense retriever's weight to labelled queries, by cross-validation, and store it."""
    with one_line():
        from indexes import Collection
        from indexes.evaluation.labelled_queries import read_labelled_queries
        from indexes.evaluation.tuning import tune as fit

        judged = read_labelled_queries(queries, qrels)
        with Collection.open(kb) as collection, bars() as on_progress:
            tuned = fit(collection, judged, measure=measure, k=k, progress=on_progress)
    if as_json:
        show.print_json({**asdict(tuned), "significant": tuned.significant})
        return
    stored = "its previous fusion" if tuned.weight is None else f"a dense weight of {tuned.weight:g}"
    chance = "significant" if tuned.significant else "not distinguishable from chance"
    show.OUT.print(
        f"{measure}@{k} over {tuned.n_queries} queries: {tuned.before:.4f} before, {tuned.held_out:.4f} on "
        f"queries that the weight was not fitted to ({chance}, p = {tuned.p:.3f}). {kb} keeps {stored}.",
        markup=False,
    )
