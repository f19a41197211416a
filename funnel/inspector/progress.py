"""Follows whether a model gets on from turn to turn, and what it is told when it does not; runs nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from funnel.inspector.repairs import (
    Cell,
    block,
    cell_of,
    does_nothing,
    echo,
    echoes,
    example,
    next_step,
    printed_answer,
    reminder,
    repair,
    unfilled,
    unfilled_reason,
)
from funnel.inspector.replies import Malformed
from funnel.inspector.transcript import describe
from funnel.prompts.forms import STRIKES, Form
from funnel.sandbox.base import CellResult

MAX_REPAIRS = 3
"""After so many replies in a row without code, one more ends the work."""
MAX_IDLE = 6
"""After so many cells in a row that did nothing, one more ends the work: calls are left for its end."""
NOTEWORTHY_CHARS = 20
"""An output that is shorter, such as `[]` or a count, may well be the same for two cells."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a model is told that did not get on.

    `astray`: whether its reply led nowhere, so that it is left out of the transcript, where it would teach
    the next one. `again`: whether the reply before it is left out too, being the same.
    """

    text: str
    astray: bool = True
    again: bool = False


@dataclass
class Progress:
    """The turns of one inspector. `form`: that of its prompts; it becomes simple where the model is stuck.

    `opening`: the first message, which a weak model sends back.
    """

    question: str
    form: Form
    opening: str = ""
    malformed: int = 0
    """How many replies in a row held no code."""
    idle: int = 0
    """How many cells in a row did nothing."""
    _strikes: int = 0
    _examples: int = 0
    _said: str = ""
    _last: Cell | None = None
    _outputs: set[int] = field(default_factory=set)

    def reject(self, wrong: Malformed, reply: str, detail: str = "") -> tuple[Malformed, Advice]:
        """Return what was wrong with a reply without code, more exactly, and what the model is told."""
        if echoes(reply, self.opening):
            wrong = echo()
        elif reply.strip() and reply == self._said:
            wrong = Malformed(
                f"{wrong.reason} It is the reply before it, word for word.", wrong.kind, wrong.answer
            )
        self._said = reply
        self.malformed += 1
        self._strike()
        told = repair(wrong, self.question, times=self.malformed, detail=detail)
        return wrong, Advice(told)

    def refuse(self, source: str) -> Advice | None:
        """Return what the model is told if a cell is not to be run; None if it is."""
        self.malformed = 0
        if not (submitted := unfilled(source, self.question)):
            return None
        self.idle += 1
        self._strike()
        return Advice(f"{unfilled_reason(submitted)}\n{block(example(self.question, self._next()))}")

    def follow(self, source: str, result: CellResult, calls: int) -> Advice | None:
        """Return what the model is told of a cell beside its output; None if it got on.

        `calls`: how many host calls it made.
        """
        shown = result.stdout + ("" if result.error is None else f"{result.error.kind}{result.error.message}")
        cell, last = cell_of(source, shown), self._last
        self._last = cell
        seen = len(shown) >= NOTEWORTHY_CHARS and hash(shown) in self._outputs
        self._outputs.add(hash(shown))
        nothing = "" if calls or shown or result.reclaimed else does_nothing(source)
        self.idle = self.idle + 1 if nothing else 0
        if nothing:
            return self._stuck(f"The cell did nothing: it holds {nothing}.")
        if cell == last and result.error is not None:
            failed = f"The same cell failed once more.\n{describe(result.error)}\nWrite another one."
            return replace(self._stuck(failed), again=True)
        if cell == last:
            return self._stuck("This is the cell before it once more, and it gave the same.")
        if seen:
            return replace(self._stuck("An earlier cell showed the same already."), astray=False)
        self._strikes = 0
        if not calls and (answer := printed_answer(source, result.stdout)):
            return Advice(reminder(answer), astray=False)
        return None

    def _stuck(self, reason: str) -> Advice:
        self._strike()
        return Advice(f"{reason} {next_step(self.question, self._next())}")

    def _strike(self) -> None:
        self._strikes += 1
        if self._strikes >= STRIKES:
            self.form = "simple"

    def _next(self) -> int:
        self._examples += 1
        return self._examples - 1
