"""Hides secrets in text that came from an endpoint: keys, passwords, values of headers; does no I/O."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

HIDDEN = "***"
PLACEHOLDERS = frozenset({
    "api-key", "api_key", "lm-studio", "no-key", "no_key", "no-key-required", "none", "not-needed",
    "not-required", "not_needed", "sk-no-key-required", "your-api-key",
})  # fmt: skip
"""Keys that documentation tells people to set where no key is needed."""
LINE_CHARS = 320
"""How much of a server's words a message shows."""
WEAK_LENGTH = 8
"""A shorter secret is hidden only where it stands alone, since it may be part of a word."""
VARIABLE_LENGTH = 3
"""A secret of at most so many characters may be a variable of a program."""
WORD_LENGTH = 16
"""Letters alone, all in lower or upper case, may be a word if there are no more than these."""

_BEFORE = r"(?<![A-Za-z0-9_\-])"
_AFTER = r"(?![A-Za-z0-9_\-])"
_LABEL_CHARS = 40
_LABEL = (
    r"\b((?:bearer|basic|authorization|api[ _\-]?key(?: provided| given| is)?)"
    r"[\\\"' ]{0,4}[:= ]{1,3}[\\\"'(\[]{0,4})"
)
"""What announces a credential: `Bearer `, `"api-key": "`, `Incorrect API key provided: `."""


class Redactor:
    """Hides whole secrets, also in base64, URL-encoded, and as JSON or HTML writes them.

    A secret that could be part of a word (shorter than eight characters) is hidden where it stands alone. One
    that could be a word or a variable itself (a few letters, or a placeholder such as `none`) is hidden only
    after what announces a credential, such as `Bearer`: elsewhere it tells nothing, and hiding it would
    garble text and programs.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets if secret for form in _forms(secret)}
        # The longest first, so that a secret which begins with another one is hidden whole.
        forms = sorted(found, key=len, reverse=True)
        self._forms = tuple(dict.fromkeys(form.casefold() for form in forms))
        self._found = re.compile("|".join(map(_pattern, forms)), re.IGNORECASE) if forms else None
        self._shortest = min(map(len, forms), default=0)
        self._longest = max((len(form) + 1 + _is_word(form) * _LABEL_CHARS for form in forms), default=0)

    @property
    def longest(self) -> int:
        """How many characters a stream must hold back, so that a secret in them is seen whole."""
        return self._longest

    def text(self, text: str) -> str:
        """Return the text with each secret replaced by `***`."""
        if len(text) < self._shortest or self._found is None or not self._may_hold(text):
            return text
        return self._found.sub(_hidden, text)

    def line(self, text: str) -> str:
        """Return the text for a message: on one line of what can be seen, redacted, and only then cut."""
        seen = "".join(sign if sign.isprintable() else " " for sign in self.text(text))
        shown = " ".join(seen.split())
        return shown if len(shown) <= LINE_CHARS else f"{shown[:LINE_CHARS].rstrip('. ')}…"

    def stream(self) -> RedactedStream:
        """Return a filter for one text that comes in pieces."""
        return RedactedStream(self)

    def split(self, text: str, start: int, end: int) -> tuple[str, int]:
        """Return `text[start:end]` redacted, and where the rest begins: later if a secret spans `end`."""
        if self._found is None or not self._may_hold(text):
            return text[start:end], end
        parts = []
        for match in self._found.finditer(text, start):
            if match.start() >= end:
                break
            parts += [text[start : match.start()], _hidden(match)]
            start = match.end()
        return "".join([*parts, text[start:end]]), max(start, end)

    def _may_hold(self, text: str) -> bool:
        # Far quicker than the pattern, and nearly always the end of it.
        folded = text.casefold()
        return any(form in folded for form in self._forms)


class RedactedStream:
    """Redacts a text that comes in pieces: what may be the start of a secret is held back."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._text = ""
        self._start = 0

    def feed(self, piece: str) -> str:
        """Return what can be shown once this piece has come."""
        return self._release(piece, self._redactor.longest)

    def end(self) -> str:
        """Return the rest."""
        return self._release("", 0)

    def _release(self, piece: str, held: int) -> str:
        self._text += piece
        end = len(self._text) - held
        if end <= self._start:
            return ""
        shown, self._start = self._redactor.split(self._text, self._start, end)
        # What was shown stays for a while: whether a secret stands alone depends on what is before it.
        forgotten = max(0, self._start - self._redactor.longest)
        self._text, self._start = self._text[forgotten:], self._start - forgotten
        return shown


def _forms(secret: str) -> Iterator[str]:
    """Yield how a secret may be written."""
    raw = secret.encode()
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield html.escape(secret)
    yield json.dumps(secret)[1:-1]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        if len(raw) >= WEAK_LENGTH:
            # Inside something longer the first and the last characters also depend on the neighbours.
            for before in (1, 2):
                encoded = encode(b"\0" * before + raw).decode().rstrip("=")
                yield encoded[before + 1 : -1]
            yield encode(raw).decode().rstrip("=")[:-1]


def _pattern(form: str) -> str:
    if _is_word(form):
        return f"{_LABEL}{re.escape(form)}{_AFTER}"
    alone = len(form) < WEAK_LENGTH
    return f"{_BEFORE}{re.escape(form)}{_AFTER}" if alone else re.escape(form)


def _hidden(match: re.Match[str]) -> str:
    """Return what replaces a match: what announced the secret stays."""
    label = match.group(match.lastindex) if match.lastindex else ""
    return f"{label}{HIDDEN}"


def _is_word(form: str) -> bool:
    same_case = form.isalpha() and (form.islower() or form.isupper() or form.istitle())
    short = len(form) <= (WORD_LENGTH if same_case else VARIABLE_LENGTH)
    return short or form.casefold() in PLACEHOLDERS
