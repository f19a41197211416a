"""A run that is killed at any moment goes on in another process, and nothing is paid for twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import resume_worker
from chat_server import ChatServer
from resume_worker import LIMITS, N_CALLS

HERE = Path(__file__).parent
# Dozens of processes live and die in one test; on a machine that is busy that takes minutes.
pytestmark = pytest.mark.timeout(900)

SHARES = 4
"""The moments to be killed at are dealt out to so many tests, for several processes to run."""


@dataclass(frozen=True)
class Life:
    """What one process did: a signal ended it, or it left `found`; the server saw `calls` of it."""

    ended_by: int
    found: dict[str, Any]
    calls: int

    @property
    def outcome(self) -> tuple[Any, ...]:
        answer = self.found["answer"]
        return answer["text"], answer["citations"], answer["status"], answer["value"], self.found["notes"]

    @property
    def usage(self) -> dict[str, Any]:
        return self.found["answer"]["usage"]


def journal(db: Path) -> tuple[int, int]:
    """How many calls were announced in it, and how many ended."""
    with closing(sqlite3.connect(db)) as connection:
        rows = connection.execute("SELECT value FROM items WHERE CAST(key AS TEXT) LIKE 'journal/%'")
        entries = [json.loads(value) for (value,) in rows]
    return sum("asked" in entry for entry in entries), sum("ended" in entry for entry in entries)


class ForkServer:
    """Processes that live one life of a run each, against one counting server."""

    def __init__(self, server: ChatServer, folder: Path):
        self.server = server
        self.folder = folder
        path = os.pathsep.join(map(str, [HERE, *HERE.parents[:3]]))
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "resume_worker.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        self._names = count()

    def db(self) -> Path:
        return self.folder / f"{next(self._names)}.sqlite"

    def live(self, db: Path, *, at: int = 0, when: str = "before", **order: Any) -> Life:
        """One life, until it ends; killed before or after it writes its journal for the `at`-th time."""
        seen, threads = len(self.server.seen), threading.active_count()
        self.begin(db, at=at, when=when, **order)
        ended_by = self.told()["signal"]
        # A request may have been sent in the last moment: it is on the bill.
        while threading.active_count() > threads:
            time.sleep(0.002)
        out = db.with_suffix(".json")
        found = json.loads(out.read_text()) if out.exists() else {}
        out.unlink(missing_ok=True)
        return Life(ended_by, found, len(self.server.seen) - seen)

    def begin(self, db: Path, **order: Any) -> int:
        """Begin a life. Returns its process id."""
        defaults = {"at": 0, "when": "before", "resume": False, "out": str(db.with_suffix(".json"))}
        order = {**defaults, **order, "db": str(db), "url": self.server.url}
        stdin = self._process.stdin
        assert stdin
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        return self.told()["pid"]

    def told(self) -> dict[str, Any]:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    with ChatServer() as server:
        server.default = resume_worker.model
        fork_server = ForkServer(server, tmp_path_factory.mktemp("runs"))
        yield fork_server
        fork_server.close()


@pytest.fixture(scope="module")
def undisturbed(fork_server: ForkServer) -> Life:
    life = fork_server.live(fork_server.db())
    assert life.calls == life.usage["model_calls"] == N_CALLS
    assert life.found["answer"]["status"] == "complete"
    return life


@pytest.mark.parametrize("first", range(1, 1 + SHARES))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_killed_at_any_write_of_its_journal_comes_to_the_same_answer_and_pays_for_nothing_twice(
    fork_server: ForkServer, undisturbed: Life, when: str, first: int
):
    for at in count(first, SHARES):
        db = fork_server.db()
        served = fork_server.server.served
        before = served.input_tokens, served.output_tokens
        killed = fork_server.live(db, at=at, when=when)
        if not killed.ended_by:
            break
        asked, ended = journal(db)
        assert killed.calls <= asked, "a call was made that was not announced"
        again = fork_server.live(db, resume=True)
        if again.found == {"unknown": True}:
            assert (at, when, killed.calls) == (1, "before", 0)
            continue
        assert again.outcome == undisturbed.outcome, (at, when)
        assert killed.calls + again.calls == N_CALLS + (killed.calls - ended), (at, when)
        usage = again.usage
        billed = served.input_tokens - before[0], served.output_tokens - before[1]
        reported = usage["input_tokens"], usage["output_tokens"]
        if asked == ended:
            assert (usage["model_calls"], *reported) == (killed.calls + again.calls, *billed), (at, when)
        else:
            assert usage["model_calls"] == asked + again.calls
            assert all(r > b for r, b in zip(reported, billed, strict=True))
        assert usage["model_calls"] <= LIMITS.max_calls
        assert sum(reported) <= LIMITS.max_tokens
        assert usage["cost_usd"] <= LIMITS.max_usd
    assert at > N_CALLS


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_answer(
    fork_server: ForkServer, undisturbed: Life
):
    db = fork_server.db()
    # Calls that were under way count at their worst, life after life.
    death = {"at": 4, "when": "after", "limits": {"max_calls": 1_000, "max_usd": 90.0, "max_tokens": 10**8}}
    lives = [fork_server.live(db, **death)]
    while lives[-1].ended_by:
        lives.append(fork_server.live(db, **death, resume=True))
    asked, ended = journal(db)
    assert len(lives) > 10
    assert lives[-1].outcome == undisturbed.outcome
    assert N_CALLS <= sum(life.calls for life in lives) <= N_CALLS + (asked - ended)
    assert lives[-1].usage["model_calls"] == asked


class Batch:
    """The model, which answers none of the twelve questions of the first batch until it is let go."""

    def __init__(self) -> None:
        self.asked, self.free = threading.Semaphore(0), threading.Event()

    def __call__(self, body: Any) -> Any:
        if body["messages"][1]["content"].startswith("What of"):
            self.asked.release()
            self.free.wait(300)
        return resume_worker.model(body)


@pytest.fixture
def batch(fork_server: ForkServer) -> Iterator[Batch]:
    fork_server.server.default = batch = Batch()
    yield batch
    batch.free.set()
    fork_server.server.default = resume_worker.model


def test_what_was_under_way_when_a_life_ended_is_asked_again_and_counts_at_its_worst(
    fork_server: ForkServer, undisturbed: Life, batch: Batch
):
    """Twice all twelve calls of a batch are under way when the process is killed, and not yet buried."""
    seen, db = len(fork_server.server.seen), fork_server.db()
    for resume in (False, True):
        pid = fork_server.begin(db, resume=resume, wait=False)
        for _ in range(12):
            assert batch.asked.acquire(timeout=120)
        os.kill(pid, signal.SIGKILL)
    batch.free.set()
    last = fork_server.live(db, resume=True)
    assert last.outcome == undisturbed.outcome
    assert len(fork_server.server.seen) - seen == N_CALLS + 2 * 12
    assert last.usage["model_calls"] == N_CALLS + 2 * 12
    assert last.usage["output_tokens"] == undisturbed.usage["output_tokens"] + 2 * 12 * 4096
    assert "24 calls under way when the run stopped" in " ".join(last.found["answer"]["notices"])


class Held:
    """The model, whose first answer to one question waits until it is let go."""

    def __init__(self) -> None:
        self.asked, self.free = threading.Event(), threading.Event()

    def __call__(self, body: Any) -> Any:
        if "How many?" in body["messages"][1]["content"] and not self.asked.is_set():
            self.asked.set()
            self.free.wait(300)
        return resume_worker.model(body)


@pytest.fixture
def held(fork_server: ForkServer) -> Iterator[Held]:
    fork_server.server.default = held = Held()
    yield held
    held.free.set()
    fork_server.server.default = resume_worker.model


def left(out: Path) -> dict[str, Any]:
    """What a life left that nobody waited for."""
    for _ in range(12_000):
        if out.exists() and out.stat().st_size:
            return json.loads(out.read_text())
        time.sleep(0.01)
    raise AssertionError(f"{out} was never written")


SHORT = {"lease_s": 8.0}
"""A lease that another process takes over after eight seconds without a sign of life."""


def test_a_run_that_is_being_worked_on_is_not_resumed(fork_server: ForkServer, held: Held, undisturbed: Life):
    db = fork_server.db()
    out = db.with_suffix(".first")
    pid = fork_server.begin(db, wait=False, out=str(out), **SHORT)
    assert held.asked.wait(120)
    second = fork_server.live(db, resume=True, **SHORT)
    held.free.set()
    assert second.found["error"] == "RunTaken"
    assert f"process {pid} on this machine. Wait until it ends, or end it." in second.found["said"]
    assert second.calls == 0
    first = left(out)
    assert Life(0, first, 0).outcome == undisturbed.outcome


def test_a_process_that_slept_while_another_took_its_run_over_stops_by_itself(
    fork_server: ForkServer, held: Held, undisturbed: Life
):
    db = fork_server.db()
    out = db.with_suffix(".first")
    pid = fork_server.begin(db, wait=False, out=str(out), **SHORT)
    assert held.asked.wait(120)
    os.kill(pid, signal.SIGSTOP)
    try:
        fork_server.begin(db, resume=True, wait=False, out=str(db.with_suffix(".second")), **SHORT)
        second = left(db.with_suffix(".second"))
        seen = len(fork_server.server.seen)
    finally:
        held.free.set()
        os.kill(pid, signal.SIGCONT)
    woken = left(out)
    assert Life(0, second, 0).outcome == undisturbed.outcome
    assert second["answer"]["usage"]["model_calls"] == N_CALLS + 1
    assert woken["error"] == "RunTaken"
    assert "took it over when this one was not heard of" in woken["said"]
    assert len(fork_server.server.seen) == seen
    assert fork_server.live(db, resume=True).found["answer"] == second["answer"]


def test_of_two_that_resume_a_run_at_once_one_does(fork_server: ForkServer, held: Held, undisturbed: Life):
    db = fork_server.db()
    killed = fork_server.live(db, at=10, when="after")
    outs = [db.with_suffix(f".{i}") for i in range(2)]
    for out in outs:
        fork_server.begin(db, resume=True, wait=False, out=str(out), **SHORT)
    assert held.asked.wait(120)
    while not any(out.exists() and out.stat().st_size for out in outs):
        time.sleep(0.01)
    held.free.set()
    found = [left(out) for out in outs]
    assert sorted(one.get("error", "") for one in found) == ["", "RunTaken"]
    one = next(one for one in found if "answer" in one)
    assert Life(0, one, 0).outcome == undisturbed.outcome
    assert one["answer"]["usage"]["replayed_calls"] == killed.calls


def test_a_run_that_came_to_its_answer_gives_it_again_without_a_call(fork_server: ForkServer):
    db = fork_server.db()
    first = fork_server.live(db)
    again = fork_server.live(db, resume=True)
    assert (again.found["answer"], again.calls) == (first.found["answer"], 0)


def test_what_killed_runs_left_behind_ends_with_them(fork_server: ForkServer):
    """The processes of sandbox and grep notice that nobody is there any more."""
    pid = fork_server.begin(fork_server.db(), at=30, when="after")
    seen: set[str] = set()
    while (running := of_session(pid)).get(pid):
        seen.update(running.values())
        time.sleep(0.005)
    assert fork_server.told()["signal"] == signal.SIGKILL
    assert any("grep_worker" in command for command in seen)
    assert any("monty" in command for command in seen)
    for _ in range(3_000):
        if not of_session(pid):
            break
        time.sleep(0.02)
    assert of_session(pid) == {}


def of_session(leader: int) -> dict[int, str]:
    """The command lines of the processes that a life started, its own among them, by process id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, session, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if int(session) == leader and state != "Z":
                found[int(entry.name)] = command
    return found


@pytest.mark.parametrize("cap", [{"max_calls": N_CALLS}, {"max_usd": 0.25}, {"max_tokens": 90_000}])
@pytest.mark.parametrize("at", [12, 20, 30])
def test_no_cap_is_passed_by_all_lives_of_a_run_together(
    fork_server: ForkServer, cap: dict[str, float], at: int
):
    served, db = fork_server.server.served, fork_server.db()
    before = served.calls, served.input_tokens, served.output_tokens
    fork_server.live(db, at=at, when="before", limits=cap)
    fork_server.live(db, at=3, when="after", resume=True, limits=cap)
    last = fork_server.live(db, resume=True, limits=cap)
    after = served.calls, served.input_tokens, served.output_tokens
    calls, tokens_in, tokens_out = (a - b for a, b in zip(after, before, strict=True))
    usage = last.usage
    assert calls <= usage["model_calls"] <= cap.get("max_calls", LIMITS.max_calls)
    reported = usage["input_tokens"] + usage["output_tokens"]
    assert tokens_in + tokens_out <= reported <= cap.get("max_tokens", LIMITS.max_tokens)
    assert usage["cost_usd"] <= cap.get("max_usd", LIMITS.max_usd)
