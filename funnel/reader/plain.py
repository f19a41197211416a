"""Takes an answer in plain words out of a reply in any form: code, JSON, an echo of the prompt; pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from funnel.llm.base import MAX_REPLY_CHARS
from funnel.reader.replies import PLACEHOLDER, any_json, as_text

_FENCE = re.compile(r"(?:```|~~~+)[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:(?:```|~~~+)|\Z)", re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z_]{1,20}(?:\s[^<>\n]{0,200})?/?>")
_LABEL = re.compile(
    r"^\W*(?:(?:final|short|brief)\s+)?(?:answer|a|antwort|réponse|respuesta|output|response)\W*?[:：][\s*_]*",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(
    r"^(?:sure|certainly|of course|okay|ok)?[\s,!.]*(?:here (?:is|are)|based on|according to)\b"
    r"[^\n:]{0,120}:\s*\n?",
    re.IGNORECASE,
)
_NEXT = re.compile(
    r"\n\s*\W{0,3}(?:question|passages?|evidence|quotes?|sources?|support|references|note|explanation)\W{0,3}[:：]",
    re.IGNORECASE,
)
"""Where a reply goes on with something else than the answer."""
_NOT = r"(?:do(?:es)? not|don[’']t|doesn[’']t|did not|didn[’']t|cannot|can[’']t|could not|unable to)"
_TELL = r"(?:know|find|contain|hold|mention|provide|specify|state|say|answer|include|give|determine|tell)"
_TOLD = r"(?:found|mentioned|specified|provided|stated|given|available)"
_SHOWN = r"(?:passages?|texts?|contexts?|documents?|information|sources?|excerpts?)"
_UNKNOWN = re.compile(
    rf"^\W*(?:(?:sorry|unfortunately)\W+)?(?:i|we)\s+{_NOT}\s+(?:\w+\s+){{0,2}}?{_TELL}\b"
    rf"|\b{_SHOWN}\b[^.]{{0,60}}\b{_NOT}\s+(?:\w+\s+){{0,2}}?{_TELL}\b"
    rf"|\bnot (?:\w+ )?{_TOLD}\b[^.]{{0,30}}\b{_SHOWN}\b"
    rf"|^\W*(?:the answer is )?(?:not (?:known|{_TOLD})|unknown)\b"
    r"|^\W*no (?:information|answer|mention)\b|^\W*ich weiß (?:es |das )?nicht\b|^\W*je ne sais pas\b",
    re.IGNORECASE,
)
_ECHO = re.compile(r"\W*(?:question|passages?|context)\W*[:：]", re.IGNORECASE)
_ANSWER = re.compile(r"\n\W*answer\W*?[:：][\s*_]*", re.IGNORECASE)
_MOST_LABELS = 3
UNKNOWN_CHARS = 200
"""A longer reply that says so says something else as well."""
_CODE_LINE = re.compile(
    r"^\s*(?:import |from \w+ import |def |class |print\(|return\b|submit\(|\w+\s*=\s*\S)"
)
_PAIR = 2
_SPACES = re.compile(r"[ \t]+\n|\n{3,}")


def plain_answer(reply: str, question: str) -> str:
    """Return what a reply answers, in words; "" if it holds no answer."""
    text = reply[:MAX_REPLY_CHARS].encode("utf-8", "ignore").decode().strip()
    text = _without_fences(text)
    if text[:1] in {"{", "["} and (said := _of_json(text)) is not None:
        text = said
    elif _is_code(text):
        text = _of_code(text)
    text = _TAG.sub("", text).strip()
    text = _after_echo(text, question)
    text = _once(text)
    if PLACEHOLDER.search(reply) and not text:
        return ""
    text = _SPACES.sub("\n\n", text).strip().strip("`").strip()
    return text[1:-1].strip() if text[:1] == text[-1:] == '"' and text.count('"') == _PAIR else text


def declines(answer: str) -> bool:
    """Return whether an answer says that there is none."""
    return len(answer) <= UNKNOWN_CHARS and _UNKNOWN.search(answer) is not None


def _without_fences(text: str) -> str:
    """Return the words around fenced blocks; if there are none, what the blocks hold."""
    blocks = list(_FENCE.finditer(text))
    if not blocks:
        return text
    around = _FENCE.sub("\n", text).strip()
    if len(around) > len(blocks[0][0]) or _LABEL.match(around) or (around and blocks[0].start() > 0):
        bare = _PREAMBLE.sub("", around).strip()
        if bare and not bare.endswith(":"):
            return around
    inside = blocks[0][2].strip()
    if _is_code(inside) or blocks[0][1].lower() in {"python", "py", "repl", "js", "javascript"}:
        return _of_code(inside)
    return inside


def _of_json(text: str) -> str | None:
    """Return the answer in a JSON value in words; None if it is no JSON, as in `[1] says so`."""
    if re.match(r"\[\d{1,3}\]", text):
        return None
    value = any_json(text)
    return None if value is None else as_text(value)


def _is_code(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    return bool(lines) and sum(_CODE_LINE.match(line) is not None for line in lines) * 2 > len(lines)


def _of_code(code: str) -> str:
    """Return the last text or number that a program names, which is what it would print."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        literal = re.findall(r"[\"']([^\"'\n]{1,500})[\"']", code)
        return literal[-1] if literal else ""
    return as_text(next(_literals(tree), None))


def _literals(tree: ast.AST) -> Iterator[object]:
    """Yield the constants of a program, the last ones first; those that it prints go before."""
    nodes = list(ast.walk(tree))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    for group in (calls, [node for node in nodes if isinstance(node, ast.Assign | ast.Return)], nodes):
        for node in sorted(group, key=lambda node: -getattr(node, "lineno", 0)):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str | int | float):
                    yield inner.value


def _after_echo(text: str, question: str) -> str:
    """Return what follows the question and labels such as `Answer:`, up to where another begins."""
    if _ECHO.match(text) and (label := _ANSWER.search(text)) is not None:
        text = text[label.end() :]
    asked = " ".join(question.split())
    for _ in range(_MOST_LABELS):
        before = text
        if asked and " ".join(text[: len(question) + 20].split()).startswith(asked):
            text = _skip(text, asked)
        text = _LABEL.sub("", _PREAMBLE.sub("", text.lstrip())).lstrip()
        if text == before:
            break
    following = _NEXT.search(text)
    return text[: following.start()].rstrip() if following is not None and following.start() > 0 else text


def _skip(text: str, words: str) -> str:
    """Return what follows so many characters other than white space."""
    left = len(words.replace(" ", ""))
    for at, character in enumerate(text):
        if left == 0:
            return text[at:].lstrip()
        left -= not character.isspace()
    return ""


def _once(text: str) -> str:
    """Leave out lines and sentences that were said before, since weak models repeat themselves."""
    kept: list[str] = []
    seen: set[str] = set()
    for piece in re.split(r"(\n+|(?<=[.!?])\s+)", text):
        form = " ".join(piece.casefold().split())
        if form and form in seen:
            continue
        if form:
            seen.add(form)
        kept.append(piece)
    return "".join(kept).strip()
