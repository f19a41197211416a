"""Decides which HTTP status an error amounts to, where the server states another one or none; does no I/O."""

from __future__ import annotations

import re

from funnel.llm.openai.server_error import ServerError

UNAUTHORIZED, PAYMENT, MISSING, TOO_LARGE, TOO_MANY, FAILED = 401, 402, 404, 413, 429, 500

_CODES = (
    (r"insufficient|billing|payment|credits?\b|balance", PAYMENT),
    (r"rate_?limit|too_?many|throttl|resource_?exhausted|(tokens|requests)_per|quota", TOO_MANY),
    (r"overloaded|unavailable|capacity|busy|not_?ready|loading", 503),
    (r"time_?d?_?out|deadline", 504),
    (r"authentic|api_?key|unauthori[sz]ed|unauthenticated|invalid_token", UNAUTHORIZED),
    (r"permission|forbidden|access_?denied", 403),
    (r"not_?found|no_?such_?model|unknown_model", MISSING),
    (r"invalid|bad_?request|validation|unprocessable|unsupported|context|content_(filter|policy)", 400),
    (r"extra_forbidden|missing|failed_precondition|out_of_range", 400),
    (r"internal|server_?error|api_?error|upstream|bad_?gateway|aborted", FAILED),
)
CODES = tuple((re.compile(pattern, re.IGNORECASE), status) for pattern, status in _CODES)

_WORDS = (
    (r"insufficient (balance|credits?|quota|funds)|payment required|billing", PAYMENT),
    (r"rate.?limit|too many requests|quota|slow down|requests per|tokens per", TOO_MANY),
    (
        r"overloaded|unavailable|no healthy|capacity|try again|temporar|still loading|upstream|bad gateway",
        503,
    ),
    (r"timed? ?out|deadline", 504),
    (r"api.?key|unauthori[sz]ed|authenticat|credential", UNAUTHORIZED),
    (r"model\b.{0,80}\b(not found|does not exist|not exist|unknown)|(no such|unknown) model", MISSING),
    (r"invalid|unsupported|not supported|not permitted|must be|too (long|large)|malformed|bad request", 400),
)
WORDS = tuple((re.compile(pattern, re.IGNORECASE | re.DOTALL), status) for pattern, status in _WORDS)

_RATE = re.compile(r"rate.?limit|per.?(second|minute|min|hour|day)\b|too many|concurren", re.IGNORECASE)


def amounts_to(said: ServerError, http_status: int | None) -> int:
    """Return the status that counts. `http_status`: the reply's; None if it was sent before the error.

    Gateways answer 400 for a provider's 429 and 500 for its 400, so what the error itself states may count
    for more. An error that tells nothing counts as a failure of the server.
    """
    if http_status is None:
        return said.status or _by_codes(said) or _matching(WORDS, said.message) or FAILED
    named = _by_codes(said)
    if named == PAYMENT and http_status in {TOO_MANY, 400, 403, 500, 503}:
        return PAYMENT
    if http_status in {400, 403, 422} and named in {TOO_MANY, 503}:
        return named
    if http_status in {400, 422} and (said.status == TOO_MANY or (said.status or 0) >= FAILED):
        return said.status or http_status
    told = UNAUTHORIZED if named == UNAUTHORIZED else said.status
    if http_status >= FAILED and told in {400, UNAUTHORIZED, PAYMENT, 403, MISSING, 422}:
        return told
    return http_status


def wants_money(said: ServerError) -> bool:
    """Whether the words of a 429 without a time to wait speak of the account's money and not of a rate."""
    if _by_codes(said) == TOO_MANY or _RATE.search(said.message):
        return False
    return _matching(WORDS[:1], said.message) == PAYMENT


def _by_codes(said: ServerError) -> int | None:
    return next((status for code in said.codes if (status := _matching(CODES, code)) is not None), None)


def _matching(table: tuple[tuple[re.Pattern[str], int], ...], text: str) -> int | None:
    return next((status for pattern, status in table if pattern.search(text)), None)
