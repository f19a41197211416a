"""The record of a run: what was dumped is what is loaded, whatever was asked and under whatever rights."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.journal import RunRecord
from funnel.llm.budget import Limits
from funnel.types import EndReason
from indexes.filters import OPERATORS, all_of, any_of, condition, not_
from indexes.types import OWNER, Access

texts = st.text(st.characters(exclude_categories=[]), max_size=12)
numbers = st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
values = {
    "eq": st.none() | st.booleans() | numbers | st.text(max_size=5),
    "in": st.lists(st.booleans() | numbers | st.text(max_size=5), max_size=4),
    "gt": numbers | st.text(max_size=5),
    "exists": st.booleans(),
}
OF = {"ne": "eq", "nin": "in", "gte": "gt", "lt": "gt", "lte": "gt"}
conditions = st.sampled_from(OPERATORS).flatmap(
    lambda operator: st.builds(
        condition, st.text(min_size=1, max_size=8), st.just(operator), values[OF.get(operator, operator)]
    )
)
filters = st.recursive(
    conditions,
    lambda inner: (
        st.builds(not_, inner)
        | st.lists(inner, max_size=3).map(lambda parts: all_of(*parts))
        | st.lists(inner, max_size=3).map(lambda parts: any_of(*parts))
    ),
    max_leaves=8,
)
accesses = st.just(OWNER) | st.frozensets(texts, max_size=3).map(lambda names: Access.of(*names))
limits = st.builds(
    Limits,
    max_usd=st.none() | st.floats(0, 1e6),
    max_calls=st.none() | st.integers(0, 10**9),
    timeout_s=st.none() | st.floats(0, 1e9),
)
records = st.builds(
    RunRecord,
    run=texts,
    question=texts,
    mode=st.sampled_from(["auto", "lookup", "deep"]),
    k=st.integers(1, 10**6),
    limits=limits,
    access=accesses,
    where=st.none() | filters,
    model=texts,
    sub_model=texts,
    sandbox=texts,
    started_at=texts,
    labels=st.dictionaries(texts, texts, max_size=3),
    end_reason=st.none() | st.sampled_from(EndReason),
    schema=st.none() | st.just({"type": "object", "properties": {"n": {"type": "integer"}}}),
)


@given(records)
def test_what_is_loaded_is_what_was_dumped(record):
    assert RunRecord.load(record.dump()) == record


@pytest.mark.parametrize("label", ["\ud800", "\ufffd\ud800", "whole"])
def test_a_label_of_half_a_character_stays_what_it_is(label):
    kept = RunRecord("r", "q", "auto", 1, Limits(), OWNER, None, "m", "m", "s", "now", labels={label: label})
    assert RunRecord.load(kept.dump()) == kept


@given(filters)
def test_a_number_a_word_and_a_truth_value_stay_what_they_are(where):
    kept = RunRecord("r", "q", "auto", 1, Limits(), OWNER, where, "m", "m", "s", "now")
    assert repr(RunRecord.load(kept.dump()).where) == repr(where)


@given(records)
def test_it_is_stored_as_plain_ascii_whatever_stands_in_it(record):
    assert record.dump().isascii()


def test_a_later_format_is_refused_by_its_number():
    kept = RunRecord("r", "q", "auto", 1, Limits(), OWNER, None, "m", "m", "s", "now").dump()
    with pytest.raises(ValueError, match=r"^format 7; this version reads formats 1 and 2$"):
        RunRecord.load(json.dumps({**json.loads(kept), "format": 7}).encode())
