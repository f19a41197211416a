"""The router: signals in, a route with its probability and reasons out; knows no engine and no model.

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
_WORTH_SAYING = 0.15
"""A smaller contribution, in log-odds, is no reason: it moves the probability by less than 4 points."""


@dataclass(frozen=True, slots=True)
class Weight:
    """`weight * (value - mean) / scale` is what a signal adds to the log-odds of the deep route."""

    weight: float
    mean: float = 0.0
    scale: float = 1.0

    def contribution(self, signal: Signal) -> float:
        """Log-odds for (positive) or against (negative) the deep route."""
        return self.weight * (signal.value - self.mean) / self.scale


@dataclass(frozen=True, slots=True)
class Weights:
    """A fitted model. `provenance` says on what and how it was fitted."""

    intercept: float
    signals: Mapping[str, Weight]
    provenance: Mapping[str, Any]

    @classmethod
    def from_json(cls, text: str) -> Weights:
        """Read what `benchmarks/router.py --write` wrote."""
        raw = json.loads(text)
        signals = {name: Weight(**values) for name, values in raw["signals"].items()}
        return cls(float(raw["intercept"]), signals, raw["provenance"])


@cache
def shipped_weights() -> Weights:
    """The weights that come with the package."""
    return Weights.from_json(resources.files(__package__).joinpath("weights.json").read_text("utf-8"))


class Router:
    """Pure and synchronous: the same question and hits give the same decision.

    Args:
        threshold: the probability from which a question goes deep.
        weights: another fitted model than the one shipped.

    Raises:
        ValueError: a threshold outside 0 to 1.
    """

    def __init__(self, *, threshold: float = 0.5, weights: Weights | None = None) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold = {threshold} is no probability: give one from 0 to 1.")
        self.threshold = threshold
        self.weights = weights or shipped_weights()

    def decide(self, question: str, hits: Sequence[DocumentHit], *, mode: Mode = "auto") -> Decision:
        """The route of `question`, given what stage one found for it; no hits is allowed.

        `mode` lookup or deep pins the route; probability and reasons are computed all the same.

        `probability` is that of the question needing the deep route, calibrated against questions labelled by
        their source, half of them deep. `shape` is "lookup" wherever that probability is below the threshold,
        unless the deep route is pinned and the wording shows what for.

        Raises: `UnknownName` when `mode` is none of `MODES`.
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
        why = reasons[0]
        if "deep" in {likely, mode}:
            deep, cue = deep_shape(question, wording)
            # Who pins the deep route of a question without a cue may well want one fact, looked for well.
            if likely == "deep" or cue != NO_CUE:
                shape, why = deep, cue
        if mode == "auto":
            return Decision(likely, probability, reasons, shape=shape, shape_reason=why)
        reasons = (f"pinned by --mode {mode}", *_reasons(likely, weighed, MAX_REASONS - 1))
        return Decision(mode, probability, reasons, pinned=True, shape=shape, shape_reason=why)

    def _weigh(self, signals: Mapping[str, Signal]) -> list[tuple[float, Signal]]:
        """(contribution, signal) of every signal that has a weight, the largest first."""
        known = self.weights.signals
        weighed = [
            (known[name].contribution(signal), signal) for name, signal in signals.items() if name in known
        ]
        return sorted(weighed, key=lambda pair: -abs(pair[0]))


def _reasons(route: Route, weighed: Sequence[tuple[float, Signal]], limit: int) -> tuple[str, ...]:
    """What argued for the route, then the strongest of what argued against it."""
    said = [
        (contribution > 0, signal.deep if contribution > 0 else signal.lookup)
        for contribution, signal in weighed
        if abs(contribution) >= _WORTH_SAYING
    ]
    agreeing = [text for deep, text in said if text and deep == (route == "deep")]
    opposing = [f"against that: {text}" for deep, text in said if text and deep != (route == "deep")]
    if not agreeing:
        agreeing = [
            "nothing in the wording asks for more than one fact"
            if route == "lookup"
            else "no single cue decides; the small ones together point to several passages"
        ]
    return (*agreeing[: limit - 1 if opposing else limit], *opposing[:1])[:limit]
