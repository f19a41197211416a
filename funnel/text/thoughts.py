"""Takes the thoughts of a reasoning model out of its reply; knows no model and does no I/O.

Thoughts stand between tags such as <think> and </think>. Where the prompt has opened the tag the reply has
only the closing one, and everything before it is thought; where the model ran out of tokens it has only the
opening one. Text that speaks of the tags is no thought: a tag directly in quotes, or in a string of a
program. Neither is a block that stands word for word in the prompt, unless the reply begins with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_NAME = r"(?:seed:)?think(?:ing)?|thought"
TAG = re.compile(
    rf"<\s*(?P<close>/)?\s*(?:{_NAME})\b[^<>\n]{{0,80}}>"
    r"|\[(?P<bracket>/)?THINK\]"
    r"|\N{WHITE LEFT-POINTING TRIANGLE}(?P<kimi>/)?think\N{WHITE RIGHT-POINTING TRIANGLE}"
    r"|<\|(?:START|(?P<end>END))_THINKING\|>"
    r"|<\|channel\|>(?:analysis|commentary)[^<\n]{0,80}<\|message\|>"
    r"|(?P<harmony><\|end\|>(?:<\|start\|>assistant)?(?:<\|channel\|>final[^<\n]{0,80})?(?:<\|message\|>)?)",
    re.IGNORECASE,
)
"""A tag that opens or closes thoughts: of DeepSeek, Qwen and many others, Mistral, Kimi, Cohere, gpt-oss."""
_MARKS = ("hink", "HINK", "hought", "HOUGHT", "<|")
"""One of these is in every tag; looking for them first is quicker."""
LONGEST_TAG = 120
FIRST_CHARACTERS = "<[\N{WHITE LEFT-POINTING TRIANGLE}"
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»", "「": "」"}
_PROGRAM = re.compile(r"^[ \t]*```[ \t]*(?:py|repl)", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)
_OPENING_QUOTE = re.compile(r"(?<![\w\\])(?:[rbfuRBFU]{1,2})?([\"'])|(\\?[\"'])")

Quoted = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Parted:
    """A reply without its thoughts, and the thoughts."""

    text: str
    thoughts: str = ""


def part(text: str, quoted: Quoted | None = None) -> Parted:
    """Take a reply apart. `quoted`: whether a block of it stands in the prompt, and so is a quotation."""
    if not any(mark in text for mark in _MARKS) or TAG.search(text) is None:
        return Parted(text)
    is_quoted = quoted or _never
    if (found := _part_json(text, is_quoted, everywhere=True)) is not None:
        return found
    outer = _part(text, is_quoted)
    inner = _part_json(outer.text, is_quoted) if TAG.search(outer.text) else None
    if inner is None:
        return outer
    return Parted(inner.text, "\n".join(filter(None, (outer.thoughts, inner.thoughts))))


def _never(_block: str) -> bool:
    return False


def is_closing(tag: re.Match[str]) -> bool:
    """Whether a tag ends thoughts."""
    return any(tag[name] for name in ("close", "bracket", "kimi", "end", "harmony"))


def _part(text: str, quoted: Quoted) -> Parted:
    """Take apart one text, without looking into strings of JSON in it."""
    kept: list[str] = []
    thoughts: list[str] = []
    begin, opened = 0, None
    for tag in TAG.finditer(text):
        if opened is not None:
            if not is_closing(tag):
                continue
            block = text[opened.start() : tag.end()]
            if not _leads(kept) and quoted(block):
                kept.append(block)
            else:
                thoughts.append(text[opened.end() : tag.start()])
            begin, opened = tag.end(), None
        elif _is_mention(text, tag, begin):
            continue
        elif is_closing(tag):
            thoughts.append("".join(kept) + text[begin : tag.start()])
            kept, begin = [""], tag.end()
        else:
            kept.append(text[begin : tag.start()])
            opened = tag
    if opened is None:
        kept.append(text[begin:])
    else:
        thoughts.append(text[opened.end() :])
    said = "\n".join(thought.strip() for thought in thoughts if thought.strip())
    return Parted(_joined(kept), said)


def _leads(kept: list[str]) -> bool:
    """Whether nothing but white space has been said yet."""
    return not "".join(kept).strip()


def _joined(kept: list[str]) -> str:
    """Join what was between thoughts, without a doubled space where they were, or a gap before it."""
    text = kept[0] if kept else ""
    if kept and not text.strip():
        text = ""
    for piece in kept[1:]:
        if not text:
            text = piece.lstrip()
        elif text[-1] == " " and piece[:1] == " ":
            text += piece[1:]
        else:
            text += piece
    return text


def _is_mention(text: str, tag: re.Match[str], since: int) -> bool:
    """Whether the text speaks of the tag: directly in quotes, or in a string of a program."""
    before, after = text[tag.start() - 1 : tag.start()], text[tag.end() : tag.end() + 1]
    if before and after and _QUOTES.get(before) == after:
        return True
    if len(_FENCE.findall(text, since, tag.start())) % 2 == 0:
        return False
    line_start = text.rfind("\n", 0, tag.start()) + 1
    line_end = text.find("\n", tag.end())
    quote = _open_quote(text[max(line_start, since) : tag.start()])
    return bool(quote) and quote in text[tag.end() : line_end if line_end >= 0 else len(text)]


def _open_quote(line: str) -> str:
    """Return the quote of the string in which a line of a program ends; "" if it ends in none."""
    quote = ""
    for match in _OPENING_QUOTE.finditer(line):
        if not quote:
            quote = match[1] or ""
        elif match[0][-1] == quote and not match[0].startswith("\\"):
            quote = ""
    return quote


def _part_json(text: str, quoted: Quoted, *, everywhere: bool = False) -> Parted | None:
    """Take the thoughts out of the strings of the JSON value in a text; None if there is no such value.

    `everywhere`: and None if there are tags outside the value, too.
    """
    for start in sorted(at for at in (text.find("{"), text.find("[")) if at >= 0):
        try:
            value, stop = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if _PROGRAM.search(text, 0, start):
            return None
        if everywhere and (TAG.search(text[:start]) or TAG.search(text[stop:])):
            return None
        thoughts: list[str] = []
        cleaned = _part_value(value, quoted, thoughts)
        if cleaned == value:
            return Parted(text)
        shown = f"{text[:start]}{json.dumps(cleaned, ensure_ascii=False)}{text[stop:]}"
        return Parted(shown, "\n".join(filter(None, thoughts)))
    return None


def _part_value(value: Any, quoted: Quoted, thoughts: list[str]) -> Any:
    if isinstance(value, str):
        found = _part(value, quoted)
        thoughts.append(found.thoughts)
        return found.text
    if isinstance(value, list):
        return [_part_value(item, quoted, thoughts) for item in value]
    if isinstance(value, dict):
        return {key: _part_value(item, quoted, thoughts) for key, item in value.items()}
    return value


class WordFilter:
    """Lets the words of a reply pass as they come, but none of its thoughts."""

    def __init__(self, say: Callable[[str], None], start_over: Callable[[], None]) -> None:
        self._say = say
        self._start_over = start_over
        self._held = ""
        self._thinking = False

    def add(self, words: str) -> None:
        """Take words; what may be the beginning of a tag is held until it is known to be none."""
        self._held += words
        while (tag := TAG.search(self._held)) is not None:
            if not self._thinking and tag.start():
                self._say(self._held[: tag.start()])
            if is_closing(tag) and not self._thinking:
                self._start_over()  # what seemed to be words was thought
            self._thinking = not is_closing(tag)
            self._held = self._held[tag.end() :]
        safe = self._safe
        if safe and not self._thinking:
            self._say(self._held[:safe])
        self._held = self._held[safe:]

    @property
    def _safe(self) -> int:
        """How many of the characters held cannot be a part of a tag."""
        first = max(0, len(self._held) - LONGEST_TAG)
        places = [at for each in FIRST_CHARACTERS if (at := self._held.find(each, first)) >= 0]
        return min(places, default=len(self._held))

    def reset(self) -> None:
        """Forget what is held: the reply begins anew."""
        self._held, self._thinking = "", False

    def finish(self) -> None:
        """Let pass what is held: no more comes that could make it a tag."""
        if self._held and not self._thinking:
            self._say(self._held)
        self._held = ""
