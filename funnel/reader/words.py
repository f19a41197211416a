"""Shows the answer in a reader's reply while the reply, an object or plain words, is still being written."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import from_json

from funnel.llm.base import MAX_REPLY_CHARS
from funnel.run.words import ProvisionalWords

STEPS = 256
"""A reply is read again when it has grown by one part in so many, so that a long one costs little."""
_LABELS = ("answer:", "a:", "question:")
_LABEL = re.compile(r"(?:answer|a)\s*:\s*", re.IGNORECASE)


class AnswerInReply:
    """Hears a reply and shows what it answers so far: its member `answer`, or all of it if it is `plain`."""

    def __init__(self, words: ProvisionalWords, *, plain: bool = False) -> None:
        self._words = words
        self._plain = plain
        self._reply = ""
        self._read = 0
        self._shown = 0

    def add(self, words: str) -> None:
        """Take the next words of the reply."""
        self._reply += words
        size = len(self._reply)
        if size - self._read <= self._read // STEPS or size > MAX_REPLY_CHARS:
            return
        self._read = size
        in_words = self._plain and "{" not in self._reply
        answer = (_plain(self._reply) if in_words else _answer(self._reply)).lstrip()
        if len(answer) > self._shown:
            self._words.show(answer[self._shown :])
            self._shown = len(answer)

    def start_over(self) -> None:
        """Forget the reply so far."""
        self._reply, self._read, self._shown = "", 0, 0
        self._words.retract("the model began anew")


def _answer(reply: str) -> str:
    start = reply.find("{")
    if start < 0:
        return ""
    try:
        value: Any = from_json(reply[start:], allow_partial="trailing-strings")
    except ValueError:
        return ""
    answer = value.get("answer") if isinstance(value, dict) else None
    return answer if isinstance(answer, str) else ""


def _plain(reply: str) -> str:
    """Return the words of a reply; none while they may begin code, a tag or a label."""
    text = reply.lstrip()
    if text[:1] in {"`", "<", "[", "~", "*"}:
        return ""
    begun = text.casefold()
    if any(label.startswith(begun) for label in _LABELS) or begun.startswith("question:"):
        return ""
    label = _LABEL.match(text)
    return text if label is None else text[label.end() :]
