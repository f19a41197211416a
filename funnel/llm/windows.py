"""How much fits one call of a model: what is known of its window, and what was learnt from the endpoint.

A window holds prompt and reply together, in tokens of the model. Prompts are measured in estimated tokens
(`estimated_tokens`), an upper bound that is about twice the truth for English. What the endpoint reports of
prompts that it took or refused tells the ratio of the two, so that a small window is not left half empty.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict

from funnel.errors import ContextTooLong
from funnel.llm.base import LLM, Completion, Located, Request, StatedWindow, Windowed
from funnel.llm.prices import listing

SMALLEST = 64
"""Smaller windows are taken for a misunderstood message."""
MIN_REPLY = 256
"""With less room for a reply, a prompt is cut further instead, unless a program wrote it."""
MIN_SUB_REPLY = 64
RATIO_UNKNOWN = 2 / 3
"""Tokens for each estimated one, before anything is known: three bytes a token."""
RATIO_LEAST, RATIO_MOST = 0.2, 2.5
"""Ratios outside these are a mistake of the endpoint, or a prompt that it cut."""
TELLING = 200
"""Estimated tokens that a prompt has at least if its ratio is to tell something of others."""
CUT_FROM, CUT_CHARS = 512, 7.5
"""From so many tokens on, a prompt that has more characters a token was not read whole."""
CUT_AT, CUT_AT_CHARS = 1024, 4.8
"""The same for a number of tokens that is a multiple of the first, as windows are."""
COUNTED_ON = 16
"""With at most so many tokens above the window, the server may have stopped counting there."""
UNDERESTIMATED = 1.3
"""What the ratio is multiplied by if a prompt was refused that should have fitted."""
KEPT = 1_000
_CALM = 0.3


class Window:
    """What fits one call of one model at one endpoint.

    `tokens` is the size of its window and `max_reply` the longest reply that it allows; None if unknown.
    `cuts` says that the endpoint cuts longer prompts without saying so, as Ollama does; `stated` is what it
    said of its window.
    """

    def __init__(self, tokens: int | None = None) -> None:
        self.tokens = tokens
        self.max_reply: int | None = None
        self.cuts = False
        self.stated: StatedWindow | None = None
        self.asked = False
        self._ratio: float | None = None
        self._guessed = False

    @property
    def ratio(self) -> float:
        """Tokens of the model for each estimated token."""
        return RATIO_UNKNOWN if self._ratio is None else self._ratio

    async def ask(self, llm: LLM, *, again: bool = False) -> None:
        """Ask the endpoint what window it gives the model, once, or `again` if it could not be certain."""
        if not isinstance(llm, Windowed) or (self.asked and not again):
            return
        self.asked = True
        self.stated = await llm.stated_window()
        if self.stated is not None:
            self.tokens, self.cuts = self.stated.tokens, self.stated.cuts

    @property
    def uncertain(self) -> bool:
        """Whether the endpoint states a window that it may not have meant, until the model was called."""
        return self.stated is not None and not self.stated.certain

    def reply(self, wanted: int) -> int:
        """Return how many of these tokens a reply may have at most."""
        return wanted if self.max_reply is None else min(wanted, self.max_reply)

    def room(self, wanted: int) -> int | None:
        """Return how many estimated tokens a prompt may have beside a reply of so many; None for any number.

        A small window is shared: at least a quarter is left for the reply.
        """
        if self.tokens is None:
            return None
        left = self.tokens - self._reserved(wanted) - self.tokens // 64
        return max(0, math.floor(left / self.ratio))

    def needed(self, prompt: int, wanted: int) -> int:
        """Return the tokens of a window that holds a prompt of so many estimated tokens, and a reply."""
        return math.ceil(prompt * self.ratio) + self._reserved(wanted)

    def granted(self, request: Request) -> int:
        """Return how long a reply to ask for, as far as it is known what fits beside this prompt."""
        wanted = self.reply(request.max_output_tokens)
        if self.tokens is None:
            return wanted  # the endpoint will say what fits
        left = self.tokens - math.ceil(request.estimated_input_tokens() * self.ratio)
        return min(wanted, max(left, self.tokens // 4 if self._ratio is None else MIN_REPLY))

    def overfull(self, request: Request) -> bool:
        """Whether the endpoint would cut this prompt without saying so."""
        size = request.estimated_input_tokens() * min(self.ratio, 0.5 if self._ratio is None else self.ratio)
        return self.cuts and self.tokens is not None and size + MIN_SUB_REPLY > self.tokens

    def refused(self, request: Request, error: ContextTooLong) -> None:
        """Learn from a refusal, as far as its numbers go. `request` is what was sent."""
        if error.max_output_tokens is not None:
            self.max_reply = max(1, error.max_output_tokens)
            return
        size, told = self._size(request, error)
        sent = size + request.max_output_tokens
        if error.window_tokens is not None and error.window_tokens >= SMALLEST:
            self.tokens = error.window_tokens
        elif self.tokens is None or sent <= self.tokens:
            self.tokens = max(SMALLEST, sent * 3 // 4)  # nothing was said but that it is too much
        if told:
            self._learn(size / max(1, request.estimated_input_tokens()), whole=True)
        elif sent <= self.tokens:
            self._learn(self.ratio * UNDERESTIMATED, whole=True)
            self._guessed = True

    def shorter(self, request: Request, error: ContextTooLong) -> int | None:
        """Return a shorter reply that would fit beside the same prompt; None if the prompt must be cut.

        `refused` has learnt from the same refusal.
        """
        asked = request.max_output_tokens
        if error.max_output_tokens is not None:
            return self.max_reply if self.reply(asked) < asked else None
        left = (self.tokens or 0) - self._size(request, error)[0]
        least = MIN_SUB_REPLY if request.purpose == "query" else self._reserved(asked)
        return left if min(least, asked) <= left < asked else None

    def _size(self, request: Request, error: ContextTooLong) -> tuple[int, bool]:
        """Return the tokens of a refused prompt, and whether the endpoint told them rather than we guess."""
        estimated = request.estimated_input_tokens()
        told, guessed = error.prompt_tokens, math.ceil(estimated * self.ratio)
        if told is None:
            return guessed, False
        # Some count only until the limit is passed: "your prompt contains at least 1 input tokens".
        window = error.window_tokens or 0
        over = (told - window, told + request.max_output_tokens - window)
        if told < estimated * RATIO_LEAST or any(0 < more <= COUNTED_ON for more in over):
            return guessed, False
        return told, True

    def used(self, request: Request, completion: Completion) -> bool:
        """Learn from what the endpoint reported. Returns: whether it seems to have cut the prompt."""
        estimated = request.estimated_input_tokens()
        if completion.estimated or estimated < TELLING:
            return False
        n_chars = sum(len(message.content) for message in request.messages)
        a_window = completion.input_tokens % CUT_AT == 0
        longest = (CUT_AT_CHARS if a_window else CUT_CHARS) * completion.input_tokens
        if completion.input_tokens >= CUT_FROM and n_chars > longest:
            return True
        self._learn(completion.input_tokens / estimated)
        return False

    def _reserved(self, wanted: int) -> int:
        """Return the part of the window that is kept for a reply."""
        return min(self.reply(wanted), max(MIN_REPLY, (self.tokens or 0) // 4))

    def _learn(self, ratio: float, *, whole: bool = False) -> None:
        """Take in a ratio. A higher one counts at once, a lower one little by little, or `whole` as well."""
        if not RATIO_LEAST <= ratio <= RATIO_MOST:
            return
        known = self._ratio
        if whole or known is None or ratio >= known or self._guessed:
            self._ratio, self._guessed = ratio, False
        else:
            self._ratio = known + _CALM * (ratio - known)


_KNOWN: OrderedDict[tuple[str, str], Window] = OrderedDict()
_LOCK = threading.Lock()


def window_of(llm: LLM) -> Window:
    """Return the window of a model, the same for all runs of this process if the model has an endpoint."""
    if not isinstance(llm, Located):
        return Window()
    key = (llm.endpoint, llm.name)
    with _LOCK:
        if key in _KNOWN:
            _KNOWN.move_to_end(key)
            return _KNOWN[key]
    found = listing(llm.name, llm.endpoint)
    with _LOCK:
        window = _KNOWN.setdefault(key, Window(None if found is None else found.window_tokens))
        while len(_KNOWN) > KEPT:
            _KNOWN.popitem(last=False)
        return window
