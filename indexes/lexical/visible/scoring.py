"""Computes BM25 over the passages that one asker may read, from nothing else; knows no file.

Every sum is over integers, or adds the terms of a query in their order, so that a score depends on no other
passage to the last bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from indexes.retrieval.base import Scored
from indexes.scope import Keys

K1 = 1.2
B = 0.75

Counts = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Postings:
    """The passages with a term, `keys` (n,) ascending, and how often each has it, `counts` (n,)."""

    keys: Keys
    counts: Counts


@dataclass(frozen=True, slots=True)
class Visible:
    """The passages that an asker may read: `keys` (n,) ascending, and their `lengths` (n,) in terms."""

    keys: Keys
    lengths: Counts

    def among(self, postings: Postings) -> tuple[NDArray[np.intp], Counts]:
        """Return the places in `keys` of the passages with the term, ascending, and how often each has it."""
        few, many = self.keys, postings.keys
        if len(few) > len(many):
            few, many = many, few
        if not len(few):
            return np.empty(0, np.intp), np.empty(0, np.uint32)
        at = np.minimum(np.searchsorted(many, few), len(many) - 1)
        mine = np.flatnonzero(many[at] == few)
        if few is self.keys:
            return mine, postings.counts[at[mine]]
        return at[mine], postings.counts[mine]

    def frequencies(self, terms: Sequence[str], postings: Mapping[str, Postings]) -> list[int]:
        """Return how many of these passages have each term."""
        return [len(self.among(postings[term])[0]) for term in terms]

    def best(
        self, terms: Sequence[str], postings: Mapping[str, Postings], k: int, allowed: Keys | None
    ) -> Scored:
        """Return the best `k` passages, ties by key; only among `allowed` if given.

        A repeated term counts each time.
        """
        scores = np.zeros(len(self.keys))
        mean = int(self.lengths.sum(dtype=np.int64)) / max(len(self.keys), 1)
        for term, count in Counter(terms).items():
            places, tf = self.among(postings[term])
            if len(places):
                df = len(places)
                idf = log(1 + (len(self.keys) - df + 0.5) / (df + 0.5))
                norm = K1 * (1 - B + B * self.lengths[places] / mean)
                scores[places] += count * idf * (K1 + 1) * tf / (tf + norm)
        found = np.flatnonzero(scores)
        if allowed is not None:
            found = found[np.isin(self.keys[found], allowed, assume_unique=True)]
        if k < len(found):
            least = np.partition(scores[found], len(found) - k)[len(found) - k]
            found = found[scores[found] >= least]
        order = found[np.lexsort((self.keys[found], -scores[found]))][:k]
        return [(int(self.keys[i]), float(scores[i])) for i in order]


def held(keys: Keys, lengths: Counts, visible: Keys) -> Visible:
    """Return those passages of an index, `keys` ascending with their `lengths`, that are `visible`."""
    if not len(keys) or not len(visible):
        return Visible(np.empty(0, np.int64), np.empty(0, np.uint32))
    at = np.minimum(np.searchsorted(keys, visible), len(keys) - 1)
    mine = keys[at] == visible
    return Visible(visible[mine], lengths[at[mine]])
