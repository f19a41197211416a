"""What responses say about rates, as the providers write it."""

from __future__ import annotations

import math
import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.llm.allowance import Stated
from funnel.llm.openai.rates import asked_wait_s, stated_limits

NOW = 1_800_000_000
DATE = {"date": formatdate(NOW, usegmt=True)}


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "86400"}, 86400),
        ({"retry-after": "1m30s"}, 90),
        ({"retry-after": "20ms"}, 0.02),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)} | DATE, 90),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)} | DATE, 0),
        ({"retry-after": str(NOW + 12)} | DATE, 12),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_the_wait_that_headers_ask_for(headers, wait_s):
    assert asked_wait_s(headers) == wait_s


@pytest.mark.parametrize(
    ("message", "wait_s"),
    [
        ("Rate limit reached for gpt-6 on requests per min. Please try again in 20s. Visit …", 20),
        ("Rate limit reached for model `x`. Please try again in 6m0s.", 360),
        ("Limit 6000, Used 5999, Requested 700. Please try again in 7m12.5s.", 432.5),
        ("Please try again in 120ms.", 0.12),
        ("Requests have exceeded the call rate limit. Please retry after 9 seconds.", 9),
        ("You exceeded your current quota. Please retry in 34.074824224s.", 34.074824224),
        ("Try again later", None),
        ("wait", None),
    ],
)
def test_the_wait_that_a_message_asks_for_counts_where_no_header_does(message, wait_s):
    assert asked_wait_s({}, message) == wait_s
    assert asked_wait_s({"retry-after": "1"}, message) == 1


@pytest.mark.parametrize(
    ("headers", "stated"),
    [
        (
            {
                "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-reset-requests": "1s", "x-ratelimit-limit-tokens": "150000",
                "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0s",
            },
            {"requests": Stated(59, 1, 60), "tokens": Stated(149984, 360, 150000)},
        ),
        (
            {"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "20ms"},
            {"requests": Stated(3, 0.02, None)},
        ),
        (
            {
                "x-ratelimit-limit": "20", "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": str((NOW + 41) * 1000), **DATE,
            },
            {"requests": Stated(0, 41, 20)},
        ),
        (
            {"ratelimit-limit": "20", "ratelimit-remaining": "1", "ratelimit-reset": "9"},
            {"requests": Stated(1, 9, 20)},
        ),
        (
            {
                "anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2027-01-15T08:00:30Z", **DATE,
            },
            {"requests": Stated(0, 30, 50)},
        ),
        ({"x-ratelimit-remaining-requests": "0"}, {}),
        ({"x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "never"}, {}),
        ({"x-ratelimit-limit": "20, 20;w=60", "x-ratelimit-remaining": "5", "x-ratelimit-reset": "9"},
         {"requests": Stated(5, 9, None)}),
    ],
)  # fmt: skip
def test_the_limits_that_headers_state(headers, stated):
    assert stated_limits(headers) == stated


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=80))
def test_no_header_or_message_breaks_a_call(after, reset, message):
    waits = asked_wait_s({"retry-after": after, "date": reset}, message)
    assert waits is None or (waits >= 0 and math.isfinite(waits))
    for stated in stated_limits({"x-ratelimit-remaining": after, "x-ratelimit-reset": reset}).values():
        assert stated.whole_in_s >= 0


def test_a_date_counts_from_the_servers_clock_or_else_from_ours():
    assert asked_wait_s({"retry-after": formatdate(time.time() + 60, usegmt=True)}) == pytest.approx(
        60, abs=2
    )
