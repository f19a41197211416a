"""Tells the recorder of findings which answers of sub-models are about which texts; calls no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from funnel.findings.cutting import told_apart
from funnel.findings.recorder import FindingRecorder
from funnel.findings.tables import MIN_ROWS
from funnel.inspector.tools.lines import asks_for_labels, items_of_lines, lines_of, listed, numbered

NOTHING = object()
"""What stands for the value of a call without an answer."""


def record_answers(
    recorder: FindingRecorder, asked: Sequence[tuple[Any, Any]], values: Sequence[Any], schema: object
) -> None:
    """Record the answers of one call or batch: (prompt, text) of each, and its value or `NOTHING`."""
    is_label = asks_for_labels(schema)
    answers = [(*ask, value) for ask, value in zip(_texts(asked), values, strict=True)]
    answers = [each for each in answers if each[2] is not NOTHING and each[2] is not None]
    if len(answers) >= MIN_ROWS and all(_is_line(text) for _, text, _ in answers):
        # Together, since the short ones have their places between the others.
        for prompt in dict.fromkeys(prompt for prompt, _, _ in answers):
            same = [(text, value) for asks, text, value in answers if asks == prompt]
            values = [value for _, value in same]
            recorder.lines(prompt, [text for text, _ in same], values, is_label=is_label)
        return
    for prompt, text, value in answers:
        if text is None:
            if (apart := recorder.told_apart(prompt)) is None:
                continue
            prompt, text = apart  # noqa: PLW2901 - the same call, taken apart
        as_lines = isinstance(text, (list, tuple))
        shown = numbered(text) if isinstance(text, (list, tuple)) else str(text)
        items = items_of_lines(schema, prompt, shown, value, given_as_lines=as_lines)
        if items is None:
            recorder.sub_call(prompt, shown, value, is_label=is_label)
        else:
            recorder.lines(prompt, lines_of(shown), items, is_label=is_label)


def _is_line(text: object) -> bool:
    return isinstance(text, str) and len(lines_of(text)) == 1


def _texts(asked: Sequence[tuple[Any, Any]]) -> list[tuple[str, Any]]:
    """Return what each call asked and about which text, if a batch put its texts into its prompts too."""
    if any(text is not None for _, text in asked):
        return list(asked)
    lists = [_list_in(prompt) for prompt, _ in asked]
    if None not in lists:
        return [each for each in lists if each is not None]
    return list(told_apart([prompt for prompt, _ in asked]) or asked)


def _list_in(prompt: str) -> tuple[str, str] | None:
    """Return what a prompt asks, and the list of strings that a program wrote into it."""
    start, stop = prompt.find("["), prompt.rfind("]") + 1
    if not listed(prompt[start:stop] if start >= 0 else ""):
        return None
    return " ".join([prompt[:start].strip(), prompt[stop:].strip()]).strip(), prompt[start:stop]
