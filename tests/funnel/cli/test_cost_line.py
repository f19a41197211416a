"""The line that says what an answer cost."""

from __future__ import annotations

import pytest

from funnel.cli import show
from funnel.types import Usage


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({}, "2 calls · 1,000 in + 100 out tokens · $0.0020 · 1.5 s"),
        ({"cached_input_tokens": 800}, "2 calls · 1,000 in (800 cached) + 100 out tokens · $0.0020 · 1.5 s"),
        ({"tier": "flex"}, "2 calls · 1,000 in + 100 out tokens · $0.0020 (flex) · 1.5 s"),
    ],
)
def test_cached_input_and_the_tier_are_told_where_there_are_any(more, line):
    spent = Usage(model_calls=2, input_tokens=1_000, output_tokens=100, cost_usd=0.002, wall_s=1.5, **more)
    assert show.usage(spent) == line
