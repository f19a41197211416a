"""Measures what cutting a long query costs and saves: quality at several limits, peak memory and time.

    FUNNEL_DATA=DIR python benchmarks/long_queries.py quality
    python benchmarks/long_queries.py cost

Quality: half of the relevant documents of a question, joined, are to find the others (cranfield, npl); the
second half of a book is to find the first (lara, leval). nDCG@10, by the lexical retriever alone and by the
default. `whole` is the query without limits. Cost: hostile queries of some 16 MB, each in its own process.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from indexes import Collection, Document
from indexes.retrieval import long_query, searching

LIMITS = (64, 128, 256, 512, 1024)
WHOLE = 10**9
SETS = ("cranfield", "npl", "lara", "leval")
DEPTH = 30
MOST_QUERIES = 60
HOSTILE: dict[str, Callable[[], str]] = {
    "1.9 million words": lambda: " ".join(f"cell{i % 317_001}" for i in range(1_900_000)),
    "one word": lambda: "cell " * 3_200_000,
    "no spaces": lambda: "x" * 16_000_000,
    "300,000 different words": lambda: " ".join(f"w{i}x" for i in range(300_000)),
    "Chinese": lambda: "".join(chr(0x4E00 + i * 7919 % 20_000) for i in range(5_000_000)),
    "dots and underscores": lambda: "a.b_c" * 3_200_000,
}


@dataclass(frozen=True)
class Question:
    """A long query, the documents that it should find, and those that it is made of."""

    text: str
    relevant: set[str]
    own: set[str]


def records(name: str) -> dict[str, dict[str, Any]]:
    """Return the documents of one set in FUNNEL_DATA, by id."""
    path = next((Path(os.environ["FUNNEL_DATA"]) / name).glob("corpus.jsonl*"))
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return {record["_id"]: record for record in map(json.loads, file)}


def questions(name: str, found: dict[str, dict[str, Any]]) -> tuple[list[Document], Iterator[Question]]:
    """Return the documents to index and the questions."""
    qrels = Path(os.environ["FUNNEL_DATA"]) / name / "qrels" / "test.tsv"
    if not qrels.is_file():
        halves = {i: len(record["text"]) // 2 for i, record in found.items()}
        documents = [Document(i, found[i]["text"][:half]) for i, half in halves.items()]
        return documents, (Question(found[i]["text"][half:], {i}, set()) for i, half in halves.items())
    documents = [Document(i, record["text"], title=record.get("title") or "") for i, record in found.items()]
    relevant: dict[str, set[str]] = {}
    for line in qrels.read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0 and document in found:
            relevant.setdefault(query, set()).add(document)
    return documents, (joined(sorted(ids), found) for ids in relevant.values() if len(ids) >= 6)  # noqa: PLR2004 - three and three


def joined(ids: list[str], found: dict[str, dict[str, Any]]) -> Question:
    own = ids[: len(ids) // 2]
    return Question(" ".join(found[i]["text"] for i in own), set(ids) - set(own), set(own))


def ndcg(ranked: list[str], relevant: set[str]) -> float:
    gain = sum(1 / math.log2(rank + 2) for rank, i in enumerate(ranked[:10]) if i in relevant)
    return gain / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant))))


def quality() -> None:
    """Print a row for each set and each limit of terms."""
    for name in SETS:
        documents, asked = questions(name, records(name))
        with tempfile.TemporaryDirectory() as folder, Collection.create(Path(folder) / "kb") as collection:
            collection.upsert(documents)
            chosen = list(asked)[:MOST_QUERIES]
            print(f"\n{name}: {len(chosen)} queries of {fmean(len(q.text) for q in chosen):,.0f} characters")
            for limit in (WHOLE, *LIMITS):
                # The limits are constants; only this comparison varies them.
                long_query.MAX_TERMS = searching.MAX_TERMS = limit
                searching.MAX_CHARS = long_query.MAX_CHARS = WHOLE if limit == WHOLE else 50_000
                row = "whole" if limit == WHOLE else str(limit)
                for weights in ({"lexical": 1.0, "dense": 0.0}, None):
                    collection.weights = weights
                    values, seconds = measured(collection, chosen)
                    row += f"   {fmean(values):.4f} {median(seconds) * 1e3:7.1f} ms, {max(seconds):.2f} s"
                print(row)


def measured(collection: Collection, asked: list[Question]) -> tuple[list[float], list[float]]:
    values, seconds = [], []
    for question in asked:
        started = time.perf_counter()
        hits = collection.as_owner().search(question.text, DEPTH)
        seconds.append(time.perf_counter() - started)
        found = [hit.document.id for hit in hits if hit.document.id not in question.own]
        values.append(ndcg(found, question.relevant))
    return values, seconds


def cost() -> None:
    """Print a row for each hostile query."""
    for name in HOSTILE:
        subprocess.run([sys.executable, __file__, "one", name], check=True)  # noqa: S603 - ourselves


def one(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder, Collection.create(Path(folder) / "kb") as collection:
        collection.upsert(Document(f"d{i}", f"cell{i} w{i}x protein risk") for i in range(5_000))
        collection.as_owner().search("protein", 10)
        query = HOSTILE[name]()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        hits = collection.as_owner().search(query, 10)
        seconds = time.perf_counter() - started
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"{name:24} {len(query):12,} characters {seconds:6.2f} s {more:6.0f} MB more", *hits.notes)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["quality", "cost", "one"])
    parser.add_argument("name", nargs="?", default="")
    options = parser.parse_args()
    if options.what == "one":
        one(options.name)
    else:
        {"quality": quality, "cost": cost}[options.what]()


if __name__ == "__main__":
    main()
