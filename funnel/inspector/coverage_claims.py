"""What an answer claims to be absent, or to be all there is, without a citation behind it; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from funnel.text.absence import Wording
from funnel.text.citations import MARKER, markers_in, uncited
from funnel.types import Span

MAX_CLAIMS = 20
MAX_CHARS = 200
MAX_LEAVES = 2_000
"""Values of a typed answer that are looked at."""


NOTHING = ("0", "[]", "{}")
"""A text that says that there is none, if it was asked how many or which."""
MAX_ITEMS = 100
_ITEM = re.compile(r"\s*(?:[-+*•]|\d{1,3}[.)])\s")


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement of an answer. `counts`: it only counts or lists, as the question asked.

    `around`: the item of a list that it ends, or the list that it introduces; "" otherwise.
    """

    text: str
    counts: bool = False
    around: str = ""

    @property
    def is_shown_below(self) -> bool:
        """Whether it introduces a list of which each item has its citation."""
        items = self.around.split("\n")
        introduces = bool(self.around) and self.text[-1:] in ":："
        return introduces and all(MARKER.search(item) is not None for item in items)


def claims(answer: Any, question: str, *, placed: bool, found: bool) -> list[Claim]:
    """Return what an answer claims so. `placed`: whether citations stand beside it, not in it.

    `found`: False if the answer as a whole says that the documents lack it.
    """
    text = answer if isinstance(answer, str) else ""
    if not found:
        return [Claim(text.strip() or str(answer))]
    wording = Wording.of(question, text)
    asks_for_all = wording.asks_for_all(question)
    if isinstance(answer, str):
        if not markers_in(answer) and (wording.is_whole(text) or (asks_for_all and text.strip() in NOTHING)):
            return [Claim(text.strip())]
        spans = uncited(answer, placed=placed, question=question)
        told = [
            Claim(
                span.text,
                counts=asks_for_all and wording.only_counts(span.text),
                around=_around(answer, span),
            )
            for span in spans
            if span.absent
        ]
        return told[:MAX_CLAIMS]
    if isinstance(answer, (dict, list)) and answer:
        held = [Claim(f"{path}: {leaf}") for path, leaf in islice(_absent(answer, question), MAX_CLAIMS)]
    else:
        # A bare 0 or an empty list says that there is none only if that was asked.
        held = [Claim(str(answer))] if asks_for_all and not answer else []
    if not held and not markers_in(answer) and asks_for_all:
        held = [Claim(str(answer)[:MAX_CHARS], counts=True)]
    return held


def _around(answer: str, span: Span) -> str:
    start = answer.rfind("\n", 0, span.start) + 1
    if _ITEM.match(answer, start):
        return answer[start : span.stop]
    items: list[str] = []
    for line in (
        answer[span.stop :].partition("\n")[2].split("\n")[:MAX_ITEMS] if span.text[-1] in ":：" else ()
    ):
        if not _ITEM.match(line):
            break
        items.append(line)
    return "\n".join(items)


def _absent(value: Any, question: str) -> Iterator[tuple[str, str]]:
    """Yield the values of a typed answer that say that something is absent, with their paths.

    A member that is nothing but markers is behind all others of its object.
    """
    todo: list[tuple[str, Any]] = [("answer", value)]
    for _ in range(MAX_LEAVES):
        if not todo:
            return
        path, each = todo.pop()
        if isinstance(each, str):
            wording = Wording.of(question, each)
            if not markers_in(each) and (wording.is_whole(each) or wording.claims_absence(each)):
                yield path, repr(each)
        elif each is None or each in ([], {}):
            yield path, "null" if each is None else "empty"
        elif isinstance(each, (dict, list)):
            items = list(each.items()) if isinstance(each, dict) else list(enumerate(each))
            cited = isinstance(each, dict) and any(_is_marker(item) for _, item in items)
            left = [
                (key, item) for key, item in items if not cited or (item and isinstance(item, (dict, list)))
            ]
            todo += [(f"{path}[{key!r}]", item) for key, item in reversed(left)]


def _is_marker(value: Any) -> bool:
    if not isinstance(value, (str, list)) or not markers_in(value):
        return False
    return not MARKER.sub("", value if isinstance(value, str) else "".join(map(str, value))).strip(" ,;")
