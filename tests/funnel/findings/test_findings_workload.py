"""Twenty questions over the same ten contracts: memory saves model calls, and no answer changes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark, whose figures these are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        import findings  # noqa: PLC0415 - a script, found by its folder

        yield findings
        for name in ("findings", "findings_workload", "lines_workload"):
            sys.modules.pop(name, None)


async def test_what_was_learnt_saves_calls_and_changes_no_answer(benchmark):
    given = benchmark.workload()
    [neither] = await benchmark.passes(given, benchmark.NEITHER)
    [cached] = await benchmark.passes(given, benchmark.CACHE)
    [first, again] = await benchmark.passes(given, benchmark.FINDINGS, n=2)
    assert neither.answers == cached.answers == first.answers == again.answers
    assert benchmark.count_right(given, neither) == len(given.questions) == 20
    assert (neither.calls, cached.calls, first.calls, again.calls) == (20 + 132, 20 + 132, 20 + 40, 0)


async def test_sub_calls_in_the_same_words_are_found_in_the_cache_too(benchmark):
    given = benchmark.workload()
    [cached] = await benchmark.passes(given, benchmark.CACHE, wording=benchmark.SAME)
    [learnt] = await benchmark.passes(given, benchmark.FINDINGS, wording=benchmark.SAME)
    assert cached.answers == learnt.answers
    assert cached.calls == learnt.calls == 20 + 40


async def test_labels_of_a_thousand_lines_are_paid_for_once(benchmark):
    """Both questions take three turns of the root; the labels are twenty batches of fifty lines."""
    assert await benchmark.label_twice(benchmark.CACHE) == [(3, 20, True), (3, 20, True)]
    assert await benchmark.label_twice(benchmark.FINDINGS) == [(3, 20, True), (3, 0, True)]
