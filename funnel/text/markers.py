"""Reads references to passages in whatever form a model writes them, and writes them as [1]; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

MARKER = re.compile(r"\[(\d{1,3})\]")
"""A reference to a citation in an answer's text: [1], [2], …."""

CODE = re.compile(r"(?P<fence>```|~~~).*?(?:(?P=fence)|\Z)|`[^`\n]+`", re.DOTALL)
_BEFORE = re.compile(r"[\w.]*\w\Z")
_IDENTIFIER = re.compile(
    r"\w*_\w*|(?:sys|self|os|np|pd|df|this|obj)(?:\.\w+)+|[a-z]+[A-Z]\w*|[A-Za-z]|k?w?args|argv|arr|buf|vec|tmp|xs|ys"
)
_IDENTIFIER_CHARS = 60

_LABEL = (
    r"(?:passages?|sources?|docs?|documents?|refs?\.?|references?|cit(?:ations?|e)|quotes?|contexts?|chunks?|"
    r"excerpts?|snippets?|quellen?|abschnitte?|dokumente?|passagen|extraits?|pasajes?|fuentes?|documentos?|fonte)"
)
_NAMED = rf"(?:{_LABEL}\s{{0,3}}(?:no\.?|nr\.?|n=|:)?\s{{0,3}})"
_NUMBER = rf"(?:{_NAMED}|n=)?[#\"']?\d{{1,3}}[\"']?"
_AND = r"\s{0,3}(?:,\s{0,3}and\b|,|;|&|\band\b|\bund\b|\bet\b|\by\b|-|–|—)\s{0,3}"
_LIST = rf"{_NUMBER}(?:{_AND}{_NUMBER}){{0,20}}"
_SUFFIX = r"(?::\d{1,3})?(?:†[^\]】\n]{0,60})?"
_LINK = r"(?:\((?:https?:|#|\.{0,2}/)[^)\s]{0,300}\))?"
_OPEN, _CLOSE = r"[\[\u3010\uff3b\u3014]", r"[\]\u3011\uff3d\u3015]"
_FORMS = (
    rf"\\?{_OPEN}{{1,2}}\s{{0,3}}\^?(?P<brackets>{_LIST}){_SUFFIX}\s{{0,3}}\\?{_CLOSE}{{1,2}}{_LINK}",
    rf"\((?:see\s{{1,3}})?(?P<named>{_NAMED}{_LIST})\)",
    rf"<(?P<tag>sup|cite|ref)>\s{{0,3}}\[?(?P<tagged>{_LIST})\]?\s{{0,3}}</(?P=tag)>",
    r"(?:(?<=[.,;:!?)\"'”’])|(?<=[^\W\d_]{4}))(?P<raised>[¹²³⁴-⁹][⁰¹²³⁴-⁹]?)",
    r"(?<=[^\s\d(])\s{1,3}\((?P<bare>\d{1,3}(?:\s{0,3},\s{0,3}\d{1,3}){0,9})\)(?=\s{0,3}(?:[.,;:!?。]|$|\n))",
)
_ANY = re.compile("|".join(_FORMS), re.IGNORECASE)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_PARTS = re.compile(r"\d{1,3}|[-–—]")
_MOST_IN_A_RANGE = 20

_DEFINITION = re.compile(r"^[ \t]*(?:[-*•]\s*)?[\[【]\^?(\d{1,3})[\]】]\s*[:：][ \t]*(.*)$", re.MULTILINE)
_NOT_DEFINED = re.compile(r"[\[【]\^?(\d{1,3})[\]】](?!\s*[:：])")
_ENTRY = re.compile(r"^[ \t]*(?:[-*•]\s*)?(?:[\[【]\^?(\d{1,3})[\]】]|(\d{1,3})[.)])[ \t:：-]*(.*)$")
_SOURCES = re.compile(
    r"\n[ \t]*(?:#{1,6}\s*|\*\*)?(?:sources?|references|citations|quotes|quellen|fuentes)(?:\*\*)?\s*[:：]?"
    r"(?:\*\*)?[ \t]*\n(?P<entries>(?:[^\n]*(?:\n|$))+)\Z",
    re.IGNORECASE,
)

IsReference = Callable[[int, str], bool]
"""Says whether a text that an answer puts after a passage's number is only where it comes from."""


def markers(text: str) -> Iterator[re.Match[str]]:
    """Yield the markers in a text, in order; subscripts of code such as `argv[1]` are none."""
    code = [match.span() for match in CODE.finditer(text)]
    at = 0
    for match in MARKER.finditer(text):
        while at < len(code) and code[at][1] <= match.start():
            at += 1
        inside = at < len(code) and code[at][0] <= match.start()
        if not inside and not is_subscript(text, match.start()):
            yield match


def is_subscript(text: str, start: int) -> bool:
    """Return whether the bracket at `start` belongs to an identifier right before it."""
    before = _BEFORE.search(text, max(0, start - _IDENTIFIER_CHARS), start)
    return before is not None and _IDENTIFIER.fullmatch(before[0]) is not None


def replace_markers(text: str, change: Callable[[int], str | None]) -> str:
    """Return the text with each marker replaced; one that becomes None goes with the space before it.

    Of markers side by side, the first that is left has that space.
    """
    parts: list[str] = []
    at, space = 0, ""
    for match in markers(text):
        new = change(int(match[1]))
        before = text[at : match.start()]
        space = "" if before else space
        if new is not None:
            before, space = before or space, ""
        elif (bare := before.rstrip(" ")) or parts:
            before, space = bare, space or before[len(bare) :]
        parts += [before, new or ""]
        at = match.end()
    return "".join([*parts, text[at:]])


def in_one_form(text: str, n_passages: int, quoted: Collection[int], is_reference: IsReference) -> str:
    """Return an answer's text with every reference to a passage as [n] after what it supports.

    `quoted`: the numbers of the passages that the answer quotes. `is_reference` decides what is left out
    after a number at the beginning of a line, as in `[1]: Refunds.pdf`; other texts there are part of the
    answer. Years, subscripts, lists of numbers and footnotes of the answer's own stay as they are.
    """
    text = _without_sources(text, is_reference)
    parts, at = [], 0
    for code in CODE.finditer(text):
        parts += [_prose(text[at : code.start()], n_passages, quoted, is_reference), code[0]]
        at = code.end()
    return "".join([*parts, _prose(text[at:], n_passages, quoted, is_reference)])


def _prose(text: str, n_passages: int, quoted: Collection[int], is_reference: IsReference) -> str:
    own: set[int] = set()
    elsewhere = {int(number) for number in _NOT_DEFINED.findall(text)}

    def define(match: re.Match[str]) -> str:
        number, rest = int(match[1]), match[2].strip()
        if not rest or is_reference(number, rest):
            return ""
        if number in elsewhere:
            own.add(number)
            return match[0]
        return f"{rest} [{number}]"

    text = _DEFINITION.sub(define, text)

    def rewrite(match: re.Match[str]) -> str:
        numbers = _numbers(match)
        in_brackets = match["brackets"]
        if match[0].startswith("[") and is_subscript(text, match.start()):
            return match[0]
        if "^" in match[0] and own.intersection(numbers):
            return match[0]
        is_plain = in_brackets is not None and in_brackets.isdigit()
        if not is_plain and not _are_passages(match, numbers, n_passages, quoted):
            return match[0]
        apart = match.start() == 0 or text[match.start() - 1].isspace()
        close = in_brackets and (match[0].startswith("[") or not is_subscript(text, match.start()))
        space = "" if apart or close else " "
        return space + "".join(f"[{number}]" for number in dict.fromkeys(numbers))

    return _ANY.sub(rewrite, text)


def _are_passages(match: re.Match[str], numbers: list[int], n_passages: int, quoted: Collection[int]) -> bool:
    """Return whether numbers that could be something else, such as a list or a power, name passages."""
    if not numbers or not all(1 <= number <= n_passages for number in numbers):
        return False
    if match["named"] or match["tagged"] or "†" in match[0] or "【" in match[0]:
        return True
    if match["bare"] or match["raised"]:
        return all(number in quoted for number in numbers)
    return not quoted or not set(quoted).isdisjoint(numbers)


def _numbers(match: re.Match[str]) -> list[int]:
    """Return the numbers that a reference names; a range names all in it."""
    found = match["brackets"] or match["named"] or match["tagged"] or match["bare"] or ""
    if match["raised"]:
        found = match["raised"].translate(_RAISED)
    numbers: list[int] = []
    in_range = False
    for part in _PARTS.findall(found):
        if not part.isdigit():
            in_range = bool(numbers)
        elif in_range and 0 < int(part) - numbers[-1] <= _MOST_IN_A_RANGE:
            numbers += range(numbers[-1] + 1, int(part) + 1)
            in_range = False
        else:
            numbers.append(int(part))
            in_range = False
    return numbers


def _without_sources(text: str, is_reference: IsReference) -> str:
    """Leave out a list of sources at the end, if each of its entries is only where something comes from."""
    found = _SOURCES.search(text)
    if found is None:
        return text
    for line in filter(None, map(str.strip, found["entries"].splitlines())):
        entry = _ENTRY.match(line)
        if entry is None or not is_reference(int(entry[1] or entry[2]), entry[3].strip()):
            return text
    return text[: found.start()]
