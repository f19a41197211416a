"""Evaluates the shape that the router gives a question, and compares hand-set points with fitted weights.

FUNNEL_DATA=DIR python benchmarks/shape.py

The labels come from a question's source and task. A router fitted without the question's family of sources
decides whether it is a lookup; the points of `funnel.router.shape` were never fitted. Data is read in place
and never copied.
"""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from router import SOURCE_CAP, Floats, held_out, load_questions, read
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from funnel.router import Router
from funnel.router.features import text_signals
from funnel.router.shape import POINTS, PRIOR, deep_shape, shape_signals

Shapes = NDArray[np.str_]
SHAPES = ("lookup", *POINTS)
DEEP = tuple(POINTS)
BY_SOURCE = {
    "nq_open_dev": "lookup", "xquad_en": "lookup", "graphrag_kevin_scott": "scan", "oolong_trec": "aggregate",
}  # fmt: skip
BY_TASK = {
    "location": "lookup", "single_transcript": "lookup", "multi_transcript": "scan", "comp": "compare",
    "comparison": "compare", "bridge": "multi-hop",
}  # fmt: skip
UNSEEN_LOOKUPS = (
    ("leval nq_long", "leval/questions.jsonl", "question", lambda row: row["subset"] == "nq_long"),
    ("npl", "npl/queries.jsonl", "text", bool),
    ("scifact", "scifact/queries.jsonl", "text", bool),
)  # fmt: skip
"""Sources that were used neither for the router's weights nor for its cues."""
PULLS = (0.01, 0.1, 1.0)


def label(row: dict[str, Any]) -> str:
    """Return the shape implied by a question's source and task; "" if they imply none."""
    source, task = str(row["source"]), str(row["note"])
    if source in BY_SOURCE:
        return BY_SOURCE[source]
    if source == "cuad_clauses":
        return task.partition("/")[0]
    if task == "reasoning":
        # Reasons in a novel take reading; in a filing, the task mixes comparing, computing and reading.
        return "scan" if source == "lara_book" else ""
    if task == "multihop/bridge_comparison":
        return ""  # both at once
    return BY_TASK.get(task.removeprefix("multihop/"), "multi-hop")


@dataclass(frozen=True, slots=True)
class LabelledShapes:
    """Labels and sources (n,) of the labelled questions; `deep`: whether the router sends each deep."""

    y: Shapes
    source: Shapes
    deep: NDArray[np.bool_]


def capped(source: Shapes, y: Shapes) -> Floats:
    """Return weights that sum to 1 for each shape, shared by its sources by size up to SOURCE_CAP."""
    w = np.zeros(len(y))
    for shape in np.unique(y):
        for name in np.unique(source):
            group = (source == name) & (y == shape)
            if group.any():
                w[group] = min(int(group.sum()), SOURCE_CAP) / group.sum()
        w[y == shape] /= w[y == shape].sum()
    return w


def report(title: str, judged: LabelledShapes, predicted: Shapes) -> None:
    w = capped(judged.source, judged.y)
    print(f"\n{title}: every shape weighs the same, a source in it up to {SOURCE_CAP} questions")
    print(f"{'shape':11}{'n':>6}{'precision':>11}{'recall':>8}{'F1':>7}   predicted: {', '.join(SHAPES)}")
    scores = []
    for shape in SHAPES:
        labelled, given = judged.y == shape, predicted == shape
        hit = w[labelled & given].sum()
        recall, precision = hit / w[labelled].sum(), hit / max(w[given].sum(), 1e-9)
        scores.append(2 * hit / (w[labelled].sum() + w[given].sum()))
        row = " ".join(f"{np.sum(labelled & (predicted == other)):5}" for other in SHAPES)
        print(f"{shape:11}{labelled.sum():6}{precision:11.3f}{recall:8.3f}{scores[-1]:7.3f}   {row}")
    print(f"macro F1 {np.mean(scores):.3f}, right {np.mean(predicted == judged.y):.3f} of {len(predicted)}")


def report_sources(judged: LabelledShapes, predicted: Shapes) -> None:
    print(f"\n{'source':24}{'label':11}{'n':>6}{'right':>8}   most predicted instead")
    for source in np.unique(judged.source):
        for shape in SHAPES:
            group = (judged.source == source) & (judged.y == shape)
            if group.any():
                wrong = Counter(predicted[group & (predicted != shape)].tolist()).most_common(2)
                instead = ", ".join(f"{other} {n}" for other, n in wrong)
                right = np.mean(predicted[group] == shape)
                print(f"{source:24}{shape:11}{group.sum():6}{right:8.3f}   {instead}")


def report_sure(judged: LabelledShapes, predicted: Shapes, sure: NDArray[np.bool_]) -> None:
    """Print how often the shapes are right that the model is told, whatever the label."""
    print("\nShapes that are told, and how often they are right, whatever the question's label")
    for shape in (*DEEP, ""):
        told = sure & ((predicted == shape) | (shape == ""))
        if told.any():
            by_source = Counter(judged.source[told].tolist())
            right = np.mean(predicted[told] == judged.y[told])
            print(f"  {shape or 'all':11}{right:.3f} of {told.sum()}: {dict(by_source.most_common())}")
    lookups = judged.y == "lookup"
    print(f"  told for {np.sum(sure & lookups)} of {np.sum(lookups)} lookups")


def fit_pulled(x: Floats, y: Shapes, w: Floats, names: list[str], pull: float) -> tuple[Floats, Floats]:
    """Fit softmax weights (4, k) and intercepts (4,), pulled towards the points and keeping their sign.

    If a shape has no points for a signal, its weight stays 0, so that every weight can be explained.
    """
    points = np.array([[POINTS[shape].get(name, 0.0) for name in names] for shape in DEEP])
    start = np.array([PRIOR.get(shape, 0.0) for shape in DEEP])
    free = points != 0
    target = (y[:, None] == np.array(DEEP)).astype(float)

    def unpack(theta: Floats) -> tuple[Floats, Floats]:
        weights = np.zeros_like(points)
        weights[free] = theta[: free.sum()]
        return weights, theta[free.sum() :]

    def loss(theta: Floats) -> tuple[float, Floats]:
        weights, intercept = unpack(theta)
        z = x @ weights.T + intercept
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        off, residual = (weights - points)[free], w[:, None] * (p - target)
        total = -float(w @ np.log((p * target).sum(axis=1))) + pull / 2 * float(off @ off)
        return total, np.concatenate([(residual.T @ x)[free] + pull * off, residual.sum(axis=0)])

    signs: list[tuple[float | None, float | None]]
    signs = [(0, None) if each > 0 else (None, 0) for each in points[free]]
    bounds = [*signs, *[(-5, 5)] * len(DEEP)]
    theta = np.concatenate([points[free], start])
    return unpack(np.asarray(minimize(loss, theta, jac=True, method="L-BFGS-B", bounds=bounds).x))


def report_fitted(
    judged: LabelledShapes, x: Floats, names: list[str], family: Shapes, by_points: Shapes
) -> None:
    """Compare points with fits for the choice among deep shapes, each family of sources held out."""
    rows = judged.y != "lookup"
    y, source, x, family = judged.y[rows], judged.source[rows], x[rows], family[rows]
    w = capped(source, y) / len(DEEP)

    def held(fit: Callable[[Floats, Shapes, Floats], Callable[[Floats], Shapes]]) -> float:
        predicted = np.array(y)
        for name in np.unique(family):
            out = family == name
            weights = capped(source[~out], y[~out])
            predicted[out] = fit(x[~out], y[~out], weights / weights.sum())(x[out])
        return float(w @ (predicted == y))

    def plain(x: Floats, y: Shapes, w: Floats) -> Callable[[Floats], Shapes]:
        return LogisticRegression(max_iter=2000).fit(x, y, w * len(w)).predict  # type: ignore[no-any-return]  # untyped library

    def pulled(pull: float) -> Callable[[Floats, Shapes, Floats], Callable[[Floats], Shapes]]:
        def fit(x: Floats, y: Shapes, w: Floats) -> Callable[[Floats], Shapes]:
            weights, intercept = fit_pulled(x, y, w, names, pull)
            return lambda asked: np.array(DEEP)[(asked @ weights.T + intercept).argmax(axis=1)]

        return fit

    print("\nWhich of the four deep shapes, for the questions labelled with one: balanced accuracy")
    print(f"  points set by hand                       {float(w @ (by_points[rows] == y)):.3f}")
    for pull in PULLS:
        print(f"  fitted, drawn to the points with {pull:<8g}{held(pulled(pull)):.3f}")
    print(f"  fitted by scikit-learn, any sign         {held(plain):.3f}")


def report_others(data: Path, rows: list[dict[str, Any]], predicted: Shapes) -> None:
    print("\nSources that nothing was made from, all lookups: share predicted as one")
    for name, path, field, wanted in UNSEEN_LOOKUPS:
        questions = [str(row[field]) for row in read(data / path) if wanted(row)]
        shapes = [Router().decide(question, []).shape for question in questions]
        told = sum(Router().decide(question, [], mode="deep").shape_sure for question in questions)
        share = shapes.count("lookup") / len(shapes)
        print(f"  {name:14} {share:.3f} of {len(shapes)}; told a shape, pinned deep: {told}")
    print("\nQuestions without a label, and what is predicted for them")
    unlabelled = [i for i, row in enumerate(rows) if not label(row)]
    for kind in sorted({f"{rows[i]['source']} {rows[i]['note']}" for i in unlabelled}):
        counts = Counter(predicted[i] for i in unlabelled if f"{rows[i]['source']} {rows[i]['note']}" == kind)
        print(f"  {kind}: {', '.join(f'{shape} {n}' for shape, n in counts.most_common())}")


def main() -> None:
    if "FUNNEL_DATA" not in os.environ:
        sys.exit("FUNNEL_DATA is not set: name the directory that holds router/router.jsonl.")
    data = Path(os.environ["FUNNEL_DATA"])
    print(f"command: {' '.join(sys.argv)}; {platform.machine()}, {os.cpu_count()} cores; no random numbers")
    print(f"python {platform.python_version()}, scikit-learn {sklearn.__version__}, numpy {np.__version__}")
    rows = read(data / "router" / "router.jsonl")
    table = load_questions(data)
    log_odds = held_out(table)
    sent_deep = log_odds > 0
    questions = list(table.question)
    shaped = [deep_shape(question, text_signals(question)) for question in questions]
    by_points = np.array([each.shape for each in shaped])
    predicted = np.where(sent_deep, by_points, "lookup")
    labels = np.array([label(row) for row in rows])
    known = labels != ""
    judged = LabelledShapes(labels[known], table.source[known], sent_deep[known])

    report("All questions", judged, predicted[known])
    both = judged.deep & (judged.y != "lookup")
    right = capped(judged.source[both], judged.y[both]) @ (predicted[known] == judged.y)[both] / len(DEEP)
    print(f"Labelled deep and sent deep: the shape is right for {right:.3f} of {both.sum()}, balanced")
    report_sources(judged, predicted[known])
    probability = 1 / (1 + np.exp(-log_odds))
    sure = [each.is_sure(float(p)) for each, p in zip(shaped, probability, strict=True)]
    report_sure(judged, predicted[known], np.array(sure)[known] & judged.deep)
    names = sorted({name for points in POINTS.values() for name in points})
    signals = [text_signals(question) | shape_signals(question) for question in questions]
    x = np.array([[found[name].value if name in found else 0.0 for name in names] for found in signals])
    report_fitted(judged, x[known], names, table.family[known], by_points[known])
    report_others(data, rows, predicted)


if __name__ == "__main__":
    main()
