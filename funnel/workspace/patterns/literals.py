"""Finds literals that every match of a regular expression holds, so that most texts need no search."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from funnel.workspace.patterns.tokens import Kind, Token

MIN_LITERAL = 2
_MAX_LITERALS = 16
_HYPHENS = frozenset("-\u00ad\u2010")
_HYPHEN_AT_END = re.compile(rb"-[ \t]*\r?\n[ \t\r\n]*")
_ODD_HYPHEN = re.compile(rb"\xc2\xad[ \t\r\n]*|\xe2\x80\x90[ \t]*\r?\n[ \t\r\n]*")
"""All places, in UTF-8, at which the worker puts words together, and some more."""
_ODD_HYPHENS = ("\u00ad".encode(), "\u2010".encode())
_ODD_CASES = ("\u0130".encode(), "\u0131".encode(), "\u017f".encode(), "\u212a".encode())
"""The characters that match an ASCII letter if case is ignored: of i, i, s and k."""


@dataclass(frozen=True, slots=True)
class Needed:
    """Literals of which a text with a match holds one; if `folded`, they are ASCII and in lower case.

    Without literals, any text may hold a match.
    """

    literals: tuple[bytes, ...] = ()
    folded: bool = False

    def may_match(self, text: bytes) -> bool:
        """Return whether a text (UTF-8) may hold a match; False is sure."""
        if not self.literals or self._holds_one(text):
            return True
        # Most texts are ASCII, which is known at once, and then have no other hyphen and no odd letter.
        ascii_only = text.isascii()
        joined = _HYPHEN_AT_END.sub(b"", text) if b"-" in text else text
        if not ascii_only and any(odd in text for odd in _ODD_HYPHENS):
            joined = _ODD_HYPHEN.sub(b"", joined)
        if joined != text and self._holds_one(joined):
            return True
        return self.folded and not ascii_only and any(odd in text for odd in _ODD_CASES)

    def _holds_one(self, text: bytes) -> bool:
        searched = text.lower() if self.folded else text
        return any(literal in searched for literal in self.literals)


@dataclass(slots=True)
class _Sequence:
    """One alternative as far as it was read: the literals of which it needs one, and the current literal."""

    best: frozenset[str] | None = None
    run: str = ""

    def needs(self, literals: frozenset[str] | None) -> None:
        """Count these as needed, if they say more than the best so far."""
        self.end_run()
        self.best = _better(self.best, literals)

    def end_run(self) -> None:
        """End the literal that was being read."""
        run, self.run = self.run, ""
        if len(run) >= MIN_LITERAL:
            self.best = _better(self.best, frozenset({run}))


@dataclass(slots=True)
class _Alternatives:
    """A group as far as it was read; of a `blind` one, such as a look-ahead, nothing is known."""

    blind: bool
    last: _Sequence = field(default_factory=_Sequence)
    found: list[frozenset[str] | None] = field(default_factory=list)

    def end(self) -> None:
        """End one alternative."""
        self.last.end_run()
        self.found.append(self.last.best)
        self.last = _Sequence()

    def needed(self) -> frozenset[str] | None:
        """Return the literals of which every alternative needs one; None if one needs none."""
        if self.blind or None in self.found:
            return None
        union = frozenset[str]().union(*(each for each in self.found if each))
        return union if len(union) <= _MAX_LITERALS else None


def _better(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Return which of two sets is rarer in a text, as far as lengths tell."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda each: (min(map(len, each)), -len(each)))


def needed(tokens: Sequence[Token], *, folded: bool) -> frozenset[str] | None:
    """Return literals of which each match holds one; None if nothing is known."""
    open_groups = [_Alternatives(blind=False)]
    meaning = [token for token in tokens if token.kind is not Kind.IGNORED]
    for at, token in enumerate(meaning):
        here = open_groups[-1]
        optional = _optional(meaning, at + 1)
        match token.kind:
            case Kind.OPEN:
                here.last.end_run()
                open_groups.append(_Alternatives(blind=_is_blind(token.text)))
            case Kind.OR:
                here.end()
            case Kind.CLOSE if len(open_groups) > 1:
                here.end()
                open_groups.pop()
                open_groups[-1].last.needs(None if optional else here.needed())
            case Kind.LITERAL if (char := _stable(token.char, folded=folded)) and optional is not True:
                here.last.run += char
                if optional is False:
                    here.last.end_run()
            case _:
                here.last.end_run()
    open_groups[0].end()
    return open_groups[0].needed() if len(open_groups) == 1 else None


def _optional(tokens: Sequence[Token], at: int) -> bool | None:
    """Return whether the quantifier at `at` allows none of what it repeats; None if none is there."""
    if at >= len(tokens) or tokens[at].kind is not Kind.QUANTIFIER:
        return None
    text = tokens[at].text
    if text[0] == "{":
        return not text[1:].split(",")[0].rstrip("}+?").strip("0")
    return text[0] != "+"


def _is_blind(opening: str) -> bool:
    """Whether a group matches nothing itself, or only on a condition."""
    return opening in {"(?=", "(?!", "(?<=", "(?<!"} or opening.startswith("(?(")


def _stable(char: str, *, folded: bool) -> str:
    """Return a literal as it stands in a text that matches; "" if other characters may stand there."""
    if char.isspace() or char in _HYPHENS:
        return ""
    if folded:
        return char.lower() if char.isascii() else ""
    return char
