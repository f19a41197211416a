"""Measures the cost of a reservation: in a run's ledger, under a job's, and in one kept in a memory.

python benchmarks/ledger.py [CALLS]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from funnel.asker import LOCAL_OWNER
from funnel.llm.base import Message, Request
from funnel.llm.budget import Ledger, Limits, Price
from funnel.llm.limiter import Limiter
from funnel.llm.meter import Meter
from funnel.llm.scripted import ScriptedLLM
from funnel.llm.shared import SharedLedger
from funnel.memory import InMemory, SqliteMemory
from funnel.memory.base import Memory
from funnel.trace.events import Events

PRICE = Price(1.0, 10.0)
FREE = Limits(max_calls=None, max_usd=1e6, timeout_s=None)
ASK = Request((Message("user", "x" * 2_000),), "query", max_output_tokens=500)
RUNS = 64


class Counting:
    """A memory that counts the requests made to it."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.asked = 0

    def __getattr__(self, name: str) -> object:
        self.asked += name in {"get_many", "put_many", "compare_and_set", "scan", "delete_many"}
        return getattr(self._memory, name)


def reserved_us(ledger: Ledger, n: int) -> float:
    began = time.perf_counter()
    for _ in range(n):
        call = ledger.reserve(input_tokens=1_000, output_tokens=500, price=PRICE)
        ledger.settle(call, input_tokens=900, output_tokens=100, price=PRICE)
    return (time.perf_counter() - began) / n * 1e6


async def called_us(ledger: Ledger, n: int) -> float:
    """Return the microseconds of a whole call through a meter, to a model that answers immediately."""
    meter = Meter(ScriptedLLM(["y"] * n), ledger, Events("r"), price=PRICE, limit=Limiter(16))
    began = time.perf_counter()
    for _ in range(n):
        await meter.complete(ASK, parent=None)
    return (time.perf_counter() - began) / n * 1e6


async def shared_us(memory: Memory, n: int, *, runs: int) -> tuple[float, float]:
    """Return the microseconds per announced reservation and the memory requests per call, over `runs`."""
    counting = Counting(memory)
    async with SharedLedger(counting, "benchmark", Limits.only(max_usd=1e6), asker=LOCAL_OWNER) as ledger:  # type: ignore[arg-type]

        async def run() -> None:
            own = Ledger(FREE, parent=ledger)
            for _ in range(n // runs):
                call = await own.reserve_in_turn(1_000, 500, PRICE)
                await own.announce(call)
                own.settle(call, input_tokens=900, output_tokens=100, price=PRICE)

        began, asked = time.perf_counter(), counting.asked
        await asyncio.gather(*(run() for _ in range(runs)))
        n_calls = n // runs * runs
        return (time.perf_counter() - began) / n_calls * 1e6, (counting.asked - asked) / n_calls


async def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    job = Ledger(Limits.only(max_usd=1e6), name="job")
    print(f"a reservation, run alone          {reserved_us(Ledger(FREE), n):8.1f} us")
    print(f"a reservation, run and job        {reserved_us(Ledger(FREE, parent=job), n):8.1f} us")
    print(f"a call of a meter, run alone      {await called_us(Ledger(FREE), n):8.1f} us")
    print(f"a call of a meter, run and job    {await called_us(Ledger(FREE, parent=job), n):8.1f} us")
    with tempfile.TemporaryDirectory() as folder:
        sqlite = SqliteMemory(f"sqlite:///{Path(folder) / 'm.sqlite'}")
        for name, memory in (("in memory", InMemory()), ("SQLite", sqlite)):
            for runs in (1, RUNS):
                took_us, asked = await shared_us(memory, n // 2, runs=runs)
                what = f"shared, {name}, {runs} runs at once"
                print(f"{what:34}{took_us:8.1f} us, {asked:.2f} requests a call")
        await sqlite.close()


if __name__ == "__main__":
    asyncio.run(main())
