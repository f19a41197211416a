"""Translates the `openai` library's exceptions: whether to retry, and what to tell the user; does no I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import openai

# The names are the same in httpx and in httpx2, which newer versions of the library use.
NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"})
NEVER_SENT_BY_AIOHTTP = frozenset({
    "ClientConnectorCertificateError", "ClientConnectorDNSError", "ClientConnectorError",
    "ClientConnectorSSLError", "ConnectionTimeoutError", "InvalidUrlClientError", "NonHttpUrlClientError",
    "ServerFingerprintMismatch",
})  # fmt: skip
"""Errors of aiohttp before anything was sent. The library also reports connections lost later as these."""
GATEWAY_GAVE_UP = frozenset({408, 504, 524})
"""A gateway stopped waiting; the model behind it may have continued."""
TRANSIENT = frozenset({408, 409, 429})

CHECK_ENDPOINT = "Check OPENAI_BASE_URL and that it runs."
CHECK_RATE = "Try again later, or lower FUNNEL_MAX_PARALLEL."
CHECK_LATER = "The endpoint failed: look at its log or try again later."
CHECK_KEY = "Check OPENAI_API_KEY."
CHECK_MODEL = "Check FUNNEL_MODEL and FUNNEL_SUB_MODEL, and that OPENAI_BASE_URL ends where the API begins."
CHECK_QUOTA = "Check the account's plan and billing."
CHECK_REQUEST = "Check that this model takes such a request, or name another in FUNNEL_MODEL."

PARAMETER = re.compile(r"max_completion_tokens|max_tokens|temperature|response_format")


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A failed attempt. `refused`: the endpoint rejects this call, and would reject it again.

    `may_be_billed`: the attempt may have been served. `parameter`: the one that the endpoint rejects.
    """

    reason: str
    advice: str = CHECK_ENDPOINT
    retry: bool = False
    refused: bool = False
    may_be_billed: bool = False
    retry_after_s: float | None = None
    parameter: str | None = None


def failed_attempt(exc: Exception) -> FailedAttempt:
    """Translate an exception of the library. Its text is not used where it may contain headers."""
    if isinstance(exc, openai.APIStatusError):
        return _http_failure(exc)
    if not isinstance(exc, openai.APIConnectionError) and _aiohttp_error(exc) is None:
        return FailedAttempt(type(exc).__name__, may_be_billed=True)
    cause = _aiohttp_error(exc) or exc.__cause__ or exc
    kind = type(cause).__name__
    sent = kind not in NEVER_SENT | NEVER_SENT_BY_AIOHTTP
    reason = "the connection was lost" if sent else "no connection"
    # aiohttp's own message contains the address of an object.
    detail = getattr(cause, "strerror", None) or (str(cause) if kind == "ConnectError" else kind)
    return FailedAttempt(f"{reason} ({detail or kind})", retry=True, may_be_billed=sent)


def _aiohttp_error(exc: BaseException) -> BaseException | None:
    """Return the aiohttp error that `exc` is or was caused by; None if there is none."""
    found: BaseException | None = exc
    while found is not None and not type(found).__module__.startswith("aiohttp."):
        found = found.__cause__
    return found


def rejected_parameter(failure: FailedAttempt, *, sent: Collection[str]) -> str | None:
    """Return the parameter that the endpoint rejects by name; None if it was not among those sent."""
    return failure.parameter if failure.parameter in sent else None


def _http_failure(exc: openai.APIStatusError) -> FailedAttempt:
    status = exc.status_code
    message = _message(exc)
    reason = f"HTTP {status}" + (f", {message}" if message else "")
    if status == 429 and "insufficient_quota" in (exc.code, exc.type):  # noqa: PLR2004 - a status of HTTP
        return FailedAttempt(reason, CHECK_QUOTA, refused=True)
    if status in TRANSIENT or status >= 500:  # noqa: PLR2004
        return FailedAttempt(
            reason,
            CHECK_LATER if status >= 500 else CHECK_RATE,  # noqa: PLR2004
            retry=True,
            may_be_billed=status in GATEWAY_GAVE_UP,
            retry_after_s=_retry_after_s(exc.response.headers),
        )
    advice = {401: CHECK_KEY, 403: CHECK_KEY, 404: CHECK_MODEL}.get(status, CHECK_REQUEST)
    parameter = _parameter(exc, message) if status in {400, 422} else None
    return FailedAttempt(reason, advice, refused=True, parameter=parameter)


def _message(exc: openai.APIStatusError) -> str:
    """Return the server's own message on one line; "" if the body is an HTML page."""
    body = exc.body
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        found = inner.get("message") or inner.get("detail") if isinstance(inner, Mapping) else inner
        body = found or dict(body)
    text = " ".join(str(body or "").split())
    return "" if text.startswith("<") else text[:300].rstrip(".")


def _parameter(exc: openai.APIStatusError, message: str) -> str | None:
    # The caller must correct an invalid schema; without the schema the answer could have any form.
    if message.startswith("Invalid schema"):
        return None
    # If the body names several (`max_tokens` … use `max_completion_tokens`), the first is the rejected one.
    found = PARAMETER.search(f"{exc.param or ''} {message}")
    return found.group() if found else None


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds from `retry-after-ms` or `Retry-After` (seconds or a date); None without either."""
    try:
        if (millis := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(millis) / 1000)
        value = headers.get("retry-after")
        if value is None:
            return None
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value):
            return float(value)
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
