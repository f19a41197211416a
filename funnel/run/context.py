"""The `Run` that the parts of a run share: its documents, its ledger, its events and its models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from funnel.findings.store import FindingStore
from funnel.journal import Journal
from funnel.llm.budget import Ledger
from funnel.llm.meter import Meter
from funnel.prompts.addenda import Prompts, shipped
from funnel.prompts.forms import Form, Forms
from funnel.run.earlier import Earlier
from funnel.run.words import ProvisionalWords
from funnel.schema import AnswerSchema
from funnel.tools import RunTools
from funnel.trace.events import Events
from funnel.types import Citation, DocumentCoverage, EndReason, Shape, Status
from funnel.workspace.documents import ReadableDocuments
from funnel.workspace.notes import Notes

NOT_BACKED = "Nothing in this answer is backed by a quote."
"""The notice of an answer without a citation."""


@dataclass(frozen=True, slots=True)
class Run:
    """One question and all that its work needs. `root` calls the root model, `sub` that of sub-calls.

    `documents`: what the asker may read within the run's filter; nothing else is searched, read or cited.
    `shape`: the kind of work, if the router is sure. `schema`: the form of the answer, if it must be typed.
    `prompts`: the prompts of each model. `findings`: those of earlier runs and of this one; None if neither
    are wanted. `tools`: the caller's own functions that the model's code may call. `event`: the id of the
    run's own event, which contains all others. `form` and `sub_form`: the form of the prompts for the root
    model and for that of sub-calls, chosen when the run began. `forms`: what is told of malformed replies, so
    that later runs choose by them. `earlier`: what a question that follows others builds on.
    `keep_variables`: whether the variables of its program are kept for the next one.
    """

    id: str
    question: str
    documents: ReadableDocuments
    notes: Notes
    ledger: Ledger
    events: Events
    root: Meter
    sub: Meter
    journal: Journal
    event: int
    shape: Shape | None = None
    schema: AnswerSchema | None = None
    prompts: Prompts = field(default_factory=shipped)
    findings: FindingStore | None = None
    tools: RunTools = field(default_factory=RunTools)
    words: ProvisionalWords | None = None
    forms: Forms = field(default_factory=Forms)
    form: Form = "full"
    sub_form: Form = "full"
    earlier: Earlier = field(default_factory=Earlier)
    keep_variables: bool = False

    def record_exposed(self) -> None:
        """Journal which documents' text the run saw since it was recorded last, for what is kept after it."""
        view, journal = self.documents.view, self.journal
        new = view.exposed_since(len(journal.exposed))
        if new or self.documents.all_exposed != journal.all_exposed:
            journal.expose(new, everything=self.documents.all_exposed)


@dataclass(frozen=True, slots=True)
class Draft:
    """The result of the reader or the inspector; the pipeline checks it and makes the `Answer`.

    `missing`: what a notice says that the documents do not answer; it needs no citation if the text says it.
    """

    text: str
    status: Status
    citations: Sequence[Citation] = ()
    value: Any = None
    sandbox: str | None = None
    notices: Sequence[str] = field(default=())
    coverage: Sequence[DocumentCoverage] = field(default=())
    missing: str = ""
    end_reason: EndReason = field(kw_only=True)
