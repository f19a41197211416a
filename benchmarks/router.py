"""Fits the router's weights and reports how well they generalise.

FUNNEL_DATA=DIR python benchmarks/router.py [--write]

The labels come from a question's source, not from measured need. So the report is out of source: each family
of sources is held out whole and evaluated with weights fitted to the others. `--write` replaces
funnel/router/weights.json. Data is read in place and never copied.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import runpy
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from funnel.router import Router
from funnel.router.features import hit_signals, text_signals
from funnel.router.model import Weights
from indexes.collection import Collection
from indexes.types import Document, DocumentHit, DocumentId

ROOT = Path(__file__).resolve().parents[1]
Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

FAMILY = {
    "hotpotqa_dev": "hotpotqa", "hotpotqa_train_sample": "hotpotqa",
    "lara_book": "lara", "lara_financial": "lara",
    "graphrag_kevin_scott": "graphrag", "graphrag_msft_calls": "graphrag",
}  # fmt: skip
"""Sources with the same author or method of making questions are held out together, others alone."""

LOOKUP_SOURCES = ("nq_open_dev", "xquad_en")
DEEP_FAMILIES = ("hotpotqa", "2wiki", "musique_train_sample", "oolong_trec")
COLLECTIONS = ("wiki_mixed", "cuad_clauses", "lara")
N_DOCUMENTS = 20
BY_HAND = ("REQUIRED_", "", "SECOND_", "UNSEEN_")  # prefixes of the sets in the file of questions

PRIOR = {
    "compares": 2.5, "chooses": 1.5, "exhaustive": 2.0, "which_many": 1.5, "lists": 1.5, "counts": 2.0,
    "superlative": 0.2, "change": 1.2, "theme": 1.5, "why": 1.2, "how_process": 0.5, "discusses": 0.5,
    "many_documents": 1.0, "yes_no": 0.3, "asks_twice": 1.2, "relative": 0.6, "nested": 0.3, "role": 0.8,
    "things": 1.0, "single_fact": -1.5, "margin": -0.5, "coverage": -0.5, "scattered": 0.8,
}  # fmt: skip
"""Log-odds set by hand. The fit is pulled towards them, because most cues are rare in these sources."""

CENTRE = {"margin": 0.4, "coverage": 0.7, "scattered": 0.2}
"""Rough mean over the three collections, used if a hit signal is missing."""

TEXT = tuple(name for name in PRIOR if name not in CENTRE)
HITS = tuple(CENTRE)
SOURCE_CAP = 150  # maximum weight of a source and label: 2,000 questions of one style are not 2,000 facts

TEXT_PULL, HITS_PULL = 0.1, 0.02
"""Strength of the pull towards PRIOR, chosen by the held-out log loss printed below."""


@dataclass(frozen=True, slots=True)
class Table:
    """Signals (n, k), labels (n,) with 1 = deep, and the source of each question."""

    x: Floats
    y: Floats
    source: NDArray[np.str_]
    question: Sequence[str]

    @property
    def family(self) -> NDArray[np.str_]:
        """Families of the questions' sources; each family is held out together."""
        return np.array([FAMILY.get(source, source) for source in self.source])


def read(path: Path) -> list[dict[str, Any]]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def load_questions(data: Path, transform: Callable[[str], str] = str) -> Table:
    rows = read(data / "router" / "router.jsonl")
    questions = [transform(row["question"]) for row in rows]
    signals = [text_signals(question) for question in questions]
    return Table(
        np.array([[found[name].value for name in TEXT] for found in signals]),
        np.array([float(row["label"] == "deep") for row in rows]),
        np.array([str(row["source"]) for row in rows]),
        questions,
    )


def balanced(source: NDArray[np.str_], y: Floats) -> Floats:
    """Return weights that sum to 1: half for each label, shared by its sources by size up to SOURCE_CAP."""
    w = np.zeros(len(y))
    for label in (0, 1):
        for name in np.unique(source):
            group = (source == name) & (y == label)
            if group.any():
                w[group] = min(int(group.sum()), SOURCE_CAP) / group.sum()
        w[y == label] /= 2 * w[y == label].sum()
    return w


def log_loss(z: Floats, y: Floats, w: Floats) -> float:
    return float(w @ (np.logaddexp(0, z) - y * z))


def fit(parts: Sequence[tuple[Floats, Floats, Floats, Floats]], names: Sequence[str], pull: float) -> Floats:
    """Fit MAP logistic regression with an intercept per part; returns k weights, then the intercepts.

    A part is (x, y, weights, offset). A weight keeps the sign of its prior, so that no source can teach the
    router that a request to compare speaks against depth. `pull / 2 * |weight - prior|^2` is the penalty.
    """
    prior = np.array([PRIOR[name] for name in names])
    k = len(prior)

    def loss(theta: Floats) -> tuple[float, Floats]:
        off = theta[:k] - prior
        total, gradient = pull / 2 * float(off @ off), np.concatenate([pull * off, np.zeros(len(parts))])
        for i, (x, y, w, offset) in enumerate(parts):
            z = x @ theta[:k] + theta[k + i] + offset
            residual = w * (1 / (1 + np.exp(-z)) - y)
            total += log_loss(z, y, w)
            gradient[:k] += x.T @ residual
            gradient[k + i] += residual.sum()
        return total, gradient

    bounds = [(0, None) if value > 0 else (None, 0) for value in prior] + [(None, None)] * len(parts)
    start = np.concatenate([prior, np.full(len(parts), -1.0)])
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


def fit_text(table: Table, rows: Ints, pull: float = TEXT_PULL) -> Floats:
    y = table.y[rows]
    return fit([(table.x[rows], y, balanced(table.source[rows], y), np.zeros(len(rows)))], TEXT, pull)


def held_out(table: Table, pull: float = TEXT_PULL) -> Floats:
    """Return the log-odds of each question from weights fitted without its family."""
    z = np.zeros(len(table.y))
    for family in np.unique(table.family):
        out = table.family == family
        theta = fit_text(table, np.flatnonzero(~out), pull)
        z[out] = table.x[out] @ theta[:-1] + theta[-1]
    return z


def calibration_error(z: Floats, y: Floats, w: Floats, n_bins: int = 10) -> float:
    """Return the weighted expected calibration error over equal-width bins."""
    p = 1 / (1 + np.exp(-z))
    bins = np.minimum((p * n_bins).astype(int), n_bins - 1)
    return float(sum(abs(w[bins == b] @ (p[bins == b] - y[bins == b])) for b in range(n_bins)) / w.sum())


def report_text(table: Table, z: Floats) -> None:
    w = balanced(table.source, table.y)
    print("\nWording only, each family of sources held out whole")
    print(f"{'source':24}{'lookup':>14}{'deep':>14}{'AUROC':>8}")
    for source in np.unique(table.source):
        cells = []
        for label in (0, 1):
            group = (table.source == source) & (table.y == label)
            cells.append(f"{np.mean((z[group] > 0) == label):.3f} of {group.sum()}" if group.any() else "-")
        group = table.source == source
        both = f"{roc_auc_score(table.y[group], z[group]):.3f}" if np.ptp(table.y[group]) else "-"
        print(f"{source:24}{cells[0]:>14}{cells[1]:>14}{both:>8}")
    auroc = roc_auc_score(table.y, z, sample_weight=w)
    print(f"balanced accuracy {w @ ((z > 0) == table.y):.3f}, AUROC {auroc:.3f}")
    print("\nTwo families held out together, lookup against deep: AUROC")
    for lookup in LOOKUP_SOURCES:
        cells = []
        for deep in DEEP_FAMILIES:
            out = (table.family == lookup) | (table.family == deep)
            theta = fit_text(table, np.flatnonzero(~out))
            cells.append(f"{deep} {roc_auc_score(table.y[out], table.x[out] @ theta[:-1]):.3f}")
        print(f"  {lookup} against {', '.join(cells)}")


def report_choices(table: Table) -> None:
    w = balanced(table.source, table.y)
    print("\nHeld-out log loss and AUROC by strength of the pull towards the hand-set weights")
    for pull in (0.01, 0.03, 0.1, 0.3, 1.0):
        z = held_out(table, pull)
        print(f"  {pull:5g}  {log_loss(z, table.y, w):.3f}  {roc_auc_score(table.y, z, sample_weight=w):.3f}")
    z = np.zeros(len(table.y))
    for family in np.unique(table.family):
        out = table.family == family
        plain = LogisticRegression(C=1.0, max_iter=1000)
        sample_weight = balanced(table.source[~out], table.y[~out]) * (~out).sum()
        z[out] = plain.fit(table.x[~out], table.y[~out], sample_weight).decision_function(table.x[out])
    print(
        f"  scikit-learn, no hand-set weights, any sign: "
        f"{log_loss(z, table.y, w):.3f}  {roc_auc_score(table.y, z, sample_weight=w):.3f}"
    )


def search_all(data: Path, name: str, questions: Sequence[str]) -> list[list[DocumentHit]]:
    """Return the hits of each question in one collection with the default embedder, engine and fusion."""
    documents = (
        Document(DocumentId(str(row["_id"])), str(row["text"]), title=str(row.get("title", "")))
        for row in read(data / name / "corpus.jsonl.gz")
    )
    with tempfile.TemporaryDirectory() as folder, Collection.create(Path(folder) / name) as collection:
        collection.upsert(documents)
        return [collection.as_owner().search(question, N_DOCUMENTS) for question in questions]


def load_hits(data: Path, table: Table, z: Floats) -> dict[str, tuple[Floats, Floats, Floats, Floats]]:
    """Return each collection's part for `fit`: centred hit signals, labels, weights, wording as offset."""
    row_of = {question: row for row, question in enumerate(table.question)}
    parts = {}
    for name in COLLECTIONS:
        questions = [str(row["question"]) for row in read(data / name / "questions.jsonl")]
        questions = [question for question in questions if question in row_of]
        rows = [row_of[question] for question in questions]
        x = np.zeros((len(rows), len(HITS)))
        for i, hits in enumerate(search_all(data, name, questions)):
            for signal, found in hit_signals(questions[i], hits).items():
                x[i, HITS.index(signal)] = found.value - CENTRE[signal]
        y = table.y[rows]
        parts[name] = (x, y, balanced(np.full(len(rows), name), y), z[rows])
    return parts


def report_hits(parts: dict[str, tuple[Floats, Floats, Floats, Floats]]) -> None:
    print("\nHits added to the wording, each collection held out: AUROC and log loss")
    for name, (x, y, w, offset) in parts.items():
        others = [part for other, part in parts.items() if other != name]
        theta = fit(others, HITS, HITS_PULL)[: len(HITS)]
        alone = ", ".join(f"{s} {roc_auc_score(y, x[:, i]):.3f}" for i, s in enumerate(HITS))
        z = offset + x @ theta
        print(
            f"  {name:14} n={len(y)}  {roc_auc_score(y, offset):.3f} -> {roc_auc_score(y, z):.3f}"
            f"  {log_loss(offset, y, w):.3f} -> {log_loss(z, y, w):.3f}  (each alone: {alone})"
        )


def report_outcomes(data: Path, router: Router) -> None:
    print("\nMeasured need (one 8B model, exact match): is it probable where several retrievals helped?")
    rows = read(data / "router_outcomes" / "outcomes.jsonl.gz")
    p = np.array([router.decide(str(row["question"]), []).probability for row in rows])
    source = np.array([str(row["source"]) for row in rows])
    gain = np.array(
        [row["outcomes"]["multi_step"]["em"] - row["outcomes"]["single_step"]["em"] for row in rows]
    )
    for name in ("all", *np.unique(source)):
        group = (source == name) | (name == "all")
        helped = roc_auc_score(gain[group] > 0, p[group])
        deep = group & (p >= router.threshold)
        print(
            f"  {name:16} n={group.sum()}  AUROC {helped:.3f}; sent deep {deep.sum() / group.sum():.2f}, "
            f"gain in exact match there {gain[deep].mean() if deep.any() else 0:+.3f}, "
            f"elsewhere {gain[group & ~deep].mean():+.3f}"
        )


def report_style(table: Table, data: Path, theta: Floats) -> None:
    bare = load_questions(data, lambda question: question.lower().rstrip(" ?"))
    before, after = (x @ theta[:-1] + theta[-1] for x in (table.x, bare.x))
    print(
        f"\nStyle: without capitals and question mark {np.mean(before != after):.4f} of the questions score "
        f"otherwise, {np.mean((before > 0) != (after > 0)):.4f} change their route"
    )


def report_by_hand(weights: Weights) -> None:
    cases = runpy.run_path(str(ROOT / "tests/funnel/router/router_questions.py"))
    router = Router(weights=weights)
    print("\nQuestions written by hand, no hits")
    for prefix in BY_HAND:
        for route in ("lookup", "deep"):
            name = prefix + route.upper()
            right = [router.decide(question, []).route == route for question in cases[name]]
            print(f"  {name:16} {sum(right)} of {len(right)}")


def as_weights(theta_text: Floats, theta_hits: Floats, data: Path) -> dict[str, object]:
    both = zip((*TEXT, *HITS), (*theta_text[:-1], *theta_hits), strict=True)
    return {
        "intercept": round(float(theta_text[-1]), 4),
        "signals": {
            name: {"weight": round(float(value), 4), "mean": CENTRE.get(name, 0.0), "scale": 1.0}
            for name, value in both
        },
        "provenance": {
            "date": datetime.now(UTC).date().isoformat(),
            "command": "FUNNEL_DATA=DIR python benchmarks/router.py --write",
            "method": "logistic regression, weights drawn towards hand-set ones and keeping their sign, "
            "calibrated on held-out sources",
            "text_fitted_on": sorted(set(load_questions(data).source.tolist())),
            "hits_fitted_on": list(COLLECTIONS),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace funnel/router/weights.json")
    arguments = parser.parse_args()
    if "FUNNEL_DATA" not in os.environ:
        sys.exit("FUNNEL_DATA is not set: name the directory that holds router/router.jsonl.")
    data = Path(os.environ["FUNNEL_DATA"])
    print(f"command: {' '.join(sys.argv)}; {platform.machine()}, {os.cpu_count()} cores; no random numbers")
    print(f"python {platform.python_version()}, scikit-learn {sklearn.__version__}, numpy {np.__version__}")
    table = load_questions(data)
    z = held_out(table)
    report_choices(table)
    report_text(table, z)

    w = balanced(table.source, table.y)
    line = LogisticRegression(C=1e6).fit(z[:, None], table.y, w * len(w))
    slope, shift = float(line.coef_[0, 0]), float(line.intercept_[0])
    calibrated = slope * z + shift
    print(f"\nCalibration on held-out scores: slope {slope:.3f}, shift {shift:+.3f}")
    for name, score in (("before", z), ("after", calibrated)):
        error, loss = calibration_error(score, table.y, w), log_loss(score, table.y, w)
        print(f"  {name:6} expected calibration error {error:.3f}, log loss {loss:.3f}")
    theta = slope * fit_text(table, np.arange(len(table.y)))
    theta[-1] += shift
    parts = load_hits(data, table, calibrated)
    report_hits(parts)
    theta_hits = fit(list(parts.values()), HITS, HITS_PULL)[: len(HITS)]
    raw = as_weights(theta, theta_hits, data)
    weights = Weights.from_json(json.dumps(raw))
    print("\nWeights:", ", ".join(f"{name} {w.weight:+.2f}" for name, w in weights.signals.items()))
    report_outcomes(data, Router(weights=weights))
    report_style(table, data, theta)
    report_by_hand(weights)
    if arguments.write:
        (ROOT / "funnel/router/weights.json").write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
