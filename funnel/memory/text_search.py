"""Ranks the texts of some namespaces for a query, over any memory; knows terms and counts, no text.

The index of a memory, if it has one, only says which texts hold any of the terms. The ranking is computed
here from the stored counts, so it is the same in every memory. BM25 (Robertson & Zaragoza 2009):
sum of ln(1 + (N - df + .5) / (df + .5)) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / mean)), where the
mean length is that of the texts that hold any of the terms.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest

from funnel.memory import terms
from funnel.memory.base import TERMS, Memory, Namespace, TextIndex

K1, B = 1.2, 0.75
_RECORDS = 2_000
"""How many records are read at a time; each has a few kilobytes."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Ranked:
    """A text with its score; `key` is without the prefix `TERMS`."""

    where: Namespace
    key: str
    score: float


@dataclass(frozen=True, slots=True)
class Matched:
    """A text with any term of a query; `counts` has how often each term occurs, in the order of the query."""

    where: Namespace
    key: str
    n_terms: int
    counts: tuple[int, ...]


async def matching(
    memory: Memory, where: Namespace, tokens: Sequence[str], *, after: str = "", limit: int = _RECORDS
) -> dict[str, bytes]:
    """Return what `TextIndex.matching` returns, by the memory's own index if it has one, else by a scan.

    Raises: `MemoryFailed`.
    """
    if isinstance(memory, TextIndex):
        return await memory.matching(where, tokens, after=after, limit=limit)
    return await scanned(memory, where, tokens, after=after, limit=limit)


async def scanned(
    memory: Memory, where: Namespace, tokens: Sequence[str], *, after: str, limit: int
) -> dict[str, bytes]:
    """Return what `TextIndex.matching` returns, by reading every record. Raises: `MemoryFailed`."""
    found: dict[str, bytes] = {}
    while len(found) < limit and tokens:
        keys = await memory.scan(where, TERMS, after=after, limit=_RECORDS)
        if not keys:
            break
        stored = await memory.get_many(where, keys)
        for key in keys:
            if len(found) < limit and terms.holds(stored.get(key, b""), tokens):
                found[key] = stored[key]
        after = keys[-1]
    return found


async def matches(memory: Memory, spaces: Iterable[Namespace], tokens: Sequence[str]) -> tuple[Matched, ...]:
    """Return every text of these namespaces with any of the tokens. Raises: `MemoryFailed`."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def of(where: Namespace) -> list[Matched]:
        async with at_once:
            return [matched async for matched in _matched(memory, where, tokens)]

    found = await asyncio.gather(*(of(where) for where in spaces))
    return tuple(matched for some in found for matched in some)


async def _matched(memory: Memory, where: Namespace, tokens: Sequence[str]) -> AsyncIterator[Matched]:
    after = ""
    while found := await matching(memory, where, tokens, after=after, limit=_RECORDS):
        for key, stored in found.items():
            counts = tuple(terms.count(stored, name) for name in tokens)
            yield Matched(where, key.removeprefix(TERMS), terms.n_terms(stored), counts)
        after = max(found)


def weights(matched: Sequence[Matched], *, n_tokens: int, n_texts: int) -> list[float]:
    """Return the weight of each token: its inverse document frequency among `n_texts` texts."""
    frequencies = [sum(text.counts[i] > 0 for text in matched) for i in range(n_tokens)]
    return [math.log1p(max(0.0, n_texts - df + 0.5) / (df + 0.5)) for df in frequencies]


def rank(matched: Sequence[Matched], idf: Sequence[float], *, k: int) -> list[Ranked]:
    """Return the best `k` by BM25, best first; ties are broken by namespace and key."""
    mean = sum(text.n_terms for text in matched) / len(matched) if matched else 0.0

    def score(text: Matched) -> float:
        norm = K1 * (1 - B + B * (text.n_terms / mean if mean else 1.0))
        return math.fsum(
            weight * tf * (K1 + 1) / (tf + norm) for weight, tf in zip(idf, text.counts, strict=True)
        )

    ranked = (Ranked(text.where, text.key, score(text)) for text in matched)
    return nsmallest(k, ranked, key=lambda text: (-text.score, text.where, text.key))


async def search(
    memory: Memory, spaces: Mapping[Namespace, int], query: str, *, k: int, max_terms: int | None = None
) -> list[Ranked]:
    """Return the best `k` texts for a query; `spaces` has the number of texts of each namespace.

    `max_terms`: how many different terms of the query count, the first ones.

    Raises: `MemoryFailed`.
    """
    asked = terms.tokens(query)[:max_terms]
    if not asked or k < 1:
        return []
    matched = await matches(memory, spaces, asked)
    return await asyncio.to_thread(_ranked, matched, len(asked), sum(spaces.values()), k)


def _ranked(matched: Sequence[Matched], n_tokens: int, n_texts: int, k: int) -> list[Ranked]:
    return rank(matched, weights(matched, n_tokens=n_tokens, n_texts=n_texts), k=k)
