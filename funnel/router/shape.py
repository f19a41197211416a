"""What kind of work a question asks for: signals in, a shape and why out; knows no weights and no engine.

A shape is a hint to whoever answers, never a gate. The points are set by hand: fitted ones carried less far
between sources (docs/decisions/0011-shape-of-a-question.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from funnel.router.features import Signal, readable
from funnel.types import Shape

POINTS: Mapping[Shape, Mapping[str, float]] = {
    "scan": {
        "theme": 2.0, "why": 2.0, "discusses": 1.2, "how_process": 0.8, "change": 0.5, "many_documents": 0.5,
    },
    "aggregate": {
        "frequency": 5.0, "counts": 3.0, "which_many": 2.0, "exhaustive": 2.0, "lists": 2.0, "threshold": 2.0,
        "superlative": 0.5, "many_documents": 0.5,
    },
    "compare": {
        "compares": 3.0, "chooses": 2.5, "change": 1.5, "things": 0.7, "yes_no": 0.3, "threshold": -2.5,
    },
    "multi-hop": {"role": 1.5, "relative": 1.2, "nested": 0.6},
}  # fmt: skip
"""What a signal of the wording argues for, in points for each unit of its value."""

START: Mapping[Shape, float] = {"multi-hop": 0.5}
"""A question that needs depth and shows no cue mostly leads from one thing to another."""

NO_CUE = "several passages are needed, and nothing in the wording says how"

_OWN_CUES = {
    "frequency": (
        "asks how often",
        re.compile(
            r"\b(?:more|less|equally|as) (?:common|frequent|numerous|often|frequently)\b"
            r"|\bthe same (?:frequency|number)\b",
            re.IGNORECASE,
        ),
    ),
    "threshold": (
        "asks what passes a threshold",
        re.compile(
            r"\b(?:\w+er|more|less|worse) than (?:once|twice|an?|half|one|two|three|four|five|six|seven|"
            r"eight|nine|ten|\w+teen|\w+ty|hundreds?|[$€£]?\d+)\b",
            re.IGNORECASE,
        ),
    ),
}
"""Beside the router's: they tell one deep shape from another, not deep from lookup."""


def deep_shape(question: str, signals: Mapping[str, Signal]) -> tuple[Shape, str]:
    """The shape of a question that one passage does not answer, and what it rests on, in plain words.

    `signals` are those of `features.text_signals`; others are passed over. Never "lookup".
    """
    signals = {**signals, **own_signals(question)}
    points = {
        shape: START.get(shape, 0.0) + sum(each * _value(signals, name) for name, each in weighed.items())
        for shape, weighed in POINTS.items()
    }
    # Equal points go to the first in POINTS: who reads all of it has read what the others need.
    shape = max(points, key=lambda each: points[each])
    strongest = max(POINTS[shape], key=lambda name: POINTS[shape][name] * _value(signals, name))
    if _value(signals, strongest) == 0:
        return shape, NO_CUE
    return shape, signals[strongest].deep


def _value(signals: Mapping[str, Signal], name: str) -> float:
    return signals[name].value if name in signals else 0.0


def own_signals(question: str) -> dict[str, Signal]:
    """The signals of the cues of this file that the question shows."""
    text = readable(question)
    found = {name: (says, cue.search(text)) for name, (says, cue) in _OWN_CUES.items()}
    return {
        name: Signal(1.0, f"{says} ({match.group().lower()!r})")
        for name, (says, match) in found.items()
        if match is not None
    }
