"""Measures the quality and speed of each retriever and each fusion of stage one on labelled queries.

    python benchmarks/retrieval.py DIR [DIR ...] [--embedders latent all-MiniLM-L6-v2] [--cache DIR]

Each DIR is in BEIR format: corpus.jsonl(.gz), queries.jsonl, qrels/test.tsv. Settings are the defaults, and
nothing is fitted to a set. Metrics are from ir-measures (`pip install 'funnel-rlm[benchmarks]'`); p is a
paired randomisation test of nDCG@10 against the BM25 retriever of the same collection. With --cache,
collections are kept.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import ir_measures
from ir_measures import R, nDCG

from indexes import Collection
from indexes.evaluation.labelled_queries import LabelledQuery, p_value, read_labelled_queries
from indexes.loaders import load
from indexes.retrieval import fusion

DEPTH = 100
MEASURES = (nDCG @ 10, R @ 20, R @ 100)


@dataclass(frozen=True)
class Result:
    """One system on one set: the value of each measure per query, and the seconds per query."""

    name: str
    values: dict[str, list[float]]
    seconds: list[float]


SYSTEMS: tuple[tuple[str, fusion.Fuse | None, dict[str, float] | None], ...] = (
    ("BM25 retriever", fusion.convex, {"lexical": 1.0, "dense": 0.0}),
    ("dense retriever", fusion.convex, {"lexical": 0.0, "dense": 1.0}),
    ("hybrid (default)", None, None),
    ("convex at .5", fusion.convex, {"lexical": 0.5, "dense": 0.5}),
    ("rrf", fusion.rrf, {"lexical": 0.5, "dense": 0.5}),
)
"""Each retriever alone, and the ways to fuse them; None means the collection's default."""


def measure(name: str, collection: Collection, judged: list[LabelledQuery]) -> Result:
    """Run every query once, as a user would."""
    run, seconds = [], []
    collection.as_owner().search(judged[0].text, DEPTH)
    for query in judged:
        started = time.perf_counter()
        hits = collection.as_owner().search(query.text, DEPTH)
        seconds.append(time.perf_counter() - started)
        run += [ir_measures.ScoredDoc(query.id, hit.document.id, -hit.rank) for hit in hits]
    qrels = [ir_measures.Qrel(q.id, name, grade) for q in judged for name, grade in q.grades.items()]
    by_query: dict[str, dict[str, float]] = {str(m): {} for m in MEASURES}
    for metric in ir_measures.iter_calc(MEASURES, qrels, run):
        by_query[str(metric.measure)][metric.query_id] = metric.value
    values = {m: [of.get(q.id, 0.0) for q in judged] for m, of in by_query.items()}
    return Result(name, values, seconds)


def report(folder: Path, embedder: str, keep: Path) -> None:
    """Build the collection, or open it if it exists, and print a row per system."""
    judged = read_labelled_queries(folder / "queries.jsonl", folder / "qrels" / "test.tsv")
    where = keep / f"{folder.name}-{embedder.replace('/', '_')}"
    started = time.perf_counter()
    with Collection.open_or_create(where, embedder=embedder) as collection:
        corpus = next(path for path in sorted(folder.glob("corpus.jsonl*")))
        changes = collection.sync(load([corpus]), source=str(corpus))
        collection.embed()
        built = time.perf_counter() - started
        if changes.any:
            print(f"\n{folder.name}, {embedder}: {len(collection):,} documents indexed in {built:.1f} s")
        else:
            print(f"\n{folder.name}, {embedder}: {len(collection):,} documents, indexed before")
        results = []
        for name, fuse, weights in SYSTEMS:
            collection.fuse, collection.weights = fuse, weights
            results.append(measure(name, collection, judged))
    names = [str(m) for m in MEASURES]
    print(f"{len(judged)} queries")
    print(f"{'':18} {'  '.join(f'{n:>7}' for n in names)}  {'p':>6}  p50 ms  p95 ms")
    base = results[0]
    for result in results:
        means = "  ".join(f"{statistics.fmean(result.values[n]):7.4f}" for n in names)
        p = "" if result is base else f"{p_value(result.values[names[0]], base.values[names[0]]):.4f}"
        times = sorted(1000 * s for s in result.seconds)
        p95 = times[int(0.95 * (len(times) - 1))]
        print(f"{result.name:18} {means}  {p:>6}  {statistics.median(times):6.1f}  {p95:6.1f}")


@contextlib.contextmanager
def collections_folder(cache: Path | None) -> Iterator[Path]:
    """Yield the folder for the collections: `cache`, or a temporary one."""
    if cache is not None:
        yield cache
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--embedders", nargs="+", default=["latent"])
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    print("python " + " ".join(sys.argv))
    packages = ("tantivy", "faiss-cpu", "numpy", "ir-measures")
    print(", ".join([f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in packages)]))
    print(f"{platform.machine()}, {platform.system()}")
    with collections_folder(options.cache) as keep:
        for folder in options.folders:
            for embedder in options.embedders:
                report(folder, embedder, keep)


if __name__ == "__main__":
    main()
