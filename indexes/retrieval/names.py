"""Finds out which documents a query names: their titles and ids as search terms of their own.

Every passage of a document is indexed with the names of the document. A name is the beginning of a title, of
a part of it or of the id, up to four words: `Exact Sciences` for "EXACT SCIENCES CORPORATION, 10-K". A query
is searched for the names in it as well, so that a company's filings come before texts that mention it; how
rare a name is decides what it is worth. A title that tells what a text is about, like those of papers, is no
name.

An abbreviation stands for the words whose initials it has: `IBM` for `International Business Machines`, and
`J&J` for `Johnson & Johnson`, whichever of the two is in the title and whichever in the query.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from indexes.retrieval.analysis import STOP_WORDS, analyse
from indexes.retrieval.base import Scored

MARK = "name:"
"""What a name begins with among terms. No term of a text has a colon."""

MAX_NAME_CHARS = 300
"""The characters of a title, of an id and of a query in which names are looked for."""

_WORDS = 4
_PARTS = 6
_LEAST_INITIALS, _MOST_INITIALS = 3, 5
"""How many words an abbreviation stands for, if there is no `&` between them."""
_HEADLINE_WORDS, _SMALL_WORDS, _SENTENCE_WORDS = 7, 2, 4

_EXTENSION = re.compile(r"\.[A-Za-z]\w{0,4}\Z")
_BREAK = re.compile(r"[_/\\|()\[\]{}:;,\"\u201c\u201d]|\s[-\u2013\u2014]\s|(?<=\w)[.?!](?=\s|\Z)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")
_CAPITALISED = r"[A-Z][\w\u2019'.-]*"
_RUN = re.compile(rf"{_CAPITALISED}(?:(?:\s+|\s*(?:&|and|of|the|for)\s+)+{_CAPITALISED})+")
_INITIAL = re.compile(_CAPITALISED)
_PAIR = re.compile(rf"({_CAPITALISED})\s*(?:&|\band\b)\s*({_CAPITALISED})")
_SHORT = re.compile(r"(?<!\w)[A-Z]{1,2}(?:\s?&\s?[A-Z]{1,2})+(?!\w)")


def with_names(terms: Sequence[str], query: str) -> list[str]:
    """Return what to search for: the terms of a query twice, and once what may be a name in it.

    A match in a name so counts half of what an equally rare term does. See `unweighted`.
    """
    return [*terms, *terms, *names_in(query)]


def unweighted(scored: Scored) -> Scored:
    """Return the scores of a search for `with_names` as if each term had been searched for once."""
    return [(key, score / 2) for key, score in scored]


@lru_cache(1024)
def names_of(title: str, document_id: str) -> tuple[str, ...]:
    """Return the names of a document, marked, each once."""
    found = list(_beginnings(_EXTENSION.sub("", document_id[-MAX_NAME_CHARS:])))
    if not _is_headline(title):
        title = title[:MAX_NAME_CHARS]
        found += [*_beginnings(title), *_abbreviated(title)]
    return tuple(dict.fromkeys(MARK + name for name in found))


def names_in(query: str) -> list[str]:
    """Return what may be the name of a document in a query, marked, each once.

    One word is taken for a name if it has a capital letter, more if one of them has. In a query without
    capitals every word may be one.
    """
    query = query[:MAX_NAME_CHARS]
    is_lower = query == query.lower()
    found: list[str] = []
    for part in _BREAK.split(query):
        words = [(term, is_lower or not word.islower()) for word, term in _terms(part)]
        for n in range(1, _WORDS + 1):
            for i in range(len(words) - n + 1):
                some = words[i : i + n]
                if any(is_capital for _, is_capital in some):
                    found.append("_".join(term for term, _ in some))
    return list(dict.fromkeys(MARK + name for name in (*filter(_may_be_one, found), *_abbreviated(query))))


def _beginnings(text: str) -> Iterator[str]:
    """Yield the first words of the whole text and of each of its parts, from one word to four."""
    for part in dict.fromkeys([text, *_BREAK.split(text)[:_PARTS], *_split_at_small_words(text)]):
        terms = [term for _, term in _terms(part)][:_WORDS]
        yield from filter(_may_be_one, ("_".join(terms[:n]) for n in range(1, len(terms) + 1)))


def _split_at_small_words(text: str) -> Sequence[str]:
    """Return what follows small words such as "of": the name in "Annual report of Tesla" is at the end."""
    words = text.split()
    ends = [i + 1 for i, word in enumerate(words) if word.casefold() in STOP_WORDS]
    return [" ".join(words[end : end + _WORDS]) for end in ends[:_PARTS]]


def _terms(text: str) -> list[tuple[str, str]]:
    """Return the words of a text with their terms, without stop words; `CamelCase` is two words."""
    words = _WORD.findall(_CAMEL.sub(" ", text))
    return [(word, terms[0]) for word in words if (terms := analyse(word))]


def _may_be_one(name: str) -> bool:
    return len(name) > 1 and not name.isdigit()


def _is_headline(title: str) -> bool:
    """Return whether a title tells what a text is about rather than names something.

    It has many small words, or most of its words are not capitalised.
    """
    words = [word for word in title.split() if word[0].isalpha()]
    n_small = sum(word.casefold() in STOP_WORDS for word in words)
    if len(words) >= _HEADLINE_WORDS and n_small >= _SMALL_WORDS:
        return True
    weighty = [word for word in words[1:] if word.casefold() not in STOP_WORDS]
    return len(words) >= _SENTENCE_WORDS and 2 * sum(word[0].islower() for word in weighty) > len(weighty)


def _abbreviated(text: str) -> Iterator[str]:
    """Yield the abbreviations of names in a text, and those with `&` that are there."""
    found = [short.replace("&", "").replace(" ", "") for short in _SHORT.findall(text)]
    found += [first[0] + second[0] for first, second in _PAIR.findall(text)]
    for run in _RUN.findall(text):
        initials = "".join(word[0] for word in _INITIAL.findall(run))
        for n in range(_LEAST_INITIALS, min(_MOST_INITIALS, len(initials)) + 1):
            found += [initials[:n], initials[-n:]]
    return (term for short in dict.fromkeys(found) for term in analyse(short))
