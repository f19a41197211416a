"""What passes between model and sandbox, as text; pure, no I/O.

Code out of a reply, feedback on a cell, and a transcript that stays bounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from funnel.llm.base import MAX_REPLY_CHARS, Message
from funnel.prompts import fence
from funnel.sandbox.base import CellError, CellResult

HEAD_CHARS = 6_000
TAIL_CHARS = 2_000
MAX_TRANSCRIPT_CHARS = 80_000
MAX_REMARKS = 10
_KEEP_WHOLE = 3
_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
_ANY_FENCE = re.compile(r"^[ \t]*```.*?(?:^[ \t]*```[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_STATEMENT = re.compile(
    r"(?:await )?(?:submit|cite|note|notes|print|read|grep|search|documents|llm_query\w*|rlm_query|budget)\("
    r"|[A-Za-z_]\w* = .*\(|import \w+$|from \w+ import |(?:for|if|while|def|with) .*:$"
)
_PYTHON = {"", "python", "py", "python3", "repl"}


@dataclass(frozen=True, slots=True)
class Code:
    """The one block of a reply."""

    source: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A reply without exactly one block: what was wrong, and what to do."""

    reason: str


def parse(reply: str, *, cut: bool = False) -> Code | Malformed:
    """The code of a reply: exactly one fenced python block. `cut` means the model ran out of tokens."""
    if len(reply) > MAX_REPLY_CHARS:
        return Malformed(
            f"Your reply has {len(reply):,} characters; at most {MAX_REPLY_CHARS:,} are read, so nothing "
            "was run. Write one short block, and build long texts in variables."
        )
    text = reply if reply.endswith("\n") else reply + "\n"
    blocks = [body for language, body in _FENCE.findall(text) if language.lower() in _PYTHON]
    if len(blocks) == 1 and blocks[0].strip():
        return Code(blocks[0])
    if len(blocks) > 1:
        return Malformed(
            f"Your reply has {len(blocks)} python blocks; nothing was run. Write all code in one block."
        )
    if cut:
        return Malformed(
            "Your reply was cut off before its python block ended; nothing was run. Write less code."
        )
    if not reply.strip():
        return Malformed("Your reply was empty. Write one ```python block.")
    return Malformed(
        "Your reply has no ```python block, so nothing was run. Prose is not an answer: "
        "write one block, and when you know the answer call submit(...) in it."
    )


def prose(reply: str) -> str:
    """What a reply says in words: the text outside its fences; nothing where that begins as code does."""
    text = _ANY_FENCE.sub("", reply[:MAX_REPLY_CHARS]).strip()
    return "" if _STATEMENT.match(text.partition("\n")[0].rstrip()) else text


def shorten(text: str, *, head: int = HEAD_CHARS, tail: int = TAIL_CHARS) -> str:
    """Head and tail of a long text, with the true length between them."""
    if len(text) <= head + tail:
        return text
    dropped = len(text) - head - tail
    note = f"[... {dropped:,} of {len(text):,} characters not shown, from {head:,} on; see last_output() ...]"
    return f"{text[:head]}\n{note}\n{text[-tail:]}"


def feedback(result: CellResult, remarks: Sequence[str] = ()) -> str:
    """What the model sees of a cell: output, remarks of host functions, error."""
    parts = []
    if result.stdout:
        parts.append(f"Output, {len(result.stdout):,} characters:\n{fence('output', shorten(result.stdout))}")
    elif result.error is None:
        parts.append("The cell printed nothing. Use print() to see values.")
    once = list(dict.fromkeys(remarks))
    parts += once[:MAX_REMARKS]
    if len(once) > MAX_REMARKS:
        parts.append(f"… and {len(once) - MAX_REMARKS:,} more remarks of this kind.")
    if result.error is not None:
        parts.append(describe(result.error))
        if result.restored:
            parts.append("The variables are as they were before this cell.")
        elif result.error.kind != "SyntaxError":
            parts.append("What the cell assigned before that line is kept.")
    return "\n".join(parts)


def describe(error: CellError) -> str:
    """Class, message, offending line, and what to write instead."""
    lines = [f"Error: {error.kind}: {shorten(error.message, head=1_000, tail=200)}"]
    if error.line is not None:
        lines.append(f"  line {error.line}: {error.source_line.strip()[:300]}")
    if error.hint:
        lines.append(f"Instead: {error.hint}")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply and what was answered to it."""

    reply: str
    feedback: str

    @property
    def size(self) -> int:
        """Characters in the prompt."""
        return len(self.reply) + len(self.feedback)


def compact(turns: Sequence[Turn], *, limit: int = MAX_TRANSCRIPT_CHARS) -> tuple[Turn, ...]:
    """The turns, the oldest shortened until all fit; the last few stay whole where that is possible.

    Called with its own result it changes nothing until the limit is passed again, and then it goes down to
    two thirds of it, so that a prefix of the prompt stays the same for many turns and can be cached.
    """
    kept = list(turns)
    if sum(turn.size for turn in kept) <= limit:
        return tuple(kept)
    goal = limit * 2 // 3
    for whole in (_KEEP_WHOLE, 1):
        for i in range(len(kept) - whole):
            if sum(turn.size for turn in kept) <= goal:
                return tuple(kept)
            if not kept[i].feedback.startswith("[dropped"):
                size = len(kept[i].feedback)
                note = f"[dropped: {size:,} characters of output; what you assigned and noted is still there]"
                kept[i] = replace(kept[i], feedback=note)
    for i in range(len(kept) - 1):
        if sum(turn.size for turn in kept) <= goal:
            break
        kept[i] = replace(kept[i], reply="```python\n# dropped: an earlier cell, already run\n```")
    return tuple(kept)


def transcript(system: str, opening: str, turns: Sequence[Turn], closing: str) -> tuple[Message, ...]:
    """The chat so far; `closing` (turn number, budget) ends the last message from us."""
    messages = [Message("system", system), Message("user", opening)]
    for turn in turns:
        messages += [Message("assistant", turn.reply), Message("user", turn.feedback)]
    messages[-1] = replace(messages[-1], content=f"{messages[-1].content}\n\n{closing}")
    return tuple(messages)
