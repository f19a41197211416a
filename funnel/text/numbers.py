"""Reads words and numbers so that `Fourteen`, `14` and `1,000` compare as they mean; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_UP_TO_TWENTY = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty
"""
_TENS = "thirty forty fifty sixty seventy eighty ninety"
_VALUES = {word: str(n) for n, word in enumerate(_UP_TO_TWENTY.split())} | {
    word: str(10 * n) for n, word in enumerate(_TENS.split(), start=3)
}
_NEGATIONS = """
    no not never none nobody nothing neither nor without cannot except unless
    nicht kein keine keinen keiner nie ohne ne pas jamais aucun sans sin nunca ningún non mai niet geen
"""
NEGATIONS = frozenset(_NEGATIONS.split())
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7ff\uf900-\ufaff"
"""Scripts written without spaces: each character counts as a word."""
_WORD = re.compile(
    rf"\d+(?:st|nd|rd|th)\b|\d+(?:[.,]\d+)*|[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+(?:['’][^\W\d_]+)?|[^\W_]"
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: its span, and its form to compare, where numbers are digits."""

    start: int
    stop: int
    form: str

    @property
    def is_number(self) -> bool:
        """Whether it is a number, in digits or in words."""
        return self.form[:1].isdigit()

    @property
    def negates(self) -> bool:
        """Whether it turns a statement into its opposite."""
        return self.form in NEGATIONS or self.form.endswith("n't")


def words(text: str) -> Iterator[Word]:
    """Yield the words of a text in order, without punctuation."""
    for match in _WORD.finditer(text):
        yield Word(match.start(), match.end(), _form(match[0]))


def _form(word: str) -> str:
    if word[0].isdigit():
        return _digits(word)
    plain = word.casefold().replace("’", "'")
    return _VALUES.get(plain, plain)


def _digits(number: str) -> str:
    """Return a number without the commas that group thousands, and without zeros after its point."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", number):
        number = number.replace(",", "")
    return number.rstrip("0").rstrip(".") if re.fullmatch(r"\d+\.\d+", number) else number
