"""Finds the passage of a text that matches a query best; pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from funnel.memory.terms import token
from funnel.memory.text_search import K1
from funnel.text.sentences import sentences
from indexes.retrieval.analysis import analyse

PASSAGE_CHARS = 600
MANY_PIECES, SHORT_CHARS = 2_000, 60


@dataclass(frozen=True, slots=True)
class Excerpt:
    """`text[start:stop]`: whole sentences if they are short enough."""

    start: int
    stop: int
    score: float


def best_passage(text: str, idf: Mapping[str, float]) -> Excerpt | None:
    """Return the best run of sentences of up to `PASSAGE_CHARS` characters; None if no token occurs.

    The score is that of BM25 for texts of equal length. Ties go to the shortest, then to the first.
    """
    pieces = [(start, stop, _counted(text[start:stop], idf)) for start, stop in _joined(_pieces(text))]
    best: Excerpt | None = None
    for first, (start, _, counts) in enumerate(pieces):
        if not counts:
            continue
        total: Counter[str] = Counter()
        for _, stop, more in pieces[first:]:
            if stop - start > PASSAGE_CHARS:
                break
            if not more:
                continue
            total += more
            found = Excerpt(start, stop, _score(total, idf))
            if best is None or _order(found) < _order(best):
                best = found
    return best


def _joined(pieces: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the pieces; if there are very many, neighbours are joined until none is very short.

    So the runs of pieces that fit into a passage stay few, even in a text of one-word sentences.
    """
    listed = list(pieces)
    if len(listed) <= MANY_PIECES:
        return listed
    joined = [listed[0]]
    for start, stop in listed[1:]:
        if joined[-1][1] - joined[-1][0] < SHORT_CHARS and stop - joined[-1][0] <= PASSAGE_CHARS:
            joined[-1] = joined[-1][0], stop
        else:
            joined.append((start, stop))
    return joined


def _order(passage: Excerpt) -> tuple[float, int, int]:
    return -passage.score, passage.stop - passage.start, passage.start


def _score(counts: Mapping[str, int], idf: Mapping[str, float]) -> float:
    return math.fsum(idf[name] * tf * (K1 + 1) / (tf + K1) for name, tf in sorted(counts.items()))


def _counted(text: str, idf: Mapping[str, float]) -> Counter[str]:
    return Counter(name for name in map(token, analyse(text)) if name in idf)


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield the sentences, long ones in parts."""
    for start, stop in sentences(text):
        for at in range(start, stop, PASSAGE_CHARS):
            yield at, min(at + PASSAGE_CHARS, stop)
