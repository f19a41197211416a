"""Finds the sentences of the passages shown that support a statement; calls no model.

What a statement says beyond the question (its numbers, its names, its other words) must stand in the
sentences that are cited for it. The words of the question decide between sentences that hold all of that.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from funnel.text.citations import CitableText
from funnel.text.numbers import Word, words
from funnel.text.sentences import sentences
from indexes.retrieval.analysis import STOP_WORDS, analyse

MAX_SENTENCE_CHARS = 600
"""A longer sentence, such as a table that was read as one, is looked through in parts of this length."""
MAX_SENTENCES = 3
"""How many sentences may support one statement together."""
LEAST_SHARE = 0.6
"""The share of a statement's own words, by weight, that its sentences must hold besides numbers and names."""
LEAST_ABOUT, LEAST_ABOUT_NUMBER = 0.1, 0.15
"""The share of the question's words, by weight, that a sentence and what is around it must hold.

More for an answer that is one number, which may stand in any sentence.
"""
LEAST_REPEATED = 0.25
"""The same share of those of the question's words that the statement repeats."""
LEAST_ABOUT_YES = 0.7
"""The same for an answer that says no more than yes or no."""
SHORT_WORDS = 4
"""An answer of so few words is a name, a number or the like."""
NEAR_NEGATION = 3
"""A negation turns the words that follow it within so many."""
_SAID_IN_CONTEXT = 0.5
_PREFERRED = 0.3
_PHRASE = 0.5
_ENGLISH = frozenset(
    {"the", "of", "and", "how", "what", "who", "which", "does", "did", "where", "when", "why"}
)
_YES, _NO = (
    frozenset({"yes", "true", "correct", "ja", "oui", "sí"}),
    frozenset({"no", "false", "nein", "non"}),
)


@dataclass(frozen=True, slots=True)
class Supporting:
    """A sentence that supports a statement: the index of its passage, and its span there."""

    source: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Sentence:
    at: Supporting
    forms: tuple[str, ...]
    terms: frozenset[str]
    negated: frozenset[str]
    around: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a statement says, apart from what the question says.

    `terms`: all of its terms. `own`: those that must be supported, `hard`: those of them that none may be
    missing of, since they are numbers and names. `about`: the question's terms that say what it is about, and
    `least_about` the share of them that is enough. `phrase`: its words in order.
    """

    terms: frozenset[str]
    own: frozenset[str]
    hard: frozenset[str]
    phrase: tuple[str, ...]
    negates: bool
    about: frozenset[str]
    least_about: float


class SupportFinder:
    """Finds support for the statements of one answer in the passages that its model was shown."""

    def __init__(self, question: str, sources: Sequence[CitableText]) -> None:
        self._asked = frozenset(_terms(question))
        self._asked_negated = any(word.negates for word in words(question))
        self._sentences = [each for n, source in enumerate(sources) for each in _sentences(n, source)]
        texts = " ".join(source.text for source in sources)
        self._is_english = _looks_english(question) and _looks_english(texts)
        self._seen = Counter(term for sentence in self._sentences for term in sentence.terms)

    def find(
        self, statement: str, *, within: Collection[int] | None = None, prefer: Collection[int] = ()
    ) -> tuple[Supporting, ...]:
        """Return the sentences that support a statement, in order of the text; none if it is not supported.

        `within`: the passages to look in, all if None. `prefer`: those that the model named.
        """
        wanted = self._wanted(statement)
        if not wanted.own:
            return ()
        there = [each for each in self._sentences if within is None or each.at.source in within]
        chosen: list[_Sentence] = []
        left = wanted.own
        for _ in range(MAX_SENTENCES):
            best = max(
                (each for each in there if each.terms & left and self._fits(each, wanted)),
                key=lambda each: self._score(each, wanted, left, prefer, chosen),
                default=None,
            )
            if best is None:
                break
            chosen.append(best)
            left -= best.terms
            if not left:
                break
        return self._accepted(chosen, wanted)

    def overlap(self, statement: str, quote: str) -> float:
        """Return how much a statement and a quote have in common, by the weight of their words."""
        shared = frozenset(_terms(statement)).intersection(_terms(quote))
        return sum(self._weight(term) for term in shared)

    def is_foreign(self, statement: str, within: Collection[int]) -> bool:
        """Return whether a statement has numbers or names, and none of them stands in these passages.

        Only where question and passages are English: elsewhere capital letters do not tell a name, and words
        of one language are not those of the other.
        """
        if not self._is_english:
            return False
        hard = _hard(words(statement), statement) - self._asked
        held = (each.terms | each.around for each in self._sentences if each.at.source in within)
        return bool(hard) and hard.isdisjoint(frozenset().union(*held))

    def _accepted(self, chosen: Sequence[_Sentence], wanted: _Wanted) -> tuple[Supporting, ...]:
        held = frozenset().union(*(each.terms for each in chosen))
        if not chosen or not wanted.hard <= held:
            return ()
        if self._sum(wanted.own & held) < LEAST_SHARE * self._sum(wanted.own):
            return ()
        needed: list[_Sentence] = []
        for each in chosen:
            before = frozenset().union(*(one.terms for one in needed))
            if not needed or (each.terms - before) & wanted.own:
                needed.append(each)
        return tuple(sorted((each.at for each in needed), key=lambda at: (at.source, at.start)))

    def _wanted(self, statement: str) -> _Wanted:
        said = list(words(statement))
        forms = tuple(word.form for word in said)
        negates = any(word.negates for word in said)
        if (
            forms
            and frozenset(forms) <= _YES | _NO | STOP_WORDS
            and not frozenset(forms).isdisjoint(_YES | _NO)
        ):
            negates = not _YES.isdisjoint(forms) if self._asked_negated else not _NO.isdisjoint(forms)
            asked = self._asked
            return _Wanted(asked, asked, frozenset(), (), negates, asked, LEAST_ABOUT_YES)
        terms = frozenset(_terms_of(said))
        own = terms - self._asked or terms
        hard = _hard(said, statement)
        phrase = tuple(form for form in forms if form not in STOP_WORDS)
        one_number = len(own) == 1 and min(own)[0].isdigit()
        about, least_about = self._asked, LEAST_ABOUT_NUMBER if one_number else LEAST_ABOUT
        if repeated := terms & self._asked:
            about, least_about = repeated, LEAST_REPEATED
        return _Wanted(terms, own, hard & own, phrase, negates, about, least_about)

    def _fits(self, sentence: _Sentence, wanted: _Wanted) -> bool:
        """Whether a sentence is about the question, and does not deny what the statement says."""
        if self._about(sentence, wanted.about) < wanted.least_about * self._sum(wanted.about):
            return False
        denied = bool(sentence.negated & wanted.terms)
        return denied if wanted.negates and sentence.negated else not denied and not wanted.negates

    def _about(self, sentence: _Sentence, asked: frozenset[str]) -> float:
        around = (sentence.around - sentence.terms) & asked
        return self._sum(sentence.terms & asked) + _SAID_IN_CONTEXT * self._sum(around)

    def _score(
        self,
        sentence: _Sentence,
        wanted: _Wanted,
        left: frozenset[str],
        prefer: Collection[int],
        chosen: Sequence[_Sentence],
    ) -> tuple[float, int]:
        held = self._sum(sentence.terms & left) / self._sum(wanted.own)
        about = self._about(sentence, self._asked) / (self._sum(self._asked) or 1.0)
        phrase = _PHRASE if _holds(sentence.forms, wanted.phrase) else 0.0
        named = sentence.at.source in prefer or any(each.at.source == sentence.at.source for each in chosen)
        return held + about + phrase + _PREFERRED * named, -sentence.at.source

    def _weight(self, term: str) -> float:
        return math.log(1 + (len(self._sentences) + 1) / (self._seen[term] + 0.5))

    def _sum(self, terms: Collection[str]) -> float:
        return sum(self._weight(term) for term in terms)


def _terms(text: str) -> list[str]:
    """Return what to compare of a text: its stemmed terms without stop words, numbers as digits."""
    return _terms_of(words(text))


def _terms_of(said: Iterable[Word]) -> list[str]:
    found = []
    for word in said:
        found += [word.form] if word.is_number else analyse(word.form)
    return found


def _hard(said: Iterable[Word], text: str) -> frozenset[str]:
    """Return the terms of those words of a text that are numbers or names."""
    return frozenset(_terms_of(word for word in said if _is_hard(word, text)))


def _looks_english(text: str) -> bool:
    return any(word.form in _ENGLISH for word in words(text))


def _is_hard(word: Word, text: str) -> bool:
    """Whether a word of a statement is a number or a name."""
    return word.is_number or (text[word.start].isupper() and word.form not in STOP_WORDS)


def _sentences(number: int, source: CitableText) -> list[_Sentence]:
    """Return the sentences of a passage, each with the terms of its title and its neighbours."""
    spans = []
    for start, stop in sentences(source.text):
        spans += [(at, min(at + MAX_SENTENCE_CHARS, stop)) for at in range(start, stop, MAX_SENTENCE_CHARS)]
    plain = [_read(number, source.text, start, stop) for start, stop in spans]
    title = frozenset(_terms(source.title))
    found = []
    for i, each in enumerate(plain):
        near = (one.terms for one in plain[max(0, i - 2) : i + 2])
        found.append(_Sentence(each.at, each.forms, each.terms, each.negated, title.union(*near)))
    return found


def _read(number: int, text: str, start: int, stop: int) -> _Sentence:
    said = list(words(text[start:stop]))
    negated: set[str] = set()
    for i, word in enumerate(said):
        if word.negates:
            negated.update(_terms_of(said[i + 1 : i + 1 + NEAR_NEGATION]))
    forms = tuple(word.form for word in said)
    terms = frozenset(_terms_of(said))
    return _Sentence(Supporting(number, start, stop), forms, terms, frozenset(negated))


def _holds(forms: Sequence[str], phrase: Sequence[str]) -> bool:
    """Whether the words of a phrase stand in a sentence one after the other."""
    if not phrase:
        return False
    plain = [form for form in forms if form not in STOP_WORDS]
    size = len(phrase)
    return any(tuple(plain[at : at + size]) == tuple(phrase) for at in range(len(plain) - size + 1))
