"""Reads the object that the reader's model was asked for, out of whatever form the model gave it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import json_repair

from funnel.llm.base import MAX_REPLY_CHARS

ANSWERS = ("answer", "final_answer", "response", "result", "text", "output")
"""What models call the member that holds the answer."""
QUOTES = ("quotes", "quote", "evidence", "citations", "supporting_quotes", "support", "sources")
PASSAGES = ("passage", "passage_number", "n", "number", "source", "document", "ref", "id")
TEXTS = ("quote", "text", "words", "evidence", "sentence", "excerpt", "content")
MAX_QUOTES = 60
MAX_QUOTE_CHARS = 2_000
"""More and longer quotes than these are not looked for."""
MAX_REPAIRED_CHARS, MAX_REPAIRED_BRACKETS = 40_000, 400
"""The repair of JSON takes long for replies that are longer or deeper nested."""
MAX_MISSING_CHARS = 600
_NOTHING = re.compile(r"\W*(?:nothing|none|null|no|n/?a|nil)?(?: is)?(?: missing)?\W*", re.IGNORECASE)
"""What models write where nothing is missing."""
_MAX_STARTS = 50
_DIGITS = re.compile(r"\d{1,6}")
_CLOSED_ANSWER = re.compile(rf'["\'](?:{"|".join(ANSWERS)})["\']\s*:\s*"(?:[^"\\]|\\.)*"', re.DOTALL)
PLACEHOLDER = re.compile(r"<(?:your answer|number|words copied|exact words)[^>]*>", re.IGNORECASE)
"""What the prompts have in place of an example, which a weak model copies."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote that the model says it took from a passage; None if it names no passage."""

    passage: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it was asked for. `missing`: what else was asked that the passages do not say; or ""."""

    found: bool
    answer: str
    quotes: tuple[Quote, ...] = field(default=())
    value: Any = None
    missing: str = ""


def read_reply(text: str) -> Reply | str:
    """Return the reply, or in a few words why it is malformed; text around the object is ignored."""
    if len(text) > MAX_REPLY_CHARS:
        return f"it has {len(text):,} characters, and at most {MAX_REPLY_CHARS:,} are read"
    members = _object(text)
    if members is None:
        return "no JSON object in it"
    named = next((name for name in ANSWERS if name in members), None)
    found = _truth(members.get("found")) is not False
    answer = as_text(members[named]) if named is not None else ""
    missing = _missing(members.get("missing"))
    if missing and not answer:
        found, answer, missing = False, missing, ""
    listed = next((members[name] for name in QUOTES if name in members), None)
    wrong = ""
    if found and not answer:
        wrong = "answer: Field required" if named is None else "answer: it is empty"
    elif PLACEHOLDER.search(answer):
        wrong = "answer: it is the placeholder of the example, not an answer"
    elif isinstance(listed, int | float):
        wrong = "quotes: it is neither a list nor a text"
    quotes = tuple(_quotes(listed))[:MAX_QUOTES]
    return wrong or Reply(found, answer, quotes, members.get("value"), missing)


def as_text(value: Any) -> str:
    """Return an answer of any JSON type in words; "" if it says nothing."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        return ", ".join(filter(None, map(as_text, value)))
    if isinstance(value, Mapping):
        if (named := next((name for name in ANSWERS if name in value), None)) is not None:
            return as_text(value[named])
        pairs = [(str(name), as_text(each)) for name, each in value.items()]
        return (
            pairs[0][1] if len(pairs) == 1 else "; ".join(f"{name}: {text}" for name, text in pairs if text)
        )
    return "" if value is None else str(value).encode("utf-8", "ignore").decode().strip()


def any_json(text: str) -> Any:
    """Return the first object or list of JSON in a text, mended if need be; None if there is none."""
    start = next((at for at, character in enumerate(text) if character in "{["), None)
    if start is None:
        return None
    decoder = json.JSONDecoder(strict=False)
    try:
        return decoder.raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return _mended(text[start:])


def _object(text: str) -> Mapping[str, Any] | None:
    """Return the first object that could be a reply: as it stands, or else mended."""
    decoder = json.JSONDecoder(strict=False)  # line breaks may stand in its texts as they are
    first: Mapping[str, Any] | None = None
    for _, start in zip(range(_MAX_STARTS), re.finditer(r"\{", text), strict=False):
        try:
            value = decoder.raw_decode(text, start.start())[0]
        except (ValueError, RecursionError):
            continue
        if _is_reply(value):
            return value
        first = first if first is not None or not isinstance(value, dict) else value
    mended = _mended(text[text.find("{") :]) if "{" in text else None
    if isinstance(mended, list):
        mended = next((each for each in mended if _is_reply(each)), None)
    if _is_reply(mended) and ("}" in text or _CLOSED_ANSWER.search(text)):
        return mended
    return first


def _is_reply(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict) and ("found" in value or any(name in value for name in ANSWERS))


def _mended(text: str) -> Any:
    if len(text) > MAX_REPAIRED_CHARS or text.count("{") + text.count("[") > MAX_REPAIRED_BRACKETS:
        return None
    try:
        return json_repair.loads(text)
    except (ValueError, RecursionError):
        return None


def _truth(value: Any) -> bool | None:
    """Return a truth value that may be written as a word or a number; None if it is none."""
    match str(value).strip().casefold():
        case "true" | "yes" | "1":
            return True
        case "false" | "no" | "0":
            return False
    return None


def _quotes(listed: Any) -> Iterator[Quote]:
    """Yield the quotes of a reply, which may be objects, texts, or members named after their passage."""
    if isinstance(listed, Mapping) and not any(name in listed for name in (*TEXTS, *PASSAGES)):
        listed = [{"passage": name, "quote": text} for name, text in listed.items()]
    elif not isinstance(listed, list):
        listed = [listed]
    for each in listed:
        passage: int | None = None
        if isinstance(each, Mapping):
            passage = _number(next((each[name] for name in PASSAGES if name in each), None))
            each = next((each[name] for name in TEXTS if name in each), None)  # noqa: PLW2901 - its text
        for text in each if isinstance(each, list) else [each]:
            words = as_text(text)
            if words and len(words) <= MAX_QUOTE_CHARS:
                yield Quote(passage, words)


def _missing(value: Any) -> str:
    """Return in one line what a reply says is missing; "" if that is nothing."""
    text = "" if isinstance(value, bool) else " ".join(as_text(value).split())
    if _NOTHING.fullmatch(text) or PLACEHOLDER.search(text):
        return ""
    return text if len(text) <= MAX_MISSING_CHARS else f"{text[:MAX_MISSING_CHARS]}…"


def _number(value: Any) -> int | None:
    """Return the number of a passage, which may be written as "[1]" or "passage 1"."""
    digits = _DIGITS.search(as_text(value)) if not isinstance(value, bool) else None
    return int(digits[0]) if digits else None
