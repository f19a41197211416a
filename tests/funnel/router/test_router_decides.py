import json

import pytest
from hit_making import hits_of
from hypothesis import given
from hypothesis import strategies as st

from funnel.errors import UnknownName
from funnel.router import Router
from funnel.router.features import hit_signals, text_signals
from funnel.router.model import SignalWeight, Weights, shipped_weights

COMPARE = "Compare the two leases"
FACT = "Where is the valve?"


def weights_of(intercept=0.0, **weights):
    return Weights(intercept, {name: SignalWeight(weight) for name, weight in weights.items()}, {})


def test_the_probability_is_the_logistic_of_the_weighted_sum():
    router = Router(weights=weights_of(-1.0, compares=3.0))
    assert router.decide(COMPARE, []).probability == pytest.approx(
        1 / (1 + 2.718281828459045 ** -(-1.0 + 3.0))
    )


def test_mean_and_scale_centre_a_signal():
    assert (
        SignalWeight(2.0, mean=0.5, scale=0.25).contribution(type("S", (), {"value": 0.75}))
        == 2.0 * (0.75 - 0.5) / 0.25
    )


def test_the_threshold_splits_the_routes_and_belongs_to_deep():
    even = weights_of(0.0)
    assert Router(threshold=0.5, weights=even).decide("x", []).route == "deep"
    assert Router(threshold=0.51, weights=even).decide("x", []).route == "lookup"


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_outside_0_to_1_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        Router(threshold=threshold)


@pytest.mark.parametrize("mode", ["lookup", "deep"])
def test_a_pinned_mode_wins_and_the_probability_is_still_told(mode):
    router = Router()
    pinned = router.decide(COMPARE, [], mode=mode)
    assert (pinned.route, pinned.pinned, pinned.reasons[0]) == (mode, True, f"pinned by --mode {mode}")
    assert pinned.probability == router.decide(COMPARE, []).probability


def test_an_unknown_mode_lists_the_known():
    with pytest.raises(UnknownName, match=r"Unknown mode 'depe'. Known: auto, deep, lookup."):
        Router().decide(COMPARE, [], mode="depe")


def test_the_strongest_cue_is_the_first_reason():
    assert Router().decide(COMPARE, []).reasons[0] == "asks to compare ('compare')"


def test_without_a_cue_the_reason_says_so():
    reasons = Router().decide("blue paint", []).reasons
    assert reasons == ("nothing in the wording asks for more than one fact",)


def test_what_argues_against_the_route_is_told_as_such():
    reasons = Router().decide("Is it raining?", []).reasons
    assert reasons[-1] == "against that: asks for a judgement ('is')"


def test_hits_in_which_one_document_stands_out_argue_for_lookup():
    question = "valve pressure limit"
    clear = hits_of((1.0, "valve pressure limit"), (0.2, "paint"), (0.1, "ink"))
    flat = hits_of((1.0, "valve"), (0.98, "pressure"), (0.97, "limit"), (0.1, "ink"))
    assert Router().decide(question, clear).probability < Router().decide(question, flat).probability


def test_the_scores_stand_in_the_reason():
    clear = hits_of((1.0, "valve pressure limit"), (0.41, "paint"), (0.0, "ink"))
    reasons = Router().decide("valve pressure limit", clear).reasons
    assert "one document stands out: score 1.00 against 0.41 for the next document" in reasons


def test_scattered_evidence_is_told_as_a_reason_for_depth():
    flat = hits_of((1.0, "valve"), (0.98, "pressure"), (0.97, "limit"), (0.1, "ink"))
    reasons = Router(threshold=0.1).decide("valve pressure limit", flat).reasons
    assert any(reason.startswith("the evidence is scattered: 2 of 3 terms") for reason in reasons)


@pytest.mark.parametrize(
    "question",
    ["", " ", "?", "🦊🦊🦊", "比較這兩份合約", "Vergleiche die Verträge", "a" * 100_000,
     "which that " * 10_000, ", a" * 50_000, '"' * 10_000, "\x00\ud800", "more " * 2_000],
)  # fmt: skip
def test_odd_input_gets_a_decision_with_reasons(question):
    decision = Router().decide(question, [])
    assert 0 < decision.probability < 1
    assert decision.reasons


@given(st.text(max_size=300), st.lists(st.tuples(st.floats(0, 1), st.text(max_size=40)), max_size=12))
def test_any_question_and_hits_give_one_to_four_reasons_twice_the_same(question, found):
    hits = hits_of(*sorted(found, reverse=True))
    decision = Router().decide(question, hits)
    assert 1 <= len(decision.reasons) <= 4
    assert all(decision.reasons)
    assert decision == Router().decide(question, hits)


def test_pinned_reasons_are_at_most_four_too():
    question = "List every contract and explain why they differ over time"
    assert len(Router().decide(question, [], mode="lookup").reasons) == 4


def test_a_file_of_weights_reads_back():
    raw = {
        "intercept": -1,
        "signals": {"compares": {"weight": 2, "mean": 0, "scale": 1}},
        "provenance": {"date": "2026-11-22"},
    }
    weights = Weights.from_json(json.dumps(raw))
    assert (weights.intercept, weights.signals["compares"].weight) == (-1.0, 2)


def test_the_shipped_weights_say_where_they_come_from():
    provenance = shipped_weights().provenance
    assert {"date", "command", "method", "text_fitted_on", "hits_fitted_on"} <= provenance.keys()


def test_every_signal_has_a_shipped_weight_and_every_weight_a_signal():
    signals = text_signals("x") | hit_signals("ink", hits_of((1.0, "ink"), (0.5, "b"), (0.1, "c")))
    assert signals.keys() == shipped_weights().signals.keys()
