"""The terms of a text as a value of a memory: ASCII that no engine's tokenizer changes; pure.

`b"7 alea=2 bfh…=1"`: the number of terms of the text, repeats included, then each token and how often it
occurs. A token is the letter a and the term, if that is plain and short, else the letter b and its hash. So
it has at most 14 characters: engines limit the size of a word, and of all words of a text.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

from indexes.retrieval.analysis import analyse

_PLAIN = re.compile(r"[a-z0-9]{1,13}")
_HASH_BYTES = 8
_MEMO_TERMS = 65_536


def record(text: str) -> bytes:
    """Return the record of a text, by which it is found."""
    found = analyse(text)
    counted = sorted(Counter(map(token, found)).items())
    return f"{len(found)} {' '.join(f'{name}={count}' for name, count in counted)}".encode()


def tokens(query: str) -> list[str]:
    """Return the tokens of a query, each once, in order."""
    return list(dict.fromkeys(map(token, analyse(query))))


@lru_cache(maxsize=_MEMO_TERMS)
def token(term: str) -> str:
    """Return the word that records contain for a term."""
    if _PLAIN.fullmatch(term):
        return f"a{term}"
    digest = blake2b(term.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()
    return f"b{base64.b32encode(digest).decode().rstrip('=').lower()}"


def n_terms(stored: bytes) -> int:
    """Return the number of terms of the text, repeats included; 0 if this is not a record."""
    head = stored.partition(b" ")[0]
    return int(head) if head.isdigit() else 0


def count(stored: bytes, name: str) -> int:
    """Return how often a token occurs in the text."""
    lead = f" {name}=".encode()
    at = stored.find(lead)
    if at < 0:
        return 0
    number = stored[at + len(lead) : at + len(lead) + 12].partition(b" ")[0]
    return int(number) if number.isdigit() else 0


def holds(stored: bytes, names: Sequence[str]) -> bool:
    """Return True if any of these tokens occurs in the text."""
    return any(count(stored, name) for name in names)
