"""Chooses the passages that the reader is shown; calls no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from funnel.llm.base import estimated_tokens
from funnel.prompts.forms import Form
from funnel.text.citations import CitableText
from indexes.types import DocumentHit, Hit

LABEL_TOKENS = 60
"""An upper limit for the number and the title of a passage."""
MAX_PASSAGES = 20
MAX_CHARS = 24_000
FEW_PASSAGES, FEW_CHARS = 5, 4_000
"""The same for a small model, which loses the answer among more: about 1,000 tokens."""


def choose(hits: Sequence[DocumentHit], form: Form = "full") -> list[tuple[DocumentHit, Hit]]:
    """Return the best passages of all documents, best first, as many as fit one prompt; at least one.

    A prompt of the simple form holds few.
    """
    most, most_chars = (FEW_PASSAGES, FEW_CHARS) if form == "simple" else (MAX_PASSAGES, MAX_CHARS)
    pairs = [(document, hit) for document in hits for hit in document.passages]
    pairs.sort(key=lambda pair: (-pair[1].score, pair[1].passage.id))
    chosen: list[tuple[DocumentHit, Hit]] = []
    size = 0
    for document, hit in pairs[:most]:
        size += len(hit.passage.text)
        if chosen and size > most_chars:
            break
        chosen.append((document, hit))
    return chosen


def source_of(hit: Hit, document: DocumentHit) -> CitableText:
    """Return a passage as a text to cite."""
    passage, info = hit.passage, document.document
    return CitableText(info.id, info.title, info.uri, passage.start, passage.text)


def fitting(sources: Sequence[CitableText], tokens: int) -> Sequence[CitableText]:
    """Return the first passages that have so many estimated tokens together; of the first, its beginning."""
    sizes = accumulate(estimated_tokens(source.text) + LABEL_TOKENS for source in sources)
    fit = [source for source, size in zip(sources, sizes, strict=True) if size <= tokens]
    if fit:
        return fit
    text = sources[0].text
    return [replace(sources[0], text=text[: len(text) * (tokens - LABEL_TOKENS) // estimated_tokens(text)])]
