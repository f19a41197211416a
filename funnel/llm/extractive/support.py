"""Scores how well each sentence of some texts supports a question; pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from funnel.text.sentences import sentences
from indexes.retrieval.analysis import analyse

_CALL = re.compile(r"[\w.]+\(.*\)(?:\s*->.*)?", re.DOTALL)
MAX_SENTENCE_CHARS = 600
CALL_SHARE = 0.3
LEADING_SHARE = 0.25
RANK_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class SupportedSentence:
    """A sentence: the index of its text (from 0), its span there, and how well it supports the question."""

    text: int
    start: int
    stop: int
    score: float
    covered: float


def rank_sentences(
    question: Sequence[str], texts: Sequence[str], titles: Sequence[str]
) -> list[SupportedSentence]:
    """Rank sentences by the IDF-weighted share of question terms that they and their titles contain.

    A term in the title counts half as much as in the sentence, and a bare call signature a third of a
    sentence. The first sentences of a text, which usually define its subject, and texts that were ranked
    higher get a bonus. `covered` is the share of terms in sentence or title, without these weights.
    """
    wanted = set(question)
    found: list[tuple[int, int, int, set[str]]] = []
    for number, text in enumerate(texts):
        for start, end in sentences(text):
            stop = min(end, start + MAX_SENTENCE_CHARS)
            found.append((number, start, stop, wanted.intersection(analyse(text[start:stop]))))
    titled = [wanted.intersection(analyse(title)) for title in titles]
    weights = _idf(wanted, (terms for *_, terms in found), len(found))
    total = sum(weights.values()) or 1.0
    ranked = []
    position: Counter[int] = Counter()
    for number, start, stop, terms in found:
        own = sum(weights[term] for term in terms)
        title = sum(weights[term] for term in titled[number] - terms)
        is_call = _CALL.fullmatch(texts[number], start, stop) is not None
        place = position[number]
        position[number] += not is_call
        covered = (own + title / 2) / total
        leading = LEADING_SHARE * bool(titled[number]) / (1 + place)
        score = (CALL_SHARE if is_call else 1.0) * (covered + leading) + RANK_SHARE / (1 + number)
        ranked.append(SupportedSentence(number, start, stop, score, (own + title) / total))
    return sorted(ranked, key=lambda s: (-s.score, s.text, s.start))


def _idf(wanted: set[str], documents: Iterable[set[str]], n: int) -> dict[str, float]:
    df = Counter(term for terms in documents for term in terms)
    return {term: math.log(1 + (n - df[term] + 0.5) / (df[term] + 0.5)) for term in wanted}
