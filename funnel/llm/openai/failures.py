"""What the `openai` library raises, as a `Failure`: again, give up, or tell the user; does no I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import openai

# The names are the same in httpx and in httpx2, on which newer versions of the library stand.
NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"})
NEVER_SENT_BY_AIOHTTP = frozenset({
    "ClientConnectorCertificateError", "ClientConnectorDNSError", "ClientConnectorError",
    "ClientConnectorSSLError", "ConnectionTimeoutError", "InvalidUrlClientError", "NonHttpUrlClientError",
    "ServerFingerprintMismatch",
})  # fmt: skip
"""The library takes every other lost connection of aiohttp for one that was never made."""
GATEWAY_GAVE_UP = frozenset({408, 504, 524})
"""Something before the model stopped waiting; the model may have gone on."""
MAY_PASS = frozenset({408, 409, 429})

CHECK_ENDPOINT = "Check OPENAI_BASE_URL and that it runs."
CHECK_RATE = "Try again later, or lower FUNNEL_MAX_PARALLEL."
CHECK_LATER = "The fault is the endpoint's: look at its log or try again later."
CHECK_KEY = "Check OPENAI_API_KEY."
CHECK_MODEL = "Check FUNNEL_MODEL and FUNNEL_SUB_MODEL, and that OPENAI_BASE_URL ends where the API begins."
CHECK_QUOTA = "Check the account's plan and billing."
CHECK_REQUEST = "Check that this model takes such a request, or name another in FUNNEL_MODEL."

PARAMETER = re.compile(r"max_completion_tokens|max_tokens|temperature|response_format")


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that failed; `refused` where the endpoint will not have this call, however often made.

    `may_be_billed`: the attempt may have been served. `parameter`: the one that the endpoint complains of.
    """

    reason: str
    advice: str = CHECK_ENDPOINT
    retry: bool = False
    refused: bool = False
    may_be_billed: bool = False
    retry_after_s: float | None = None
    parameter: str | None = None


def failure_of(exc: Exception) -> Failure:
    """What an exception of the library means. Its own text is not used where it may hold headers."""
    if isinstance(exc, openai.APIStatusError):
        return _refusal(exc)
    if not isinstance(exc, openai.APIConnectionError) and _of_aiohttp(exc) is None:
        return Failure(type(exc).__name__, may_be_billed=True)
    cause = _of_aiohttp(exc) or exc.__cause__ or exc
    kind = type(cause).__name__
    sent = kind not in NEVER_SENT | NEVER_SENT_BY_AIOHTTP
    reason = "the connection was lost" if sent else "no connection"
    # aiohttp's own sentence has the address of an object in it.
    detail = getattr(cause, "strerror", None) or (str(cause) if kind == "ConnectError" else kind)
    return Failure(f"{reason} ({detail or kind})", retry=True, may_be_billed=sent)


def _of_aiohttp(exc: BaseException) -> BaseException | None:
    """The error of aiohttp that `exc` is or comes from."""
    found: BaseException | None = exc
    while found is not None and not type(found).__module__.startswith("aiohttp."):
        found = found.__cause__
    return found


def rejected_parameter(failure: Failure, *, sent: Collection[str]) -> str | None:
    """The parameter that the endpoint rejects by name, if it was among those sent."""
    return failure.parameter if failure.parameter in sent else None


def _refusal(exc: openai.APIStatusError) -> Failure:
    status = exc.status_code
    message = _message(exc)
    reason = f"HTTP {status}" + (f", {message}" if message else "")
    if status == 429 and "insufficient_quota" in (exc.code, exc.type):  # noqa: PLR2004 - HTTP says it
        return Failure(reason, CHECK_QUOTA, refused=True)
    if status in MAY_PASS or status >= 500:  # noqa: PLR2004
        return Failure(
            reason,
            CHECK_LATER if status >= 500 else CHECK_RATE,  # noqa: PLR2004
            retry=True,
            may_be_billed=status in GATEWAY_GAVE_UP,
            retry_after_s=_retry_after_s(exc.response.headers),
        )
    advice = {401: CHECK_KEY, 403: CHECK_KEY, 404: CHECK_MODEL}.get(status, CHECK_REQUEST)
    parameter = _parameter(exc, message) if status in {400, 422} else None
    return Failure(reason, advice, refused=True, parameter=parameter)


def _message(exc: openai.APIStatusError) -> str:
    """The server's own words on one line; no page of HTML."""
    body = exc.body
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        found = inner.get("message") or inner.get("detail") if isinstance(inner, Mapping) else inner
        body = found or dict(body)
    text = " ".join(str(body or "").split())
    return "" if text.startswith("<") else text[:300].rstrip(".")


def _parameter(exc: openai.APIStatusError, message: str) -> str | None:
    # An invalid schema is the caller's to mend; without it the answer would be of any shape.
    if message.startswith("Invalid schema"):
        return None
    # A body that names several (`max_tokens` … use `max_completion_tokens`) names the wrong one first.
    found = PARAMETER.search(f"{exc.param or ''} {message}")
    return found.group() if found else None


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds, from `retry-after-ms` or `Retry-After` (seconds or a date); None where it does not say."""
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
