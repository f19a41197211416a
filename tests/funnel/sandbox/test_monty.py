"""The Monty engine beyond the contract: constructs, hints, awaited calls, its worker processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from constructs import HINTED, WORKS

from funnel.errors import SandboxUnavailable, UnknownName
from funnel.sandbox import open_sandbox, probe_sandbox
from funnel.sandbox.base import Probe, SandboxLimits
from funnel.sandbox.monty.engine import MontySandbox
from funnel.sandbox.monty.hints import hint_for
from funnel.testing.sandbox import SandboxContract

CONTEXT = ["alpha one", "beta two", "gamma"]


@pytest.fixture
async def sandbox():
    engine = MontySandbox()
    yield engine
    await engine.close()


async def llm_query(prompt, model=None):
    return "A:" + prompt


async def llm_query_batched(prompts):
    return ["A:" + prompt for prompt in prompts]


def session(sandbox, limits=None, **functions):
    mine = {"llm_query": llm_query, "llm_query_batched": llm_query_batched, **functions}
    return sandbox.session(mine, {"context": CONTEXT}, limits)


class TestMonty(SandboxContract):
    @pytest.fixture
    async def sandbox(self):
        engine = MontySandbox()
        yield engine
        await engine.close()


@pytest.mark.parametrize("construct", WORKS, ids=lambda c: c.code[:60])
async def test_a_construct_of_model_written_code_runs(sandbox, construct):
    async with session(sandbox) as cell:
        result = await cell.run(construct.code)
    assert (result.error, result.stdout.rstrip("\n")) == (None, construct.stdout)


@pytest.mark.parametrize("construct", HINTED, ids=lambda c: c.code[:60])
async def test_a_construct_that_is_missing_is_answered_with_what_to_write(sandbox, construct):
    async with session(sandbox) as cell:
        result = await cell.run(construct.code)
    assert result.error is not None
    assert construct.hint in result.error.hint


async def test_the_data_holds_more_than_sixty_constructs():
    assert (len(WORKS) > 60, len(HINTED) > 40) == (True, True)


async def test_calls_of_one_gather_run_side_by_side(sandbox):
    together = asyncio.Barrier(3)

    async def meet(n):
        await together.wait()
        return n

    async with session(sandbox, meet=meet) as cell, asyncio.timeout(60):
        result = await cell.run("import asyncio\nprint(await asyncio.gather(meet(1), meet(2), meet(3)))")
    assert result.stdout == "[1, 2, 3]\n"


async def test_an_awaiting_function_of_an_older_cell_still_awaits(sandbox):
    async with session(sandbox) as cell:
        await cell.run("async def ask(p):\n    return await llm_query(p)")
        result = await cell.run("import asyncio\nprint(await asyncio.gather(ask('a'), ask('b')))")
    assert result.stdout == "['A:a', 'A:b']\n"


async def test_calls_left_running_by_a_gather_are_cancelled_with_the_cell(sandbox):
    cancelled = asyncio.Event()

    async def hang():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def burst():
        await asyncio.sleep(0)
        raise OSError("the disk is full")

    async with session(sandbox, hang=hang, burst=burst) as cell:
        with pytest.raises(OSError, match="the disk is full"):
            await cell.run("import asyncio\nawait asyncio.gather(hang(), burst())")
    assert cancelled.is_set()


async def test_the_value_of_a_last_expression_is_shown(sandbox):
    async with session(sandbox) as cell:
        assert (await cell.run("x = 1; x + 1")).stdout == "2\n"


async def test_the_shown_value_does_not_move_the_line_of_an_error(sandbox):
    async with session(sandbox) as cell:
        result = await cell.run("from statistics import (\n    mean,\n    median,\n)\nmean([1]) / 0")
    assert result.error is not None
    assert (result.error.line, result.error.source_line) == (5, "mean([1]) / 0")


async def test_a_served_module_lasts_from_cell_to_cell(sandbox):
    async with session(sandbox) as cell:
        await cell.run("import heapq")
        await cell.run("h = [2, 1]\nheapq.heapify(h)")
        assert (await cell.run("print(h)")).stdout == "[1, 2]\n"


async def test_a_served_module_is_there_again_after_a_restore(sandbox):
    async with session(sandbox, SandboxLimits(cell_s=0.2)) as cell:
        assert (await cell.run("import string\nwhile True: pass")).restored
        assert (await cell.run("import string\nprint(string.digits)")).stdout == "0123456789\n"


async def test_a_worker_that_died_between_cells_is_replaced_unnoticed(sandbox):
    async with session(sandbox) as cell:
        await cell.run("x = 41")
        os.kill(cell._worker.worker_pid, 9)
        assert (await cell.run("print(x + 1)")).stdout == "42\n"


async def test_a_worker_that_dies_in_a_host_call_is_an_error_of_the_cell_and_nothing_runs_twice(sandbox):
    calls = []

    async def kill():
        calls.append(1)
        os.kill(pid, 9)

    async with session(sandbox, kill=kill) as cell:
        await cell.run("x = 1")
        pid = cell._worker.worker_pid
        result = await cell.run("x = 2\nkill()")
        assert result.error is not None
        assert (result.error.kind, result.restored, len(calls)) == ("SandboxCrashed", True, 1)
        assert (await cell.run("print(x)")).stdout == "1\n"


async def test_a_session_near_its_memory_limit_comes_back_after_a_breach(sandbox):
    limits = SandboxLimits(cell_s=5, memory_bytes=32 * 1024 * 1024)
    async with session(sandbox, limits) as cell:
        assert (await cell.run("big = ['x' * 1000 + str(i) for i in range(7_000)]")).error is None
        assert (await cell.run("more = big + ['y' * 30_000_000]")).restored
        assert (await cell.run("print(len(big))")).stdout == "7000\n"


async def test_variables_that_are_too_many_to_be_kept_are_a_memory_error_and_are_not_kept(sandbox):
    limits = SandboxLimits(cell_s=5, memory_bytes=32 * 1024 * 1024)
    async with session(sandbox, limits) as cell:
        await cell.run("big = 1")
        result = await cell.run("big = ['x' * 1000 + str(i) for i in range(20_000)]")
        assert result.error is not None
        assert (result.error.kind, result.restored) == ("MemoryError", True)
        assert (await cell.run("print(big)")).stdout == "1\n"


def read_environment(pid):
    environment = Path(f"/proc/{pid}/environ")
    if not environment.exists():
        pytest.skip("no /proc here")
    return environment.read_bytes()


async def test_a_worker_inherits_no_environment(sandbox, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    async with session(sandbox) as cell:
        assert b"canary" not in read_environment(cell._worker.worker_pid)


async def test_no_worker_is_left_after_a_session_was_closed_in_an_endless_loop(sandbox):
    async with session(sandbox, SandboxLimits(cell_s=60)) as cell:
        pid = cell._worker.worker_pid
        running = asyncio.create_task(cell.run("while True: pass"))
        await asyncio.sleep(0.1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    for _ in range(1_200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        await asyncio.sleep(0.05)
    pytest.fail("the worker still runs")


async def test_one_sandbox_serves_several_event_loops():
    engine = MontySandbox()

    async def ask():
        async with engine.session({}, {"n": 2}) as cell:
            return (await cell.run("print(n)")).stdout

    def in_a_loop_of_its_own():
        return asyncio.run(ask())

    assert [await asyncio.to_thread(in_a_loop_of_its_own) for _ in range(2)] == ["2\n", "2\n"]
    await engine.close()


async def test_variables_that_do_not_fit_are_refused_at_the_start(sandbox):
    with pytest.raises(SandboxUnavailable, match="memory_bytes = 40,000,000"):
        async with sandbox.session({}, {"big": "x" * 9_999_997}, SandboxLimits(memory_bytes=1_000_000)):
            pass


async def test_a_long_message_keeps_both_ends(sandbox):
    async with session(sandbox) as cell:
        result = await cell.run("raise ValueError('a' + 'x' * 100_000 + 'z')")
    assert result.error is not None
    assert len(result.error.message) < 2_100
    assert (result.error.message[0], result.error.message[-1]) == ("a", "z")


async def test_the_probe_says_that_it_runs():
    probe = await probe_sandbox("monty")
    assert isinstance(probe, Probe)
    assert probe.available


def test_an_unknown_sandbox_lists_the_known():
    with pytest.raises(UnknownName, match=r"Unknown sandbox 'docker'\. Known: auto, bubblewrap, monty\."):
        open_sandbox("docker")


def test_an_ordinary_error_has_no_hint():
    assert hint_for("KeyError", "'x'", "d['x']") == ""
