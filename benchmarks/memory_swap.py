"""Measures one swap in its own process: its time, memory, and the longest waits of a reader and a writer.

python benchmarks/memory_swap.py FROM_URL TO_URL MEGABYTES, where FROM_URL is filled already unless it is memory://
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path

from funnel.memory import Memory, namespace, open_memory
from funnel.memory.swap.hot_swap import HotSwap

PAGE_BYTES, PAGES = 65_536, 256
"""A document of 16 MiB, as an inspector stores it."""
SMALL = namespace("local", "run", "bench")
ALONE_S, EVERY_S = 3.0, 0.005


async def fill(memory: Memory, megabytes: int) -> None:
    """Store documents of that total size, and 200 notes."""
    chance = random.Random(1)
    for first in range(0, megabytes * 2**20 // PAGE_BYTES, PAGES):
        where = namespace("local", "document", f"{first // PAGES}", "1")
        n_left = min(PAGES, megabytes * 2**20 // PAGE_BYTES - first)
        for page in range(0, n_left, 16):
            items = {f"{i:06}": chance.randbytes(PAGE_BYTES) for i in range(page, min(page + 16, n_left))}
            await memory.put_many(where, items)
    await memory.put_many(SMALL, {f"note/{n:03}": chance.randbytes(500) for n in range(200)})


class Worker:
    """Reads and writes continuously, and records the delay of each operation.

    The delay counts from the intended start, so that it includes waiting for a busy event loop.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.chance = random.Random(2)
        self.reads: list[float] = []
        self.writes: list[float] = []

    async def read(self) -> None:
        """Read a small value every few milliseconds."""
        while True:
            wanted = time.perf_counter() + EVERY_S
            await asyncio.sleep(EVERY_S)
            await self.memory.get_many(SMALL, [f"note/{self.chance.randrange(200):03}"])
            self.reads.append(time.perf_counter() - wanted)

    async def write(self) -> None:
        """Write a small value every few milliseconds."""
        while True:
            wanted = time.perf_counter() + 4 * EVERY_S
            await asyncio.sleep(4 * EVERY_S)
            await self.memory.put_many(SMALL, {f"note/{self.chance.randrange(200):03}": b"x" * 500})
            self.writes.append(time.perf_counter() - wanted)

    def taken(self) -> dict[str, float]:
        """Return the maximum and 99th percentile since the last call, in milliseconds."""
        found = {}
        for name, times in (("read", sorted(self.reads)), ("write", sorted(self.writes))):
            found[f"{name}_max_ms"] = round(times[-1] * 1e3, 2)
            found[f"{name}_p99_ms"] = round(times[int(len(times) * 0.99)] * 1e3, 2)
        self.reads, self.writes = [], []
        return found


def resident_mb(which: str) -> float:
    """Return the process's resident memory in MiB: now (VmRSS) or at its peak (VmHWM)."""
    rows = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1]) / 1024 for row in rows if row.startswith(which))


def forget_peak() -> None:
    """Reset the peak of resident memory."""
    Path("/proc/self/clear_refs").write_text("5")


async def measure(source: str, target: str, megabytes: int) -> dict[str, float]:
    memory = open_memory(source)
    if source == "memory://":
        await fill(memory, megabytes)
    hot = HotSwap(memory)
    worker = Worker(hot)
    working = [asyncio.create_task(worker.read()), asyncio.create_task(worker.write())]
    await asyncio.sleep(0.3)
    worker.taken()
    await asyncio.sleep(ALONE_S)
    alone = {f"alone_{name}": value for name, value in worker.taken().items()}
    before = resident_mb("VmRSS")
    forget_peak()
    began = time.perf_counter()
    copied = await hot.swap(target)
    took = time.perf_counter() - began
    peak = resident_mb("VmHWM")
    found = {**alone, **worker.taken()}
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    await hot.close()
    size = copied.n_bytes / 2**20
    return {
        "s": round(took, 2),
        "mb": round(size, 1),
        "mb_per_s": round(size / took, 1),
        "extra_mb": round(peak - before, 1),
        **found,
    }


def main() -> None:
    """Fill a memory, or measure a swap, for memory.py."""
    source, target, megabytes = sys.argv[1:]
    if target == "fill":
        asyncio.run(_filled(source, int(megabytes)))
        return
    Path("/dev/stdout").write_text(json.dumps(asyncio.run(measure(source, target, int(megabytes)))))


async def _filled(url: str, megabytes: int) -> None:
    memory = open_memory(url)
    await fill(memory, megabytes)
    await memory.close()


if __name__ == "__main__":
    main()
