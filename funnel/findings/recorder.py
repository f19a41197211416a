"""What a run learns, taken down as its host functions give results; knows the shelf and no memory.

Only what rests on known spans is learnt: words with citations, and a sub-model's answer about a text that the
run itself was given out of a document. It waits in `run.learnt` until the run has its answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from funnel.findings.store import (
    MAX_GIVEN,
    MAX_TITLE_CHARS,
    FindingKind,
    FindingStore,
    SupportingSpan,
    supporting_span,
)
from funnel.inspector.readable import MAX_READ_CHARS, Shelf
from funnel.text.citations import answer_text, markers_in, renumber
from indexes.fingerprint import fingerprint

NOT_FOUND = "NOT FOUND: "
"""How a child's answer begins that is none."""
MAX_HANDED_CHARS = 4_000_000
"""Of the texts given out so many characters are remembered, the latest."""
LEAST_HANDED_CHARS = 20
"""A shorter text may stand anywhere."""

_Arguments = Mapping[str, Any]


class TextSpan(NamedTuple):
    """A text out of a document, and where in it the text begins."""

    document_id: str
    start: int
    text: str


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
        self._provenance = Provenance()

    def texts(self, spans: Iterable[TextSpan]) -> None:
        """Take down that the run was given these texts out of documents."""
        if self._learnt is not None:
            for span in spans:
                self._learnt.gave([span.document_id])
                self._provenance.add(span.document_id, span.start, span.text)

    async def everything(self) -> None:
        """Take down that the run may have been given text of whatever its asker may read."""
        if self._learnt is not None:
            self._learnt.gave(await self._shelf.everything(MAX_GIVEN + 1))

    def gave(self, ids: Iterable[str]) -> None:
        """Take down that the run may have been given text of these documents."""
        if self._learnt is not None:
            self._learnt.gave(ids)

    def gave_context(self, context: Sequence[_Arguments]) -> None:
        """Take down the documents that the model's code holds from the beginning."""
        self.gave(element["id"] for element in context)
        self.texts(TextSpan(each["id"], 0, each["text"]) for each in context if each["text"] is not None)

    def read(self, document: object, start: int, stop: int | None, text: str) -> None:
        """Take down a text that was read; `start` and `stop` count as in a slice."""
        info = self._shelf.named(document)
        first, _, _ = slice(start, stop).indices(info.n_chars)
        self.texts([TextSpan(info.id, first, text)])

    def sub_call(self, prompt: str, text: object, value: object) -> None:
        """Take down a sub-model's answer, if it is known which text of a document it was given."""
        if not isinstance(text, str) or len(text) > MAX_READ_CHARS or self._learnt is None:
            return
        if (place := self._provenance.find(text)) is not None:
            document_id, start = place
            info, stop = self._shelf.info(document_id), start + len(text)
            title = info.title[:MAX_TITLE_CHARS]
            source = SupportingSpan(document_id, info.version, start, stop, fingerprint(text), title)
            self._learnt.add("sub-call", prompt, answer_text(value), [source])

    def words(self, kind: FindingKind, asked: str, text: str) -> None:
        """Take down words, with the spans that their markers stand for."""
        if self._learnt is None or text.startswith(NOT_FOUND):
            return
        cited = [citation for each in self._shelf.cited(markers_in(text)).values() for citation in each]
        sources = [supporting_span(each, self._shelf.info(each.document_id).version) for each in cited]
        self._learnt.add(kind, asked, renumber(text, {})[0], sources)
