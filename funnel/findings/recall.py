"""What earlier runs learnt, as this one is told it: by `recall`, and unasked in the first message.

Knows the shelf, so that nothing is offered that the asker could not read, within the run's filter, now.
Whatever a fact says was written by others: it is data like a document, and is shown fenced.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from typing import Any

from funnel.findings.recorder import FindingRecorder
from funnel.findings.store import Finding, FindingStore, Version
from funnel.inspector.readable import Shelf
from funnel.llm.base import estimated_tokens
from funnel.memory import terms
from funnel.prompts import fence
from funnel.run.context import Run
from funnel.sandbox.base import HostError
from funnel.workspace.passages import PASSAGE_CHARS, best_passage
from indexes.fingerprint import fingerprint, joint_fingerprint

SHOWN, SHOWN_TOKENS, SHOWN_CHARS = 5, 600, 300
"""So many facts the first message tells, within so many estimated tokens, each cut to so many characters."""
LEAST_SHARE = 1 / 3
"""A fact is told unasked when it holds this share of the question's terms."""
MANY = 100
"""With more documents than this it is first asked of which of them anything is known."""
_LOOKED_AT = 20
_OF_THE_QUESTION = 0.25
"""What a term of the question counts beside one of the answer, where a place for both is looked for."""
_INTRODUCTION = (
    "Already known from earlier questions. Check it before you cite(doc, start, stop); what it settles needs "
    "no more work:"
)


class Recall:
    """One for the whole tree of calls. Without `run.learnt` nothing is known."""

    def __init__(self, run: Run, shelf: Shelf) -> None:
        self.recorder = FindingRecorder(run.learnt, shelf)
        self._run = run
        self._shelf = shelf

    async def recall(self, query: str, k: int) -> list[dict[str, Any]]:
        """The best `k` facts of the whole collection, each with a place that can be cited.

        Raises: `MemoryFailed`.
        """
        learnt = self._run.learnt
        if learnt is None:
            return []
        found = await self._readable(learnt, query, await learnt.versions(), k)
        for known in found:
            # What is learnt from it in turn may be told only to whom it may be told itself.
            learnt.gave(known.pop("given"))
        return found

    async def opening(self, question: str, documents: Sequence[str]) -> str:
        """What the first message tells of these documents; nothing where nothing is known of them.

        Raises: `MemoryFailed`.
        """
        learnt = self._run.learnt
        if learnt is None:
            return ""
        versions = frozenset(self._version(name) for name in documents)
        key = joint_fingerprint(self._run.root.name, question, json.dumps(sorted(versions)))
        journal, value = self._run.journal, f"known {key}"
        before = journal.value(value) or await learnt.opening(key)
        if before is not None and await self._shelf.readable(before[1]):
            told, given = before
        else:
            told, given = await self._told(learnt, question, versions)
            await learnt.keep_opening(key, told, given)
        learnt.gave(given)
        journal.set_value(value, [told, list(given)])
        return str(told)

    async def _told(
        self, learnt: FindingStore, question: str, versions: Collection[Version]
    ) -> tuple[str, list[str]]:
        """The words, and the documents that they may come from."""
        asked = terms.tokens(question)
        lines: list[str] = []
        given: dict[str, None] = {}
        if len(versions) > MANY:
            versions = frozenset(await learnt.versions()).intersection(versions)
        room = SHOWN_TOKENS - estimated_tokens(_INTRODUCTION)
        for known in await self._readable(learnt, question, versions, _LOOKED_AT, alone=True):
            held = terms.record(f"{known['title']}\n{known['asked']}\n{known['text']}")
            if sum(terms.count(held, name) > 0 for name in asked) < LEAST_SHARE * len(asked):
                continue
            line = (
                f"{_cut(known['text'])!r} (asked: {_cut(known['asked'])!r}; {known['id']!r}, "
                f"{known['start']}, {known['stop']})"
            )
            if estimated_tokens(line) <= room and len(lines) < SHOWN:
                room -= estimated_tokens(line)
                lines.append(line)
                given |= dict.fromkeys(known["given"])
        text = "\n".join([_INTRODUCTION, fence("known", "\n".join(lines))]) if lines else ""
        return text, list(given)

    async def _readable(
        self, learnt: FindingStore, query: str, versions: Collection[Version], k: int, *, alone: bool = False
    ) -> list[dict[str, Any]]:
        """The best facts about these versions of which every source can be read, as it was.

        `alone`: not those that rest on others besides.
        """
        found: list[dict[str, Any]] = []
        if k < 1:
            return found
        async for fact in learnt.find(query, versions):
            if alone and not fact.versions.issubset(versions):
                continue
            if (known := await self._checked(fact)) is not None:
                found.append(known)
            if len(found) >= k:
                break
        return found

    async def _checked(self, fact: Finding) -> dict[str, Any] | None:
        """A fact as the model's code sees it, or None where a source is not what it was, for this asker."""
        if not await self._shelf.readable(fact.given):
            return None
        places = []
        for source in fact.sources:
            try:
                info = await self._shelf.find(source.document_id)
                text = await self._shelf.read(info.id, source.start, source.stop)
            except HostError:
                return None
            if info.version != source.version or fingerprint(text) != source.check:
                return None
            start, stop = await asyncio.to_thread(_place, text, fact)
            places.append(
                {"id": source.document_id, "start": source.start + start, "stop": source.start + stop}
            )
        title = fact.sources[0].title
        told = {"text": fact.text, "asked": fact.asked, "kind": fact.kind, "title": title}
        return {**told, "doc": places[0]["id"], **places[0], "sources": places, "given": fact.given}

    def _version(self, name: str) -> Version:
        info = self._shelf.info(name)
        return str(info.id), info.version


def _place(text: str, fact: Finding) -> tuple[int, int]:
    """What of a long span is to be cited: where it says the most of the fact."""
    if len(text) <= PASSAGE_CHARS:
        return 0, len(text)
    weights = dict.fromkeys(terms.tokens(fact.asked), _OF_THE_QUESTION)
    weights |= dict.fromkeys(terms.tokens(fact.text), 1.0)
    passage = best_passage(text, weights)
    return (0, PASSAGE_CHARS) if passage is None else (passage.start, passage.stop)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"
