"""Reads what a response says about rates: how long to wait, and what is left of which limit; does no I/O."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from funnel.llm.allowance import Stated
from funnel.llm.pace import Kind

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = re.compile(r"\d+(?:\.\d+)?|\.\d+")
_DURATION = re.compile(r"(?:(?:\d+(?:\.\d+)?|\.\d+)(?:ms|s|m|h|d))+")
_STEP = re.compile(r"([\d.]+)(ms|s|m|h|d)")
_IN_WORDS = re.compile(
    r"(?:try again|retry|wait)(?: in| after)? (\d[\d.]*)\s?"
    r"(ms|milliseconds?|s|seconds?|m|minutes?|h|hours?)(?![a-z])"
    r"((?:\d[\d.]*(?:ms|s|m|h))*)",
    re.IGNORECASE,
)
_EPOCH_S, _EPOCH_MS = 1e9, 1e12
"""From here on a number is not a duration but a time, in seconds or milliseconds since 1970."""
_NAMES: Mapping[Kind, tuple[tuple[str, str, str], ...]] = {
    "requests": (
        ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "x-ratelimit-limit-requests"),
        (
            "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset",
            "anthropic-ratelimit-requests-limit",
        ),
        ("x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-limit"),
        ("ratelimit-remaining", "ratelimit-reset", "ratelimit-limit"),
    ),
    "tokens": (
        ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "x-ratelimit-limit-tokens"),
        (
            "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset",
            "anthropic-ratelimit-tokens-limit",
        ),
    ),
}  # fmt: skip
"""The headers of each limit: what is left, when all of it is free again, and how much that is."""


def asked_wait_s(headers: Mapping[str, str], message: str = "") -> float | None:
    """Return how long the endpoint asks to wait, in its headers or else in its message; None if it does not.

    `headers`: names in lower case, or a mapping that ignores case.
    """
    millis = _number(headers.get("retry-after-ms"))
    if millis is not None:
        return millis / 1000
    after_s = _span_s(headers.get("retry-after"), headers)
    if after_s is not None:
        return after_s
    found = _IN_WORDS.search(message)
    if found is None:
        return None
    amount, unit, more = found.groups()
    unit = "ms" if unit.lower().startswith(("ms", "milli")) else unit[0].lower()
    return _duration_s(f"{amount.rstrip('.')}{unit}{more}")


def stated_limits(headers: Mapping[str, str]) -> dict[Kind, Stated]:
    """Return what is stated to be left of requests and tokens, as far as both amount and time are stated."""
    found: dict[Kind, Stated] = {}
    if not any("ratelimit" in name.lower() for name in headers):
        return found  # as most endpoints answer: looking up each name takes longer
    for kind, names in _NAMES.items():
        for left_name, reset_name, limit_name in names:
            left, whole_in_s = _number(headers.get(left_name)), _span_s(headers.get(reset_name), headers)
            if left is not None and whole_in_s is not None:
                limit = _number(headers.get(limit_name))
                found[kind] = Stated(left, whole_in_s, limit if limit and limit >= left else None)
                break
    return found


def all_headers(headers: Mapping[str, str], body: object) -> Mapping[str, str]:
    """Return the headers of a response, and those that a gateway passes on in the error that it sends."""
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    metadata = inner.get("metadata") if isinstance(inner, Mapping) else None
    passed_on = metadata.get("headers") if isinstance(metadata, Mapping) else None
    if not isinstance(passed_on, Mapping):
        return headers
    return {str(name).lower(): str(value) for name, value in {**passed_on, **headers}.items()}


def _number(text: str | None) -> float | None:
    """Return a plain number of 0 or more; None for anything else."""
    text = (text or "").strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def _span_s(text: str | None, headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a header means by a number, a duration such as 6m0s, or a time; at least 0."""
    text = (text or "").strip()
    number = _number(text)
    if number is None:
        at = _time_s(text)
        return _duration_s(text) if at is None else max(0.0, at - _server_time_s(headers))
    if number >= _EPOCH_S:
        at = number / 1000 if number >= _EPOCH_MS else number
        return max(0.0, at - _server_time_s(headers))
    return number


def _duration_s(text: str) -> float | None:
    if not _DURATION.fullmatch(text):
        return None
    total_s = sum(float(amount) * _UNITS_S[unit] for amount, unit in _STEP.findall(text))
    return total_s if math.isfinite(total_s) else None


def _time_s(text: str) -> float | None:
    """Return a date of HTTP or ISO 8601 in seconds since 1970."""
    if len(text) < len("2026-01-01T00:00"):
        return None
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            at = read(text)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def _server_time_s(headers: Mapping[str, str]) -> float:
    """Return the time on the server's clock, which may not agree with ours, if the response has it."""
    at = _time_s(headers.get("date") or "")
    return time.time() if at is None else at
