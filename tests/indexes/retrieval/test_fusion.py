from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.catalog.reader import PassageLocation
from indexes.retrieval.fusion import convex, rrf
from indexes.retrieval.ranking import ranked
from indexes.types import RetrieverScore

EVEN = {"lexical": 0.5, "dense": 0.5}
LEXICAL = {"a": 12.0, "b": 7.0, "c": 2.0}
DENSE = {"b": 0.9, "d": 0.5, "a": 0.1}
LEGS = {"lexical": LEXICAL, "dense": DENSE}

retrievers = st.dictionaries(
    st.sampled_from(["lexical", "dense"]),
    st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.floats(-10, 10), max_size=12),
)


def test_convex_is_the_weighted_mean_of_min_max_scores():
    assert dict(convex(LEGS, {"lexical": 0.7, "dense": 0.3})) == {
        "a": pytest.approx(0.7 * 1 + 0.3 * 0),
        "b": pytest.approx(0.7 * 0.5 + 0.3 * 1),
        "c": pytest.approx(0.7 * 0),
        "d": pytest.approx(0.3 * 0.5),
    }


def test_rrf_is_the_weighted_sum_of_reciprocal_ranks():
    assert dict(rrf(LEGS, {"lexical": 1, "dense": 1})) == {
        "a": 1 / 61 + 1 / 63,
        "b": 1 / 62 + 1 / 61,
        "c": 1 / 63,
        "d": 1 / 62,
    }


def test_rrf_weighs_its_legs():
    assert dict(rrf(LEGS, {"lexical": 3, "dense": 1}, k=0))["b"] == 3 / 2 + 1 / 1


@pytest.mark.parametrize("fuse", [convex, rrf])
def test_a_leg_of_weight_zero_takes_no_part(fuse):
    assert [i for i, _ in fuse(LEGS, {"lexical": 1, "dense": 0})] == ["a", "b", "c"]


@pytest.mark.parametrize("fuse", [convex, rrf])
def test_a_leg_that_found_nothing_is_no_hindrance(fuse):
    assert [i for i, _ in fuse({"lexical": LEXICAL, "dense": {}}, EVEN)] == ["a", "b", "c"]


def test_equal_scores_of_a_leg_count_one_each():
    assert convex({"lexical": {"a": 4.0}}, {"lexical": 0.7}) == [("a", 0.7)]


@pytest.mark.parametrize("fuse", [convex, rrf])
def test_ties_break_by_id(fuse):
    crossed = {"lexical": {"y": 2.0, "x": 1.0}, "dense": {"x": 2.0, "y": 1.0}}
    assert [i for i, _ in fuse(crossed, EVEN)] == ["x", "y"]


@given(retrievers)
def test_convex_scores_lie_between_zero_and_one(found):
    assert all(0 <= score <= 1 + 1e-9 for _, score in convex(found, EVEN))


@given(retrievers)
def test_convex_does_not_change_with_the_scale_of_a_leg(found):
    # A power of two scales without rounding.
    scaled = {name: {i: 8 * score for i, score in retriever.items()} for name, retriever in found.items()}
    assert dict(convex(scaled, EVEN)) == pytest.approx(dict(convex(found, EVEN)))


def place(key: int, document: str, passage: str) -> PassageLocation:
    return PassageLocation(key, f"{document}#{passage}", 1, document, "v", 0, 1, None)


PLACES = {1: place(1, "x", "0"), 2: place(2, "x", "1"), 3: place(3, "y", "0")}


def ranks(found, places=PLACES):
    return ranked(found, places, 10, fuse=convex, weights=EVEN)


def test_a_document_has_the_score_of_its_best_passage():
    [x, y] = ranks({"lexical": [(2, 9.0), (3, 8.0), (1, 1.0)]})
    assert [(f.location.id, f.score) for f in x] == [("x#1", 0.5), ("x#0", 0.0)]
    assert [(f.location.id, f.score) for f in y] == [("y#0", 0.5 * 7 / 8)]


def test_each_passage_keeps_rank_and_score_of_each_leg():
    [x, _] = ranks({"lexical": [(2, 9.0), (3, 8.0)], "dense": [(1, 0.5), (2, 0.25)]})
    by_id = {f.location.id: f.retrievers for f in x}
    assert by_id == {
        "x#1": {"lexical": RetrieverScore(1, 9.0), "dense": RetrieverScore(2, 0.25)},
        "x#0": {"dense": RetrieverScore(1, 0.5)},
    }


def test_a_passage_that_is_gone_leaves_no_gap_in_the_ranks():
    [y] = ranks({"lexical": [(77, 9.0), (3, 8.0)]})
    assert y[0].retrievers == {"lexical": RetrieverScore(1, 8.0)}
    assert (y[0].rank, y[0].score) == (1, 0.5)


def test_documents_of_equal_score_break_ties_by_id():
    assert [d[0].location.document_id for d in ranks({"lexical": [(3, 1.0), (1, 1.0)]})] == ["x", "y"]
