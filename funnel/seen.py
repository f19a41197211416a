"""Spans of documents that were seen, and what they come to in an answer; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import chain, pairwise

from funnel.types import CoverageTotal, DocumentCoverage
from indexes.types import DocumentHit

MAX_DOCUMENTS = 100
"""Documents in an answer's coverage: those of which most was seen."""
MAX_SPANS = 1_000
"""Spans that are kept of a document, the longest."""
MAX_GAP = 200
"""A document is seen whole if no stretch longer than this was left out, and nine tenths were seen."""
WHOLE_SHARE = 0.9
_JOINED = 40
"""Two spans that are no further apart count as one: between them stand spaces or punctuation."""

Spans = list[tuple[int, int]]


def most_seen(found: Iterable[DocumentCoverage]) -> tuple[DocumentCoverage, ...]:
    """Return them in order, those of which most was seen first."""
    ranked = sorted(found, key=lambda each: (-each.read - each.judged, -each.matched, -each.searched))
    return tuple(ranked)


def total_of(found: Collection[DocumentCoverage]) -> CoverageTotal:
    """Return how many documents were searched, matched, read and judged."""
    return CoverageTotal(
        len(found),
        sum(bool(each.searched) for each in found),
        sum(bool(each.matched) for each in found),
        sum(bool(each.read) for each in found),
        sum(bool(each.judged) for each in found),
    )


def joined(spans: Iterable[tuple[int, int]]) -> Spans:
    """Return spans in order, with those that touch or nearly touch joined; of too many the longest."""
    found: Spans = []
    for start, stop in sorted(spans):
        if found and start <= found[-1][1] + _JOINED:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    if len(found) > MAX_SPANS:
        found = sorted(sorted(found, key=lambda span: span[0] - span[1])[:MAX_SPANS])
    return found


def length(spans: Iterable[tuple[int, int]]) -> int:
    """Return the number of characters in spans that are apart."""
    return sum(stop - start for start, stop in spans)


def gaps(spans: Sequence[tuple[int, int]], n_chars: int) -> Spans:
    """Return what lies between spans, before the first and after the last."""
    edges = [(0, 0), *spans, (n_chars, n_chars)]
    between = ((a, b) for (_, a), (b, _) in pairwise(edges))
    return [(start, stop) for start, stop in between if start < stop]


def is_whole(spans: Sequence[tuple[int, int]], n_chars: int) -> bool:
    """Return whether spans hold a document but for stretches that are too short to matter."""
    left = gaps(spans, n_chars)
    if n_chars <= MAX_GAP:
        return not n_chars or bool(spans)
    return all(stop - start <= MAX_GAP for start, stop in left) and length(spans) >= WHOLE_SHARE * n_chars


def merged(*several: Iterable[DocumentCoverage]) -> tuple[DocumentCoverage, ...]:
    """Return one coverage of each document, with the greater number where two were seen apart."""
    found: dict[str, DocumentCoverage] = {}
    for each in chain.from_iterable(several):
        other = found.get(each.document_id, each)
        read, matched = max(each.read, other.read), max(each.matched, other.matched)
        found[each.document_id] = replace(other, read=read, matched=matched)
    return most_seen(found.values())


def coverage_of(
    hits: Iterable[DocumentHit], shown: Iterable[tuple[str, int, str]]
) -> tuple[DocumentCoverage, ...]:
    """Return the coverage of documents that a search found, of which these texts were shown.

    `shown`: document id, start and text of each.
    """
    spans: defaultdict[str, Spans] = defaultdict(list)
    for name, start, text in shown:
        spans[name].append((start, start + len(text)))
    return most_seen(
        DocumentCoverage(
            hit.document.id,
            hit.document.title,
            hit.document.n_chars,
            matched=len(hit.passages),
            read=length(joined(spans[hit.document.id])),
        )
        for hit in hits
    )
