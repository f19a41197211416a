"""Hostile programs, each in a fresh session: the host lives, is answered in time, and nothing leaks."""

from __future__ import annotations

import asyncio
import re
import socket
import time

import pytest
from full_python import FULL_PYTHON
from programs import ANY, PROGRAMS
from services.sandboxes import need

from funnel.sandbox.base import EndCell, HostError, SandboxLimits
from funnel.sandbox.bubblewrap.host.engine import BubblewrapSandbox
from funnel.sandbox.monty.engine import MontySandbox

CANARY = "canary-5f0c1d"
OUTPUT_BYTES = 10_000
ANSWERED_S = 20.0
"""A hang, not a measurement: the longest here takes half a second on an idle machine."""
CASES = [
    *(("monty", program) for program in PROGRAMS),
    *(("bubblewrap", program) for program in [*PROGRAMS, *FULL_PYTHON]),
]


async def echo(value):
    return value


async def fail():
    raise HostError("no")


async def end():
    raise EndCell


def limits(expected):
    """Short where running out of time is an answer; else long enough for a machine under load."""
    cell_s = 0.2 if expected == ANY or "TimeoutError" in expected else 3.0
    return SandboxLimits(
        cell_s=cell_s, memory_bytes=64 * 1024 * 1024, output_bytes=OUTPUT_BYTES, host_calls=200
    )


FUNCTIONS = {"echo": echo, "fail": fail, "end": end}


@pytest.fixture(scope="module")
def bubblewrap():
    """One engine for all: what a program did to it, the next would feel."""
    need("bubblewrap")
    engine = BubblewrapSandbox()
    yield engine
    asyncio.run(engine.close())


@pytest.fixture
async def monty():
    engine = MontySandbox()
    yield engine
    await engine.close()


@pytest.fixture
def sandbox(engine, request):
    return request.getfixturevalue(engine)


@pytest.fixture
def canary_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CANARY", CANARY)
    path = tmp_path / "canary"
    path.write_text(CANARY)
    return path


@pytest.fixture
def canary_server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def test_there_are_more_than_a_hundred_programs_of_different_names():
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS) > 150
    assert len({program.name for program in FULL_PYTHON}) == len(FULL_PYTHON) > 70


@pytest.mark.parametrize(("engine", "program"), CASES, ids=lambda x: x if isinstance(x, str) else x.name)
async def test_a_hostile_program_is_answered_and_the_session_goes_on(
    sandbox, engine, program, canary_file, canary_server
):
    expected = program.answer_in(engine)
    variables = {"CANARY": str(canary_file), "PORT": canary_server.getsockname()[1]}
    started = time.monotonic()
    async with sandbox.session(FUNCTIONS, variables, limits(expected)) as session:
        result = await session.run(program.code)
        after = await session.run("print(6 * 7)")
    error = f"{result.error.kind} {result.error.message}" if result.error else ""
    said = f"{result.stdout} {error}"
    assert re.search(expected, said), said[:300]
    assert CANARY not in said
    assert len(result.stdout) < OUTPUT_BYTES + 200
    assert after.stdout == "42\n"
    assert time.monotonic() - started < ANSWERED_S
    with pytest.raises(BlockingIOError):
        canary_server.accept()
