"""Translates the `openai` library's exceptions: whether to retry, and what to tell the user; does no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai

from funnel.llm.openai.overflow import Overflow, overflow
from funnel.llm.openai.rates import all_headers, asked_wait_s
from funnel.llm.openai.server_error import NOTHING, ServerError, server_error
from funnel.llm.openai.status import MISSING, PAYMENT, TOO_LARGE, TOO_MANY, amounts_to, wants_money
from funnel.llm.openai.unreached import (
    CHECK_ENDPOINT,
    CHECK_PORT,
    redirects_without_end,
    speaks_no_http,
    unreached,
)

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
TRANSIENT = frozenset({408, 409, 425, 429, 499})
OVERLOADED = frozenset({503, 529})
"""With a time to wait, these ask all callers to wait, as a 429 does."""

CHECK_RATE = "Try again later, or lower FUNNEL_MAX_PARALLEL."
CHECK_LATER = "The endpoint failed: look at its log or try again later."
CHECK_KEY = "Check OPENAI_API_KEY."
CHECK_MODEL = "Check FUNNEL_MODEL and FUNNEL_SUB_MODEL; `funnel doctor` lists what the endpoint has."
CHECK_QUOTA = "Check the account's plan and billing."
CHECK_WINDOW = "Lower FUNNEL_MAX_PROMPT_TOKENS, or name a model with a larger window in FUNNEL_MODEL."
CHECK_OUTPUT = "Lower FUNNEL_MAX_OUTPUT_TOKENS, or name a model with longer replies in FUNNEL_MODEL."
CHECK_FILTER = "The provider's filter refused it: word the question differently, or name another model."
CHECK_REQUEST = "Check that this model takes such a request, or name another in FUNNEL_MODEL."

CHECK_ACCESS = f"{CHECK_KEY} Its account may not use this model, or not from here."
CHECK_PROXY = "Check user and password in HTTP_PROXY."
CHECK_URL = "Check that OPENAI_BASE_URL ends where the API begins, often in /v1."
ADVICE = {401: CHECK_KEY, 402: CHECK_QUOTA, 403: CHECK_ACCESS, 405: CHECK_URL, 407: CHECK_PROXY}
"""What to do about a refusal, by its status."""


NO_PATH = re.compile(
    r"(?:404 )?(?:page |resource |url |route |path |endpoint )?(?:not found)?"
    r"|(?:a page titled |cannot (?:post|get) |no route|invalid url|un\w+ (?:request )?url).*",
    re.IGNORECASE,
)
"""How servers and gateways say that nothing is at a path."""
MODEL = re.compile(r"model|deployment|endpoints found", re.IGNORECASE)
FILTERED = re.compile(r"content.?(?:filter|policy|management)|safety|moderat|responsible.?ai", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A failed attempt. `refused`: the endpoint rejects this call, and would reject it again.

    `reason` may hold what the server echoed, so it is shown only after `Redactor.line`.
    `may_be_billed`: the attempt may have been served. `status`: the HTTP status that the failure amounts to,
    None without an answer. `said`: what the server stated. `too_long`: the request did not fit.
    """

    reason: str
    advice: str = CHECK_ENDPOINT
    retry: bool = False
    refused: bool = False
    may_be_billed: bool = False
    retry_after_s: float | None = None
    status: int | None = None
    said: ServerError = NOTHING
    too_long: Overflow | None = None

    @property
    def too_fast(self) -> bool:
        """Whether the endpoint refuses the call because it gets too many."""
        overloaded = self.status in OVERLOADED and self.retry_after_s is not None
        return self.retry and (self.status == TOO_MANY or overloaded)


def failed_attempt(exc: Exception) -> FailedAttempt:
    """Translate an exception of the library. Its text is not used where it may contain headers."""
    if isinstance(exc, openai.APIStatusError):
        return _http_failure(exc)
    if not isinstance(exc, openai.APIConnectionError) and _aiohttp_error(exc) is None:
        return FailedAttempt(type(exc).__name__, may_be_billed=True)
    cause = _aiohttp_error(exc) or exc.__cause__ or exc
    kind = type(cause).__name__
    sent = kind not in NEVER_SENT | NEVER_SENT_BY_AIOHTTP
    request = getattr(exc, "request", None)
    if not sent and (why := unreached(exc, str(request.url) if request else "")) is not None:
        return FailedAttempt(why.reason, why.advice, retry=why.retry)
    if redirects_without_end(exc):
        return FailedAttempt("it redirects without end", CHECK_URL)
    if speaks_no_http(exc):
        reason = "the connection was lost (what answers there speaks no HTTP)"
        return FailedAttempt(reason, CHECK_PORT, retry=True, may_be_billed=True)
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


def failed_reply(error: Mapping[str, Any] | str, *, status: int | None) -> FailedAttempt:
    """Translate an error that a server stated in the body of a reply, or in the middle of a stream.

    `status`: the HTTP status of the reply; a gateway that has begun to answer cannot change its 200 any more.
    The status that the error itself states is then the one that counts, else its codes, else its words.
    """
    said = server_error(error)
    if status is not None and status >= 400:  # noqa: PLR2004 - the errors of HTTP
        return _failed(said, amounts_to(said, status), f"HTTP {status}")
    headline = f"error {said.status} in the reply" if said.status else "an error in the reply"
    return _failed(said, amounts_to(said, None), headline)


def _http_failure(exc: openai.APIStatusError) -> FailedAttempt:
    status = exc.status_code
    said = server_error(exc.body)
    headers = all_headers(exc.response.headers, exc.body)
    return _failed(said, amounts_to(said, status), f"HTTP {status}", headers)


def _failed(
    said: ServerError, status: int, headline: str, headers: Mapping[str, str] | None = None
) -> FailedAttempt:
    """Say whether a call that ended with this status can be repeated, and what to do about it."""
    asked_s = asked_wait_s(headers or {}, said.message)
    if status == TOO_MANY and asked_s is None and wants_money(said):
        status = PAYMENT  # no wait helps
    reason = f"{headline}, {said.message}" if said.message else headline
    too_long = overflow(said.message, codes=said.codes, numbers=said.fields)
    if too_long is None and status == TOO_LARGE:
        too_long = Overflow()
    if too_long is not None and status not in {401, 402, 403}:
        advice = CHECK_WINDOW if too_long.max_output_tokens is None else CHECK_OUTPUT
        return FailedAttempt(reason, advice, refused=True, status=status, said=said, too_long=too_long)
    if status in TRANSIENT or status >= 500:  # noqa: PLR2004
        return FailedAttempt(
            reason,
            CHECK_LATER if status >= 500 else CHECK_RATE,  # noqa: PLR2004
            retry=True,
            may_be_billed=status in GATEWAY_GAVE_UP,
            retry_after_s=asked_s,
            status=status,
            said=said,
        )
    return FailedAttempt(reason, _advice(said, status), refused=True, status=status, said=said)


def _advice(said: ServerError, status: int) -> str:
    """Return what to do about a refusal. After a 404 the URL is checked only if no model is spoken of."""
    words = f"{said.message} {' '.join(said.codes)}"
    if status != MISSING:
        return CHECK_FILTER if FILTERED.search(words) else ADVICE.get(status, CHECK_REQUEST)
    if NO_PATH.fullmatch(said.message):
        return CHECK_URL
    return CHECK_MODEL if MODEL.search(words) else f"{CHECK_MODEL} {CHECK_URL}"
