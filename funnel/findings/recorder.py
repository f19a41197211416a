"""What a run learns, taken down as its host functions give results; knows the shelf and no memory.

Only what rests on known spans is learnt: words with citations, and a sub-model's answer about a text that the
run itself was given out of a document. It waits in `run.learnt` until the run has its answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from funnel.findings.store import (
    MAX_TITLE_CHARS,
    FindingKind,
    FindingStore,
    SupportingSpan,
    fingerprint_of_text,
    supporting_span,
)
from funnel.inspector.readable import MAX_READ_CHARS, Shelf
from funnel.inspector.tools.arguments import as_list
from funnel.text.citations import answer_text, markers_in, renumber

NOT_FOUND = "NOT FOUND: "
"""How a child's answer begins that is none."""
MAX_HANDED_CHARS = 4_000_000
"""Of the texts given out so many characters are remembered, the latest."""
LEAST_HANDED_CHARS = 20
"""A shorter text may stand anywhere."""

_Arguments = Mapping[str, Any]


class Provenance:
    """The texts that a run was given out of documents, to tell where a text comes from that it passes on."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._n_chars = 0

    def add(self, document_id: str, start: int, text: str) -> None:
        """That text begins at `start` of the document."""
        if text in self._texts or not LEAST_HANDED_CHARS <= len(text) <= MAX_HANDED_CHARS:
            return
        self._texts[text] = (document_id, start)
        self._n_chars += len(text)
        while self._n_chars > MAX_HANDED_CHARS:
            self._n_chars -= len(self._texts.popitem(last=False)[0])

    def find(self, text: str) -> tuple[str, int] | None:
        """The document, and where in it that text begins; None where it was made of something else."""
        if len(text) < LEAST_HANDED_CHARS:
            return None
        if text in self._texts:
            return self._texts[text]
        for given, (document_id, start) in reversed(self._texts.items()):
            if (at := given.find(text)) >= 0:
                return document_id, start + at
        return None


class FindingRecorder:
    """One for the whole tree of calls. Without `learnt` nothing is taken down."""

    def __init__(self, learnt: FindingStore | None, shelf: Shelf) -> None:
        self._learnt = learnt
        self._shelf = shelf
        self._handed = Provenance()
        self._listeners: dict[str, Callable[[_Arguments, Any], Awaitable[None]]] = {
            "read": self._read,
            "search": self._searched,
            "grep": self._grepped,
            "note": self._noted,
            "llm_query": self._queried,
            "llm_query_batched": self._queried_batch,
            "rlm_query": self._recursed,
            "rlm_query_batched": self._recursed_batch,
        }

    def gave_context(self, context: Sequence[_Arguments]) -> None:
        """The documents that the model's code holds from the beginning."""
        if self._learnt is not None:
            self._learnt.gave(element["id"] for element in context)
            for element in context:
                if element["text"] is not None:
                    self._handed.add(element["id"], 0, element["text"])

    async def heard(self, name: str, arguments: _Arguments, result: Any) -> None:
        """The host function of that name gave that result, in this life of the run or in an earlier one."""
        if self._learnt is not None and name in self._listeners:
            await self._listeners[name](arguments, result)

    async def _read(self, arguments: _Arguments, text: str) -> None:
        info = await self._shelf.find(arguments["doc"])
        start, _, _ = slice(arguments.get("start", 0), arguments.get("stop")).indices(info.n_chars)
        self._gave([info.id])
        self._handed.add(info.id, start, text)

    async def _searched(self, _arguments: _Arguments, hits: Sequence[_Arguments]) -> None:
        self._gave(hit["id"] for hit in hits)
        for hit in hits:
            self._handed.add(hit["id"], hit["start"], hit["text"])

    async def _grepped(self, _arguments: _Arguments, matches: Sequence[_Arguments]) -> None:
        self._gave(match["id"] for match in matches)
        for match in matches:
            around = match["before"] + match["text"] + match["after"]
            self._handed.add(match["id"], match["start"] - len(match["before"]), around)

    def _gave(self, ids: Iterable[str]) -> None:
        if self._learnt is not None:
            self._learnt.gave(ids)

    async def _noted(self, arguments: _Arguments, _result: None) -> None:
        self._cited("note", arguments["key"], arguments["text"])

    async def _queried(self, arguments: _Arguments, value: Any) -> None:
        self._answered(arguments["prompt"], arguments.get("text"), value)

    async def _queried_batch(self, arguments: _Arguments, results: Sequence[_Arguments]) -> None:
        prompts, texts = as_list(arguments["prompts"]), arguments.get("texts")
        given = [None] * len(prompts) if texts is None else as_list(texts)
        for prompt, text, result in zip(prompts, given, results, strict=True):
            if result["ok"]:
                self._answered(prompt, text, result["value"])

    async def _recursed(self, arguments: _Arguments, answer: str) -> None:
        self._cited("child", arguments["question"], answer)

    async def _recursed_batch(self, arguments: _Arguments, results: Sequence[_Arguments]) -> None:
        for question, result in zip(as_list(arguments["questions"]), results, strict=True):
            if result["ok"]:
                self._cited("child", question, result["value"])

    def _answered(self, prompt: str, text: object, value: object) -> None:
        """A sub-model's answer counts where it is known which text it was given."""
        if not isinstance(text, str) or len(text) > MAX_READ_CHARS or self._learnt is None:
            return
        if (place := self._handed.find(text)) is not None:
            document_id, start = place
            info, stop = self._shelf.info(document_id), start + len(text)
            title = info.title[:MAX_TITLE_CHARS]
            source = SupportingSpan(document_id, info.version, start, stop, fingerprint_of_text(text), title)
            self._learnt.add("sub-call", prompt, answer_text(value), [source])

    def _cited(self, kind: FindingKind, asked: str, text: str) -> None:
        """Words count with what their markers stand for."""
        if self._learnt is None or text.startswith(NOT_FOUND):
            return
        cited = [citation for each in self._shelf.cited(markers_in(text)).values() for citation in each]
        sources = [supporting_span(each, self._shelf.info(each.document_id).version) for each in cited]
        self._learnt.add(kind, asked, renumber(text, {})[0], sources)
