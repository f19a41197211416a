"""The shape of a question: signals in, a shape with its reason out; knows no fitted weights and no engine.

The shape tells the answering model how to proceed, where it is sure; it restricts nothing. The points are set
by hand, because fitted ones transferred worse between sources of questions
(docs/decisions/0011-shape-of-a-question.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

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
"""Points for each shape, per unit of a signal's value."""

PRIOR: Mapping[Shape, float] = {"multi-hop": 0.5}
"""Points a shape starts with: most questions that need depth but show no cue are multi-hop."""

SURE: Mapping[Shape, tuple[float, float]] = {"aggregate": (2.0, 0.92), "multi-hop": (4.0, 0.5)}
"""What makes a shape sure: its lead in points over the next one, and the probability of the deep route.

Measured by `benchmarks/shape.py`; other shapes are never sure.
"""

NO_CUE = "several passages are needed, and nothing in the wording says how"

_SHAPE_CUES = {
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
"""Cues besides the router's: they distinguish deep shapes from each other, not deep from lookup."""


@dataclass(frozen=True, slots=True)
class DeepShape:
    """The shape of a question, the reason in words, and its lead in points over the next shape."""

    shape: Shape
    reason: str
    lead: float

    def is_sure(self, probability: float) -> bool:
        """Return whether such a guess was right 95 times of 100 where the deep route has a probability."""
        lead, least = SURE.get(self.shape, (math.inf, 1.0))
        return self.lead >= lead and probability >= least


def deep_shape(question: str, signals: Mapping[str, Signal]) -> DeepShape:
    """Return the shape of a question that one passage does not answer.

    `signals` are those of `features.text_signals`; others are ignored. The shape is never "lookup".
    """
    signals = {**signals, **shape_signals(question)}
    points = {
        shape: PRIOR.get(shape, 0.0) + sum(each * _value(signals, name) for name, each in weighed.items())
        for shape, weighed in POINTS.items()
    }
    # Ties go to the first in POINTS: its way of working reads most, including what the others would read.
    shape = max(points, key=lambda each: points[each])
    lead = points[shape] - max(points[each] for each in points if each != shape)
    strongest = max(POINTS[shape], key=lambda name: POINTS[shape][name] * _value(signals, name))
    if _value(signals, strongest) == 0:
        return DeepShape(shape, NO_CUE, lead)
    return DeepShape(shape, signals[strongest].deep, lead)


def _value(signals: Mapping[str, Signal], name: str) -> float:
    return signals[name].value if name in signals else 0.0


def shape_signals(question: str) -> dict[str, Signal]:
    """Return the signals for those cues of this file that the question contains."""
    text = readable(question)
    found = {name: (meaning, cue.search(text)) for name, (meaning, cue) in _SHAPE_CUES.items()}
    return {
        name: Signal(1.0, f"{meaning} ({match.group().lower()!r})")
        for name, (meaning, match) in found.items()
        if match is not None
    }
