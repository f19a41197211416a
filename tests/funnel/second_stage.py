"""Small documents, scripted models and one run over them, for the tests of the second stage."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from funnel.asker import LOCAL_OWNER
from funnel.journal import Journal
from funnel.llm.base import LLM, Request
from funnel.llm.budget import Ledger, Limits
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory, Memory
from funnel.run.context import Run
from funnel.schema import AnswerSchema
from funnel.trace.events import Event, Events
from funnel.trace.kinds import RunStarted
from funnel.workspace.documents import ReadableDocuments
from funnel.workspace.notes import Notes
from funnel.workspace.workspace import Workspace
from indexes import RawDocuments
from indexes.filters import Filter
from indexes.source import Source
from indexes.types import OWNER, PUBLIC, Access, Document, DocumentId

RUN = RunStarted(
    question="", mode="auto", k=20, model="scripted", sub_model="sub", sandbox="monty", memory="memory://",
    started_at="2026-11-22T15:01:42+00:00",
)  # fmt: skip
FREE = {"scripted": (0.0, 0.0)}


def doc(name: str, text: str, title: str = "", *, readers: Sequence[str] = ()) -> Document:
    """A document; its title is its name unless one is given."""
    return Document(
        DocumentId(name), text, title=title or name, uri=f"file:///{name}", readers=frozenset(readers)
    )


SHOP = (
    doc("refunds", "We refund within 14 days. Shipping is not refunded. Ask the desk for a form.", "Refunds"),
    doc("leases", "The lease of Hill House ends in May 2026. Ada Roth signed it.", "Leases"),
    doc("roth", "Ada Roth led Project Heron. The board withdrew its grant in 2019.", "Ada Roth"),
)


def cell(*lines: str) -> str:
    """A model's turn: a word and one python block."""
    return "So:\n```python\n" + "\n".join(lines) + "\n```"


def reading(answer: str, *quotes: tuple[int, str], found: bool = True, missing: str | None = None) -> str:
    """A reader's reply; if `missing` is None, without that member."""
    listed = [{"passage": passage, "quote": quote} for passage, quote in quotes]
    gap = {} if missing is None else {"missing": missing}
    return json.dumps({"found": found, "answer": answer, **gap, "quotes": listed})


def prompt(request: Request) -> str:
    """All that the model was shown."""
    return "\n".join(message.content for message in request.messages)


def last(request: Request) -> str:
    """What the model was told last."""
    return request.messages[-1].content


@dataclass
class Bench:
    """Where a run's parts can be looked at. `root` and `sub` are scripted unless a test brings its own."""

    run: Run
    source: RawDocuments
    memory: Memory
    workspace: Workspace
    seen: list[Event] = field(default_factory=list)

    def data(self, kind: str, phase: str = "point") -> list[dict[str, Any]]:
        return [dict(event.data) for event in self.seen if (event.kind, event.phase) == (kind, phase)]

    def hits(self, k: int = 20):
        return self.run.documents.view.search(self.run.question, k)


def readable(
    source: Source, workspace: Workspace, access: Access = OWNER, where: Filter | None = None
) -> ReadableDocuments:
    """What an asker may read of a source, with its pages in this workspace."""
    view = source.for_asker(access, where)
    return ReadableDocuments(view, workspace, everything=source.for_asker(access))


@asynccontextmanager
async def a_run(  # noqa: PLR0913 - a run has that many parts
    root: LLM,
    *,
    sub: LLM | None = None,
    documents: Sequence[Document] = SHOP,
    question: str = "How long do refunds take?",
    limits: Limits | None = None,
    access: Access = OWNER,
    where: Filter | None = None,
    prices: dict[str, tuple[float, float]] | None = None,
    schema: AnswerSchema | None = None,
) -> AsyncIterator[Bench]:
    """A run as the pipeline makes it, over documents without an index."""
    seen: list[Event] = []
    ledger, events = Ledger(limits or Limits()), Events("r", seen.append)
    models = Models(root, sub or ScriptedLLM([], name="sub"), prices=prices or FREE)
    memory, source = InMemory(), RawDocuments(documents)
    journal = Journal(memory, "r", asker=LOCAL_OWNER)
    leads, parts = models.meters(ledger, events, journal=journal)
    with events.open(RUN, parent=None) as opened:
        async with Workspace(memory, run="r", asker=LOCAL_OWNER) as workspace:
            run = Run(
                id="r",
                question=question,
                documents=readable(source, workspace, access, where),
                notes=Notes(workspace),
                ledger=ledger,
                events=events,
                root=leads,
                sub=parts,
                journal=journal,
                event=opened.id,
                schema=schema,
            )
            yield Bench(run, source, memory, workspace, seen)


__all__ = [
    "FREE",
    "PUBLIC",
    "RUN",
    "SHOP",
    "Bench",
    "a_run",
    "cell",
    "doc",
    "last",
    "prompt",
    "readable",
    "reading",
]
