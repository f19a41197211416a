"""What a run finds out, recorded as its tools return results; knows no tool and no memory.

Only what rests on known spans is recorded: words with citations, and a sub-model's answer about a text that
the run was handed out of a document. It waits in the store until the run has its answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from funnel.findings.provenance import Provenance, TextSpan
from funnel.findings.store import (
    MAX_TITLE_CHARS,
    FindingKind,
    FindingStore,
    SupportingSpan,
    supporting_span,
)
from funnel.run.documents import MAX_READ_CHARS, ReadableDocuments
from funnel.text.citations import answer_text, renumber
from funnel.types import Citation
from indexes.fingerprint import fingerprint


class FindingRecorder:
    """Records for one run and all its children. Without a store nothing is recorded."""

    def __init__(self, store: FindingStore | None, documents: ReadableDocuments) -> None:
        self._store = store
        self._documents = documents
        self._provenance = Provenance()
        self.no_answers: set[str] = set()
        """Texts of children which say that nothing was found: they are not findings."""

    def texts(self, spans: Iterable[TextSpan]) -> None:
        """Record where in their documents the texts of a result stand."""
        if self._store is not None:
            for span in spans:
                self._provenance.add(span)

    def read(self, document_id: str, start: int, stop: int | None, text: str) -> None:
        """Record a text that was read; `start` and `stop` count as in a slice."""
        first, _, _ = slice(start, stop).indices(self._documents.n_chars([document_id]))
        self.texts([TextSpan(document_id, first, text)])

    def sub_call(self, prompt: str, text: object, value: object) -> None:
        """Record a sub-model's answer, if it is known where the text stands that it was given."""
        if not isinstance(text, str) or len(text) > MAX_READ_CHARS or self._store is None:
            return
        if (place := self._provenance.find(text)) is not None:
            document_id, start = place
            info = self._documents.info(document_id)
            title, stop = info.title[:MAX_TITLE_CHARS], start + len(text)
            span = SupportingSpan(document_id, info.version, start, stop, fingerprint(text), title)
            self._store.add("sub-call", prompt, answer_text(value), [span])

    def words(self, kind: FindingKind, asked: str, text: str, cited: Sequence[Citation]) -> None:
        """Record words with the spans that they cite."""
        if self._store is None or text in self.no_answers:
            return
        spans = [supporting_span(each, self._documents.version(each.document_id)) for each in cited]
        self._store.add(kind, asked, renumber(text, {})[0], spans)
