"""Parses a question into its kind, names and key words by its wording; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from indexes.retrieval.analysis import STOP_WORDS

QuestionKind = Literal["compare", "list", "chain"]

# Words that frame a question but do not occur in its answer.
_FRAME_WORDS = """
    across almost also always another anything around because compare comparison contrast could
    describe difference differences different differ ever every everything exactly example explain
    explained find forever given gives give happen happens how know let lets list like made make
    makes many may mean means mention mentions might much must name need needs never please report
    said say says several shall show similar since still summarise summarize tell thing things
    unless used uses use using various versus want way ways whether within without work works yet
    document documents text texts passage passages collection
"""
_FRAME = frozenset(_FRAME_WORDS.split())
_COMPARE = re.compile(
    r"\b(compar\w+|contrast\w*|differ\w*|versus|vs\.?|similarit\w+|better than)\b", re.IGNORECASE
)
_LIST = re.compile(
    r"\b(which|what)\s+(?!does\b)(?:\w+\s+){0,2}?\w{3,}s\b|\bhow many\b"
    r"|\b(list|find|name|identify|enumerate|show|count)\b"
    r"|\b(all|every|each|any)\b",
    re.IGNORECASE,
)
_MODAL = re.compile(
    r"\b(?:can|could|may|might|must|should|will|would|do|does|did|are|is|was|were|have|has|had|that|who|contain\w*"
    r"|mention\w*|allow\w*|govern\w*|use|uses|using|with)\b",
    re.IGNORECASE,
)
_MEMBER = r"(?:(?-i:[A-Z][\w'’&-]*(?: [A-Z][\w'’&-]*)+)|[\w.]+)"
_ENUMERATION = re.compile(
    rf"((?:{_MEMBER},\s+)*{_MEMBER}),?\s+(?:and|or|with|to|versus|vs\.?|against)\s+({_MEMBER})", re.IGNORECASE
)
_QUOTED = re.compile(r"[\"“`']([^\"”`']{2,80})[\"”`']")
_IDENTIFIER = re.compile(r"\b\w+(?:[._]\w+)+\b|\b[a-z]+[A-Z]\w*\b")
_PROPER = re.compile(r"(?<=[a-z,;:\d)] )(?:[A-Z][\w'’&-]+)(?: (?:of |the |and )?[A-Z][\w'’&-]+)*")
_WORD = re.compile(r"[^\W_][\w'’-]*")


@dataclass(frozen=True, slots=True)
class Question:
    """A parsed question: `names` are what it is about, `words` what it says about them; both as written."""

    text: str
    kind: QuestionKind
    names: tuple[str, ...]
    words: tuple[str, ...]


def read_question(text: str) -> Question:
    """Parse a question. Deterministic; accepts any text."""
    text = " ".join(text.split())
    compare = _COMPARE.search(text)
    enumerated = _enumerated(text[compare.end() :] if compare else text) if compare else ()
    # In a comparison, names outside the enumeration say in which respect its members are compared.
    named = [*_QUOTED.findall(text), *_IDENTIFIER.findall(text), *_PROPER.findall(text)]
    names = _unique([*enumerated] if len(enumerated) > 1 else [*enumerated, *named])
    if compare and len(names) > 1:
        kind: QuestionKind = "compare"
    else:
        kind = "list" if _LIST.search(text) else "chain"
    about = text
    if kind == "list" and (modal := _MODAL.search(text)) and len(_content(text[modal.end() :], names)) > 1:
        about = text[modal.end() :]
    return Question(text, kind, names, _content(about, names)[:8])


def _enumerated(text: str) -> tuple[str, ...]:
    """Return the members of the first enumeration such as "a, b and c"."""
    found = _ENUMERATION.search(text)
    if not found:
        return ()
    members = [*re.split(r",\s*", found.group(1)), found.group(2)]
    return tuple(m.strip(" .") for m in members if m.strip(" .").lower() not in STOP_WORDS | _FRAME)


def _content(text: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the content words, without the names."""
    named = {word.lower() for name in names for word in _WORD.findall(name)}
    words = [
        word
        for word in _WORD.findall(text)
        if len(word) > 1 and word.lower() not in STOP_WORDS | _FRAME | named
    ]
    return _unique(words)


def _unique(words: list[str]) -> tuple[str, ...]:
    """Drop repeats, ignoring case; the first spelling is kept."""
    seen: dict[str, str] = {}
    for word in words:
        seen.setdefault(word.lower(), word)
    return tuple(seen.values())
