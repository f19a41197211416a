"""Four processes work on one job and are killed: no cap of a run, the job or its owner is ever passed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from job_worker import AT_ONCE, LEASE_S, N_CALLS, RUN, model

from funnel.asker import LOCAL_OWNER
from funnel.journal import listing
from funnel.llm.budget import Limits
from funnel.llm.pot import Amount, Pot
from funnel.llm.shared import SharedLedger
from funnel.memory import SqliteMemory, layout

HERE = Path(__file__).parent
PROCESSES = 4


class Workers:
    """Processes that work on the runs of one job, against one counting server."""

    def __init__(self, server: ChatServer, folder: Path):
        self.server = server
        self.folder = folder
        path = os.pathsep.join(map(str, [HERE, *HERE.parents[:3]]))
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "job_worker.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        self._names = count()
        self.db = folder / "job.sqlite"

    def begin(self, *, ask: int, job: dict[str, Any], owner: dict[str, Any]) -> tuple[int, Path]:
        """Begin one. Returns: its process id, and where its results will be."""
        out = self.folder / f"{next(self._names)}.json"
        order = {"db": str(self.db), "url": self.server.url, "out": str(out), "ask": ask}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({**order, "job": job, "owner": owner}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())["pid"], out

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def workers(tmp_path) -> Iterator[Workers]:
    with ChatServer() as server:
        server.default = model
        made = Workers(server, tmp_path)
        yield made
        made.close()


def wait_for(out: Path) -> list[dict[str, Any]]:
    for _ in range(18_000):
        if out.exists() and (written := out.read_text()):
            return json.loads(written)["ended"]
        time.sleep(0.01)
    raise AssertionError(f"{out} was never written")


async def booked(db: Path, name: str, limits: dict[str, Any]) -> tuple[Amount, Pot]:
    """What a ledger says was spent in all, and its pot, once every dead holder has been let go."""
    memory = SqliteMemory(f"sqlite:///{db}")
    try:
        async with SharedLedger(
            memory, name, Limits.only(**limits), lease_s=LEASE_S, asker=LOCAL_OWNER
        ) as ledger:
            total = await ledger.total()
        stored = await memory.get_many(layout.ledger(LOCAL_OWNER, name), ["pot"])
        return total, Pot.load(stored["pot"])
    finally:
        await memory.close()


async def unfinished(db: Path) -> list[str]:
    memory = SqliteMemory(f"sqlite:///{db}")
    try:
        found = [each async for each in listing.runs(memory, asker=LOCAL_OWNER)]
        return [each.record.run for each in found if each.answer is None]
    finally:
        await memory.close()


def killed_again_and_again(workers: Workers, chance: random.Random, rounds: int, **caps: Any) -> None:
    """Every worker is killed at a moment of its own and followed by another; those of the last round live."""
    for _ in range(rounds):
        pids = [workers.begin(ask=2, **caps)[0] for _ in range(PROCESSES)]
        moments = sorted((chance.uniform(0.3, 1.2), pid) for pid in pids)
        began = time.monotonic()
        for moment, pid in moments:
            time.sleep(max(0.0, began + moment - time.monotonic()))
            os.kill(pid, signal.SIGKILL)


def assert_kept(total: Amount, served: Any, cap: dict[str, Any]) -> None:
    """Nothing that was served is missing from what is booked, and what is booked is within the cap."""
    assert served.calls <= total.calls <= cap.get("max_calls", 10**9)
    assert served.input_tokens + served.output_tokens <= total.tokens <= cap.get("max_tokens", 10**9)
    cost = (served.input_tokens * 1.0 + served.output_tokens * 10.0) / 1e6
    assert cost <= total.usd + 1e-9
    assert total.usd <= cap.get("max_usd", 10**9) + 1e-9


def no_cap_is_passed(workers: Workers, job: dict[str, Any], owner: dict[str, Any], *, seed: int, rounds: int):
    killed_again_and_again(workers, random.Random(seed), rounds, job=job, owner=owner)
    last = [workers.begin(ask=1, job=job, owner=owner)[1] for _ in range(PROCESSES)]
    ended = [each for out in last for each in wait_for(out)]
    served = workers.server.served
    for name, cap in (("job", job), ("owner", owner)):
        total, pot = asyncio.run(booked(workers.db, name, cap))
        assert_kept(total, served, cap)
        assert pot.drawn == {}, "something that a dead holder had drawn did not come back"
        assert pot.spent == total
    for each in ended:
        if "usage" in each:
            usage = each["usage"]
            assert usage["model_calls"] <= RUN.max_calls
            assert usage["cost_usd"] <= RUN.max_usd
            assert usage["input_tokens"] + usage["output_tokens"] <= RUN.max_tokens
    return ended, served


@pytest.mark.parametrize(
    ("job", "owner"),
    [
        ({"max_calls": 150}, {"max_usd": 50.0}),
        ({"max_tokens": 10**8}, {"max_usd": 1.0}),
    ],
)
def test_no_cap_is_passed_by_four_processes_that_are_killed(workers, job, owner):
    ended, _ = no_cap_is_passed(workers, job, owner, seed=1, rounds=2)
    assert any(each.get("status") == "partial" or "error" in each for each in ended), "no cap was met"


def test_what_dead_holders_had_drawn_is_there_for_those_who_come_after(workers):
    """The cap is enough for all runs, if nothing is lost but what was under way at a kill."""
    under_way = PROCESSES * AT_ONCE
    # With so few processes as many runs end; the rest is less than the allowance of a holder.
    job = {"max_calls": 3 * PROCESSES * (N_CALLS + 1) + under_way}
    ended, served = no_cap_is_passed(workers, job, {"max_usd": 100.0}, seed=2, rounds=1)
    assert {each.get("status", each.get("error")) for each in ended} <= {"complete", "RunTaken"}, ended
    assert asyncio.run(unfinished(workers.db)) == []
    total, _ = asyncio.run(booked(workers.db, "job", job))
    assert total.calls - served.calls <= under_way


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 18))
def test_no_cap_is_passed_over_many_kills(workers, seed):
    no_cap_is_passed(workers, {"max_calls": 300}, {"max_usd": 6.0}, seed=seed, rounds=6)
