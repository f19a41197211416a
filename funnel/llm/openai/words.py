"""Hands on the words of a reply as they come, without secrets; knows no transport."""

from __future__ import annotations

from funnel.llm.openai.receiving import OnWords
from funnel.llm.openai.redaction import RedactedStream


class Words:
    """Hands on the words of a reply as they come, without secrets."""

    def __init__(self, redacted: RedactedStream, say: OnWords) -> None:
        self._redacted = redacted
        self._say = say

    def add(self, words: str) -> None:
        """Take the next words, and hand on those that can hold no part of a secret."""
        if shown := self._redacted.feed(words):
            self._say(shown)

    def finish(self) -> None:
        """Hand on what was held back."""
        if shown := self._redacted.end():
            self._say(shown)
