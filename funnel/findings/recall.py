"""Offers a run the findings of earlier runs: by `recall()`, in the first message, and to the reader.

Only findings that the asker may read now, within the run's filter, are offered. Others wrote them, so they
are data, as documents are, and are shown fenced.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, NamedTuple

from funnel.findings.gathered import rows_of
from funnel.findings.store import OPENINGS, Finding, FindingStore, Version
from funnel.journal.journal import Journal
from funnel.llm.base import estimated_tokens
from funnel.memory import terms
from funnel.prompts import fence
from funnel.text.citations import CitableText, Known
from funnel.workspace.documents import ReadableDocuments
from funnel.workspace.passages import PASSAGE_CHARS, best_passage
from indexes.fingerprint import fingerprint, joint_fingerprint
from indexes.types import DocumentInfo

MAX_SHOWN, MAX_SHOWN_TOKENS, MAX_SHOWN_CHARS = 5, 600, 300
"""Limits of the first message: how many findings, their tokens together, the characters of each."""
MIN_SHARE = 1 / 3
"""The first message holds a finding only if this share of the question's terms occurs in it."""
MANY = 100
"""If there are more documents than this, those with findings are looked up first."""
LOOKED_AT = 20
MIN_TABLE_SHARE = 0.15
"""The same for tables, whose few words say less of what they answer."""
MAX_ROWS_RECALLED = 40_000
"""The rows of all tables that one call returns."""
READ_CHARS = 200_000
_SMOOTHING = 4
"""Findings that hold no term, so that of few findings not every common term seems to say nothing."""
_QUESTION_WEIGHT = 0.25
"""Weight of a question's term when choosing what to cite; a term of the answer weighs 1."""
_INTRODUCTION = (
    "Already known from earlier questions. Check it before you cite(doc, start, stop); what it settles needs "
    "no more work:"
)
_HOW_TO_TAKE = (
    'A table or value that has a name is had by it: recall("{0}")[0] has its "rows", dicts text, value, id, '
    'start, stop, or its "value".'
)


class Readable(NamedTuple):
    """A finding that the asker may read now, and how it is shown to the model's code."""

    finding: Finding
    shown: dict[str, Any]


class Recall:
    """Reads findings for one run and all its children. Without a store there are none.

    `model`: the name of the root model; first messages are kept separately for each.
    """

    def __init__(
        self, store: FindingStore | None, documents: ReadableDocuments, journal: Journal, *, model: str
    ) -> None:
        self._store = store
        self._documents = documents
        self._journal = journal
        self._model = model

    async def recall(self, query: str, k: int) -> list[dict[str, Any]]:
        """Return the best `k` findings of the whole collection, each with a place that can be cited.

        Raises: `MemoryFailed`.
        """
        store = self._store
        if store is None:
            return []
        found = await self._readable(store, query, await store.versions(), k)
        room = MAX_ROWS_RECALLED
        shown = []
        for each in found:
            # What the run finds with its help may be shown only to askers who may see this finding.
            self._documents.expose(each.finding.exposed)
            value = await self._value_of(store, each.finding, at_most=room)
            room -= len(value.get("rows", ()))
            shown.append(each.shown | value)
        return shown

    async def _value_of(self, store: FindingStore, finding: Finding, *, at_most: int) -> dict[str, Any]:
        """Return the rows of a table, or a noted value, as plain values; nothing if it is gone."""
        if not finding.payload:
            return {}
        stored = await store.payload(finding)
        if finding.kind != "table":
            return {} if stored is None else {"value": stored}
        document_id, version = finding.sources[0].document_id, finding.sources[0].version
        rows: list[dict[str, Any]] = []
        async for start, stop, text, value in self._rows(document_id, version, rows_of(stored)[:at_most]):
            rows.append({"text": text, "value": value, "id": document_id, "start": start, "stop": stop})
        return {"rows": rows}

    async def _rows(
        self, document_id: str, version: str, rows: Sequence[tuple[int, int, Any]]
    ) -> AsyncIterator[tuple[int, int, str, Any]]:
        """Yield (start, stop, text, value) of the rows; their texts are read together where they are near."""
        near: list[tuple[int, int, Any]] = []
        for row in [*rows, None]:
            if near and (row is None or row[1] - near[0][0] > READ_CHARS):
                first = near[0][0]
                text = await self._documents.quoted(document_id, version, first, max(r[1] for r in near))
                for start, stop, value in near if text is not None else ():
                    yield start, stop, str(text)[start - first : stop - first], value
                near = []
            if row is not None:
                near.append(row)

    async def opening(self, question: str, documents: Sequence[str]) -> str:
        """Return the findings about these documents as text for the first message; "" if there are none.

        The text of an earlier run is repeated, so that the prompt hits the cache, if the asker may still read
        all documents that it may come from. Raises: `MemoryFailed`.
        """
        store = self._store
        if store is None:
            return ""
        versions = frozenset((name, self._documents.version(name)) for name in documents)
        key = joint_fingerprint(self._model, question, json.dumps(sorted(versions)))
        name = f"known {key}"
        before = self._journal.value_of(name, OPENINGS) or await store.opening(key)
        if before is not None and await self._documents.may_read(before[1]):
            text, exposed = before
        else:
            text, exposed = await self._composed(store, question, versions)
            await store.keep_opening(key, text, exposed)
        self._documents.expose(exposed)
        self._journal.set_value(name, [text, list(exposed)])
        return str(text)

    async def _composed(
        self, store: FindingStore, question: str, versions: Collection[Version]
    ) -> tuple[str, list[str]]:
        """Return the text, and the documents that it may come from."""
        lines: list[str] = []
        exposed: dict[str, None] = {}
        names: list[str] = []
        room = MAX_SHOWN_TOKENS - estimated_tokens(_INTRODUCTION) - estimated_tokens(_HOW_TO_TAKE)
        for each in await self._on_topic(store, question, versions):
            line = _line(each)
            if estimated_tokens(line) <= room and len(lines) < MAX_SHOWN:
                room -= estimated_tokens(line)
                lines.append(line)
                names += [each.finding.name] if each.finding.name else []
                exposed |= dict.fromkeys(each.finding.exposed)
        if not lines:
            return "", []
        how = [_HOW_TO_TAKE.format(names[0])] if names else []
        return "\n".join([_INTRODUCTION, fence("known", "\n".join(lines)), *how]), list(exposed)

    async def _on_topic(
        self, store: FindingStore, question: str, versions: Collection[Version]
    ) -> list[Readable]:
        """Return the findings about these versions that have enough of the question's terms, best first.

        A term counts the more, the fewer of the findings have it: the name of their document says nothing
        about what the question asks of it.
        """
        asked = terms.tokens(question)
        if len(versions) > MANY:
            versions = frozenset(await store.versions()).intersection(versions)
        found = await self._readable(store, question, versions, LOOKED_AT, alone=True)
        records = [terms.record(each.finding.searched) for each in found]
        n = len(records) + _SMOOTHING
        having = {name: sum(terms.count(record, name) > 0 for record in records) for name in asked}
        weights = {name: math.log1p((n - df + 0.5) / (df + 0.5)) for name, df in having.items()}
        whole = math.fsum(weights.values())
        kept = []
        for each, record in zip(found, records, strict=True):
            held = math.fsum(weight for name, weight in weights.items() if terms.count(record, name))
            if held >= (MIN_TABLE_SHARE if each.finding.payload else MIN_SHARE) * whole:
                kept.append(each)
        # A table answers the most, and is named in few words.
        return sorted(kept, key=lambda each: not each.finding.payload)

    async def known_passages(self, question: str, documents: Sequence[DocumentInfo]) -> list[CitableText]:
        """Return the spans on which findings about these documents rest, each with what was found out there.

        The findings of an earlier run are repeated as `opening` does. Raises: `MemoryFailed`.
        """
        store = self._store
        if store is None:
            return []
        versions = frozenset((str(info.id), info.version) for info in documents)
        key = joint_fingerprint("reader", self._model, question, json.dumps(sorted(versions)))
        name = f"read {key}"
        before = self._journal.value_of(name, OPENINGS) or await store.opening(key)
        if before is None or not await self._documents.may_read(before[1]):
            on_topic = await self._on_topic(store, question, versions)
            # The rows of a table, and what a noted value came from, have no single place to cite.
            found = [each for each in on_topic if not each.finding.payload][:MAX_SHOWN]
            listed = json.dumps([[each.shown["text"], each.shown["sources"]] for each in found])
            before = listed, list(dict.fromkeys(name for each in found for name in each.finding.exposed))
            await store.keep_opening(key, *before)
        self._documents.expose(before[1])
        self._journal.set_value(name, [before[0], before[1]])
        infos = {info.id: info for info in documents}
        passages = []
        for text, places in json.loads(before[0]):
            for place in places:
                passages += await self._cited(infos[place["id"]], text, place["start"], place["stop"])
        return passages

    async def _cited(self, info: DocumentInfo, text: str, start: int, stop: int) -> list[CitableText]:
        """Return the passage on which a finding rests; none if the document has changed meanwhile."""
        quote = await self._documents.quoted(info.id, info.version, start, stop)
        if not quote:
            return []
        known = Known(_cut(text), start, stop)
        return [CitableText(info.id, info.title, info.uri, start, quote, known=(known,))]

    async def _readable(
        self, store: FindingStore, query: str, versions: Collection[Version], k: int, *, alone: bool = False
    ) -> list[Readable]:
        """Return the best findings about these versions whose spans the asker can read, all unchanged.

        `alone`: leave out findings that also rest on other documents.
        """
        found: list[Readable] = []
        if k < 1:
            return found
        async for finding in store.find(query, versions):
            if alone and not finding.versions.issubset(versions) and not finding.payload:
                continue
            if (shown := await self._checked(finding)) is not None:
                found.append(Readable(finding, shown))
            if len(found) >= k:
                break
        return found

    async def _checked(self, finding: Finding) -> dict[str, Any] | None:
        """Return a finding for the model's code; None if a span changed or the asker may not read it."""
        documents = self._documents
        if not await documents.may_read(finding.exposed) or not await documents.unchanged(finding.holds_for):
            return None
        places = []
        for span in finding.sources:
            text = await self._documents.quoted(span.document_id, span.version, span.start, span.stop)
            if text is None or fingerprint(text) != span.fingerprint:
                return None
            start, stop = await asyncio.to_thread(_place, text, finding)
            places.append({"id": span.document_id, "start": span.start + start, "stop": span.start + stop})
        title = finding.sources[0].title
        shown = {"text": finding.text, "asked": finding.asked, "kind": finding.kind, "title": title}
        value = {} if finding.value is None else {"value": finding.value}
        return {**shown, **value, "doc": places[0]["id"], **places[0], "sources": places}


def _line(each: Readable) -> str:
    """Return a finding as the first message shows it, its value as Python writes it."""
    finding, shown = each
    if finding.payload:
        title = f" of {_cut(finding.sources[0].title)!r}" if finding.kind == "table" else ""
        return (
            f"{finding.name}: {_cut(' '.join(finding.text.split()))}{title} (asked: {_cut(finding.asked)!r})"
        )
    said = finding.text if finding.value is None else finding.value
    text = _cut(said) if isinstance(said, str) else said
    place = f"{shown['id']!r}, {shown['start']}, {shown['stop']}"
    return f"{_cut(repr(text), more=2)} (asked: {_cut(finding.asked)!r}; {place})"


def _place(text: str, finding: Finding) -> tuple[int, int]:
    """Return the part of a span to cite: all of it, or the best passage of a long one."""
    if len(text) <= PASSAGE_CHARS:
        return 0, len(text)
    weights = dict.fromkeys(terms.tokens(finding.asked), _QUESTION_WEIGHT)
    weights |= dict.fromkeys(terms.tokens(finding.text), 1.0)
    passage = best_passage(text, weights)
    return (0, PASSAGE_CHARS) if passage is None else (passage.start, passage.stop)


def _cut(text: str, *, more: int = 1) -> str:
    return text if len(text) <= more * MAX_SHOWN_CHARS else f"{text[: more * MAX_SHOWN_CHARS]}…"
