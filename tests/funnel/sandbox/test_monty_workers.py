"""The Monty engine's worker processes: what they leave behind, and what they print past the engine."""

from __future__ import annotations

import subprocess
import sys

import pytest
from processes import gone, started

from funnel.errors import SandboxUnavailable
from funnel.sandbox.base import SandboxLimits
from funnel.sandbox.monty import engine, program

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="what the kernel does there is Linux's own")
HOST = """
import asyncio, os
from funnel.sandbox.base import SandboxLimits
from funnel.sandbox.monty.engine import MontySandbox

async def main():
    async def here():
        tasks = os.listdir("/proc/self/task")
        print(*(open(f"/proc/self/task/{task}/children").read() for task in tasks), flush=True)
    sandbox = MontySandbox()
    async with sandbox.session({"here": here}, {}, SandboxLimits(cell_s=120)) as cell:
        await cell.run("here()\\nwhile True: pass")

asyncio.run(main())
"""
GONE_S = 2.0


@pytest.fixture
async def sandbox():
    made = engine.MontySandbox()
    yield made
    await made.close()


@LINUX
def test_a_computing_worker_does_not_outlive_a_host_that_is_killed():
    with started([sys.executable, "-c", HOST], stdout=subprocess.PIPE, text=True) as host:
        workers = host.stdout.readline().split()
        assert workers
        assert not gone(workers, 0.1)
        host.kill()
        host.wait()
        assert gone(workers, GONE_S)


@LINUX
@pytest.mark.parametrize("code", ["x = [[0] * 10**8 for _ in range(10)]", "x = 'a' * (3 * 10**8)"])
async def test_a_worker_prints_nothing_on_the_hosts_standard_error(sandbox, capfd, code):
    async with sandbox.session({}, {}, SandboxLimits(cell_s=20)) as cell:
        result = await cell.run(code)
    assert result.error.kind == "MemoryError"
    assert capfd.readouterr().err == ""


async def test_where_the_script_cannot_be_started_the_workers_start_without_it(sandbox, monkeypatch):
    monkeypatch.setattr(engine, "programs", lambda: ("/nowhere/monty", None))
    async with sandbox.session({}, {}) as cell:
        assert (await cell.run("print(6 * 7)")).stdout == "42\n"


async def test_where_no_program_starts_the_reason_is_told(sandbox, monkeypatch):
    monkeypatch.setattr(engine, "programs", lambda: ("/nowhere/monty",))
    with pytest.raises(SandboxUnavailable, match=r"does not start: .*nowhere"):
        async with sandbox.session({}, {}):
            pytest.fail("it started")


def test_without_the_tool_that_ties_a_worker_to_its_host_the_engine_chooses(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    program._script.cache_clear()
    try:
        assert program.programs() == (None,)
    finally:
        program._script.cache_clear()
