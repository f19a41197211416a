"""Finds the headings of plain text that has no markup: numbered ones, chapters, articles; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_HEADING_CHARS = 120
MIN_WORD_CHARS = 3

_NUMBER_WORDS = (
    r"(?:ONE|TWO|THREE|FOUR|FIVE|SIX|SEVEN|EIGHT|NINE|TEN|ELEVEN|TWELVE|(?:THIR|FOUR|FIF|SIX|SEVEN|EIGH|NINE)TEEN|"
    r"TWENTY|THIRTY|FORTY|FIFTY|FIRST|SECOND|THIRD|FOURTH|FIFTH|LAST)"
)
_NUMBER = rf"(?:\d{{1,3}}|[IVXLC]{{1,7}}|(?:(?:TWENTY|THIRTY|FORTY|FIFTY)[ -])?{_NUMBER_WORDS})"
_UPPER = r"(?:BOOK|PART|VOLUME|TEIL|BAND|PARTIE|LIVRE|LIBRO|PARTE)"
_MIDDLE = (
    r"(?:CHAPTER|ARTICLE|SECTION|ANNEX|APPENDIX|SCHEDULE|EXHIBIT|ITEM|ACT|STAVE|CANTO|KAPITEL|ARTIKEL|ANHANG|"
    r"CHAPITRE|CAP[IÍ]TULO|CAPITOLO|ART[IÍ]CULO|ARTICOLO)"
)
_NAMED = re.compile(
    rf"(?:(?P<upper>{_UPPER})|(?P<middle>{_MIDDLE}))\s+(?:{_NUMBER}|[A-Z])\b(?:[.:)]|\s*[-–—]|\s|$)",
    re.IGNORECASE,
)
_SINGLE = re.compile(
    r"(?:prologue|epilogue|preface|foreword|introduction|abstract|conclusions?|references|bibliography|"
    r"acknowledge?ments?|contents|table of contents|appendix|glossary|index)[.:]?",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?P<number>\d{1,3}(?:\.\d{1,3}){0,5})(?P<dot>[.)]?)\s+(?P<title>\S.*)")
_ROMAN = re.compile(r"[IVXLC]{1,7}\.?")
_SENTENCE_END = re.compile(r"[.;,:!?]$")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading at `start` in a text; `level` starts at 1."""

    start: int
    title: str
    level: int


def headings(text: str) -> list[Heading]:
    """Return the lines of a text that look like headings, in order.

    A line is one if it names and numbers a part ("Chapter IV", "ARTICLE 3. TERM"), has a number and no end
    of a sentence ("3.2 Methods"), is one of the usual words alone ("Abstract"), or stands alone in capitals.
    """
    found = list(_lines(text))
    kinds = {heading.level for heading in found}
    # Levels without gaps, so that a text of chapters only begins at 1.
    order = {level: place for place, level in enumerate(sorted(kinds), start=1)}
    return [Heading(each.start, each.title, order[each.level]) for each in found]


def _lines(text: str) -> Iterator[Heading]:
    at = 0
    before = ""
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        bare = line.strip()
        alone = not before and (index + 1 == len(lines) or not lines[index + 1].strip())
        if 0 < len(bare) <= MAX_HEADING_CHARS and (level := _level(bare, alone=alone)):
            title = f"{bare} {_title_below(lines, index)}" if _NAMED.fullmatch(bare) else bare
            yield Heading(at + line.index(bare[0]), " ".join(title.split()), level)
        before, at = bare, at + len(line)


def _title_below(lines: Sequence[str], index: int) -> str:
    """Return the title of a part that is only numbered, if a short line below its number is one."""
    for line in lines[index + 1 : index + 3]:
        if bare := line.strip():
            is_title = len(bare) <= MAX_HEADING_CHARS // 2 and not _SENTENCE_END.search(bare)
            return bare if is_title and not _level(bare, alone=False) else ""
    return ""


def _level(line: str, *, alone: bool) -> int:
    """Return the level of a line as a heading, or 0 if it is none."""
    if named := _NAMED.match(line):
        if (
            _SENTENCE_END.search(line)
            and not (alone or line.isupper())
            and len(line.split()) > MIN_WORD_CHARS
        ):
            return 0
        return 1 if named["upper"] else 2
    if numbered := _NUMBERED.match(line):
        return _numbered(numbered, alone=alone)
    if alone and (_SINGLE.fullmatch(line) or _ROMAN.fullmatch(line)):
        return 2
    words = [word for word in line.split() if len(word) >= MIN_WORD_CHARS and word.isalpha()]
    if alone and words and line.isupper() and not _SENTENCE_END.search(line):
        return 3
    return 0


def _numbered(line: re.Match[str], *, alone: bool) -> int:
    title = line["title"]
    depth = line["number"].count(".")
    if not (title[0].isupper() or title[0].isdigit()) or not any(map(str.isalpha, title)):
        return 0
    # "3. Rent shall be paid" is a heading of its clause only where it stands alone; "3.2 Rent" is one.
    if _SENTENCE_END.search(title) and not title.isupper():
        return 0
    if not alone and not depth and not title.isupper() and len(title.split()) > 2 * MIN_WORD_CHARS:
        return 0
    return 3 + depth
