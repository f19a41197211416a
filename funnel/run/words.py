"""The words of an answer while the model writes them: events that no trace keeps; knows no model."""

from __future__ import annotations

from funnel.text.citations import MARKER
from funnel.trace.events import Events
from funnel.trace.kinds import AnswerDelta, AnswerRetracted


class ProvisionalWords:
    """Shows the words of one run's answer as they come, and retracts those that do not stand."""

    def __init__(self, events: Events, parent: int) -> None:
        self._events = events
        self._parent = parent
        self._shown = ""

    def show(self, words: str) -> None:
        """Show the next words."""
        self._shown += words
        self._events.point(AnswerDelta(text=words), parent=self._parent)

    def retract(self, reason: str) -> None:
        """Retract what has been shown, if anything has."""
        if self._shown:
            self._shown = ""
            self._events.point(AnswerRetracted(reason=reason), parent=self._parent)

    def settle(self, text: str) -> None:
        """Retract what has been shown unless the answer says the same, with as many citations.

        Citations that the answer has after all of its words are shown as well.
        """
        if _says_the_same(self._shown, text):
            return
        more = text.removeprefix(self._shown.strip())
        if self._shown.strip() and more != text and not MARKER.sub("", more).strip():
            self.show(more)
            return
        same_words = _says_the_same(MARKER.sub("", self._shown), MARKER.sub("", text))
        n_more = len(MARKER.findall(text)) - len(MARKER.findall(self._shown))
        self.retract((ADDED if n_more > 0 else DROPPED) if same_words else ANOTHER)


ADDED = "it is shown again with its citations"
DROPPED = "the documents do not bear out some of its citations"
ANOTHER = "the answer that could be verified is another one"


def _says_the_same(one: str, other: str) -> bool:
    """Whether two texts differ in white space and in the numbers of citations only."""
    return _plain(one) == _plain(other)


def _plain(text: str) -> str:
    return "".join(MARKER.sub("[]", text).split())
