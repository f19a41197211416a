"""Records where the texts that a run received come from, and what it found out; calls no model.

A finding is kept only if the place of its source is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from funnel.findings.absences import says_something, sound
from funnel.findings.cutting import plain_line
from funnel.findings.provenance import MIN_TEXT_CHARS, Place, Provenance, TextSpan
from funnel.findings.store import MAX_TITLE_CHARS, FindingKind, FindingStore, supporting_span
from funnel.findings.tables import Row
from funnel.text.citations import markers_in, renumber
from funnel.types import Citation
from funnel.workspace.documents import MAX_READ_CHARS, ReadableDocuments
from indexes.fingerprint import fingerprint

MAX_HEADER_LINES = 3
"""So many lines that a program put before or after a passage, such as its title, belong to what was asked."""


class FindingRecorder:
    """Records the findings of one run and all its children; records nothing if there is no store."""

    def __init__(self, store: FindingStore | None, documents: ReadableDocuments) -> None:
        self._store = store
        self._documents = documents
        self.provenance = Provenance()
        """The texts of documents that the run was handed out, whether there is a store or not."""
        self._read: dict[str, None] = {}
        self.no_answers: set[str] = set()
        """Answers of children that found nothing; they are not findings."""

    def texts(self, spans: Iterable[TextSpan]) -> None:
        """Record the places in their documents that the texts of a result come from."""
        for span in spans:
            self._read.setdefault(span.document_id)
            self.provenance.add(span)

    def read(self, document_id: str, start: int, stop: int | None, text: str) -> None:
        """Record a text that was read; `start` and `stop` are those of a slice."""
        first, _, _ = slice(start, stop).indices(self._documents.n_chars([document_id]))
        self.texts([TextSpan(document_id, first, text)])

    def sub_call(self, asked: str, text: str, value: object, *, is_label: bool = False) -> None:
        """Record a sub-model's answer about a text, if the place that the text comes from is known.

        `is_label`: it is one of some choices, of which "none" is a judgement like the others.
        """
        if len(text) > MAX_READ_CHARS or self._store is None:
            return
        if (exact := self.provenance.find(text)) is not None:
            document_id, start = exact
            self._add(asked, Place(document_id, start, text), value, is_label=is_label)
        elif (found := self._passage(text)) is not None:
            place, header = found
            self._add(" ".join([asked, *header]), place, value, is_label=is_label)

    def told_apart(self, prompt: str) -> tuple[str, str] | None:
        """Return what a prompt asks, and the text in it, from its first line that is known to its last.

        Returns None if no line of it is known, or all are.
        """
        if len(prompt) > MAX_READ_CHARS or self._store is None:
            return None
        lines = prompt.splitlines()
        places = self.provenance.locate(list(map(plain_line, lines)))
        known = [i for i, place in enumerate(places) if place is not None]
        if not known or len(known) == len(lines):
            return None
        first, last = known[0], known[-1] + 1
        return "\n".join([*lines[:first], *lines[last:]]).strip(), "\n".join(lines[first:last])

    def lines(
        self, asked: str, lines: Sequence[str], values: Sequence[object], *, is_label: bool = False
    ) -> None:
        """Record a sub-model's answer about each line, except lines whose places are not known."""
        if self._store is None or sum(map(len, lines)) > MAX_READ_CHARS:
            return
        plain = list(map(plain_line, lines))
        for place, value in zip(self.provenance.locate(plain), values, strict=True):
            if place is not None:
                self._add(asked, place, value, is_label=is_label)

    def noted(self, key: str, value: object) -> None:
        """Record a list or an object that the run noted, with the documents of which it had text."""
        if self._store is not None and isinstance(value, (list, dict)) and value:
            known = frozenset(self._documents.ids)
            found = [self._documents.info(name) for name in self._read if name in known]
            versions = [(info.id, info.version, info.title[:MAX_TITLE_CHARS]) for info in found]
            self._store.gathering.add_note(key, value, versions)

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

    def _passage(self, text: str) -> tuple[Place, list[str]] | None:
        """Return a passage of one document that is on lines of its own in a text, and the lines around it.

        Its lines follow each other in the document, with white space between them.
        """
        lines = [line for line in text.splitlines() if line.strip()]
        places = self.provenance.locate(list(map(plain_line, lines)))
        known = [i for i, place in enumerate(places) if place is not None]
        if not known:
            return None
        first, last = known[0], known[-1]
        run = [place for place in places[first : last + 1] if place is not None]
        unbroken = all(place.gap is not None and not place.gap.strip() for place in run[1:])
        header = [*lines[:first], *lines[last + 1 :]]
        if len(run) < last + 1 - first or not unbroken or len(header) > MAX_HEADER_LINES:
            return None
        passage = run[0].text + "".join(f"{place.gap}{place.text}" for place in run[1:])
        if len(passage) < MIN_TEXT_CHARS:
            return None
        return Place(run[0].document_id, run[0].start, passage), [line.strip() for line in header]

    def _add(self, asked: str, place: Place, value: Any, *, is_label: bool) -> None:
        """Add an answer about a place, without what it says is absent or infers, unless it is a label."""
        if self._store is None or not (is_label or says_something(value)):
            return
        if isinstance(value, str) and not is_label:
            value = sound(value, lambda _statement: ())
            if not value:
                return
        info = self._documents.info(place.document_id)
        row = Row(place.start, place.stop, fingerprint(place.text), value)
        self._store.gathering.add_row(asked, (info.id, info.version), info.title[:MAX_TITLE_CHARS], row)
