"""The messages between a model and its sandbox: fitted to the prompt, compacted, asked; runs no code."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from funnel.errors import BudgetTooSmall, ContextTooLong, WindowTooSmall
from funnel.inspector.budget_line import closing
from funnel.inspector.output import LEAST_CHARS, REMAINDER_SHARE, window
from funnel.inspector.tools.registry import GIVEN
from funnel.inspector.transcript import (
    MIN_TURNS_TOKENS,
    Turn,
    compact,
    follow,
    room_for_turns,
    told_variables,
    transcript,
)
from funnel.llm.base import Completion, Request, StepId, estimated_tokens
from funnel.prompts.forms import Form
from funnel.run.context import Run
from funnel.sandbox.base import Session
from indexes.fingerprint import joint_fingerprint

MAX_CUTS = 4
"""How often a prompt is compacted further because the model refuses it as too long."""
OUTPUT_TOKENS: dict[Form, int] = {"full": 8_192, "simple": 1_024}
"""Most of one reply. The thinking of a reasoning model counts, too; a small model writes short cells."""
ONE_BLOCK = r"""root ::= "```python\n" first line* "```"
first ::= [a-zA-Z_] line
line ::= ([^`#"\n] | quoted) ([^"\n] | quoted)* "\""* "\n"
quoted ::= "\""+ [^<"\n]"""
"""A reply that is one block, in llama.cpp's notation.

It begins with a name, since a small model that has begun with a list or a text writes down what a search
might have found. No line begins as a comment, since a model that has begun with one goes on with others. No
text begins as the placeholder of an example does, so that a model that copies the example goes on with an
answer.
"""
ELSEWHERE = 0.8
"""The temperature for a reply that is not to be the one before it."""
USUAL_REPLY_TOKENS = 600
NEARLY_FULL = (
    "This conversation is nearly full: from the next turn on, older outputs are dropped from it. Keep what "
    "you need of them in variables, or note() it."
)
_KEY = re.compile(r"^(</?[a-z]+ )([bcdfghjkmp]{3,60})(?=[ >])", re.MULTILINE)
_AS_DIGITS = str.maketrans("bcdfghjkmp", "0123456789")


@dataclass(frozen=True, slots=True)
class Prompt:
    """The two messages that every prompt begins with. `hint`: returns the end of the last one in a turn."""

    form: Form
    system: str
    opening: str
    hint: Callable[[int], str]

    @property
    def fixed(self) -> str:
        """The text that each prompt has beside the system text and the turns."""
        return f"{self.opening}\n\n{self.hint(1)}"


class Dialogue:
    """What was said so far. `turns`: those of the next prompt. `history`: all of them as they were shown."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.turns: tuple[Turn, ...] = ()
        self.history: list[Turn] = []
        self.said = joint_fingerprint()
        """The fingerprint of all turns, which neither a compaction nor a limit changes."""
        self._room = 0
        self._told: Turn | None = None

    def measure(self, prompt: Prompt) -> None:
        """Set how much room there is for turns. Raises: `BudgetTooSmall`, `WindowTooSmall`."""
        root, usual = self._run.root, OUTPUT_TOKENS[prompt.form]
        room = root.prompt_room(usual)
        try:
            self._room = room_for_turns(prompt.system, prompt.fixed, max_prompt_tokens=room)
        except BudgetTooSmall as error:
            if room == self._run.ledger.limits.max_prompt_tokens:
                raise
            raise root.window_too_small(int(error.needed), usual, "a program's turn") from None

    def fits(self, prompt: Prompt) -> bool:
        """Return whether the model's window, if it is the limit, holds a turn that begins so."""
        try:
            self.measure(prompt)
        except WindowTooSmall:
            return False
        except BudgetTooSmall:
            return True  # a limit of the caller's: to be told, not to be got round
        return True

    @property
    def window(self) -> int:
        """How many characters of the next output are shown."""
        return window(self._free, self._room)

    def add(self, turn: Turn, meant: str) -> None:
        """Add a turn to the fingerprint. `meant`: its feedback as it is whatever room the prompt has."""
        self.said = joint_fingerprint(self.said, turn.reply, _as_before(meant))

    def show(self, turn: Turn) -> None:
        """Add what the next prompts show of a turn."""
        self.history.append(turn)
        self.turns = follow(self.turns, turn)

    async def ask(
        self,
        prompted: Callable[[int], Awaitable[Prompt]],
        number: int,
        session: Session,
        *,
        parent: int,
        step: StepId,
    ) -> Completion:
        """Return the model's next reply; if the prompt does not fit its window, compact it and ask again.

        `prompted`: returns the beginning of the prompt, the shorter the more often it was refused. `session`:
        asked for its variables if something was left out of the prompt.
        Raises: as `Meter.complete`; `WindowTooSmall` if not even the smallest prompt fits; `SandboxDied`.
        """
        root, cuts = self._run.root, 0
        while True:
            prompt = await prompted(cuts)
            self.measure(prompt)
            await self._compact(max(MIN_TURNS_TOKENS, self._room * (4 - cuts) // 4), session)
            request = self._request(prompt, number)
            try:
                return await root.complete(request, parent=parent, place=step)
            except ContextTooLong:
                if cuts == MAX_CUTS:
                    raise
                cuts += 1

    def _request(self, prompt: Prompt, number: int) -> Request:
        bare = transcript(prompt.system, prompt.opening, self.turns, "")
        tokens = sum(estimated_tokens(message.content) for message in bare)
        line, varying = closing(self._run.ledger, self._run.root, number, tokens)
        if self.turns and self._is_nearly_full():
            line = f"{NEARLY_FULL}\n{line}"
        # After a message that ends with what to write, the usual hint would only contradict it.
        told = self.turns and self.turns[-1].feedback.endswith("```")
        if not told and (end := prompt.hint(number)):
            line = f"{end}\n\n{line}"
        messages = transcript(prompt.system, prompt.opening, self.turns, line)
        return Request(
            messages,
            "turn",
            max_output_tokens=OUTPUT_TOKENS[prompt.form],
            varying=varying,
            temperature=self._temperature if prompt.form == "simple" else None,
            grammar=ONE_BLOCK if prompt.form == "simple" else None,
        )

    @property
    def _temperature(self) -> float:
        """What a small model says with most certainty; something else where that led nowhere."""
        return ELSEWHERE if self.turns and self.turns[-1].astray else 0.0

    async def _compact(self, limit: int, session: Session) -> None:
        """Shorten the oldest turns if they pass the limit; then the model is told what its variables hold."""
        kept = compact(self.turns, limit=limit)
        if kept == self.turns:
            return
        if self._told is not self.turns[-1] and (told := told_variables(await session.variables(), GIVEN)):
            last = kept[-1]
            kept = compact((*kept[:-1], replace(last, feedback=f"{last.feedback}\n{told}")), limit=limit)
        self.turns = kept
        self._told = kept[-1]

    @property
    def _free(self) -> int:
        return self._room - sum(turn.tokens for turn in self.turns)

    def _is_nearly_full(self) -> bool:
        """Whether a usual reply with a long output would not fit any more."""
        shown = min(LEAST_CHARS, self._room) * (1 + REMAINDER_SHARE)
        return len(self.turns) > 1 and self._free < shown / 2 + USUAL_REPLY_TOKENS


def _as_before(feedback: str) -> str:
    """Return a feedback with the tags of earlier versions, whose runs can be resumed."""
    return _KEY.sub(lambda tag: tag[1] + tag[2].translate(_AS_DIGITS), feedback)
