"""Records what a run finds out, as its tools return results; knows no tool and no memory.

Only findings that rest on known spans are recorded: text with citations, and a sub-model's answer about a
text that the run took from a document. They wait in the store until the run has its answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from funnel.findings.absences import says_something, sound
from funnel.findings.provenance import Provenance, TextSpan
from funnel.findings.store import (
    MAX_TITLE_CHARS,
    FindingKind,
    FindingStore,
    SupportingSpan,
    supporting_span,
)
from funnel.text.citations import answer_text, markers_in, renumber
from funnel.types import Citation
from funnel.workspace.documents import MAX_READ_CHARS, ReadableDocuments
from indexes.fingerprint import fingerprint


class FindingRecorder:
    """Records the findings of one run and all its children; records nothing if there is no store."""

    def __init__(self, store: FindingStore | None, documents: ReadableDocuments) -> None:
        self._store = store
        self._documents = documents
        self.provenance = Provenance()
        """The texts of documents that the run was handed out, whether there is a store or not."""
        self.no_answers: set[str] = set()
        """Answers of children that found nothing; they are not findings."""

    def texts(self, spans: Iterable[TextSpan]) -> None:
        """Record the places in their documents that the texts of a result come from."""
        for span in spans:
            self.provenance.add(span)

    def read(self, document_id: str, start: int, stop: int | None, text: str) -> None:
        """Record a text that was read; `start` and `stop` are those of a slice."""
        first, _, _ = slice(start, stop).indices(self._documents.n_chars([document_id]))
        self.texts([TextSpan(document_id, first, text)])

    def sub_call(self, prompt: str, text: object, value: object) -> None:
        """Record a sub-model's answer if the place that its text comes from is known."""
        if not isinstance(text, str) or len(text) > MAX_READ_CHARS or self._store is None:
            return
        if (place := self.provenance.find(text)) is not None:
            document_id, start = place
            info = self._documents.info(document_id)
            title, stop = info.title[:MAX_TITLE_CHARS], start + len(text)
            span = SupportingSpan(document_id, info.version, start, stop, fingerprint(text), title)
            told = sound(answer_text(value), lambda _statement: ()) if says_something(value) else ""
            self._store.add("sub-call", prompt, told, [span])

    def words(self, kind: FindingKind, asked: str, text: str, cited: Sequence[Citation]) -> None:
        """Record a text with the spans that it cites, unless it says that nothing was found.

        Statements that are absences or inferences are left out.
        """
        if self._store is None or text in self.no_answers:
            return
        numbers = dict.fromkeys(markers_in(text))
        by_number = dict(zip(numbers, cited, strict=False)) if len(numbers) == len(cited) else {}
        text = sound(text, lambda said: [by_number[n].quote for n in markers_in(said) if n in by_number])
        cited = [by_number[n] for n in dict.fromkeys(markers_in(text))] if by_number else cited
        spans = [supporting_span(each, self._documents.version(each.document_id)) for each in cited]
        self._store.add(kind, asked, renumber(text, {})[0], spans)
