"""Takes a regular expression apart into tokens; compiles nothing.

Of a pattern that `re` refuses, anything may come out. Time is linear in the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

_ESCAPE = re.compile(
    r"\\(?:0[0-7]{0,2}|[1-3][0-7]{2}|[1-9][0-9]?|x.{0,2}|u.{0,4}|U.{0,8}|N\{[^}]*(?:\}|\Z)|.)?", re.DOTALL
)
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(?!\})[0-9]*(?:,[0-9]*)?\})[+?]?")
_GLOBAL_FLAGS = re.compile(r"\(\?([aiLmsux]+)\)")
_COMPLETE_GROUP = re.compile(r"\(\?(?:#|P=)[^)]*(?:\)|\Z)")
_OPEN = re.compile(r"\((?:\?(?:P<[^>]*(?:>|\Z)|<[=!]|[=!:>]|\([^)]*(?:\)|\Z)|([aiLmsux]*)(?:-([imsx]+))?:))?")
_COMMENT = re.compile(r"#[^\n]*\n?")
_IGNORED_IN_VERBOSE = frozenset(" \t\n\r\v\f")
_PLAIN_ESCAPES = frozenset("\\.^$*+?{}[]|()#&~!\"%',/:;<=>@`_-")
"""Characters that stand for themselves after a backslash."""


class Kind(Enum):
    """What a token of a pattern is. `ATOM`: it matches something, but not one known character."""

    SPACE = auto()
    LITERAL = auto()
    ATOM = auto()
    OPEN = auto()
    CLOSE = auto()
    OR = auto()
    QUANTIFIER = auto()
    IGNORED = auto()


_SPECIAL = {
    ")": Kind.CLOSE, "|": Kind.OR, " ": Kind.SPACE, ".": Kind.ATOM, "^": Kind.ATOM, "$": Kind.ATOM,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a pattern. `char`: the character that a literal matches."""

    kind: Kind
    text: str
    char: str = ""


def tokens_of(pattern: str) -> tuple[list[Token], str]:
    """Return the tokens, which together are the pattern, and the letters of all flags that occur in it."""
    flags = "".join(_leading_flags(pattern))
    verbose = ["x" in flags]
    tokens: list[Token] = []
    at = 0
    while at < len(pattern):
        token, group_flags = _token(pattern, at, verbose=verbose[-1])
        if token.kind is Kind.OPEN:
            on, off = group_flags
            flags += on
            verbose.append((verbose[-1] or "x" in on) and "x" not in off)
        elif token.kind is Kind.CLOSE and len(verbose) > 1:
            verbose.pop()
        tokens.append(token)
        at += len(token.text)
    return tokens, flags


def _leading_flags(pattern: str) -> Iterator[str]:
    at = 0
    while found := _GLOBAL_FLAGS.match(pattern, at):
        yield found[1]
        at = found.end()


def _token(pattern: str, at: int, *, verbose: bool) -> tuple[Token, tuple[str, str]]:
    """Return the token that begins at `at`, and the flags that it sets and clears inside a group."""
    char, no_flags = pattern[at], ("", "")
    if verbose and char in _IGNORED_IN_VERBOSE:
        return Token(Kind.IGNORED, char), no_flags
    if verbose and char == "#" and (found := _COMMENT.match(pattern, at)):
        return Token(Kind.IGNORED, found[0]), no_flags
    if char == "(":
        return _group(pattern, at)
    if char in "*+?{" and (found := _QUANTIFIER.match(pattern, at)):
        return Token(Kind.QUANTIFIER, found[0]), no_flags
    return _simple(pattern, at), no_flags


def _simple(pattern: str, at: int) -> Token:
    char = pattern[at]
    if char == "\\":
        return _escaped(pattern, at)
    if char == "[":
        return _class(pattern, at)
    if (kind := _SPECIAL.get(char)) is not None:
        return Token(kind, char)
    return Token(Kind.LITERAL, char, char)


def _escaped(pattern: str, at: int) -> Token:
    found = _ESCAPE.match(pattern, at)
    text = pattern[at] if found is None else found[0]
    if text == "\\ ":
        return Token(Kind.SPACE, text)
    if text[1:] in _PLAIN_ESCAPES and len(text) == 2:  # noqa: PLR2004 - the backslash and one character
        return Token(Kind.LITERAL, text, text[1])
    return Token(Kind.ATOM, text)


def _group(pattern: str, at: int) -> tuple[Token, tuple[str, str]]:
    if found := _GLOBAL_FLAGS.match(pattern, at):
        return Token(Kind.IGNORED, found[0]), ("", "")
    if found := _COMPLETE_GROUP.match(pattern, at):
        comment = found[0].startswith("(?#")
        return Token(Kind.IGNORED if comment else Kind.ATOM, found[0]), ("", "")
    opened = _OPEN.match(pattern, at)
    if opened is None:
        return Token(Kind.ATOM, pattern[at]), ("", "")
    return Token(Kind.OPEN, opened[0]), (opened[1] or "", opened[2] or "")


def _class(pattern: str, at: int) -> Token:
    """Return the set of characters that begins at `at`; a set of one space is a space."""
    items, stop = items_of(pattern, first_item(pattern, at))
    text = pattern[at : stop + 1]
    alone = items in ([" "], ["\\ "]) and text[1] != "^"
    return Token(Kind.SPACE if alone else Kind.ATOM, text)


def first_item(pattern: str, at: int) -> int:
    """Return where the characters of the set that begins at `at` begin."""
    return at + (2 if pattern[at + 1 : at + 2] == "^" else 1)


def items_of(pattern: str, begin: int) -> tuple[list[str], int]:
    """Return the characters and escapes of a set, which begin at `begin`, and where its bracket closes."""
    items: list[str] = []
    stop = begin
    while stop < len(pattern) and (pattern[stop] != "]" or not items):
        found = _ESCAPE.match(pattern, stop)
        items.append(pattern[stop] if found is None else found[0])
        stop += len(items[-1])
    return items, stop
