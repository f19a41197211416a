"""Compares search with other engines on the same passages and vectors: speed, memory, building.

    python benchmarks/search_speed.py [--passages 10000 100000] [--engines funnel bm25s ...] [--peers PYTHON]
    FUNNEL_DATA=DIR python benchmarks/search_speed.py --sets wiki_mixed scifact

The peers are not dependencies of this project. Install them into any Python and pass its path:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install rank-bm25 bm25s numba lancedb faiss-cpu \
        llama-index-core llama-index-retrievers-bm25 llama-index-vector-stores-faiss
    python benchmarks/search_speed.py --peers /tmp/peers/bin/python

Each engine runs in separate processes, so that its memory is measured alone. One that is not installed is
skipped with a message. The vectors are those of `latent`. Peers are given the query's vector; funnel computes
it, and its times include that and fetching 20 documents with their passages. Synthetic passages have 100
words of a Zipf vocabulary, three fifths of them from two of 400 topics; a query is six words of a passage.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

WORKER = Path(__file__).with_name("search_speed_worker.py")
OURS = "funnel"
PEERS = ("rank-bm25", "bm25s", "lancedb", "llama-index")
SLOW_FROM = 200_000
"""From this many passages, peers run only if named: rank-bm25 would take hours."""

WORDS_A_PASSAGE = 100
WORDS_A_QUERY = 6
VOCABULARY = 200_000
TOPICS = 400
WORDS_A_TOPIC = 2_000
ZIPF = 1.07
TOPICAL = (0.45, 0.15)
BLOCK = 10_000


def synthetic(n: int, seed: int) -> Iterator[str]:
    """Yield passages of meaningless words, distributed as in a language and clustered by topic."""
    rng = np.random.default_rng(seed)
    letters = rng.integers(97, 123, (2 * VOCABULARY, 9), np.uint8)
    lengths = rng.integers(4, 10, 2 * VOCABULARY)
    made = {row[:size].tobytes().decode() for row, size in zip(letters, lengths, strict=True)}
    words = np.array(sorted(made)[:: len(made) // VOCABULARY][:VOCABULARY], object)
    rng.shuffle(words)
    general, topical = (np.cumsum(1 / np.arange(1, size + 1) ** ZIPF) for size in (VOCABULARY, WORDS_A_TOPIC))
    topics = rng.integers(200, VOCABULARY, (TOPICS, WORDS_A_TOPIC))
    for at in range(0, n, BLOCK):
        shape = (min(BLOCK, n - at), WORDS_A_PASSAGE)
        chosen = np.searchsorted(general, rng.random(shape) * general[-1])
        own = np.searchsorted(topical, rng.random(shape) * topical[-1])
        of = rng.integers(0, TOPICS, (shape[0], 2))
        source = rng.random(shape)
        first, second = source < TOPICAL[0], (source >= TOPICAL[0]) & (source < sum(TOPICAL))
        chosen = np.where(first, topics[of[:, :1], own], np.where(second, topics[of[:, 1:], own], chosen))
        for row in chosen:
            yield " ".join(words[row])


def stored(name: str) -> Iterator[str]:
    """Yield the texts of one set in FUNNEL_DATA, which is a folder in BEIR format or one of documents."""
    folder = Path(os.environ["FUNNEL_DATA"]) / name
    path = next(folder.glob("*corpus.jsonl.gz"), None) or next(folder.glob("*.jsonl.gz"))
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            yield f"{record.get('title') or ''}\n{record['text']}"


def queries(texts: Sequence[str], n: int, seed: int) -> list[str]:
    """Return `n` queries, each of six different words of a passage."""
    rng = np.random.default_rng(seed)
    found: list[str] = []
    while len(found) < n:
        words = sorted(set(texts[rng.integers(len(texts))].split()))
        found.append(" ".join(rng.choice(words, min(WORDS_A_QUERY, len(words)), replace=False)))
    return found


def run(python: str, engine: str, phase: str, folder: Path) -> dict[str, Any] | None:
    """Return the measurements of one process; prints a line and returns None if it fails."""
    command = [python, str(WORKER), engine, phase, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(WORKER.parents[1]) if engine == OURS else ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 - ourselves
    if done.returncode:
        print(f"  {engine} {phase}: skipped: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(label: str, texts: list[str], args: argparse.Namespace) -> None:
    print(f"\n## {label}: {len(texts):,} passages, {sum(map(len, texts)) / len(texts):.0f} characters each")
    engines = args.engines or [OURS, *(PEERS if len(texts) < SLOW_FROM else ())]
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        folder = Path(scratch)
        (folder / "texts.json").write_text(json.dumps(texts))
        (folder / "queries.json").write_text(json.dumps(queries(texts, args.queries, args.seed + 1)))
        vectors = [OURS] if set(engines) & set(PEERS) or args.recall else []
        texts.clear()
        built: dict[str, dict[str, Any]] = {}
        rows: dict[str, dict[str, Any]] = {}
        for engine in engines:
            python = sys.executable if engine == OURS else args.peers
            if (made := run(python, engine, "build", folder)) is not None:
                built[engine] = made
                print(
                    f"  {engine:12} built in {made['wall_s']:.1f} s, {made['rate']:,.0f} passages a second "
                    f"({made['cpu_rate']:,.0f} a CPU second); {made['peak_mb']:,.0f} MB at the most, "
                    f"{made['disk_mb']:,.0f} MB on disk"
                )
                if engine in vectors and (extra := run(python, engine, "vectors", folder)):
                    print(f"  {'':12} dense retriever: {extra['lists']} lists, {extra['probes']} probed")
                if (found := run(python, engine, "search", folder)) is not None:
                    rows[engine] = found
        show(rows)


def show(rows: dict[str, dict[str, Any]]) -> None:
    head = ("engine", "retriever", "p50 ms", "p95 ms", "cpu ms", "queries/s", "resident MB", "open s")
    print("  " + "{:13}{:17}{:>8}{:>9}{:>9}{:>11}{:>13}{:>8}".format(*head))
    for engine, row in rows.items():
        for retriever, t in row["retrievers"].items():
            print(
                f"  {engine:13}{retriever:17}{t['p50']:8.2f}{t['p95']:9.2f}{t['cpu']:9.2f}{t['rate']:11,.1f}"
                f"{row['resident_mb']:13,.0f}{row['open_s']:8.2f}"
            )
    ours = rows.get(OURS)
    if ours is None:
        return
    print(f"  {ours['update']}\n  {ours['threads']}")
    if "recall" in ours:
        print(f"  dense retriever: recall@20 {ours['recall']:.3f} of the exact answer")
    for engine, row in rows.items():
        for retriever, t in row["retrievers"].items():
            if engine != OURS:
                mine = ours["retrievers"]["hybrid" if retriever == "hybrid" else "lexical"]
                print(
                    f"  funnel / {engine} ({retriever}): {mine['rate'] / t['rate']:,.1f} times the queries a "
                    f"second, {ours['resident_mb'] / row['resident_mb']:.2f} of the memory"
                )


def machine() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = names[0].split(":")[1].strip() if names else platform.processor()
    return (
        f"{model}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--passages", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--sets", nargs="+", default=[], help="sets of FUNNEL_DATA instead")
    parser.add_argument("--engines", nargs="+", choices=[OURS, *PEERS])
    parser.add_argument("--peers", default=sys.executable, help="the Python that has the peers")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", help="where to build; the system's temporary folder by default")
    parser.add_argument(
        "--recall", action="store_true", help="measure the dense retriever's recall without peers"
    )
    args = parser.parse_args()
    print("python", " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]))
    versions = [f"{name} {version(name)}" for name in ("faiss-cpu", "tantivy", "numpy", "scipy")]
    print(f"{', '.join(versions)}; seed {args.seed}; {machine()}")
    if args.sets:
        for name in args.sets:
            compare(name, list(stored(name)), args)
        return
    for n in args.passages:
        compare("synthetic", list(islice(synthetic(n, args.seed), n)), args)


if __name__ == "__main__":
    main()
