"""How two retrievers become one ranking: either, trust by specificity, feedback."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.dense.feedback import with_feedback
from indexes.retrieval.fusion import noisy_or
from indexes.retrieval.specificity import COMMON, LEAST_TRUST, MOST_TRUST, RARE, latent_trust, specificity
from indexes.types import PassageId

A, B, C = PassageId("a"), PassageId("b"), PassageId("c")


def test_either_leaves_of_each_leg_what_the_other_left_open() -> None:
    fused = dict(
        noisy_or(
            {"lexical": {A: 4.0, B: 3.0, C: 2.0}, "dense": {B: 0.9, C: 0.5}}, {"lexical": 1.0, "dense": 0.8}
        )
    )
    assert fused[A] == 1.0
    assert fused[B] == pytest.approx(1 - (1 - 0.5) * (1 - 0.8 * 1.0))
    assert fused[C] == 0.0


def test_the_head_of_a_fully_trusted_leg_stays_the_head() -> None:
    assert noisy_or(
        {"lexical": {A: 4.0, B: 3.9, C: 1.0}, "dense": {B: 0.9, C: 0.1}}, {"lexical": 1.0, "dense": 0.8}
    )[0] == (A, 1.0)


def test_a_leg_of_trust_zero_brings_no_passage() -> None:
    assert noisy_or({"lexical": {A: 1.0}, "dense": {B: 1.0}}, {"lexical": 1.0, "dense": 0.0}) == [(A, 1.0)]


def test_ties_break_by_the_smaller_id() -> None:
    assert [i for i, _ in noisy_or({"dense": {C: 1.0, A: 1.0, B: 1.0}}, {"dense": 0.5})] == [A, B, C]


_LEG = st.dictionaries(st.sampled_from([A, B, C, PassageId("d")]), st.floats(0, 100), max_size=4)


@given(_LEG, _LEG, st.floats(0, 1), st.floats(0, 1))
def test_either_is_a_share_and_more_trust_never_lowers_it(
    lexical: dict, dense: dict, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    low = dict(noisy_or({"lexical": lexical, "dense": dense}, {"lexical": 1.0, "dense": less}))
    high = dict(noisy_or({"lexical": lexical, "dense": dense}, {"lexical": 1.0, "dense": more}))
    assert all(0 <= score <= 1 for score in high.values())
    assert all(high[i] >= low[i] - 1e-12 for i in low)


def test_specificity_is_the_mean_idf() -> None:
    assert specificity([1, 3], 7) == pytest.approx((log(1 + 6.5 / 1.5) + log(1 + 4.5 / 3.5)) / 2)


def test_common_words_give_the_dense_leg_most_trust_and_rare_ones_least() -> None:
    assert latent_trust([300, 400], 1000) == MOST_TRUST
    assert latent_trust([0, 1], 100_000) == LEAST_TRUST
    assert latent_trust([], 1000) == LEAST_TRUST


def test_trust_is_half_way_between_common_and_rare() -> None:
    n, df = 10**9, 0
    df = round((n + 1) / np.exp((COMMON + RARE) / 2) - 0.5)
    assert latent_trust([df], n) == pytest.approx(MOST_TRUST / 2, abs=1e-3)


def test_feedback_moves_the_query_towards_the_best_passage() -> None:
    query, passages = np.array([1, 0], np.float32), np.eye(2, dtype=np.float32)[[1]]
    assert with_feedback(query, passages, [7.0], share=1.0) == pytest.approx([1 / sqrt(2), 1 / sqrt(2)])


def test_half_the_score_counts_a_sixteenth() -> None:
    moved = with_feedback(np.zeros(2, np.float32), np.eye(2, dtype=np.float32), [8.0, 4.0], share=1.0)
    assert moved[1] / moved[0] == pytest.approx(1 / 16)


def test_without_passages_the_query_stays() -> None:
    query = np.array([0.6, 0.8], np.float32)
    assert with_feedback(query, np.empty((0, 2), np.float32), [], share=1.0) is query
