"""A few of the programs of benchmarks/hostile_arguments.py, each in a process of its own on both engines."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from services.sandboxes import need

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SECONDS = 6.0
LATE_S = 5.0
"""A hang, not a measurement, on a machine that does other things: the benchmark says what it is when idle."""
SOME = (
    "quote of 16 MB of emoji",
    "thousands of quotes at once",
    "citations that are giant integers",
    "reads of thousands at once",
    "notes read again and again",
    "schema that is intricate",
    "keyword of 10 MB",
)


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        import hostile_arguments  # noqa: PLC0415 - a script, found by its folder

        yield hostile_arguments
        for name in ("hostile_arguments", "hostile_programs"):
            sys.modules.pop(name, None)


@pytest.fixture(params=["monty", "bubblewrap"])
def engine(request):
    """The name of an engine that this machine can run."""
    need(request.param)
    return request.param


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from /proc")
@pytest.mark.parametrize("program", SOME)
def test_no_argument_takes_the_host_or_holds_it_beyond_its_deadline(benchmark, engine, program):
    found = benchmark.measured(engine, program, SECONDS)
    assert found["added_mb"] <= benchmark.MAX_ADDED_MB
    assert found["late_s"] <= LATE_S
    assert found["disk_mb"] <= 120


def test_there_are_more_than_thirty_programs(benchmark):
    assert len(benchmark.PROGRAMS) > 30
    assert set(SOME) <= set(benchmark.PROGRAMS)
