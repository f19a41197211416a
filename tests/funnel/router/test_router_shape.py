"""What kind of work a question asks for."""

from __future__ import annotations

from typing import get_args

import pytest
from hit_making import hits_of
from hypothesis import given
from hypothesis import strategies as st

from funnel.router import Router
from funnel.router.features import text_signals
from funnel.router.shape import NO_CUE, POINTS, SURE, deep_shape
from funnel.types import Shape

SHAPED = {
    "lookup": (
        "What is our refund policy?",
        "who signed the lease for the warehouse in leeds",
        "In what year was Siemens founded?",
    ),
    "scan": (
        "What themes run through the interviews with nurses?",
        "Explain why the migration failed and what would have prevented it",
        "Pull together what the sources say about the causes of the famine",
    ),
    "aggregate": (
        "List all contracts governed by New York law",
        "How many agreements mention an exclusivity clause?",
        "Which functions in the standard library can block for ever unless a timeout is given?",
        "Among these tickets, is the label 'billing' more common than the label 'login'?",
        "Which experiments used fewer than twenty participants?",
        "which suppliers have raised prices more than once since january",
    ),
    "compare": (
        "compare the two pension schemes on cost, risk and flexibility",
        "Which came first, the treaty of Arlen or the siege of Morrow?",
        "what changed between version 2 and version 3 of the protocol",
    ),
    "multi-hop": (
        "Who is the manager of the department that bought the most laptops?",
        "In which country was the founder of the company that built the Alder bridge born?",
    ),
}


def shape_of(question):
    return Router().decide(question, []).shape


@pytest.mark.parametrize(("shape", "question"), [(s, q) for s, asked in SHAPED.items() for q in asked])
def test_a_question_has_the_shape_of_its_work(shape, question):
    assert shape_of(question) == shape


def test_every_shape_is_known_to_the_types():
    assert ("lookup", *POINTS) == ("lookup", "scan", "aggregate", "compare", "multi-hop") == get_args(Shape)


def test_the_points_of_a_shape_are_summed():
    signals = text_signals("Why does it matter, and what themes recur?")
    assert (signals["why"].value, signals["theme"].value, signals["compares"].value) == (1, 1, 0)
    # scan 2.0 + 2.0 against multi-hop 0.5
    assert deep_shape("", signals).shape == "scan"


def test_the_strongest_cue_is_the_reason_of_the_shape():
    decision = Router().decide("Compare the two leases", [])
    assert (decision.shape, decision.shape_reason) == ("compare", "asks to compare ('compare')")


def test_a_lookup_is_explained_by_what_made_it_one():
    decision = Router().decide("Where is the valve?", [])
    assert (decision.shape, decision.shape_reason) == ("lookup", decision.reasons[0])


def test_a_pinned_route_does_not_change_the_shape():
    for question in ("Where is the valve?", "Compare the two leases"):
        free, *pinned = (Router().decide(question, [], mode=mode) for mode in ("auto", "lookup", "deep"))
        assert {(d.shape, d.shape_reason) for d in pinned} == {(free.shape, free.shape_reason)}


def test_depth_without_a_cue_is_said_to_rest_on_none():
    found = deep_shape("blue paint", text_signals("blue paint"))
    assert (found.shape, found.reason) == ("multi-hop", NO_CUE)


def test_what_one_hit_cannot_hold_is_no_lookup():
    question = "valve pressure limit"
    flat = hits_of((1.0, "valve"), (0.98, "pressure"), (0.97, "limit"), (0.1, "ink"))
    assert Router(threshold=0.1).decide(question, flat).shape == "multi-hop"


@given(st.text(max_size=300), st.floats(0, 1))
def test_the_shape_is_lookup_exactly_where_the_unpinned_route_is(question, threshold):
    decision = Router(threshold=threshold).decide(question, [])
    assert (decision.shape == "lookup") == (decision.route == "lookup")
    assert decision.shape_reason


@pytest.mark.parametrize("restyle", [str.lower, str.upper, lambda q: q.rstrip("?"), lambda q: f"  {q}\n"])
def test_capitals_question_mark_and_blanks_do_not_change_the_shape(restyle):
    for asked in SHAPED.values():
        for question in asked:
            assert shape_of(question) == shape_of(restyle(question)), question


def test_a_pinned_deep_route_is_told_what_the_wording_shows_though_a_lookup_was_likelier():
    decision = Router().decide("Which contract in the collection has the earliest date?", [], mode="deep")
    assert decision.probability < 0.5
    assert (decision.route, decision.shape) == ("deep", "aggregate")


@pytest.mark.parametrize(
    ("question", "sure"),
    [
        ("List all contracts governed by New York law that contain a non-compete clause", True),
        ("How many of the contracts in the collection were signed in 2019, and how many in 2020?", True),
        ("What is our refund policy?", False),
        ("Which came first, the treaty of Arlen or the siege of Morrow?", False),
        ("What themes run through the interviews with nurses?", False),
        ("Who is the father of the director of the film that won the prize?", False),
    ],
)
def test_only_a_shape_that_leads_far_is_sure(question, sure):
    assert Router().decide(question, [], mode="deep").shape_sure is sure


@given(st.text(max_size=80))
def test_a_sure_shape_is_one_that_was_measured(question):
    decision = Router().decide(question, [], mode="deep")
    assert not decision.shape_sure or decision.shape in SURE
