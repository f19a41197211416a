"""No form of a secret is shown, and nothing else is changed."""

from __future__ import annotations

import base64
import html
import json
import random
from urllib.parse import quote, quote_plus

import pytest

from funnel.llm.openai.redaction import Redactor

KEY = "sk-Very/secret+key&7"
WRAPPED = [f"{before}{KEY}{after}" for before in ("", "u:", "me:") for after in ("", "!", "!!")]
"""At every distance from a multiple of three characters, as base64 takes them."""


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        f"Bearer {KEY}",
        f"a{KEY}b",
        quote(KEY, safe=""),
        quote(KEY, safe="").lower(),
        quote_plus(KEY),
        html.escape(KEY),
        json.dumps(KEY),
        *(base64.b64encode(text.encode()).decode() for text in WRAPPED),
        base64.urlsafe_b64encode(f"u:{KEY}".encode()).decode(),
    ],
)
def test_a_secret_is_hidden_however_it_is_written(written):
    shown = Redactor([KEY]).text(f"it said {written}, no more")
    assert "***" in shown
    assert shown.startswith("it said ")
    assert shown.endswith(", no more")
    assert KEY[3:9] not in shown
    assert base64.b64encode(KEY.encode()).decode()[4:16] not in shown


@pytest.mark.parametrize(
    "key", ["x", "none", "EMPTY", "ollama", "lm-studio", "sk-no-key-required", "test", "k1"]
)
def test_a_placeholder_is_hidden_only_where_a_credential_is_announced(key):
    hide = Redactor([key]).text
    text = f"it exceeds the context: {key} = sorted(key={key}), {key}ed or {key}"
    assert hide(text) == text
    assert hide(f"Bearer {key}") == "Bearer ***"
    assert hide(f'{{"Authorization": "Bearer {key}"}}') == '{"Authorization": "Bearer ***"}'
    assert hide(f"Incorrect API key provided: {key}.") == "Incorrect API key provided: ***."
    assert hide(f"api-key: {key}") == "api-key: ***"


def test_a_short_secret_is_hidden_where_it_stands_alone():
    assert (
        Redactor(["abc12"]).text("abc12 abc123 xabc12 'abc12' abc12-d") == "*** abc123 xabc12 '***' abc12-d"
    )


def test_of_two_secrets_the_longer_is_hidden_whole():
    assert Redactor(["sk-first-1", "sk-first-1-and-more"]).text("sk-first-1-and-more") == "***"


def test_without_secrets_nothing_is_changed():
    assert Redactor([]).text("Bearer x") == "Bearer x"
    assert Redactor([""]).longest == 0


@pytest.mark.parametrize("secrets", [[KEY], ["x"], ["abc12"], [KEY, "none"], []])
def test_a_stream_shows_what_the_whole_text_would_show(secrets):
    rng = random.Random(7)
    words = [
        "Bearer ",
        KEY,
        "x",
        "none",
        "abc12",
        "abc123",
        " ",
        "-",
        quote(KEY),
        "api-key: ",
        "exceeds",
        "\n",
    ]
    for _ in range(300):
        text = "".join(rng.choice(words) for _ in range(rng.randrange(1, 30)))
        redactor = Redactor(secrets)
        filtered, shown, at = redactor.stream(), [], 0
        while at < len(text):
            size = rng.randrange(1, 9)
            shown.append(filtered.feed(text[at : at + size]))
            at += size
        assert "".join([*shown, filtered.end()]) == redactor.text(text)


def test_a_stream_holds_back_no_more_than_a_secret_needs():
    redactor = Redactor([KEY])
    assert redactor.longest < 50
    assert redactor.stream().feed("a" * 100) == "a" * (100 - redactor.longest)
