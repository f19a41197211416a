"""Hostile programs, each in a fresh session: the host lives, is answered in time, and nothing leaks."""

from __future__ import annotations

import re
import time

import pytest
from programs import ANY, PROGRAMS

from funnel.sandbox.base import EndCell, HostError, SandboxLimits
from funnel.sandbox.monty import MontySandbox

CANARY = "canary-5f0c1d"
OUTPUT_BYTES = 10_000
ANSWERED_S = 20.0
"""A hang, not a measurement: the longest here takes half a second on an idle machine."""


async def echo(value):
    return value


async def fail():
    raise HostError("no")


async def end():
    raise EndCell


def limits(program):
    """Short where running out of time is an answer; else long enough for a machine under load."""
    cell_s = 0.2 if program.answer == ANY or "TimeoutError" in program.answer else 3.0
    return SandboxLimits(
        cell_s=cell_s, memory_bytes=64 * 1024 * 1024, output_bytes=OUTPUT_BYTES, host_calls=200
    )


FUNCTIONS = {"echo": echo, "fail": fail, "end": end}


@pytest.fixture
async def sandbox():
    engine = MontySandbox()
    yield engine
    await engine.close()


@pytest.fixture
def canary_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CANARY", CANARY)
    path = tmp_path / "canary"
    path.write_text(CANARY)
    return path


def test_there_are_more_than_a_hundred_programs_of_different_names():
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS) > 100


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
async def test_a_hostile_program_is_answered_and_the_session_goes_on(sandbox, canary_file, program):
    started = time.monotonic()
    async with sandbox.session(FUNCTIONS, {"CANARY": str(canary_file)}, limits(program)) as session:
        result = await session.run(program.code)
        after = await session.run("print(6 * 7)")
    error = f"{result.error.kind} {result.error.message}" if result.error else ""
    said = f"{result.stdout} {error}"
    assert re.search(program.answer, said), said[:300]
    assert CANARY not in said
    assert len(result.stdout) < OUTPUT_BYTES + 200
    assert after.stdout == "42\n"
    assert time.monotonic() - started < ANSWERED_S
