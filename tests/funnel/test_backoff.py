"""Pauses between attempts grow to a bound, and differ for those who failed together."""

from __future__ import annotations

from itertools import islice

from funnel.backoff import pauses


def test_each_pause_is_between_half_of_its_bound_and_the_bound_which_doubles_up_to_the_longest():
    for _ in range(100):
        drawn = list(islice(pauses(0.5, 3.0), 5))
        assert [p <= bound for p, bound in zip(drawn, [0.5, 1, 2, 3, 3], strict=True)] == [True] * 5
        assert [p >= bound / 2 for p, bound in zip(drawn, [0.5, 1, 2, 3, 3], strict=True)] == [True] * 5


def test_a_first_pause_above_the_longest_is_cut():
    assert next(pauses(10.0, 2.0)) <= 2.0


def test_two_who_failed_together_come_back_apart():
    assert list(islice(pauses(1.0, 8.0), 4)) != list(islice(pauses(1.0, 8.0), 4))
