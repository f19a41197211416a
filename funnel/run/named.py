"""Adds documents that a question names, one of several, and a search for the whole question did not find.

Of five companies in one question, four match by several words each, and the words of the question that every
filing has outweigh the one word of the fifth.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from indexes.retrieval.names import names_in, names_of
from indexes.source import Documents
from indexes.types import DocumentHit, Hits

MAX_SEARCHES = 8
_LOOKED_AT = 3
"""How many documents that a search for one name found are looked at."""
_CAPITALISED = r"[A-Z][\w\u2019'.&-]*"
_NAME = re.compile(rf"{_CAPITALISED}(?:\s+(?:(?:&|of|the)\s+)*{_CAPITALISED})*")
_BETWEEN = re.compile(r"\s*(?:[,;/]|,?\s*\b(?:and|or|und|oder|et|ou|y|o|e|vs\.?)\b)\s*")
"""What stands between the names of a list."""


def named_in(question: str, hits: Sequence[DocumentHit]) -> set[str]:
    """Return the ids of the hits whose documents are in a list of names in the question."""
    listed = _listed(question)
    return {hit.document.id for hit in hits if any(_is_of(name, hit) for name in listed)}


def search_with_named(view: Documents, question: str, k: int) -> Hits:
    """Return what a search for a question finds, with those documents that it names besides; at most `k`.

    Only a question that lists several names, of which the search found one at least, is searched again: once
    for each name of none of the hits.
    """
    found = Hits.of(view.search(question, k))
    names = _listed(question)
    missing = [name for name in names if not any(_is_of(name, hit) for hit in found)]
    if not missing or len(missing) == len(names):
        return found
    more: dict[str, DocumentHit] = {}
    for name in missing[:MAX_SEARCHES]:
        hits = view.search(name, _LOOKED_AT)
        more |= {hit.document.id: hit for hit in hits if _is_of(name, hit)}
    known = {hit.document.id for hit in found}
    added = [hit for document_id, hit in more.items() if document_id not in known][:k]
    if not added:
        return found
    kept = _without_last(question, found, max(0, len(found) + len(added) - k))
    last = kept[-1].score if kept else 1.0
    ranked = [*kept, *(_scaled(hit, last) for hit in added)]
    return Hits((replace(hit, rank=rank) for rank, hit in enumerate(ranked, start=1)), found.notes)


def _without_last(question: str, hits: Sequence[DocumentHit], n: int) -> list[DocumentHit]:
    """Return the hits without the last `n` that the question does not name."""
    named = named_in(question, hits)
    unnamed = [place for place, hit in enumerate(hits) if hit.document.id not in named]
    gone = set(unnamed[len(unnamed) - n :]) if n else set[int]()
    return [hit for place, hit in enumerate(hits) if place not in gone]


def _scaled(hit: DocumentHit, score: float) -> DocumentHit:
    """Return a hit of another search with a score that ranks it among these."""
    factor = score / hit.score if hit.score > 0 else 0.0
    passages = tuple(replace(each, score=each.score * factor) for each in hit.passages)
    return replace(hit, score=score, passages=passages)


def capitalised(text: str) -> list[str]:
    """Return the runs of words with capital letters in a text, each of which may be a name."""
    return [match[0].rstrip(".'-") for match in _NAME.finditer(text)]


def is_called(name: str, title: str, name_of_document: str) -> bool:
    """Return whether a document is called so: all that may be a name, or its longest part, begins a name."""
    asked = names_in(name)
    longest = max((each.count("_") for each in asked), default=0)
    whole = {each for each in asked if each.count("_") == longest}
    return not whole.isdisjoint(names_of(title, name_of_document))


def _listed(question: str) -> list[str]:
    """Return the names that a question lists: those with a comma, "and" or the like between them."""
    places = [match.span() for match in _NAME.finditer(question)]
    listed: dict[str, None] = {}
    for one, other in pairwise(places):
        if _BETWEEN.fullmatch(question[one[1] : other[0]]):
            listed |= dict.fromkeys((question[slice(*one)], question[slice(*other)]))
    return [name.rstrip(".'-") for name in listed]


def _is_of(name: str, hit: DocumentHit) -> bool:
    return is_called(name, hit.document.title, hit.document.id)
