"""Finds the fenced blocks of a reply, in time linear in its length; knows Python's strings."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"[ \t]*(?:[-*>] ?)?(`{3,}|~{3,})[ \t]*([^\n]*)")
_LABEL = re.compile(r"\{?\.?([A-Za-z][\w+#.-]*)\}?")
_STRING = re.compile(r"#[^\n]*|(?P<triple>'''|\"\"\")|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"")
_ENDS = {quote: re.compile(rf"(?:\\.|[^\\])*?{quote}", re.DOTALL) for quote in ("'''", '"""')}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its label in small letters, its text, where it stands, and whether a fence ends it."""

    label: str
    body: str
    start: int
    stop: int
    closed: bool = True


def blocks(reply: str) -> list[Block]:
    """Return the fenced blocks of a reply in order.

    A fence is three or more backticks or tildes. A line that looks like one inside a string of Python's that
    goes over several lines does not end the block, unless nothing else does.
    """
    return list(_Reading(reply).blocks())


class _Reading:
    """One pass over the lines of a reply."""

    def __init__(self, reply: str) -> None:
        self._reply = reply
        self._lines = reply.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def blocks(self) -> list[Block]:
        found: list[Block] = []
        at = 0
        while at < len(self._lines):
            opening = _FENCE.fullmatch(self._lines[at])
            if opening is None:
                at += 1
                continue
            block, at = self._block(at, opening)
            if block is not None:
                found.append(block)
        return found

    def _block(self, at: int, opening: re.Match[str]) -> tuple[Block | None, int]:
        """Return the block that a line opens, and the line to go on from."""
        fence, info = opening[1], opening[2].strip()
        start = self._starts[at]
        if info.endswith(fence) and info.strip(fence[0]):  # all on one line
            label, code = _labelled(info.strip(fence[0]).strip())
            return Block(label, f"{code}\n", start, self._starts[at + 1]), at + 1
        stated = _LABEL.match(info)
        name = stated[1].lower() if stated else ""
        end = self._end(at + 1, fence, strings=True)
        if end is None:
            end = self._end(at + 1, fence, strings=False)
        if end is None:
            body = self._reply[self._starts[at + 1] :] if at + 1 < len(self._lines) else ""
            return Block(name, body, start, len(self._reply), closed=False), len(self._lines)
        last, inline = end
        body = self._reply[self._starts[at + 1] : self._starts[last]] + inline
        # A fence with a label inside a block ends it and begins the next.
        after = last if not inline and _opens_again(self._lines[last], fence) else last + 1
        return Block(name, body, start, self._starts[after]), after

    def _end(self, first: int, fence: str, *, strings: bool) -> tuple[int, str] | None:
        """Return the line that ends the block, and what of the code stands on it; None if none does."""
        quote = ""
        for i in range(first, len(self._lines)):
            line = self._lines[i]
            if not quote:
                closing = _FENCE.fullmatch(line)
                if closing is not None and closing[1][0] == fence[0] and len(closing[1]) >= len(fence):
                    return i, ""
                code = line.rstrip()
                if code.endswith(fence) and code.strip(fence[0] + " \t"):
                    return i, code[: -len(fence)].rstrip(fence[0]) + "\n"
            if strings:
                quote = _open_quote(line, quote)
        return None


def _opens_again(line: str, fence: str) -> bool:
    """Whether a closing line carries a label, as the beginning of another block does."""
    found = _FENCE.fullmatch(line)
    return (
        found is not None and found[1] == fence and re.fullmatch(r"\w[\w+-]*", found[2].strip()) is not None
    )


def _labelled(text: str) -> tuple[str, str]:
    """Return label and code of a block on one line."""
    first, _, rest = text.partition(" ")
    if rest and re.fullmatch(r"python3?|py3?|repl|ipython|tool_code|json|text|output", first, re.IGNORECASE):
        return first.lower(), rest.strip()
    return "", text


def _open_quote(line: str, quote: str) -> str:
    """Return the triple quote that is open at the end of a line, "" if none is."""
    at = 0
    while True:
        if quote:
            end = _ENDS[quote].match(line, at)
            if end is None:
                return quote
            at, quote = end.end(), ""
        found = next((each for each in _STRING.finditer(line, at) if each["triple"]), None)
        if found is None:
            return ""
        at, quote = found.end(), found["triple"]
