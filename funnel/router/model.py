"""The router: signals in, a route with probability and reasons out; knows no engine and no language model.

Logistic regression over the signals of `funnel.router.features`. The weights are data (`weights.json`),
written by `benchmarks/router.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from funnel.errors import UnknownName
from funnel.router.features import Signal, hit_signals, text_signals
from funnel.router.shape import NO_CUE, deep_shape
from funnel.types import MODES, Decision, Mode, Route, Shape
from indexes.types import DocumentHit

MAX_REASONS = 4
_MIN_CONTRIBUTION = 0.15
"""Log-odds below which a contribution is no reason: it moves the probability by less than 4 points."""


@dataclass(frozen=True, slots=True)
class SignalWeight:
    """`weight * (value - mean) / scale` is what a signal adds to the log-odds of the deep route."""

    weight: float
    mean: float = 0.0
    scale: float = 1.0

    def contribution(self, signal: Signal) -> float:
        """Return the log-odds for (positive) or against (negative) the deep route."""
        return self.weight * (signal.value - self.mean) / self.scale


@dataclass(frozen=True, slots=True)
class Weights:
    """A fitted model. `provenance` says on which data and how it was fitted."""

    intercept: float
    signals: Mapping[str, SignalWeight]
    provenance: Mapping[str, Any]

    @classmethod
    def from_json(cls, text: str) -> Weights:
        """Read the output of `benchmarks/router.py --write`."""
        raw = json.loads(text)
        signals = {name: SignalWeight(**values) for name, values in raw["signals"].items()}
        return cls(float(raw["intercept"]), signals, raw["provenance"])


@cache
def shipped_weights() -> Weights:
    """Return the weights shipped with the package."""
    return Weights.from_json(resources.files(__package__).joinpath("weights.json").read_text("utf-8"))


class Router:
    """Decides the route of a question. Deterministic: the same question and hits give the same decision.

    Args:
        threshold: the probability from which a question takes the deep route.
        weights: a fitted model to use instead of the shipped one.

    Raises:
        ValueError: if the threshold is outside 0 to 1.
    """

    def __init__(self, *, threshold: float = 0.5, weights: Weights | None = None) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold = {threshold} is not a probability: it must be from 0 to 1.")
        self.threshold = threshold
        self.weights = weights or shipped_weights()

    def decide(self, question: str, hits: Sequence[DocumentHit], *, mode: Mode = "auto") -> Decision:
        """Decide the route of a question from its wording and from stage one's hits, which may be empty.

        A `mode` of lookup or deep pins the route; probability and reasons are computed anyway.

        `probability` is the probability that the question needs the deep route, calibrated on questions
        labelled by their source, half of them deep. `shape` is "lookup" if it is below the threshold, unless
        the deep route is pinned and the wording shows a deep shape.

        Raises: `UnknownName` if `mode` is not one of `MODES`.
        """
        if mode not in MODES:
            raise UnknownName("mode", mode, MODES)
        wording = text_signals(question)
        weighed = self._weigh(wording | hit_signals(question, hits))
        log_odds = self.weights.intercept + sum(contribution for contribution, _ in weighed)
        probability = 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, log_odds))))
        likely: Route = "deep" if probability >= self.threshold else "lookup"
        reasons = _reasons(likely, weighed, MAX_REASONS)
        shape: Shape = "lookup"
        why, sure = reasons[0], False
        if "deep" in {likely, mode}:
            deep = deep_shape(question, wording)
            # If a pinned question shows no cue, the user may want a single fact, searched thoroughly.
            if likely == "deep" or deep.reason != NO_CUE:
                shape, why, sure = deep.shape, deep.reason, deep.is_sure(probability)
        route: Route = likely if mode == "auto" else mode
        if mode != "auto":
            reasons = (f"pinned by --mode {mode}", *_reasons(likely, weighed, MAX_REASONS - 1))
        return Decision(
            route, probability, reasons, pinned=mode != "auto", shape=shape, shape_reason=why, shape_sure=sure
        )

    def _weigh(self, signals: Mapping[str, Signal]) -> list[tuple[float, Signal]]:
        """Return (contribution, signal) for every signal with a weight, largest contribution first."""
        known = self.weights.signals
        weighed = [
            (known[name].contribution(signal), signal) for name, signal in signals.items() if name in known
        ]
        return sorted(weighed, key=lambda pair: -abs(pair[0]))


def _reasons(route: Route, weighed: Sequence[tuple[float, Signal]], limit: int) -> tuple[str, ...]:
    """Return the reasons for the route, then the strongest one against it."""
    worded = [
        (contribution > 0, signal.deep if contribution > 0 else signal.lookup)
        for contribution, signal in weighed
        if abs(contribution) >= _MIN_CONTRIBUTION
    ]
    agreeing = [text for deep, text in worded if text and deep == (route == "deep")]
    opposing = [f"against that: {text}" for deep, text in worded if text and deep != (route == "deep")]
    if not agreeing:
        agreeing = [
            "nothing in the wording asks for more than one fact"
            if route == "lookup"
            else "no single cue decides; the small ones together point to several passages"
        ]
    return (*agreeing[: limit - 1 if opposing else limit], *opposing[:1])[:limit]
