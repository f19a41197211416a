"""The bubblewrap engine's processes: what they see, how they end, what is said where they cannot start."""

# ruff: noqa: ASYNC220, ASYNC240, PTH115, PTH208 - /proc answers at once

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from services.sandboxes import need

from funnel.errors import SandboxDied, SandboxUnavailable
from funnel.sandbox import probe_sandbox
from funnel.sandbox.base import SandboxLimits
from funnel.sandbox.bubblewrap.guest.filter import MACHINES
from funnel.sandbox.bubblewrap.host.engine import BubblewrapSandbox


@pytest.fixture(scope="module", autouse=True)
def _here():
    need("bubblewrap")


@pytest.fixture
async def sandbox():
    engine = BubblewrapSandbox()
    yield engine
    await engine.close()


def descendants(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children] + [p for child in children for p in descendants(child)]


def inside(sandbox):
    """The processes of the engine, the worker of the only session last."""
    return descendants(sandbox._fork_server._process.pid)


async def gone(pids):
    return await comes_true(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


async def comes_true(condition):
    """Whether it does within a minute, which is a hang and no measurement."""
    for _ in range(3_000):
        if condition():
            return True
        await asyncio.sleep(0.02)
    return False


async def test_no_process_inside_has_the_hosts_environment_files_or_capabilities(sandbox, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    async with sandbox.session({}, {}) as cell:
        await cell.run("x = 1")
        pids = inside(sandbox)
        assert len(pids) == 3
        for pid in pids:
            assert b"canary" not in Path(f"/proc/{pid}/environ").read_bytes()
            seen = Path("/proc", str(pid), "root")
            assert not (seen / "etc").exists()
            assert not (seen / "proc").exists()
        for pid in pids[1:]:
            status = dict(
                line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            )
            assert int(status["CapPrm"], 16) == int(status["CapEff"], 16) == int(status["CapAmb"], 16) == 0
            assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"


async def test_a_session_sees_no_process_of_another(sandbox):
    async with sandbox.session({}, {}) as one, sandbox.session({}, {}) as other:
        numbers = [(await cell.run("import os\nprint(os.getppid())")).stdout for cell in (one, other)]
    assert numbers[0] == numbers[1]


async def test_a_dropped_cell_leaves_what_cannot_be_written_out_as_it_was(sandbox):
    async with sandbox.session({}, {}, SandboxLimits(cell_s=0.2)) as cell:
        await cell.run("numbers = iter(range(9))\nnext(numbers)\nclass A:\n    n = 1\na = A()")
        assert (await cell.run("next(numbers)\na.n = A.n = 2\nwhile True: pass")).restored
        assert (await cell.run("print(next(numbers), a.n, isinstance(a, A))")).stdout == "1 1 True\n"


async def test_calls_of_one_gather_run_side_by_side(sandbox):
    together = asyncio.Barrier(3)

    async def meet(n):
        await together.wait()
        return n

    async with sandbox.session({"meet": meet}, {}) as cell, asyncio.timeout(60):
        result = await cell.run("import asyncio\nprint(await asyncio.gather(meet(1), meet(2), meet(3)))")
    assert result.stdout == "[1, 2, 3]\n"


async def test_an_awaiting_function_of_an_older_cell_still_awaits(sandbox):
    async def ask(prompt):
        return "A:" + prompt

    async with sandbox.session({"ask": ask}, {}) as cell:
        await cell.run("async def twice(p):\n    return 2 * await ask(p)")
        result = await cell.run("import asyncio\nprint(await asyncio.gather(twice('a'), twice('b')))")
    assert result.stdout == "['A:aA:a', 'A:bA:b']\n"


async def test_a_call_that_is_awaited_too_long_is_given_up(sandbox):
    async def hang():
        await asyncio.Event().wait()

    code = (
        "import asyncio\ntry:\n    await asyncio.wait_for(hang(), 0.01)\n"
        "except TimeoutError:\n    print('late')"
    )
    async with sandbox.session({"hang": hang}, {}) as cell, asyncio.timeout(60):
        assert (await cell.run(code)).stdout == "late\n"


async def test_sets_are_ordered_alike_in_every_session(sandbox):
    said = set()
    for _ in range(3):
        async with sandbox.session({}, {}) as cell:
            said.add((await cell.run("import random\nprint({'a', 'b', 'c'}, random.random())")).stdout)
    assert len(said) == 1


async def test_a_sleeping_cell_ends_though_it_does_not_compute(sandbox):
    code = "import ctypes\nctypes.CDLL(None).sleep(3600)"
    async with sandbox.session({}, {}, SandboxLimits(cell_s=0.1)) as cell, asyncio.timeout(60):
        result = await cell.run(code)
    assert result.error is not None
    assert result.error.kind == "TimeoutError"


async def test_variables_that_do_not_fit_are_refused_at_the_start(sandbox):
    with pytest.raises(SandboxUnavailable, match="do not fit into memory_bytes = 1,000,000"):
        async with sandbox.session({}, {"big": "x" * 9_999_997}, SandboxLimits(memory_bytes=1_000_000)):
            pass


async def test_a_worker_that_was_subverted_costs_its_session_and_no_other(sandbox):
    async with sandbox.session({}, {}) as hostile, sandbox.session({}, {}) as other:
        await other.run("x = 1")
        await hostile.run("import os\nos.fork = lambda: 0")
        with pytest.raises(SandboxDied):
            await hostile.run("print('I am the worker')")
        assert (await other.run("print(x)")).stdout == "1\n"


async def test_a_session_whose_process_died_is_dead_if_it_held_anything(sandbox):
    async with sandbox.session({}, {}) as cell:
        await cell.run("x = 1")
        os.kill(inside(sandbox)[-1], signal.SIGKILL)
        with pytest.raises(SandboxDied, match="the variables with it"):
            await cell.run("print(x)")


async def test_a_session_whose_process_died_before_its_first_cell_begins_anew(sandbox):
    async with sandbox.session({}, {"n": 1}) as cell:
        os.kill(inside(sandbox)[-1], signal.SIGKILL)
        await cell.run("pass")
        assert (await cell.run("print(n)")).stdout == "1\n"


async def test_after_its_fork_server_died_the_engine_starts_another(sandbox):
    async with sandbox.session({}, {}):
        sandbox._fork_server._process.kill()
        sandbox._fork_server._process.wait()
    async with sandbox.session({}, {}) as cell:
        assert (await cell.run("print(1)")).stdout == "1\n"


async def test_no_process_is_left_of_a_session_that_was_closed_in_an_endless_loop(sandbox):
    async with sandbox.session({}, {}, SandboxLimits(cell_s=60)) as cell:
        pids = inside(sandbox)[1:]
        running = asyncio.create_task(cell.run("while True: pass"))
        await asyncio.sleep(0.1)
        pids += inside(sandbox)[1:]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert await gone(pids)


async def test_no_process_outlives_a_host_that_is_killed():
    code = (
        "import asyncio\nfrom funnel.sandbox.bubblewrap.host.engine import BubblewrapSandbox\n"
        "async def main():\n    sandbox = BubblewrapSandbox()\n"
        "    async with sandbox.session({}, {}) as cell:\n"
        "        print(sandbox._fork_server._process.pid, flush=True)\n"
        "        await cell.run('while True: pass')\n"
        "asyncio.run(main())"
    )
    host = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    fork_server = int(await asyncio.to_thread(host.stdout.readline))
    pids = [fork_server, *descendants(fork_server)]
    host.kill()
    host.wait()
    host.stdout.close()
    assert await gone(pids)


async def test_nothing_is_left_of_a_session_that_was_cancelled_while_it_began(sandbox):
    async with sandbox.session({}, {}):
        before = len(os.listdir("/proc/self/fd"))

    async def begin():
        async with sandbox.session({}, {}):
            pytest.fail("it was cancelled before")

    for pause_s in (0, 0, 0.001, 0.002):
        beginning = asyncio.create_task(begin())
        await asyncio.sleep(pause_s)
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
    assert await comes_true(lambda: len(os.listdir("/proc/self/fd")) < before)
    assert await gone(inside(sandbox)[1:])


async def test_a_worker_holds_no_descriptor_but_its_lines(sandbox):
    async with sandbox.session({}, {}):
        worker = inside(sandbox)[-1]
        held = {int(fd): os.readlink(f"/proc/{worker}/fd/{fd}") for fd in os.listdir(f"/proc/{worker}/fd")}
    assert held.pop(0) == "/dev/null"
    assert sorted(target.partition(":")[0] for target in held.values()) == ["pipe"] * 4 + ["socket"]


async def test_one_sandbox_serves_several_event_loops():
    engine = BubblewrapSandbox()

    async def ask():
        async with engine.session({}, {"n": 2}) as cell:
            return (await cell.run("print(n)")).stdout

    def in_a_loop_of_its_own():
        return asyncio.run(ask())

    assert [await asyncio.to_thread(in_a_loop_of_its_own) for _ in range(2)] == ["2\n", "2\n"]
    await engine.close()


@pytest.mark.parametrize(
    ("printed", "advice"),
    [
        ("bwrap: No permissions to create new namespace", "User namespaces are needed"),
        ("bwrap: setting up uid map: Permission denied", "User namespaces are needed"),
        ("OSError: [Errno 22] seccomp: Invalid argument", "Linux 5.5"),
        ("", "without a message"),
    ],
)
async def test_a_machine_that_cannot_is_told_in_one_line_what_to_allow(
    tmp_path, monkeypatch, printed, advice
):
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(f"#!/bin/sh\necho '{printed}' >&2\nexit 1\n")
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = await probe_sandbox("bubblewrap")
    assert not found.available
    assert advice in found.detail
    assert printed in found.detail
    assert "FUNNEL_SANDBOX=monty" in found.detail
    assert "\n" not in found.detail


async def test_where_bwrap_is_missing_it_is_said_what_to_install(tmp_path, monkeypatch, sandbox):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxUnavailable, match="apt-get install bubblewrap"):
        async with sandbox.session({}, {}):
            pass


async def test_the_probe_says_that_it_runs():
    found = await probe_sandbox("bubblewrap")
    assert (found.available, "first result in" in found.detail) == (True, True)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_of_the_system_calls_are_those_of_libseccomp(machine):
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        pytest.skip("libseccomp is not here to compare with")
    audit, numbers = MACHINES[machine]
    library.seccomp_syscall_resolve_name_arch.argtypes = (ctypes.c_uint32, ctypes.c_char_p)
    theirs = {name: library.seccomp_syscall_resolve_name_arch(audit, name.encode()) for name in numbers}
    assert numbers == theirs


async def test_a_cell_on_a_busy_machine_is_given_the_time_that_it_computes(sandbox):
    """Stopped for three times its limit, it has not computed: it goes on."""
    limits = SandboxLimits(cell_s=0.5)
    reached = asyncio.Event()

    async def mark():
        reached.set()

    async with sandbox.session({"mark": mark}, {}, limits) as cell:
        running = asyncio.create_task(cell.run("mark()\nfor i in range(1000): pass\nprint('done')"))
        await reached.wait()
        worker = inside(sandbox)[-1]
        os.kill(worker, signal.SIGSTOP)
        await asyncio.sleep(1.0)
        os.kill(worker, signal.SIGCONT)
        assert (await running).stdout == "done\n"


CHANNEL = (
    "import ctypes, gc, os, struct\n"
    "calls = next(o for o in gc.get_objects() if type(o).__name__ == 'HostCalls')\n"
    "def frame(data):\n"
    "    os.write(calls._channel._descriptor, struct.pack('>I', len(data)) + data)\n"
)
DONE = 'frame(b\'{"do":"done","cell":1,"error":null}\')\n'
FORGED = {
    "computes": "while True: pass",
    "computes in C": "sum(range(10**15))",
    "sleeps": "ctypes.CDLL(None).sleep(600)",
}
SOON_S = 8.0
"""Far less than the time limit of the cell below; idle, the first dies in a quarter of a second."""


@pytest.mark.parametrize("instead", FORGED.values(), ids=FORGED)
async def test_a_session_dies_at_once_if_its_cell_only_said_that_it_was_done(sandbox, instead):
    async with sandbox.session({}, {}, SandboxLimits(cell_s=60)) as cell:
        began = time.monotonic()
        first = await cell.run(CHANNEL + DONE + instead)
        with pytest.raises(SandboxDied):
            await cell.run("print(1)")
        assert time.monotonic() - began < SOON_S
    assert first.error is None
    assert await gone(inside(sandbox)[1:])


async def test_a_cell_that_takes_the_next_one_for_an_answer_is_told_so_at_once(sandbox):
    async with sandbox.session({}, {}, SandboxLimits(cell_s=60)) as cell:
        began = time.monotonic()
        await cell.run(CHANNEL + DONE + "calls._channel.receive()")
        assert (await cell.run("print(1)")).error.kind == "SandboxCrashed"
        assert time.monotonic() - began < SOON_S


@pytest.mark.parametrize("number", ["0", "1", "-1", "7", "true", "[]"])
async def test_a_flood_of_deaths_that_never_were_ends_the_cell_at_once(sandbox, number):
    flood = f'while True: frame(b\'{{"do":"died","cell":{number},"status":0}}\')'
    async with sandbox.session({}, {}, SandboxLimits(cell_s=60)) as cell:
        began = time.monotonic()
        assert (await cell.run(CHANNEL + flood)).error.kind == "SandboxCrashed"
        assert (await cell.run("print(1)")).stdout == "1\n"
        assert time.monotonic() - began < SOON_S
