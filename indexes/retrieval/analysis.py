"""Turns text into search terms, the same for every lexical engine; knows English, identifiers and CJK.

Words are NFKC-normalised, casefolded, stripped of stop words and stemmed with Porter2. An identifier yields
its full name and its parts, so that `threading.Event.wait` is found by its full name and by `wait`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import chain, pairwise
from threading import Lock

import Stemmer

VERSION = 2
"""Increase this whenever the same text would give other terms: engines of another version are rebuilt."""

# The active words of Snowball's English stop list, https://snowballstem.org/algorithms/english/stop.txt.
# On Cranfield's questions BM25 reaches nDCG@10 .383 with them, .367 with Lucene's 33 words.
_SNOWBALL_STOP_LIST = """
    i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers
    herself it its itself they them their theirs themselves what which who whom this that these those am is
    are was were be been being have has had having do does did doing would should could ought i'm you're
    he's she's it's we're they're i've you've we've they've i'd you'd he'd she'd we'd they'd i'll you'll
    he'll she'll we'll they'll isn't aren't wasn't weren't hasn't haven't hadn't doesn't don't didn't won't
    wouldn't shan't shouldn't can't cannot couldn't mustn't let's that's who's what's here's there's when's
    where's why's how's a an the and but if or because as until while of at by for with about against
    between into through during before after above below to from up down in out on off over under again
    further then once here there when where why how all any both each few more most other some such no nor
    not only own same so than too very
"""
STOP_WORDS = frozenset(_SNOWBALL_STOP_LIST.split())

MAX_TERM_CHARS = 128
"""Longer words are truncated: nobody types them, and engines limit the size of a term."""

_MEMO_ENTRIES = 200_000
_MEMO_CHARS = 64

_NUMBER = re.compile(r"\d+(?:\.\d+)*")
_CAMEL = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_CAMEL_PART = re.compile(r"[A-Z][a-z]{2}|[a-z]{3}")

# Scripts written without spaces (Han, kana, Thai, Lao, Myanmar, Khmer), or with particles attached to the
# word (Hangul).
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3130-\u318f"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]+)"
)


def analyse(text: str) -> list[str]:
    """Return the search terms of `text`, in order, with repeats.

    A plain word gives one term, a stop word none. `snake_case`, `CamelCase` and dotted names give the whole
    and the parts; `1,000` gives `1000`; `4.2` stays whole; `§ 4.2` gives `§4.2` and `4.2`; scripts without
    spaces give overlapping pairs of characters. Pure and thread-safe.
    """
    return list(chain.from_iterable(map(_TERMS.__getitem__, words(text))))


def words(text: str) -> list[str]:
    """Split `text` into parts that can be analysed one by one: their terms are the terms of the text."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    # Only a section sign belongs together with the number that follows it after a space.
    return text.split() if "\u00a7" not in text else [text]


@cache
def _ascii_tokens() -> re.Pattern[str]:
    return _token_pattern(r"\w", re.ASCII)


@cache
def _unicode_tokens() -> re.Pattern[str]:
    # `\w` leaves out combining marks, which are vowels in Devanagari, Arabic, Thai and others.
    marks = "".join(c for c in map(chr, range(0x300, 0x20000)) if unicodedata.category(c)[0] == "M")
    return _token_pattern(rf"[\w{marks}]", re.UNICODE)


def _token_pattern(letter: str, flags: re.RegexFlag) -> re.Pattern[str]:
    grouped = r"\d{1,3}(?:,\d{3})+(?!\w|,\d)"
    word = rf"\w{letter}*(?:[.'\u2019]\w{letter}*)*"
    paragraph = r"§+\s*\d+(?:\.\d+)*"
    return re.compile(f"{grouped}|{word}|{paragraph}", flags)


class _Terms(dict[str, tuple[str, ...]]):
    """A cache of the terms of each part of a text; its size is limited, and threads may share it."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._stem = Stemmer.Stemmer("english", 0).stemWord

    def __missing__(self, text: str) -> tuple[str, ...]:
        tokens = (_ascii_tokens() if text.isascii() else _unicode_tokens()).findall(text)
        # One stemmer object must not be used by two threads at once.
        with self._lock:
            terms = tuple(chain.from_iterable(map(self._terms, tokens)))
            if len(text) <= _MEMO_CHARS:
                if len(self) >= _MEMO_ENTRIES:
                    self.clear()
                self[text] = terms
        return terms

    def _terms(self, token: str) -> Iterator[str]:
        token = token.replace("\u2019", "'")
        if token[0] == "§":
            number = token.lstrip("§").lstrip()
            yield from (f"§{number}", number)
        elif token[0].isdigit() and "," in token:
            yield token.replace(",", "")
        elif "." in token and not _NUMBER.fullmatch(token):
            yield from self._dotted(token)
        else:
            yield from self._word(token)

    def _dotted(self, token: str) -> Iterator[str]:
        parts = token.split(".")
        if all(len(part) == 1 for part in parts):
            yield from self._word("".join(parts))  # U.S., e.g.
            return
        whole = _fold(token).removesuffix("'s")
        if len(whole) <= MAX_TERM_CHARS:
            yield whole
        for part in parts:
            yield from self._word(part)

    def _word(self, word: str) -> Iterator[str]:
        if not word.isascii() and _UNSPACED.search(word):
            for run in _UNSPACED.split(word):
                if _UNSPACED.match(run):
                    yield from map("".join, pairwise(run)) if len(run) > 1 else run
                elif run:
                    yield from self._spaced(run)
        else:
            yield from self._spaced(word)

    def _spaced(self, word: str) -> Iterator[str]:
        if "_" in word:
            parts = [part for part in word.split("_") if part]
            if not parts:
                return
            whole = _fold(word)
            if len(whole) <= MAX_TERM_CHARS:
                yield whole
            for part in parts:
                yield from self._spaced(part)
            return
        yield from self._plain(word)
        if not (word.islower() or word.isupper()):
            parts = _CAMEL.findall(word)
            if _reads_as_camel_case(word, parts):
                for part in parts:
                    yield from self._plain(part)

    def _plain(self, word: str) -> Iterator[str]:
        folded = _fold(word)
        if folded not in STOP_WORDS and (term := self._stem(folded[:MAX_TERM_CHARS])):
            yield term


def _reads_as_camel_case(word: str, parts: list[str]) -> bool:
    """Return whether the parts are words. Those of siRNA, NaCl and PhD are not, and would only mislead."""
    shortest = 3 if word[0].isupper() else 2
    return (
        len(parts) > 1
        and any(map(_CAMEL_PART.match, parts))
        and all(len(part) >= shortest or (len(part) > 1 and part.isupper()) for part in parts)
    )


def _fold(word: str) -> str:
    return word.casefold() if word.isascii() else unicodedata.normalize("NFKC", word.casefold())


_TERMS = _Terms()
