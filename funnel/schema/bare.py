"""Reads values that were written as words: a choice, a number, a list line by line; knows no JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from funnel.schema.walk import resolved

Choices = dict[str, Any]
"""The values of an enumeration, by how they are written."""

_MAX_LINES = 2_000
_SEARCHED_CHARS = 2_000
"""A choice is looked for in so much of the end of a reply in running words."""
_SPOKEN_WORDS = 8
"""A number is taken out of at most so many words: a longer sentence may hold one of another thing."""
_SHORT = 3
"""A choice of so few letters is found in running words only as it is spelled; one of one letter is not."""
_WRAPPING = " \t\r\n\"'`*_.,;:!()[]<>“”‘’«»„。"
_MARK = re.compile(
    r"^\s*(?:[-*•+]|\(?\d{1,6}[.):\]]|\[\d{1,6}\]:?|(?:line|item|row)?\s*#?\d{1,6}\s*[-–—:=>|]+)\s*",
    re.IGNORECASE,
)
"""What stands before an item of a list."""
_BULLET = re.compile(r"^\s*(?:[-*•+]\s|\(?\d{1,6}[.):]\s)")
_NUMBER = re.compile(r"(?<![\w.])[-\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w]|\.\d)")
_NOT = re.compile(
    r"\b(?:not|no|never|neither|nor|nicht|kein\w*|pas|non)\b(?:\W+\w+){0,2}\W*$|n't\W*$", re.IGNORECASE
)
"""Words before a choice that deny it."""
_MARKED = re.compile(r"\*\*(.+?)\*\*|`(.+?)`")
_COLON = re.compile(r"[:=]|->|→")
_TRUE = frozenset({"true", "yes", "ja", "oui", "sí", "si", "sì"})
_FALSE = frozenset({"false", "no", "nein", "non", "não"})


def values(text: str, schema: Any, root: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what words may mean as a value of the schema; nothing where it is not plain."""
    own = resolved(schema, root)
    if not isinstance(own, Mapping) or not text.strip():
        return
    if known := choices(own, root):
        nothing = object()
        if (found := choice(text, known, nothing)) is not nothing:
            yield found
        return
    match own.get("type"):
        case "boolean":
            yield from _truth(text)
        case "integer" | "number":
            yield from _number(text)
        case "string":
            if not text.startswith(("{", "[")):
                yield _unquoted(text.strip())
        case "array":
            yield from _items(text, own.get("items", {}), root)
        case "object":
            yield from _members(text, own, root)


def choices(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Choices:
    """Return the values that a schema enumerates; none if it allows others."""
    if "const" in schema:
        return _spelled([schema["const"]])
    if isinstance(schema.get("enum"), list):
        return _spelled(schema["enum"])
    found: Choices = {}
    for key in ("anyOf", "oneOf"):
        for each in schema.get(key, ()):
            inner = resolved(each, root)
            some = choices(inner, {}) if isinstance(inner, Mapping) else {}
            if not some:
                return {}
            found |= some
    return found


def _spelled(allowed: Sequence[Any]) -> Choices:
    if any(isinstance(each, (dict, list)) for each in allowed):
        return {}
    return {each if isinstance(each, str) else json.dumps(each): each for each in allowed}


def choice(text: str, known: Choices, otherwise: Any) -> Any:
    """Return the one choice that a reply names, or `otherwise`."""
    lines = [line for line in text.splitlines() if line.strip()][:_MAX_LINES]
    if not lines:
        return otherwise
    last = lines[-1]
    marked = [bold or code for bold, code in _MARKED.findall(last)]
    folded = {_folded(name): value for name, value in known.items()}
    for said in (text, last, _COLON.split(last)[-1], lines[0], *marked):
        if _folded(said) in folded:
            return folded[_folded(said)]
    for words in (last, text[-_SEARCHED_CHARS:]):
        named = _named(words, known)
        if len(named) == 1:
            return known[named.pop()]
    return otherwise


def _folded(text: str) -> str:
    return " ".join(_MARK.sub("", text).strip(_WRAPPING).casefold().replace("_", " ").split())


def _named(text: str, known: Choices) -> set[str]:
    """Return the choices that occur in running words, unless one of them is denied there."""
    names = sorted((name for name in known if len(name) > 1), key=len, reverse=True)
    if not names:
        return set()
    pattern = "|".join(map(re.escape, names))
    found = set[str]()
    spelled = {name.casefold(): name for name in names}
    for match in re.finditer(rf"(?<!\w)(?:{pattern})(?!\w)", text[-_SEARCHED_CHARS:], re.IGNORECASE):
        name = match[0] if match[0] in known else spelled.get(match[0].casefold(), "")
        if not name or (len(name) <= _SHORT and match[0] != name):
            continue
        if _NOT.search(text[-_SEARCHED_CHARS:][: match.start()]):
            return set()
        found.add(name)
    return found


def _unquoted(text: str) -> str:
    return text[1:-1] if text[:1] + text[-1:] in {'""', "''", "“”", "«»"} and len(text) > 1 else text


def _truth(text: str) -> Iterator[bool]:
    for word in (*re.findall(r"\w+", text)[:1], *re.findall(r"\w+", text)[-1:]):
        if word.casefold() in _TRUE:
            yield True
        elif word.casefold() in _FALSE:
            yield False


def _number(text: str) -> Iterator[float]:
    last = text.strip().splitlines()[-1]
    for words in (text, last, re.split(r"[:=]", last)[-1]):
        found = {match[0] for match in _NUMBER.finditer(words)}
        if len(found) == 1 and len(words.split()) <= _SPOKEN_WORDS:
            plain = found.pop().replace(",", "").replace("\u2212", "-")
            yield float(plain) if "." in plain else int(plain)
            return


def _items(text: str, schema: Any, root: Mapping[str, Any]) -> Iterator[list[Any]]:
    """Yield a list that stands line by line, or between commas on one line."""
    lines = [line for line in text.splitlines() if line.strip()][:_MAX_LINES]
    of_words = not choices(resolved(schema, root), root)
    if of_words:
        lines = [line for line in lines if _BULLET.match(line)]
    elif len(lines) == 1:
        lines = re.split(r"[,;]", lines[0].strip("[]"))
    runs: list[list[Any]] = [[]]
    for line in lines:
        found = next(values(_MARK.sub("", line).strip(), schema, root), None)
        if found is not None:
            runs[-1].append(found)
        elif runs[-1]:
            runs.append([])
    if longest := max(runs, key=len):
        yield longest


def _members(text: str, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an object whose members stand on a line each, as "name: value"."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return
    by_name = {_folded(name): name for name in properties}
    found: dict[str, Any] = {}
    for line in text.splitlines()[:_MAX_LINES]:
        name, colon, rest = line.partition(":")
        if colon and (own := by_name.get(_folded(name))) is not None:
            for value in values(rest.strip(" *_`"), properties[own], root):
                found[own] = value
                break
    if found and found.keys() >= set(schema.get("required", properties)):
        yield found
