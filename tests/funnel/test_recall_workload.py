"""Twenty questions over the same ten contracts: memory saves model calls, and no answer changes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def recall():
    """The benchmark, whose figures these are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        import recall  # noqa: PLC0415 - a script, found where it lies

        yield recall
        for name in ("recall", "recall_workload"):
            sys.modules.pop(name, None)


async def test_what_was_learnt_saves_calls_and_changes_no_answer(recall):
    given = recall.workload()
    [neither] = await recall.passes(given, recall.NEITHER)
    [cached] = await recall.passes(given, recall.CACHE)
    [first, again] = await recall.passes(given, recall.LEARNT, n=2)
    assert neither.answers == cached.answers == first.answers == again.answers
    assert recall.right(given, neither) == len(given.questions) == 20
    assert (neither.calls, cached.calls, first.calls, again.calls) == (20 + 132, 20 + 132, 20 + 40, 0)


async def test_sub_calls_in_the_same_words_are_found_in_the_cache_too(recall):
    given = recall.workload()
    [cached] = await recall.passes(given, recall.CACHE, wording=recall.SAME)
    [learnt] = await recall.passes(given, recall.LEARNT, wording=recall.SAME)
    assert cached.answers == learnt.answers
    assert cached.calls == learnt.calls == 20 + 40
