"""Measures what statistics of the visible documents cost: search, building and disk, by the share visible.

    python benchmarks/visible_statistics.py [--passages 100000] [--keep DIR]

The passages are those of `search_speed.py`. Askers may read 1, 10, 50 and 100 % of them. They search with
the statistics of the collection and of what is visible; a time is of 20 documents with their passages, by
wall clock and by processor. With --keep, the collection is kept for the next run.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
from search_speed import queries, synthetic

from indexes import Access, Collection, Document
from indexes.scope import COLLECTION, STATISTICS, VISIBLE

K = 20
EVERY = {"1 %": 100, "10 %": 10, "50 %": 2, "100 %": 1}
"""The askers: every how manieth passage each may read."""


def build(path: Path, texts: list[str]) -> Collection:
    """Return the collection, and print what the postings cost beside the rest."""
    collection = Collection.create(path)
    started = time.perf_counter(), time.process_time()
    collection.upsert(
        Document(f"d{i}", text, readers=frozenset(who for who, every in EVERY.items() if i % every == 0))
        for i, text in enumerate(texts)
    )
    print(f"building: {took(*started)}, {size(path):.0f} MB")
    started, before = (time.perf_counter(), time.process_time()), size(path)
    collection.keep_statistics(VISIBLE)
    print(f"postings: {took(*started)}, {size(path) - before:.0f} MB more")
    collection.keep_statistics(COLLECTION)
    return collection


def took(wall: float, cpu: float) -> str:
    return f"{time.perf_counter() - wall:.1f} s ({time.process_time() - cpu:.1f} s of processor)"


def size(path: Path) -> float:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6


def compare(collection: Collection, asked: list[str]) -> None:
    """Print a row for each share and each kind of statistics."""
    print(f"{'visible':8} {'statistics':11} {'first':>8} {'p50':>7} {'p95':>7} {'processor':>10}   ms")
    for who in EVERY:
        for statistics in STATISTICS:
            view = collection.for_asker(Access(frozenset({who})), statistics=statistics)
            started = time.perf_counter()
            view.search(asked[0], K)
            first = time.perf_counter() - started
            cpu, seconds = time.process_time(), []
            for query in asked:
                started = time.perf_counter()
                view.search(query, K)
                seconds.append(time.perf_counter() - started)
            p50, p95 = np.percentile(seconds, [50, 95]) * 1e3
            mean_cpu = (time.process_time() - cpu) / len(asked) * 1e3
            print(f"{who:8} {statistics:11} {first * 1e3:8.1f} {p50:7.2f} {p95:7.2f} {mean_cpu:10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    print(f"{options.passages:,} passages, Python {platform.python_version()}, {platform.machine()}")
    texts = list(synthetic(options.passages, 0))
    asked = queries(texts, options.queries, 1)
    with tempfile.TemporaryDirectory() as scratch:
        path = (options.keep or Path(scratch)) / f"visible-{options.passages}"
        with Collection.open(path) if path.is_dir() else build(path, texts) as collection:
            compare(collection, asked)


if __name__ == "__main__":
    main()
