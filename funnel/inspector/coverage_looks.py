"""Whether documents were searched well enough for what an answer says that they lack; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile

from funnel.seen import Spans
from funnel.text.absence import Wording, is_spaceless, wording_words
from indexes.retrieval.analysis import STOP_WORDS

MIN_WORDINGS = 3
"""So many wordings without a match are enough; a name or a number has only one."""
MIN_SHOWN = 0.75
"""Matches are shown if this share of them is known to be: a short one may not be recognised in an output."""
MIN_READ = 0.5
"""If this share of a document was read, one wording is enough."""
MIN_CHARS, SHARED_CHARS, ENDING_CHARS = 3, 4, 2
"""Two words are forms of one if they begin alike: four letters, and all of the shorter one but its ending."""
_WORD = re.compile(r"[^\W_]+")
_CLASS = re.compile(r"\[(\w)\w\]")
_SPECIAL = re.compile(r"\\[A-Za-z]|\[[^\]]*\]|\{[\d,]*\}")
_CLAUSE = re.compile(r"[;:–—]|,\s+(?=(?:and|but|so|und|aber|et|mais|y|pero|e|ma|mas|en|maar)\b)|\.\s")
_LIST = re.compile(
    r"[,/]|\b(?:or|nor|and|oder|noch|und|ou|ni|et|o|y|e|né|en|или|и|lub|oraz|och|eller|ve|veya)\b"
)
_LIGHT = STOP_WORDS | {
    "among", "amongst", "said", "such", "which", "shall", "should", "would", "could", "may", "might", "must",
    "will", "also", "per", "within", "upon", "word", "words", "text", "grep", "grepped", "search", "searches",
    "searched", "look", "looked", "show", "shows", "now", "one", "answer", "question",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """A pattern, or a query (`is_query`), that one document was searched for.

    `n`: how many matches it has, and `spans`: where those that were returned stand.
    """

    words: str
    n: int = 0
    spans: tuple[tuple[int, int], ...] = ()
    is_query: bool = False

    def and_also(self, other: Look) -> Look:
        """Return both of the same look, such as two pages of its matches, as one."""
        spans = tuple(dict.fromkeys((*self.spans, *other.spans)))
        return replace(self, n=max(self.n, other.n), spans=spans)

    def is_shown(self, seen: Spans) -> bool:
        """Return whether a model was shown its matches, so far as that is known."""
        shown = sum(any(a < stop and start < b for a, b in seen) for start, stop in self.spans)
        return shown >= MIN_SHOWN * self.n


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is said to be absent: the names and the other words that stand for it."""

    names: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """All of its words, its names first."""
        return self.names + self.others

    def is_in(self, tried: Collection[str]) -> bool:
        """Return whether these words of patterns are about it: its names, or else two of its other words.

        In a novel nobody looks for the name of its heroine.
        """
        others = sum(any(alike(other, word) for word in tried) for other in self.others)
        if self.names:
            return others > 1 or all(any(alike(name, word) for word in tried) for name in self.names)
        return others > 0


@dataclass(frozen=True)
class Subject:
    """What a claim is about. `is_sole`: it says that there is nothing else. `asked`: the question's words."""

    items: tuple[Item, ...]
    is_sole: bool
    asked: tuple[str, ...]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words of the claim, its names first, then the longest."""
        every = dict.fromkeys(word for item in self.items for word in item.words)
        names = {name for item in self.items for name in item.names}
        return tuple(sorted(every, key=lambda word: (word not in names, -len(word))))

    def is_settled(self, looks: Sequence[Look], seen: Spans, share: float) -> bool:
        """Return whether these looks at a document, of which this share was seen, are enough to deny it.

        Each thing must have been looked for, and the matches shown; beside names, which say what it is about,
        one of the others is enough, or one that the question has, and none where no name stands. Where there
        is no match, or where all else is denied, other wordings must have been tried, unless names are all
        that was looked for.
        """
        about = {
            item: [look for look in looks if item.is_in(pattern_words(look.words))] for item in self.items
        }
        own = [look for found in about.values() for look in found]
        if not own or not all(look.is_shown(seen) for look in own):
            return False
        named = [found for item, found in about.items() if item.names]
        others = [found for item, found in about.items() if not item.names]
        if named and all(named) and not any(look.n for found in named for look in found):
            return True
        if not named:
            return all(others) and self._is_enough(own, looks, share)
        of_names = [look for found in named for look in found]
        asked = any(self._is_of_another_topic(look) for look in looks if look not in of_names)
        return all(named) and (asked or not others or any(others)) and self._is_enough(own, looks, share)

    def _is_enough(self, own: Sequence[Look], looks: Sequence[Look], share: float) -> bool:
        """Return whether looks at what is denied (`own`) show it absent, not only worded otherwise."""
        if share >= MIN_READ or all(item.names for item in self.items):
            return True
        if any(look.is_query and look.spans for look in own):
            return True
        if not self.is_sole and any(look.n for look in own):
            return True
        other = [look for look in looks if not self._is_of_another_topic(look)]
        return len(self._wordings([*own, *other])) >= MIN_WORDINGS

    def unseen(self, looks: Iterable[Look], seen: Spans) -> Look | None:
        """Return a look whose matches were not shown; None if there is none."""
        return next(
            (look for look in looks if look.n and not look.is_query and not look.is_shown(seen)), None
        )

    def untried(self, looks: Iterable[Look]) -> list[str]:
        """Return the words of the claim, or else of the question, that were not looked for."""
        tried = {word for look in looks for word in pattern_words(look.words)}
        for words in (self.words, self.asked):
            if left := [word for word in words if not any(alike(word, each) for each in tried)]:
                return left
        return []

    def _is_of_another_topic(self, look: Look) -> bool:
        return any(alike(word, asked) for word in pattern_words(look.words) for asked in self.asked)

    def _wordings(self, looks: Iterable[Look]) -> set[str]:
        names = [name for item in self.items for name in item.names]
        found = set()
        for alternative in (each for look in looks for each in look.words.split("|")):
            words = [
                word for word in pattern_words(alternative) if not any(alike(word, name) for name in names)
            ]
            if words:
                found.add(words[0][:SHARED_CHARS])
        return found


def subject_of(claim: str, question: str, titles: Iterable[str], wording: Wording) -> Subject:
    """Return what a claim is about: its own words, else those of the question, without those of titles."""
    named = {word for title in titles for word in _WORD.findall(title.lower())}
    clauses = " ; ".join(
        part
        for part in _CLAUSE.split(claim)
        if wording.claims_absence(part) and not wording.only_counts(part)
    )
    asked = _items(question, named, wording)
    chosen: list[Item] = []
    for text in (clauses, claim):
        chosen = chosen or _items(text, named, wording)
    return Subject(
        tuple(chosen or asked),
        wording.is_sole(claim),
        tuple(dict.fromkeys(word for item in asked for word in item.words)),
    )


def pattern_words(pattern: str) -> tuple[str, ...]:
    """Return the words that stand in a regular expression or a query, in lower case."""
    plain = _SPECIAL.sub(" ", _CLASS.sub(r"\1", pattern)).lower()
    return tuple(word for word in _WORD.findall(plain) if is_spaceless(word) or _is_telling(word))


def alike(one: str, other: str) -> bool:
    """Return whether two words in lower case are forms of one word."""
    if is_spaceless(one) or is_spaceless(other):
        return any(one[i : i + 2] in other for i in range(max(1, len(one) - 1)))
    same = sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(one, other, strict=False)))
    shorter = min(len(one), len(other))
    if shorter <= SHARED_CHARS:
        return same == shorter and (shorter == SHARED_CHARS or abs(len(one) - len(other)) <= 1)
    return same >= SHARED_CHARS and same >= shorter - ENDING_CHARS


def _items(text: str, named: Collection[str], wording: Wording) -> list[Item]:
    worded = wording_words(wording)
    # In German every noun has a capital letter.
    names_show = not wording.has_capital_nouns
    found = []
    for part in re.split(r" ; ", text):
        for each in _LIST.split(part):
            names: dict[str, None] = {}
            others: dict[str, None] = {}
            for word in _WORD.finditer(each):
                folded = word[0].lower()
                is_name = names_show and word[0][0].isupper() and not text.startswith(word[0])
                if is_spaceless(folded):
                    others |= dict.fromkeys(folded[i : i + 4] for i in range(0, len(folded), 4))
                elif (
                    _is_telling(folded)
                    and folded not in worded
                    and not (word[0][0].isupper() and folded in named)
                ):
                    (names if is_name else others)[folded] = None
            if names or others:
                found.append(Item(tuple(names), tuple(others)))
    return found


def _is_telling(word: str) -> bool:
    return len(word) >= MIN_CHARS and not word.isdigit() and word not in _LIGHT
