"""How long a grep over a whole collection takes, cold and warm, and beside another version of this code.

    python benchmarks/grep.py [--documents 10000] [--chars 5000] [--against CHECKOUT] [--folder DIR]

The documents are of a Zipf vocabulary with line breaks every 70 characters; every 97th holds a phrase across
a line break, every third an invoice number. Each version runs in a process of its own over the same
collection, and each pattern runs five times: the first is the cold one, `warm` is the median of the others.
`host` and `worker` are the seconds of processor time, which hold on a busy machine, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from search_speed import machine, synthetic

from funnel.asker import LOCAL_OWNER
from funnel.memory import InMemory
from funnel.workspace.documents import ReadableDocuments
from funnel.workspace.workspace import Workspace
from indexes import Collection, Document
from indexes.types import DocumentId

PATTERNS = (
    ("a phrase", "Hill House expires"),
    ("no match", "nowhere at all"),
    ("a third of the documents", r"Invoice No\. \d+"),
    ("ignoring case", "(?i)hill house"),
    ("alternatives", r"\b(expire|terminate)s?\b[^.]{0,60}\b20\d\d\b"),
    ("no literal", r"\b\d{5}\b"),
    ("no literal, words", r"\b[A-Z]\w+ [A-Z]\w+\b"),
)
REPEATS = 5
LINE_CHARS = 70


def documents(n: int, chars: int, seed: int) -> Iterator[Document]:
    """Yield documents of meaningless words, with the phrases that the patterns look for."""
    rng = random.Random(seed)
    passages = list(islice(synthetic(3_000, seed), 3_000))
    for number in range(n):
        parts = [f"Invoice No. {number} was paid."] if number % 3 == 0 else []
        parts += ["The lease of Hill\nHouse expires in May 2026."] if number % 97 == 0 else []
        while sum(map(len, parts)) < chars:
            words = passages[rng.randrange(len(passages))]
            lines = [words[at : at + LINE_CHARS] for at in range(0, len(words), LINE_CHARS)]
            parts.append("\n".join(lines).capitalize() + ".")
        yield Document(DocumentId(f"d{number:06}"), "\n\n".join(parts)[:chars], title=f"Paper {number}")


async def measured(folder: Path) -> list[dict[str, Any]]:
    """Return what each pattern took, as a tool does it: all documents are looked up first, then searched."""
    rows = []
    with Collection.open(folder) as kb:
        view = kb.as_owner()
        async with Workspace(InMemory(), run="r", asker=LOCAL_OWNER) as workspace:
            readable = ReadableDocuments(view, workspace, everything=view)
            for what, pattern in PATTERNS:
                walls, host, total = [], 0.0, 0
                before = _worker_s(workspace)
                for _ in range(REPEATS):
                    started, began = time.perf_counter(), time.process_time()
                    ids = await readable.add_everything(1_000_000) or ()
                    found = await readable.grep(pattern, ids, context=80, limit=200, ignore_case=False)
                    walls.append(time.perf_counter() - started)
                    host += (time.process_time() - began) / REPEATS
                    total = found.total
                worker = (_worker_s(workspace) - before) / REPEATS
                warm = statistics.median(walls[1:])
                rows.append({"what": what, "pattern": pattern, "total": total, "cold": walls[0], "warm": warm,
                             "host": host, "worker": worker})  # fmt: skip
    return rows


def _worker_s(workspace: Workspace) -> float:
    """Return the processor time of the process that searches; 0 where the system does not tell it."""
    process = workspace._grepper._process
    stat = Path(f"/proc/{process.pid}/stat") if process is not None else None
    if stat is None or not stat.exists():
        return 0.0
    user, system = stat.read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def run(checkout: Path, folder: Path) -> list[dict[str, Any]]:
    """Measure the code of a checkout in a new process."""
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), str(Path(__file__).parent)])}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)  # noqa: S603 - ourselves
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def show(name: str, rows: list[dict[str, Any]]) -> None:
    """Print a table."""
    print(f"\n## {name}\n\n| | pattern | matches | cold s | warm s | host CPU s | worker CPU s |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for row in rows:
        pattern = row["pattern"].replace("|", "\\|")
        print(
            f"| {row['what']} | `{pattern}` | {row['total']:,} | {row['cold']:.2f} | {row['warm']:.2f} "
            f"| {row['host']:.2f} | {row['worker']:.2f} |"
        )


def main() -> None:
    """Build the collection, and measure this version and the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--chars", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--against", type=Path, help="another checkout of this project")
    parser.add_argument("--folder", type=Path, help="where the collection is, or is to be built")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(asyncio.run(measured(args.measure))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.folder or Path(scratch) / "kb"
        if not folder.exists():
            with Collection.create(folder) as kb:
                kb.upsert(documents(args.documents, args.chars, args.seed))
        print(f"{machine()}\n{args.documents:,} documents of {args.chars:,} characters")
        show("this version", run(Path(__file__).resolve().parents[1], folder))
        if args.against:
            show(f"{args.against}", run(args.against.resolve(), folder))


if __name__ == "__main__":
    main()
