"""Models behind the OpenAI chat completions API: OpenAI itself, vLLM, Ollama, llama.cpp; knows no budget.

The `openai` library sends the requests. Retries, fallbacks for older servers and the translation of its
errors are here. No message that leaves this file contains the API key.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from funnel.backoff import pauses
from funnel.errors import ContextTooLong, LLMError, LLMRefused, LLMUnavailable
from funnel.llm.base import CallOptions, Completion, OnRetry, Request, Retry
from funnel.llm.openai.client import CALL_ERRORS, OPENAI_URL, client
from funnel.llm.openai.failures import FailedAttempt, failed_attempt, rejected_parameter
from funnel.llm.openai.redaction import Redactor
from funnel.llm.openai.wire import model_names, parse_completion, request_body
from indexes.fingerprint import fingerprint

_SALT = secrets.token_bytes(32)
LONGEST_WAIT_S = 60.0
"""An endpoint that asks callers to wait longer is treated as unavailable."""

OTHER_LIMIT_NAME = {"max_completion_tokens": "max_tokens", "max_tokens": "max_completion_tokens"}
OPTIONAL_PARAMETERS = frozenset({"temperature", "response_format"})


class OpenAIChat:
    """One model at one endpoint. Safe for concurrent calls within one event loop.

    Args:
        model: name of the model at the endpoint.
        api_key: may be None for a self-hosted endpoint that needs none.
        base_url: root URL of the API, often ending in /v1; None means OpenAI.
        max_retries: further attempts after a 429, 5xx, timeout or lost connection.
        attempt_timeout_s: limit of one attempt; `CallOptions.timeout_s` limits the whole call.
        backoff_s: upper end of the wait before the first retry (three quarters of it on average); doubles
            with each retry.

    Raises: `BadSetting` if the key cannot be sent, or is missing and the endpoint is OpenAI.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        max_retries: int = 4,
        attempt_timeout_s: float = 120.0,
        backoff_s: float = 1.0,
    ) -> None:
        self._model = model
        self._client = client(model, api_key, base_url)
        self._redactor = Redactor([api_key] if api_key else [])
        self._endpoint = endpoint_name(base_url)
        self._account = account_name(base_url, api_key)
        query = urlsplit(base_url or "").query
        self._query = fingerprint(query) if query else ""
        self._max_retries = max_retries
        self._attempt_timeout_s = attempt_timeout_s
        self._backoff_s = backoff_s
        # OpenAI's newer models accept only the newer name; other servers reject it or silently ignore it.
        at_openai = base_url is None or base_url.startswith("https://api.openai.com")
        self._limit_name = "max_completion_tokens" if at_openai else "max_tokens"
        self._dropped: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model

    @property
    def endpoint(self) -> str:
        """Where the calls go. A query string in the URL may hold a secret, so only its hash is included."""
        return f"openai {self._endpoint} {self._query}".rstrip()

    @property
    def account(self) -> str:
        """A name for endpoint and key, valid within this process, that reveals neither."""
        return self._account

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        """Return one completion. An empty completion is not an error.

        A parameter that the endpoint rejects by name (`temperature`, `response_format`, the newer or older
        name of the token limit) is omitted or renamed. If that works, later calls do the same.

        Raises: `LLMUnavailable` if the endpoint is down, or does not answer in time or within the retries;
        `LLMRefused` if it rejects the key, model or request; `LLMBadResponse`.
        """
        options = options or CallOptions()
        try:
            async with asyncio.timeout(options.timeout_s) as deadline:
                return await self._complete_with_retries(request, options.on_retry, deadline)
        except TimeoutError:
            if not deadline.expired():
                raise
            reason = f"no answer within {options.timeout_s:g} s"
            advice = "Allow more time, or check that the endpoint runs."
            raise LLMUnavailable(
                self._model, self._endpoint, reason, advice=advice, may_be_billed=True
            ) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _complete_with_retries(
        self, request: Request, on_retry: OnRetry, deadline: asyncio.Timeout
    ) -> Completion:
        attempt = 1
        waits = pauses(self._backoff_s, LONGEST_WAIT_S)
        while True:
            failure = await self._complete_negotiating_parameters(request)
            if isinstance(failure, Completion):
                return failure
            pause_s = next(waits)
            wait_s = pause_s if failure.retry_after_s is None else failure.retry_after_s
            when = deadline.when()
            too_late = when is not None and asyncio.get_running_loop().time() + wait_s >= when
            if not failure.retry or attempt > self._max_retries or wait_s > LONGEST_WAIT_S or too_late:
                raise self._error(failure, attempt)
            notified = on_retry(
                Retry(attempt, self._redactor.text(failure.reason), wait_s, failure.may_be_billed)
            )
            if notified is not None:
                await notified
            await asyncio.sleep(wait_s)
            attempt += 1

    async def _complete_negotiating_parameters(self, request: Request) -> Completion | FailedAttempt:
        """Make one attempt; repeat it without a parameter each time the endpoint rejects one by name."""
        limit_name, dropped = self._limit_name, self._dropped
        renamed = False
        while True:
            body = request_body(self._model, request, limit_name=limit_name, dropped=dropped)
            outcome = await self._attempt(request, body)
            if isinstance(outcome, Completion):
                self._limit_name, self._dropped = limit_name, dropped | self._dropped
                return outcome
            rejected = rejected_parameter(outcome, sent=body.keys())
            if rejected == limit_name and not renamed:
                limit_name, renamed = OTHER_LIMIT_NAME[limit_name], True
            elif rejected in OPTIONAL_PARAMETERS - dropped:
                dropped |= {rejected}
            else:
                return outcome

    async def _attempt(self, request: Request, body: dict[str, Any]) -> Completion | FailedAttempt:
        try:
            async with asyncio.timeout(self._attempt_timeout_s) as deadline:
                # Not `chat.completions.create`, which validates the types of every message: that took longer
                # than everything else in a turn.
                content = await self._client.post("/chat/completions", body=body, cast_to=bytes)
        except TimeoutError:
            if not deadline.expired():
                raise
            return FailedAttempt(
                reason=f"no answer within {self._attempt_timeout_s:g} s", retry=True, may_be_billed=True
            )
        except CALL_ERRORS as exc:
            return failed_attempt(exc)
        return parse_completion(content, request, model=self._model, endpoint=self._endpoint)

    def _error(self, failure: FailedAttempt, attempts: int) -> LLMError:
        """Return the error for the caller, not chained: the library's error holds the request's headers."""
        reason = self._redactor.text(failure.reason)
        where = self._model, self._endpoint
        if failure.too_long is not None:
            return ContextTooLong(*where, reason, advice=failure.advice, **asdict(failure.too_long))
        if failure.refused:
            return LLMRefused(*where, reason, advice=failure.advice)
        if attempts > 1:
            reason += f", after {attempts} attempts"
        return LLMUnavailable(*where, reason, advice=failure.advice, may_be_billed=failure.may_be_billed)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Result of probing an endpoint for `funnel doctor`: whether it answers, and one line about it."""

    available: bool
    detail: str


async def probe(base_url: str | None, api_key: str | None, *, timeout_s: float = 5.0) -> Endpoint:
    """Ask the endpoint for its list of models, which costs nothing. Raises: `BadSetting` only."""
    where = endpoint_name(base_url)
    probing = client("any model", api_key, base_url)
    try:
        async with asyncio.timeout(timeout_s):
            names = model_names(await probing.get("/models", cast_to=bytes))
    except TimeoutError:
        return Endpoint(available=False, detail=f"{where}: no answer within {timeout_s:g} s")
    except CALL_ERRORS as exc:
        failure = failed_attempt(exc)
        reason = Redactor([api_key] if api_key else []).text(failure.reason)
        return Endpoint(available=False, detail=f"{where}: {reason}. {failure.advice}".rstrip())
    finally:
        await probing.close()
    if names is None:
        return Endpoint(available=False, detail=f"{where}: answers, but not with a list of models")
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")  # noqa: PLR2004 - what fits on a line
    return Endpoint(available=True, detail=f"{where}: {len(names)} models ({shown})")


def account_name(base_url: str | None, api_key: str | None) -> str:
    """Return a name that is the same for the same endpoint and key. It is salted, so it reveals neither."""
    parts = f"{(base_url or OPENAI_URL).rstrip('/')}\n{api_key or ''}".encode()
    return hashlib.blake2b(parts, key=_SALT, digest_size=16).hexdigest()


def endpoint_name(base_url: str | None) -> str:
    """Return the URL for messages and traces, without credentials or query string."""
    parts = urlsplit(base_url or OPENAI_URL)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
