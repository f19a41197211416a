"""Finds the lines of source code that tell where a place stands: `class Shop:` above one of its methods.

By indentation, which needs no parser and costs microseconds: the nearest line above that is indented less
and begins a definition, then the nearest above that one. A statement that is indented less, such as an `if`
at the top of a file, bounds what may contain the place, so that no class above it is named. In code that is
indented at random little is named. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

CODE_CHARS = 200_000
"""How much of a file before a place is looked at."""
LINE_CHARS = 160
_MAX_LINES = 4
_TAB = 4
_INDENTED = frozenset({"python", "ruby"})
_WITH_PRIVATE = frozenset({"javascript", "typescript", "tsx"})
_SCRIPTS = _WITH_PRIVATE | {"php", "go", "rust"}
"""Languages in which a function has a word of its own or ends its first line with a brace."""

_SKIPPED = re.compile(r"#|//|/\*|\*|@|end\b")
"""Comments, directives and decorators."""
_PRIVATE = re.compile(r"#\w+\s*\(")
"""A method of JavaScript."""
_LABEL = re.compile(r"(?:case\b.*|[\w]+(?:\s+\w+)?)\s*:\Z")
_CLOSING = re.compile(r"[)\]}]")
_OPENS_BODY = re.compile(r".*[{:]\Z")
_PYTHON = re.compile(r"(?:async\s+)?def\b|class\b")
_RUBY = re.compile(r"(?:private\s+|protected\s+)?def\b|class\b|module\b")
_NAMED = re.compile(
    r"(?:(?:export|default|declare|pub(?:\([^)]*\))?|public|private|protected|internal|static|final|abstract|sealed"
    r"|partial|async|unsafe|extern(?:\s+\"\w+\")?|const|inline|virtual|readonly|template\s*<.*>|typedef)\s+)*"
    r"(?:class|function\*?|func|fn|impl|trait|struct|enum|union|interface|namespace|record|mod|type)\b(?!\s*\{)"
)
_VALUE = re.compile(r".*(?:=>\s*|\bfunction\b.*)\{\Z")
_OTHER = frozenset({
    "if", "else", "for", "foreach", "while", "do", "switch", "case", "catch", "try", "finally",
    "return", "throw", "new", "await", "yield", "using", "lock", "synchronized", "with", "match",
    "loop", "go", "defer", "select", "assert", "when", "delete",
})  # fmt: skip
"""Words with which a statement begins that is no definition."""


def enclosing(text: str, at: int, language: str) -> str:
    """Return the lines that begin the definitions around the line of a place, the outermost first, or "".

    `language`: a name as in `indexes.code.languages`. Lines that are long are shortened, and only the
    innermost of many are returned.
    """
    start = text.rfind("\n", 0, at) + 1
    # A place before its line, in the white space that ends the one above, is that line's.
    first = re.compile(r"\s*").match(text, at)
    if first is not None and "\n" in first[0]:
        start = text.rfind("\n", 0, first.end()) + 1
    stop = text.find("\n", start)
    indent = _indent(text[start : len(text) if stop < 0 else stop])
    found: list[str] = []
    opener: int | None = None
    for line in _lines_above(text, start):
        if not indent or len(found) == _MAX_LINES:
            break
        body, depth = line.strip(), _indent(line)
        if not body or depth >= indent or _is_skipped(body, language):
            continue
        if body == "{" or _CLOSING.match(body):
            # The first line of what this opens or ends stands above, indented as much.
            opener = depth if _OPENS_BODY.match(body) else None
            continue
        indent = depth
        if _defines(body, language, is_opened=opener == depth):
            found.append(line.rstrip()[:LINE_CHARS])
        opener = None
    return "\n".join(reversed(found)).strip()


def _lines_above(text: str, start: int) -> Iterator[str]:
    """Yield the lines before an offset, the nearest first."""
    least = max(0, start - CODE_CHARS)
    while start > least:
        before = text.rfind("\n", 0, start - 1) + 1
        yield text[before : start - 1]
        start = before


def _indent(line: str) -> int:
    bare = line.lstrip(" \t")
    width = len(line[: len(line) - len(bare)].expandtabs(_TAB))
    # The lines of a comment in stars are one column to the right of its beginning.
    return width - 1 if width and bare.startswith("*") else width


def _is_skipped(body: str, language: str) -> bool:
    if language in _WITH_PRIVATE and _PRIVATE.match(body):
        return False
    return _SKIPPED.match(body) is not None or (language not in _INDENTED and _LABEL.match(body) is not None)


def _defines(body: str, language: str, *, is_opened: bool) -> bool:
    """Return whether a line begins a definition. `is_opened`: its end, further down, opens a body."""
    if language in _INDENTED:
        return (_PYTHON if language == "python" else _RUBY).match(body) is not None
    if body.endswith((";", "}")):
        return False
    if _NAMED.match(body) or _VALUE.match(body):
        return True
    head, _, rest = body.partition("(")
    words = head.split()
    if not (rest or body.endswith("(")) or not words or words[0] in _OTHER:
        return False
    if any(mark in head for mark in ("=", ".", "<<", "{")) or not re.search(r"[\w~>]\s*\Z", head):
        return False
    return is_opened or body.endswith("{") or (language not in _SCRIPTS and len(words) > 1)
