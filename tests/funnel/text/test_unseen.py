"""What is spelled out in output, and what is left as it is."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.text.unseen import visible, visible_json

READ_AS_THEY_ARE = [
    "a plain line\n\twith a tab",
    "Grüße, 字, Ω, e\u0301",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian: I want
    "क्\u200dष",
    "👩\u200d🚀",
    "❤\ufe0f 1\ufe0f\u20e3",
    "👁\ufe0f\u200d🗨\ufe0f",
    "שלום עולם",
]


@pytest.mark.parametrize("text", READ_AS_THEY_ARE)
def test_what_scripts_and_emoji_need_stays(text):
    assert visible(text) == text


@pytest.mark.parametrize(
    "character",
    [
        *"\x00\x1b\r\x7f\x85\x9b\xad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a",
        *"\u202e\u2060\u2062\u2066\u2069\u206f\u3164\ufe00\ufe0f\ufeff\uffa0\ufff9\uffff\ud800\udfff",
        *"\U0001bca0\U0001d173\U000e0001\U000e0041\U000e007f\U000e0100",
    ],
)
def test_what_cannot_be_seen_is_spelled_out(character):
    code = ord(character)
    spelled = f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
    assert visible(f"pay {character}now") == f"pay {spelled}now"


def test_of_joiners_in_a_row_none_is_hidden():
    assert visible("\u0645\u200c\u200c\u200d\u062e").count("\\u200") == 3


@given(st.text())
def test_json_means_the_same_and_shows_everything(text):
    shown = visible_json(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(shown) == {"text": text}
    hidden = {c for c in shown if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"}}
    assert not hidden


@given(st.text(alphabet=st.characters(categories=["Cc", "Zl", "Zp", "Cs"])))
def test_no_control_character_is_ever_shown(text):
    assert set(visible(text)) <= {"\n", "\t", *map(chr, range(0x20, 0x7F))}
