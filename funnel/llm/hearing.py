"""Takes thoughts out of what models reply, whole or word by word, for every model alike; calls none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from funnel.llm.base import Completion, Request
from funnel.text.thoughts import WordFilter, part

CUT = {"repetition": "said the same over and over", "size": "went on without end"}
"""What a model does whose reply is cut, by `Completion.cut`."""


class Listener(Protocol):
    """Hears the words of a reply as they come."""

    def add(self, words: str) -> None:
        """Take the next words."""

    def start_over(self) -> None:
        """Forget the words heard so far: the call is made again, or they were thoughts."""


class Hearing:
    """Hands the words of one call to a listener: as they come, or at once if the model does not stream.

    Without a listener it does nothing.
    """

    def __init__(self, listener: Listener | None) -> None:
        self._listener = listener
        self._heard = False
        self._filter = WordFilter(self._say, self.start_over)

    @property
    def on_delta(self) -> Callable[[str], None] | None:
        """What takes the words of the reply, thoughts among them; None if nobody listens."""
        return None if self._listener is None else self._filter.add

    def start_over(self) -> None:
        """Make the listener forget what it has heard."""
        if self._heard and self._listener is not None:
            self._heard = False
            self._listener.start_over()

    def attempt_again(self) -> None:
        """Begin anew, since the call is made again."""
        self._filter.reset()
        self.start_over()

    def end(self, completion: Completion, request: Request) -> None:
        """Hand over what is left of a reply, or all of it if no word of it has come."""
        if self._listener is None:
            return
        self._filter.finish()
        if not self._heard and (text := without_thoughts(completion, request).text):
            self._say(text)

    def _say(self, words: str) -> None:
        if self._listener is not None:
            self._heard = True
            self._listener.add(words)


def without_thoughts(completion: Completion, request: Request) -> Completion:
    """Return the completion with the thoughts in its text moved to `thoughts`.

    What stands word for word in the request is a quotation of it, not a thought.
    """
    found = part(completion.text, lambda block: any(block in m.content for m in request.messages))
    if found.text == completion.text:
        return completion
    thoughts = "\n".join(filter(None, (completion.thoughts, found.thoughts)))
    return replace(completion, text=found.text, thoughts=thoughts)


def unusable(completion: Completion, who: str = "the model") -> str:
    """Return what is wrong with a reply as a whole, and what to set; "" if nothing is."""
    is_empty = not completion.text.strip()
    if completion.cut:
        return f"{who} {CUT[completion.cut]}{' while it thought' if is_empty else ''}, and was stopped"
    if not is_empty:
        return ""
    if completion.finish_reason != "length":
        return f"{who} returned nothing"
    return (
        f"{who} used up all {completion.output_tokens:,} tokens of output with thinking and said nothing: "
        "raise FUNNEL_MAX_OUTPUT_TOKENS, or let it think less "
        '(FUNNEL_EXTRA_BODY=\'{"reasoning_effort": "low"}\')'
    )
