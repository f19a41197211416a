"""Measures the memory backends: each against its bare client, interleaved, and swaps between any two.

python benchmarks/memory.py [operations|swaps] [--only sqlite redis] [--mb 1000] [--s3-mb 32] [--json FILE]

The servers are started here, in temporary folders: Redis with appendfsync everysec, PostgreSQL without fsync,
and moto for S3, a test double in Python, of which only the ratio is meaningful, not the speed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from memory_backends import NAMES, Backends, Call, bare

from funnel.asker import LOCAL_OWNER
from funnel.memory import namespace, open_memory
from funnel.workspace.workspace import Workspace

ROUNDS, S3_ROUNDS = 2_000, 300
SIZES = (1_000, 65_536)
READ_CHARS = 4_096
AT_ONCE = 16
WHERE = namespace("local", "run", "bench")
Found = dict[str, Any]


@dataclass(frozen=True)
class Document:
    """The attributes that a workspace needs of a document."""

    id: str = "d"
    version: str = "1"
    title: str = ""
    uri: str = ""


async def interleaved(calls: dict[str, Call], rounds: int) -> dict[str, list[float]]:
    """Time each call, one of each in every round; returns the seconds."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for n in range(rounds + rounds // 20):
        for name, call in calls.items():
            began = time.perf_counter()
            await call()
            if n >= rounds // 20:
                taken[name].append(time.perf_counter() - began)
    return taken


def spread(times: list[float]) -> Found:
    """Return median and 95th percentile in microseconds."""
    cuts = statistics.quantiles(times, n=20)
    return {"p50_us": round(statistics.median(times) * 1e6, 1), "p95_us": round(cuts[-1] * 1e6, 1)}


async def throughput(call: Call, n: int) -> float:
    """Return the operations per second of `AT_ONCE` concurrent tasks."""

    async def work() -> None:
        for _ in range(n // AT_ONCE):
            await call()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return round(n // AT_ONCE * AT_ONCE / (time.perf_counter() - began))


async def operations(name: str, backends: Backends, grep_mb: int) -> Found:
    """Measure everything for one backend."""
    found: Found = {}
    rounds = S3_ROUNDS if name == "s3" else ROUNDS
    memory = open_memory(backends.urls[name])
    for size in SIZES:
        value = random.Random(1).randbytes(size)
        await memory.put_many(WHERE, {"note/k": value})
        calls: dict[str, Call] = {
            "put": lambda value=value: memory.put_many(WHERE, {"note/k": value}),
            "get": lambda: memory.get_many(WHERE, ["note/k"]),
        }
        async with bare(name, backends, value, memory) as client:
            if client is not None:
                calls |= {"bare put": client[1], "bare get": client[0]}
            taken = await interleaved(calls, rounds)
        for what in ("get", "put"):
            found[f"{what} {size}"] = spread(taken[what])
            if client is not None:
                alone = spread(taken[f"bare {what}"])
                ratio = round(found[f"{what} {size}"]["p50_us"] / alone["p50_us"], 2)
                found[f"{what} {size}"] |= {"bare_p50_us": alone["p50_us"], "ratio": ratio}
            found[f"{what} {size}"]["per_s"] = await throughput(calls[what], rounds)
    async with Workspace(memory, run="bench", cache_bytes=0, asker=LOCAL_OWNER) as workspace:
        found |= await texts(workspace, grep_mb, rounds)
    await memory.close()
    return found


async def texts(workspace: Workspace, grep_mb: int, rounds: int) -> Found:
    """Measure reading and searching a large document without a page cache in this process."""
    chance = random.Random(1)
    words = [f"{chance.choice('abcdefgh')}{n:05x}" for n in range(50_000)]
    line = " ".join(chance.choices(words, k=20_000)) + " needle 4711\n"
    n_lines = grep_mb * 1_000_000 // len(line)
    await workspace.add_document(Document(), (line for _ in range(n_lines)))
    n_chars = n_lines * len(line)
    reads = []
    for _ in range(rounds):
        at = chance.randrange(n_chars - READ_CHARS)
        began = time.perf_counter()
        await workspace.read("d", at, at + READ_CHARS)
        reads.append(time.perf_counter() - began)
    await workspace.grep("no such thing", limit=1)
    greps = []
    for _ in range(3):
        began = time.perf_counter()
        result = await workspace.grep(r"needle \d+")
        greps.append(time.perf_counter() - began)
        if result.total != n_lines:
            raise RuntimeError(f"grep found {result.total} of {n_lines}")
    grep_s = statistics.median(greps)
    grep = {"mb": round(n_chars / 1e6, 1), "p50_s": round(grep_s, 2), "p95_s": round(max(greps), 2)}
    return {"read 4096": {**spread(reads), "per_s": round(rounds / sum(reads))}, "grep": grep}


def swap(source: str, target: str, backends: Backends, megabytes: int) -> Found:
    """Swap one pair in a separate process. The source is filled; the target is empty before and after."""
    worker = [sys.executable, str(Path(__file__).with_name("memory_swap.py"))]
    backends.empty(target)
    urls = [backends.urls[source], backends.urls[target]]
    command = [*worker, *urls, str(megabytes)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own
    backends.empty(target)
    found: Found = json.loads(done.stdout)
    return found


def show_operations(name: str, found: Found) -> None:
    for what, row in found.items():
        print(f"{name:11}{what:11}" + "  ".join(f"{key} {value}" for key, value in row.items()), flush=True)


def machine() -> str:
    cpus = [row for row in Path("/proc/cpuinfo").read_text().splitlines() if row.startswith("model name")]
    model = cpus[0].split(":")[1].strip() if cpus else platform.processor()
    load = f"load {os.getloadavg()[0]:.1f}"
    return f"{model}, {os.cpu_count()} CPUs, {load}, Python {platform.python_version()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("part", nargs="?", choices=("operations", "swaps"))
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--mb", type=int, default=1_000, help="MiB that are swapped")
    parser.add_argument("--s3-mb", type=int, default=32, help="MiB where one of the two is moto")
    parser.add_argument("--grep-mb", type=int, default=100)
    parser.add_argument("--s3-grep-mb", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    args = parser.parse_args()
    packages = ("redis", "psycopg", "aiobotocore", "fsspec", "moto")
    found: Found = {
        "command": " ".join(["python", *sys.argv]),
        "versions": {name: version(name) for name in packages},
        "machine": machine(),
    }
    print(found["command"], found["versions"], found["machine"], sep="\n", flush=True)
    backends = Backends(args.only)
    try:
        if args.part != "swaps":
            found["operations"] = {}
            for name in args.only:
                megabytes = args.s3_grep_mb if name == "s3" else args.grep_mb
                found["operations"][name] = row = asyncio.run(operations(name, backends, megabytes))
                backends.empty(name)
                show_operations(name, row)
        if args.part != "operations":
            found["swaps"] = swaps(args, backends)
    finally:
        backends.close()
        print("load at the end", os.getloadavg())
        if args.json:
            args.json.write_text(json.dumps(found, indent=1))


def swaps(args: argparse.Namespace, backends: Backends) -> list[Found]:
    """Swap every pair. Pairs with S3 are small, and come last for each source."""
    rows = []
    for source in args.only:
        filled = 0
        for target in sorted((name for name in args.only if name != source), key=lambda name: name == "s3"):
            megabytes = args.s3_mb if "s3" in {source, target} else args.mb
            if source != "memory" and filled != megabytes:
                backends.empty(source)
                worker = [sys.executable, str(Path(__file__).with_name("memory_swap.py"))]
                command = [*worker, backends.urls[source], "fill", str(megabytes)]
                subprocess.run(command, check=True)  # noqa: S603 - our own
                filled = megabytes
            row = {"from": source, "to": target, **swap(source, target, backends, megabytes)}
            rows.append(row)
            print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        backends.empty(source)
    return rows


if __name__ == "__main__":
    main()
