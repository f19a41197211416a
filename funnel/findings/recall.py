"""Offers a run the findings of earlier runs: by `recall()`, in the first message, and to the reader.

Only findings that the asker may read now, within the run's filter, are offered. Others wrote them, so they
are data, as documents are, and are shown fenced.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from typing import Any

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
_LOOKED_AT = 20
_QUESTION_WEIGHT = 0.25
"""Weight of a question's term when choosing what to cite; a term of the answer weighs 1."""
_INTRODUCTION = (
    "Already known from earlier questions. Check it before you cite(doc, start, stop); what it settles needs "
    "no more work:"
)


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
        for each in found:
            # What the run finds with its help may be shown only to askers who may see this finding.
            self._documents.expose(each.pop("exposed"))
        return found

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
        room = MAX_SHOWN_TOKENS - estimated_tokens(_INTRODUCTION)
        for each in await self._on_topic(store, question, versions):
            line = (
                f"{_cut(each['text'])!r} (asked: {_cut(each['asked'])!r}; {each['id']!r}, "
                f"{each['start']}, {each['stop']})"
            )
            if estimated_tokens(line) <= room and len(lines) < MAX_SHOWN:
                room -= estimated_tokens(line)
                lines.append(line)
                exposed |= dict.fromkeys(each["exposed"])
        text = "\n".join([_INTRODUCTION, fence("known", "\n".join(lines))]) if lines else ""
        return text, list(exposed)

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
            found = (await self._on_topic(store, question, versions))[:MAX_SHOWN]
            listed = json.dumps([[each["text"], each["sources"]] for each in found])
            before = listed, list(dict.fromkeys(name for each in found for name in each["exposed"]))
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

    async def _on_topic(
        self, store: FindingStore, question: str, versions: Collection[Version]
    ) -> list[dict[str, Any]]:
        """Return the findings about these versions that hold enough of the question's terms, best first."""
        asked = terms.tokens(question)
        if len(versions) > MANY:
            versions = frozenset(await store.versions()).intersection(versions)
        found = []
        for each in await self._readable(store, question, versions, _LOOKED_AT, alone=True):
            held = terms.record(f"{each['title']}\n{each['asked']}\n{each['text']}")
            if sum(terms.count(held, name) > 0 for name in asked) >= MIN_SHARE * len(asked):
                found.append(each)
        return found

    async def _readable(
        self, store: FindingStore, query: str, versions: Collection[Version], k: int, *, alone: bool = False
    ) -> list[dict[str, Any]]:
        """Return the best findings about these versions whose spans the asker can read, all unchanged.

        `alone`: leave out findings that also rest on other documents.
        """
        found: list[dict[str, Any]] = []
        if k < 1:
            return found
        async for finding in store.find(query, versions):
            if alone and not finding.versions.issubset(versions):
                continue
            if (shown := await self._checked(finding)) is not None:
                found.append(shown)
            if len(found) >= k:
                break
        return found

    async def _checked(self, finding: Finding) -> dict[str, Any] | None:
        """Return a finding for the model's code; None if a span changed or the asker may not read it."""
        if not await self._documents.may_read(finding.exposed):
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
        return {**shown, "doc": places[0]["id"], **places[0], "sources": places, "exposed": finding.exposed}


def _place(text: str, finding: Finding) -> tuple[int, int]:
    """Return the part of a span to cite: all of it, or the best passage of a long one."""
    if len(text) <= PASSAGE_CHARS:
        return 0, len(text)
    weights = dict.fromkeys(terms.tokens(finding.asked), _QUESTION_WEIGHT)
    weights |= dict.fromkeys(terms.tokens(finding.text), 1.0)
    passage = best_passage(text, weights)
    return (0, PASSAGE_CHARS) if passage is None else (passage.start, passage.stop)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}…"
