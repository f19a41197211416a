"""Finds statements that something is absent, or that what is named is all there is; pure.

Such a statement rests on all that was not found, so no span of a document can back it. The wording of a
language stands in absence.toml. Where a language is not known there, or says it in other words, a statement
is missed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

MAX_CHARS = 2_000
"""Of a longer statement only this beginning is looked at."""
_WORD = re.compile(r"[^\W\d_]+")
_SPACELESS = re.compile(r"[぀-ヿ一-鿿]")
_LATIN = re.compile(r"[a-zà-öø-ɏ]")
_MARKERS = re.compile(r"\[\d{1,3}\]")
_QUOTED = re.compile(
    r"\"[^\"\n]{3,300}\"|“[^”\n]{3,300}”|«[^»\n]{3,300}»|„[^“”\n]{3,300}[“”]|`[^`\n]{1,300}`"
)
_SETTING = re.compile(r"\b\w+ ?==? ?\w+")
"""Code that needs no marks to be seen, such as `retry=None`."""
_NUMBER = re.compile(r"\d{1,3}(?:[.,\u00a0\u202f]\d{3})+|\d+")
_JOINED = "and|but|so|und|et|y|e|en|и|that|dass|que|che|dat|что"


@dataclass(frozen=True, slots=True)
class _Language:
    """The patterns of one language, compiled; `script` is None if it is written in Latin letters."""

    common: frozenset[str]
    script: re.Pattern[str] | None
    harmless: re.Pattern[str]
    claims: re.Pattern[str]
    whole: re.Pattern[str]
    all: re.Pattern[str]
    went_through: re.Pattern[str]
    infers: re.Pattern[str]
    sole: re.Pattern[str]
    rest: re.Pattern[str]
    words: frozenset[str]
    capital_nouns: bool


@dataclass(frozen=True, slots=True)
class Wording:
    """How the languages of a text word an absence. `Wording.of` chooses the languages."""

    languages: tuple[_Language, ...]

    @classmethod
    def of(cls, *texts: str) -> Wording:
        """Return the wording of the languages that the texts, such as question and answer, may be in."""
        known = _languages()
        beginning = " ".join(text[:MAX_CHARS] for text in texts).lower()
        scripts = [each for each in known if each.script is not None and each.script.search(beginning)]
        words = _WORD.findall(beginning)
        counts = {
            i: sum(word in each.common for word in words)
            for i, each in enumerate(known)
            if each.script is None
        }
        most = max(counts.values())
        # Words of two languages are alike, and a statement may be short: near the most is as good.
        latin = [known[i] for i, count in counts.items() if 3 * count > 2 * most]
        if not latin and _LATIN.search(beginning):
            latin = [each for each in known if each.script is None]
        return cls((*scripts, *latin) or known)

    def claims_absence(self, statement: str) -> bool:
        """Return whether a statement says that something is absent, or that there is no more of it.

        What it quotes is not its own claim, and neither is that it went through so many documents.
        """
        text = _plain(statement)
        return any(
            self._is_whole(each, text) or each.claims.search(_own_words(each, text)) is not None
            for each in self.languages
        )

    def is_whole(self, answer: str) -> bool:
        """Return whether a whole answer says no more than "no" or "none"."""
        return any(self._is_whole(each, _plain(answer)) for each in self.languages)

    def infers(self, statement: str) -> bool:
        """Return whether a statement says of itself that it is inferred or supposed."""
        text = _plain(statement)
        return any(each.infers.search(text) is not None for each in self.languages)

    def is_sole(self, statement: str) -> bool:
        """Return whether a statement says that there is nothing besides what it names."""
        text = _plain(statement)
        return any(each.sole.search(text) is not None for each in self.languages)

    def introduces_absence(self, introduction: str) -> bool:
        """Return whether a text denies something of all that it introduces; "The others:" tells of them."""
        text = introduction.rpartition(";")[2]
        for each in self.languages:
            text = each.rest.sub("", text)
        return self.claims_absence(text)

    def only_counts(self, statement: str) -> bool:
        """Return whether a statement denies nothing but that there are more than it counts."""
        text = _NUMBER.sub("#", _plain(statement))
        return text != _plain(statement) and not any(
            each.claims.search(_own_words(each, text)) for each in self.languages
        )

    @property
    def has_capital_nouns(self) -> bool:
        """Whether all nouns may begin with a capital letter, not only names."""
        return any(each.capital_nouns for each in self.languages)

    def asks_for_all(self, question: str) -> bool:
        """Return whether a question asks how many there are, which ones, or for all of them."""
        text = question[:MAX_CHARS]
        return any(each.all.search(text) is not None for each in self.languages)

    def went_through(self, statement: str) -> int | None:
        """Return the least number in a statement that says how much was gone through, and says no more.

        Returns None for any other statement.
        """
        text = _plain(statement)
        numbers = [int(re.sub(r"\D", "", number)[:9]) for number in _NUMBER.findall(text)]
        if not numbers or self.claims_absence(statement):
            return None
        return min(numbers) if any(each.went_through.search(text) for each in self.languages) else None

    @staticmethod
    def _is_whole(language: _Language, text: str) -> bool:
        return language.whole.fullmatch(text.strip(" \t\n.,;:!?*_\"'()。、！？-–—")) is not None


def wording_words(wording: Wording) -> frozenset[str]:
    """Return the words with which absences are worded, and those that are common, in lower case."""
    return frozenset().union(*(each.words | each.common for each in wording.languages))


def is_spaceless(word: str) -> bool:
    """Return whether a word is of a script without spaces."""
    return _SPACELESS.match(word) is not None


def _plain(statement: str) -> str:
    """Return the beginning of a statement without markers and quotations, its white space single."""
    text = _SETTING.sub(" x ", _QUOTED.sub(" x ", _MARKERS.sub("", statement[:MAX_CHARS])))
    return " ".join(text.replace("’", "'").replace("*", "").split())


def _own_words(language: _Language, text: str) -> str:
    """Return a statement without what only looks like an absence.

    "I went through 40 of 40 documents" is one such part; what follows it may say more.
    """
    text = language.harmless.sub(" ", text)
    if (found := language.went_through.search(text)) is None:
        return text
    rest = re.compile(rf"[,;:–—]|\b(?:{_JOINED})\b").split(text[found.end() :], maxsplit=1)
    before = re.compile(rf"[,;:–—]|\b(?:{_JOINED})\b").split(text[: found.start()])
    if _NUMBER.search(rest[0]) is None and _NUMBER.search(before[-1]) is None:
        return text
    return " ".join([*before[:-1], *rest[1:]])


@cache
def _languages() -> tuple[_Language, ...]:
    stored = tomllib.loads(files("funnel.text").joinpath("absence.toml").read_text(encoding="utf-8"))
    return tuple(
        _Language(
            frozenset(str(each.get("common", "")).split()),
            re.compile(each["script"]) if "script" in each else None,
            _any_of(each["harmless"]),
            _any_of(each["claims"]),
            _any_of([each["whole"]]),
            _any_of([each["all"]]),
            _any_of([each["went_through"]] if "script" in each else [rf"\b(?:{each['went_through']})\b"]),
            _any_of([each.get("infers", "(?!)")]),
            _any_of([each.get("sole", "(?!)")]),
            _any_of([each.get("rest", "(?!)")]),
            frozenset(_worded(each["claims"])),
            bool(each.get("capital_nouns", False)),
        )
        for each in stored.values()
    )


def _worded(patterns: Sequence[str]) -> Iterator[str]:
    """Yield the words of patterns; "documents?" is two of them."""
    for word, optional in re.findall(r"([^\W\d_]{3,})(\??)", re.sub(r"\\[A-Za-z]", " ", " ".join(patterns))):
        yield word
        if optional:
            yield word[:-1]


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{each})" for each in patterns), re.IGNORECASE | re.VERBOSE)
