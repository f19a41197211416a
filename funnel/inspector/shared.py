"""The objects that all inspectors of one run share, from the first to the deepest child."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from funnel.findings.recall import Recall
from funnel.findings.recorder import FindingRecorder
from funnel.inspector.citations import CitationRegistry
from funnel.inspector.coverage import Coverage
from funnel.inspector.lost import LostCalls
from funnel.run.context import Run
from funnel.stored import Stored
from funnel.text.citations import markers_in
from funnel.types import Citation

_NO_ANSWERS = "no_answers"
"""The name under which the journal keeps the texts of children that found nothing."""

_TEXTS: Stored[list[str]] = Stored(list[str])


@dataclass(frozen=True, slots=True)
class Shared:
    """A run with its citations and lost sub-calls, the recall of earlier findings, and its own recorder.

    `coverage`: what this inspector has seen; each child has its own.
    """

    run: Run
    citations: CitationRegistry
    recall: Recall
    recorder: FindingRecorder
    coverage: Coverage
    lost: LostCalls = field(default_factory=LostCalls)

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return the shared objects of a run, with the citations of its earlier attempts."""
        recorder = FindingRecorder(run.findings, run.documents)
        no_answers = run.journal.value_of(_NO_ANSWERS, _TEXTS)
        recorder.no_answers.update(no_answers or ())
        return cls(
            run,
            CitationRegistry(run.documents, run.journal),
            Recall(run.findings, run.documents, run.journal, model=run.root.name),
            recorder,
            Coverage(run.documents, recorder.provenance, run.journal),
        )

    def no_answer(self, text: str) -> None:
        """Record, for the whole run, that this answer of a child says that nothing was found."""
        self.recorder.no_answers.add(text)
        self.run.journal.set_value(_NO_ANSWERS, sorted(self.recorder.no_answers))

    def cited_in(self, text: str) -> list[Citation]:
        """Return the citations whose markers occur in a text."""
        found: Iterable[list[Citation]] = self.citations.cited(markers_in(text)).values()
        return [citation for each in found for citation in each]
