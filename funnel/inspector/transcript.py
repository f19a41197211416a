"""The text that passes from the sandbox to the model: feedback, and a bounded transcript; no I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from funnel.errors import BudgetTooSmall
from funnel.inspector.output import USUAL_CHARS, cut_middle, shorten
from funnel.llm.base import Message, estimated_tokens
from funnel.prompts import fence
from funnel.sandbox.base import CellError, CellResult, Variable

CLOSING_TOKENS = 200
"""An upper limit for the last line of each prompt, which tells turn and budget."""
MIN_TURNS_TOKENS = 2_000
"""With less room for its replies and their output a model could not follow its own work."""
MAX_REMARKS = 10
FENCE_TOKENS = 40
"""An upper limit for the tags of a fence, whose key may be long."""
SHORT_CELL_CHARS = 400
"""A cell up to this length costs little, and tells what its variables mean."""
MAX_VARIABLES = 40
_KEEP_WHOLE = 3
_DROPPED_CELL = "```python\n# dropped: an earlier cell, already run\n```"
_TAG = re.compile(r"^<[a-z]+ [a-z]{3,60}\b", re.MULTILINE)


def feedback(
    result: CellResult, remarks: Sequence[str] = (), *, chars: int = USUAL_CHARS, holder: str = ""
) -> str:
    """Return what the model sees of a cell: its output, remarks of tools, its error.

    All that may hold text of a document is fenced: remarks name titles and patterns, and an error may quote
    what was read. Otherwise it would read like words of ours. `chars`: how much of a long output is shown.
    `holder`: the variable that holds all of it, if there is one.
    """
    parts = []
    if result.stdout:
        held = "" if result.restored else holder
        parts.append(fence("output", shorten(result.stdout, chars=chars, holder=held)))
    elif result.error is None:
        parts.append("The cell printed nothing. Use print() to see values.")
    if once := list(dict.fromkeys([*remarks, *result.remarks, *map(_back, result.reclaimed)])):
        parts.append(fence("remarks", "\n".join(cut_middle(each, 800, 200) for each in once[:MAX_REMARKS])))
    if len(once) > MAX_REMARKS:
        parts.append(f"… and {len(once) - MAX_REMARKS:,} more remarks of this kind.")
    if result.error is not None:
        parts.append(describe(result.error))
        if result.restored:
            parts.append("The variables are as they were before this cell.")
        elif result.refused:
            parts.append("Nothing of this cell was run.")
        elif result.error.kind != "SyntaxError":
            parts.append("What the cell assigned before that line is kept.")
    return "\n".join(parts)


def _back(reclaimed: tuple[str, str]) -> str:
    """Return the remark for a name that a cell took from a function."""
    name, kept = reclaimed
    told = f"`{name}` is a function here, and is one again from the next cell on"
    return f"{told}; what you assigned to it is in `{kept}`." if kept else f"{told}."


def describe(error: CellError) -> str:
    """Return class and message of an error, the line that it is about, and what to write instead."""
    lines = [f"Error: {_one_line(error.kind)}: {cut_middle(error.message, 1_000, 200)}"]
    if error.line is not None:
        lines.append(f"  line {error.line}: {error.source_line.strip()[:300]}")
    if error.within:
        lines.append(f"  {error.within.strip()[:300]}")
    told = fence("error", "\n".join(lines))
    return f"{told}\nInstead: {error.hint}" if error.hint else told


def _one_line(name: str) -> str:
    return " ".join(name.split())[:200]


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply and the feedback on it; or what is left of `count` turns.

    `reply`: empty if it led nowhere, since a model goes on as the replies that it is shown begin; its
    feedback then stands in the message before. `dropped`: whether its output has been left out. `astray`:
    whether it led nowhere. `again`: whether the turn before it was the same, and led nowhere either.
    """

    reply: str
    feedback: str
    count: int = 1
    dropped: bool = False
    astray: bool = False
    again: bool = False

    @property
    def tokens(self) -> int:
        """The estimate of its size in the prompt."""
        return estimated_tokens(self.reply) + estimated_tokens(self.feedback)


def follow(turns: Sequence[Turn], turn: Turn) -> tuple[Turn, ...]:
    """Return the turns with one more; of turns in a row that led nowhere only the last is kept."""
    if turn.astray and turns and (turns[-1].astray or turn.again):
        return (*turns[:-1], replace(turn, count=turns[-1].count + turn.count))
    return (*turns, turn)


def told_variables(variables: Iterable[Variable], given: Collection[str]) -> str:
    """Return what the model is told of its variables; `given`: those that every session has."""
    own = [each for each in variables if each.name not in given]
    if not own:
        return ""
    lines = [
        f"{each.name[:80]}: {_one_line(each.kind)[:60]}"
        + ("" if each.size is None else f", {each.size:,} long")
        for each in own[-MAX_VARIABLES:]
    ]
    if len(own) > len(lines):
        lines.insert(0, f"({len(own) - len(lines)} more)")
    told = fence("variables", "\n".join(lines))
    return f"Older outputs were dropped from this conversation. The variables that cells assigned:\n{told}"


def room_for_turns(system: str, opening: str, *, max_prompt_tokens: int) -> int:
    """Return how many tokens of a prompt are left for turns; the same for every turn.

    Raises: `BudgetTooSmall` if the parts that every prompt has leave too few.
    """
    fixed = estimated_tokens(system) + estimated_tokens(opening) + CLOSING_TOKENS
    if max_prompt_tokens < fixed + MIN_TURNS_TOKENS:
        raise BudgetTooSmall("max_prompt_tokens", max_prompt_tokens, fixed + MIN_TURNS_TOKENS)
    return max_prompt_tokens - fixed


def compact(turns: Sequence[Turn], *, limit: int) -> tuple[Turn, ...]:
    """Shorten the oldest turns so that all take at most `limit` tokens, `MIN_TURNS_TOKENS` or more.

    Outputs are dropped first, then long cells, then short ones, then the oldest turns are joined into one.
    The last few stay whole if possible; a last turn that is too long by itself is truncated in the middle.

    Applied to its own result it changes nothing until the limit is passed again. It goes down to two thirds
    of the limit, so that a prefix of the prompt stays the same for many turns and can be cached.
    """
    compacted = _Compacted(turns)
    if compacted.tokens <= limit:
        return tuple(turns)
    goal = limit * 2 // 3
    for whole in (_KEEP_WHOLE, 1):
        for i in range(len(turns) - whole):
            if compacted.tokens <= goal:
                return tuple(compacted.turns)
            compacted.put(i, _without_output(compacted.turns[i]))
    for least in (SHORT_CELL_CHARS, 0):
        for i in range(len(turns) - 1):
            if compacted.tokens <= goal:
                return tuple(compacted.turns)
            if len(compacted.turns[i].reply) > least:
                compacted.put(i, replace(compacted.turns[i], reply=_DROPPED_CELL))
    compacted.join_first(goal)
    if compacted.tokens > limit:
        last = compacted.turns[-1]
        compacted.put(len(compacted.turns) - 1, _cut(last, limit - (compacted.tokens - last.tokens)))
    return tuple(compacted.turns)


class _Compacted:
    """Turns that are being compacted, and their size together."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.turns = list(turns)
        self.tokens = sum(turn.tokens for turn in turns)

    def put(self, i: int, turn: Turn) -> None:
        self.tokens += turn.tokens - self.turns[i].tokens
        self.turns[i] = turn

    def join_first(self, goal: int) -> None:
        """Join as many of the first turns as it takes, but never the last."""
        while self.tokens > goal and len(self.turns) > 2:  # noqa: PLR2004 - the two that are joined, and the last
            gone = self.turns.pop(0)
            self.tokens -= gone.tokens
            count = gone.count + self.turns[0].count
            self.put(
                0,
                Turn(
                    _DROPPED_CELL,
                    f"[dropped: {count} turns; what you assigned and noted is there]",
                    count,
                    dropped=True,
                ),
            )


def _without_output(turn: Turn) -> Turn:
    if turn.dropped:
        return turn
    size = len(turn.feedback)
    note = f"[dropped: {size:,} characters of output; what you assigned and noted is still there]"
    return replace(turn, feedback=note, dropped=True) if len(note) < size else turn


def _cut(turn: Turn, tokens: int) -> Turn:
    """Truncate reply and feedback in the middle; the feedback, which is newer, keeps more.

    What is left of the feedback is fenced anew, since the cut may have taken the beginning of a fence.
    """
    reply = middle_out(turn.reply, max(tokens // 3, tokens - estimated_tokens(turn.feedback)))
    room = tokens - estimated_tokens(reply)
    if estimated_tokens(turn.feedback) <= room:
        return replace(turn, reply=reply)
    if not _TAG.search(turn.feedback):
        return replace(turn, reply=reply, feedback=middle_out(turn.feedback, room))
    return replace(turn, reply=reply, feedback=fence("cut", middle_out(turn.feedback, room - FENCE_TOKENS)))


def middle_out(text: str, tokens: int) -> str:
    """Truncate a text in the middle to so many tokens, 50 or more."""
    if estimated_tokens(text) <= tokens:
        return text
    note = f"\n[... the middle of {len(text):,} characters is left out ...]\n"
    room = 2 * (tokens - estimated_tokens(note))
    data = text.encode("utf-8", "replace")
    head, tail = data[: room * 3 // 4], data[len(data) - room // 4 :]
    return f"{head.decode('utf-8', 'ignore')}{note}{tail.decode('utf-8', 'ignore')}"


def transcript(system: str, opening: str, turns: Sequence[Turn], closing: str) -> tuple[Message, ...]:
    """Return the chat so far; `closing` (turn number, budget) ends the last message from us."""
    messages = [Message("system", system), Message("user", opening)]
    for turn in turns:
        if turn.reply:
            messages += [Message("assistant", turn.reply), Message("user", turn.feedback)]
        else:
            messages[-1] = replace(messages[-1], content=f"{messages[-1].content}\n\n{turn.feedback}")
    messages[-1] = replace(messages[-1], content=f"{messages[-1].content}\n\n{closing}")
    return tuple(messages)
