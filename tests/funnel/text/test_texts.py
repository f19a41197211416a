"""Long strings kept once: whatever is folded unfolds to itself."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from funnel.trace.folding import MIN_CHARS, Texts, unfold

LONG = "x" * MIN_CHARS
KEYS = st.sampled_from(["a", "text", "$text", "$$text", "$$$text", "$"]) | st.text(max_size=3)
STRINGS = st.text(max_size=3) | st.integers(0, 9).map(lambda n: str(n) * (MIN_CHARS + n - 5))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | STRINGS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(VALUES, max_size=4))
def test_what_is_folded_and_sent_as_json_unfolds_to_itself(values):
    texts, known = Texts(), {}
    for value in values:
        folded, new = texts.fold(value)
        known |= new
        assert unfold(json.loads(json.dumps(folded)), known) == value


@given(VALUES)
def test_no_long_string_is_left_in_what_was_folded(value):
    def strings(part):
        if isinstance(part, str):
            return [part]
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
        return [text for item in inner for text in strings(item)]

    folded, _ = Texts().fold(value)
    assert all(len(text) < MIN_CHARS for text in strings(folded))


def test_a_text_is_handed_out_once():
    texts = Texts()
    assert [list(texts.fold([LONG, LONG])[1].values()), texts.fold(LONG)[1]] == [[LONG], {}]


def test_lone_surrogates_have_a_hash_too():
    folded, new = Texts().fold("\ud800" * MIN_CHARS)
    assert unfold(folded, new) == "\ud800" * MIN_CHARS


def test_a_reference_to_a_text_that_is_missing_stays_as_it_is():
    assert unfold([{"$text": "0" * 32}], {}) == [{"$text": "0" * 32}]
