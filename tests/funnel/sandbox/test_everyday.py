"""Everyday constructs of Python do in the Monty engine what they do in CPython, or are answered."""

from __future__ import annotations

import asyncio

import pytest
from everyday import Outcome, constructs, expected, judged, run

from funnel.sandbox.monty.engine import MontySandbox

WANTED = 0.98


@pytest.fixture(scope="module")
def outcomes():
    """Return each construct with its outcome and both results."""
    these = constructs()

    async def results():
        engine = MontySandbox()
        try:
            return await run(engine, [each.code for each in these])
        finally:
            await engine.close()

    wanted, got = expected(these), asyncio.run(results())
    return [
        (judged(one, other), each, one, other) for each, one, other in zip(these, wanted, got, strict=True)
    ]


def test_there_are_hundreds_of_constructs(outcomes):
    assert len(outcomes) >= 300


def test_no_everyday_construct_is_silently_wrong(outcomes):
    assert [each for each in outcomes if each[0] is Outcome.WRONG] == []


def test_everyday_constructs_are_right_or_answered_by_what_to_write(outcomes):
    lost = [each for each in outcomes if each[0] is Outcome.UNANSWERED]
    assert len(lost) <= (1 - WANTED) * len(outcomes), lost


def test_most_everyday_constructs_are_right(outcomes):
    right = [each for each in outcomes if each[0] is Outcome.RIGHT]
    assert len(right) >= 0.75 * len(outcomes)
