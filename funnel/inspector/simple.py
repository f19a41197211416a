"""The prompts of the simple form: a short system text and a first message of few passages; asks no model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from funnel.inspector.repairs import example, submitting
from funnel.inspector.shown import Shown
from funnel.inspector.transcript import CLOSING_TOKENS, MIN_TURNS_TOKENS
from funnel.llm.base import estimated_tokens
from funnel.prompts import fence
from funnel.reader.passages import SIMPLE, choose
from funnel.sandbox.base import HostError
from funnel.text.spacing import trimmed
from funnel.workspace.documents import ReadableDocuments
from indexes.types import DocumentHit

EXCERPT_CHARS = 2_000
"""How much of a passage is shown."""
ANSWER = "<answer>"
"""Stands for the answer in examples; a cell that submits it is not run."""


async def describe_simply(
    question: str,
    names: Sequence[str],
    documents: ReadableDocuments,
    hits: Sequence[DocumentHit],
    *,
    room: int,
) -> tuple[str, tuple[Shown, ...]]:
    """Return a first message with the question and the best passages, and what of documents is in it.

    `room`: how many estimated tokens the prompt may still have; some of them are left for the turns.
    """
    places = {name: place for place, name in enumerate(names)}
    room -= estimated_tokens(fence("question", question)) + estimated_tokens(hint(question, 1))
    room -= MIN_TURNS_TOKENS + CLOSING_TOKENS
    parts: list[str] = []
    shown: list[Shown] = []
    for document, hit in choose(hits)[: SIMPLE.n_passages]:
        info, passage = document.document, hit.passage
        if info.id not in places:
            continue
        # A document may be changed or deleted at any moment; then it is not shown.
        with suppress(HostError):
            stop = min(passage.stop, passage.start + EXCERPT_CHARS, info.n_chars)
            text = await documents.read(info.id, passage.start, stop)
            of = f"context[{places[info.id]}]"
            part = fence("passage", trimmed(text), of=of, title=info.title[:80])
            if trimmed(text) and estimated_tokens(part) <= room:
                room -= estimated_tokens(part)
                parts.append(part)
                whole = (passage.start, stop) == (0, info.n_chars)
                shown.append(Shown(info.id, passage.start, stop, text, whole=whole))
    return "\n".join([*parts, fence("question", question)]), tuple(shown)


def hint(question: str, turn: int, *, bare: bool = False) -> str:
    """Return what ends each message of the simple form: the two cells that may come next in a turn.

    `bare`: whether the first of them is only told of, since the model copied it as it stands.
    """
    known = f"If the answer stands above, reply with it in place of {ANSWER}:\n{submitting(ANSWER)}"
    if bare:
        known = "If the answer stands above, call submit with it: some words copied from there, in quotes."
    return f"{known}\nIf it does not, look further:\n```python\n{example(question, turn - 1)}\n```"
