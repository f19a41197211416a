"""Finds what is wrong with a collection by checking all of it, for its owner; repairs nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from indexes.catalog import integrity
from indexes.catalog.reader import CatalogReader
from indexes.retrieval.analysis import analyse
from indexes.retrieval.base import Retriever
from indexes.retrieval.retrievers import Retrievers
from indexes.retrieval.searching import LEAST_CANDIDATES
from indexes.scope import EVERYTHING, Keys

_KEYS_SHOWN = 5
_SAMPLE = 50


def problems(reader: CatalogReader, retrievers: Retrievers) -> Iterator[str]:
    """Yield a line for each problem with texts, hashes, spans, generations and each retriever's keys.

    An evenly spread sample of passages is searched for by its own words.
    """
    stored = list(integrity.problems(reader))
    yield from stored
    if not stored:  # damaged texts cannot be searched for
        yield from _not_found_by_own_words(reader, retrievers.lexical)
    for name, retriever in retrievers.by_name.items():
        if retriever.generation != reader.generation:
            yield f"{name} retriever: it covers generation {retriever.generation} of {reader.generation}"
        yield from _differences(name, reader.keys(), retriever.keys())


def _differences(retriever: str, stored: Keys, indexed: Keys) -> Iterator[str]:
    for what, odd in (("lacks", np.setdiff1d(stored, indexed)), ("still has", np.setdiff1d(indexed, stored))):
        if len(odd):
            yield f"{retriever} retriever: it {what} {len(odd)} passages, first {odd[:_KEYS_SHOWN].tolist()}"


def _not_found_by_own_words(reader: CatalogReader, retriever: Retriever) -> Iterator[str]:
    keys = reader.keys()
    for row in reader.rows(keys[:: -(-len(keys) // _SAMPLE) or 1].tolist()):
        if not analyse(row.text):
            continue
        found = [key for key, _ in retriever.search(row.text, LEAST_CANDIDATES, scope=EVERYTHING)]
        # If many passages have equal texts, the search may return others of them.
        if row.key not in found and all(other.digest != row.digest for other in reader.rows(found)):
            yield f"lexical retriever: passage {row.key} is not found by its own words"
