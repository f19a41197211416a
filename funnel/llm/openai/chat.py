"""Models behind the OpenAI chat completions API: OpenAI itself, vLLM, Ollama, llama.cpp; knows no budget.

The `openai` library sends the requests. Retries, fallbacks for older servers and the translation of its
errors are here. No message that leaves this file contains the API key.
"""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

import openai

from funnel.backoff import pauses
from funnel.errors import ContextTooLong, LLMBadResponse, LLMError, LLMRefused, LLMUnavailable
from funnel.llm.base import CallOptions, Completion, Request, Retry, StatedWindow, Wait
from funnel.llm.openai.beside import Beside
from funnel.llm.openai.client import CALL_ERRORS, client
from funnel.llm.openai.connection import Connection
from funnel.llm.openai.extras import Extras
from funnel.llm.openai.failures import (
    CHECK_KEY,
    CHECK_LATER,
    CHECK_RATE,
    CHECK_URL,
    FailedAttempt,
    failed_attempt,
)
from funnel.llm.openai.parameters import Form, Parameters
from funnel.llm.openai.rates import all_headers, stated_limits
from funnel.llm.openai.receiving import PAGE, OnWords, Received
from funnel.llm.openai.redaction import Redactor
from funnel.llm.openai.sending import Sender
from funnel.llm.openai.status import TOO_MANY
from funnel.llm.openai.wire import request_body
from funnel.llm.openai.words import Words
from funnel.llm.pace import Cost
from funnel.llm.pacing import TooSlow, Turn, pacer_of
from funnel.types import Tier

STALL_S = 60.0
LONGEST_PAUSE_S = 60.0
"""The longest pause after a failure, unless the endpoint asks for a longer one."""
PATIENCE_S = 600.0
"""How long a call without a time limit is tried again while the endpoint refuses it because of its rate."""
SERVICE_TIER = "service_tier"
FLEX_TIME_SHARE = 0.5
"""The share of a call's time that the flex tier may take, before the standard tier is asked."""
FLEX_PAUSE_S = 300.0
"""How long the flex tier is not asked after it did not answer in that time."""
NO_COST = Cost()
FIXED_TEMPERATURE = re.compile(r"(?:.*/)?gpt-6\b")
"""Models that refuse a temperature unless their effort is `none`."""
VERSION = re.compile(r"/v\d")
"""What is in the path of nearly every API, so that without it the URL may be wrong."""
NO_EXTRAS = Extras()
_TEXTS = tuple(field.name for field in fields(Completion) if field.type == "str")


class OpenAIChat:
    """One model at one endpoint. Safe for concurrent calls within one event loop.

    Args:
        model: name of the model at the endpoint.
        api_key: may be None for a self-hosted endpoint that needs none.
        base_url: root URL of the API, often ending in /v1; None means OpenAI.
        max_retries: further attempts after a 5xx, timeout or lost connection. After a 429 the call is made
            again as long as it has time.
        stall_s: how long a stream may be silent after its first word. Until then, and where the endpoint does
            not stream, only `CallOptions.timeout_s` limits the call.
        backoff_s: upper end of the wait before the first retry (three quarters of it on average); doubles
            with each retry.
        extras: what the user adds to each request.
        tier: the service tier to ask for. A call that the flex tier does not serve, since it is busy or takes
            more than half of the call's time, is made at the standard tier.

    Raises: `BadSetting` if the key cannot be sent, or is missing and the endpoint is OpenAI.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        max_retries: int = 4,
        stall_s: float = STALL_S,
        backoff_s: float = 1.0,
        extras: Extras = NO_EXTRAS,
        tier: Tier = "standard",
    ) -> None:
        self._model = model
        connection = Connection(base_url, api_key, extras)
        self._client = client(model, connection)
        self._sender = Sender(self._client)
        self._beside = Beside(self._client, connection.url)
        self._redactor = Redactor(connection.secrets)
        self._endpoint = connection.shown
        self._account = connection.account
        self._key_advice = connection.advice
        self._located = f"openai {connection.shown} {connection.fingerprint}".rstrip()
        self._max_retries = max_retries
        self._stall_s = stall_s
        self._backoff_s = backoff_s
        self._pacer = pacer_of(self._account, model, first_pause_s=backoff_s)
        self._usual_output = 500.0
        # OpenAI's newer models accept only the newer name; other servers reject it or silently ignore it.
        at_openai = base_url is None or base_url.startswith("https://api.openai.com")
        limit_name = "max_completion_tokens" if at_openai else "max_tokens"
        thinks = FIXED_TEMPERATURE.match(model) and extras.body.get("reasoning_effort") != "none"
        dropped = frozenset({"temperature"} if thinks else ())
        self._parameters = Parameters(Form(limit_name, dropped), extras.body)
        self._marks_ends = False
        self._takes_grammars: bool | None = None
        self._tier: Tier = tier
        self._flex_from = 0.0

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model

    @property
    def endpoint(self) -> str:
        """Where the calls go, with a hash of what else tells its answers apart; it reveals no secret."""
        return self._located

    @property
    def tier(self) -> Tier:
        """The service tier that calls ask for."""
        return self._tier

    @property
    def account(self) -> str:
        """A name for endpoint and key, valid within this process, that reveals neither."""
        return self._account

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        """Return one completion. An empty completion is not an error.

        A parameter that the endpoint refuses (`temperature`, `response_format`, streaming, the system role, a
        name of the token limit) is left out or renamed. If that works, later calls do the same.

        Raises: `LLMUnavailable` if the endpoint is down, or does not answer in time or within the retries;
        `LLMRefused` if it rejects the key, model or request; `LLMBadResponse`.
        """
        options = options or CallOptions()
        calling = _Calling()
        try:
            async with asyncio.timeout(options.timeout_s) as deadline:
                completion = await self._complete_at_flex(request, options, deadline)
                if completion is None:
                    completion = await self._complete_with_retries(request, options, deadline, calling)
        except LLMBadResponse as bad:
            reason = self._redactor.line(bad.reason)
            raise LLMBadResponse(self._model, self._endpoint, reason, advice=bad.advice) from None
        except TimeoutError:
            if not deadline.expired():
                raise
            raise self._late(options.timeout_s or 0.0, calling) from None
        return self._without_secrets(completion)

    async def stated_window(self) -> StatedWindow | None:
        """Return the window that the endpoint gives the model, if it is Ollama; None if it is another."""
        if not self._beside.is_near or await self._beside.ollama_version() is None:
            return None
        return await self._beside.ollama_window(self._model)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _complete_at_flex(
        self, request: Request, options: CallOptions, deadline: asyncio.Timeout
    ) -> Completion | None:
        """Try the call once at the flex tier, if that is wanted.

        Returns: None if the call is to be made at the standard tier, since flex is busy or takes too long.
        """
        loop = asyncio.get_running_loop()
        if self._tier != "flex" or not self._parameters.sends(SERVICE_TIER) or loop.time() < self._flex_from:
            return None
        body = {**request_body(self._model, request), SERVICE_TIER: self._tier}
        give_up_at = deadline.when() or loop.time() + PATIENCE_S
        try:
            async with self._pacer.turn(self._cost(request), options, give_up_at=give_up_at) as turn:
                time_s = (give_up_at - loop.time()) * FLEX_TIME_SHARE
                async with asyncio.timeout(time_s) as own:
                    attempting = partial(self._attempt, request, turn, options.on_delta)
                    outcome = await self._parameters.negotiate(body, attempting)
                if isinstance(outcome, Completion):
                    turn.serve()
                    return outcome
        except TooSlow:
            return None
        except TimeoutError:
            if not own.expired():
                raise
            self._flex_from = loop.time() + FLEX_PAUSE_S
            outcome = FailedAttempt(f"no answer within {_seconds(time_s)}", retry=True, may_be_billed=True)
        if not outcome.retry:
            raise self._error(outcome, 1, left_s=give_up_at - loop.time())
        reason = f"the flex tier did not serve the call: {self._redactor.line(outcome.reason)}"
        notified = options.on_retry(Retry(1, reason, 0.0, outcome.may_be_billed, tier="standard"))
        if notified is not None:
            await notified
        return None

    async def _complete_with_retries(
        self, request: Request, options: CallOptions, deadline: asyncio.Timeout, calling: _Calling
    ) -> Completion:
        """Make attempts in the pacer's time until one succeeds, or no other is worth making."""
        loop = asyncio.get_running_loop()
        give_up_at = deadline.when() or loop.time() + PATIENCE_S
        body = request_body(self._model, request)
        if self._tier == "priority":
            body[SERVICE_TIER] = self._tier
        if request.grammar is not None and await self._keeps_to_grammars():
            body["grammar"] = request.grammar
        attempt = lost = 0
        waits = pauses(self._backoff_s, LONGEST_PAUSE_S)
        while True:
            attempt += 1
            calling.waits_for = self._pacer.reason
            try:
                async with self._pacer.turn(self._cost(request), options, give_up_at=give_up_at) as turn:
                    calling.waits_for = ""
                    attempting = partial(self._attempt, request, turn, options.on_delta)
                    failure = await self._parameters.negotiate(body, attempting)
                    if isinstance(failure, Completion):
                        turn.serve()
                        self._usual_output += (failure.output_tokens - self._usual_output) / 8
                        return failure
                    reason = calling.waits_for = self._redactor.line(failure.reason)
                    if failure.too_fast:
                        wait_s = turn.refuse(reason, failure.retry_after_s)
                        wait_s = wait_s if failure.retry_after_s is None else failure.retry_after_s
                    else:
                        wait_s = next(waits) if failure.retry_after_s is None else failure.retry_after_s
            except TooSlow as slow:
                failure = FailedAttempt(slow.reason, CHECK_RATE, retry=True, retry_after_s=slow.wait_s)
                raise self._error(failure, attempt - 1, left_s=give_up_at - loop.time()) from None
            lost += failure.status != TOO_MANY
            left_s = give_up_at - loop.time()
            if not failure.retry or lost > self._max_retries or wait_s >= left_s:
                raise self._error(failure, attempt, left_s=left_s)
            notified = options.on_retry(Retry(attempt, reason, wait_s, failure.may_be_billed))
            if notified is not None:
                await notified
            if not failure.too_fast:
                async with options.while_waiting(Wait(reason, wait_s)):
                    await asyncio.sleep(wait_s)

    async def _keeps_to_grammars(self) -> bool:
        """Return whether the endpoint is known to keep replies to a grammar; it is asked once."""
        if self._takes_grammars is None:
            self._takes_grammars = self._beside.is_near and await self._beside.takes_grammars()
        return self._takes_grammars

    def _cost(self, request: Request) -> Cost:
        """Return what a call may take of a limit of tokens, if the endpoint has stated one."""
        if not self._pacer.counts_tokens:
            return NO_COST
        input_tokens = request.estimated_input_tokens()
        output_tokens = min(request.max_output_tokens, round(self._usual_output))
        # The estimate is an upper bound: text has about four bytes per token.
        return Cost(input_tokens // 2 + output_tokens, input_tokens + request.max_output_tokens)

    async def _attempt(
        self, request: Request, turn: Turn, on_delta: OnWords | None, body: dict[str, Any]
    ) -> Completion | FailedAttempt:
        words = None if on_delta is None else Words(self._redactor.stream(), on_delta)
        try:
            response = await self._sender.send(body)
            turn.hear(stated_limits(response.headers))
            received = Received(response, stall_s=self._stall_s, on_words=words.add if words else None)
            await received.receive()
        except CALL_ERRORS as exc:
            if isinstance(exc, openai.APIStatusError):
                turn.hear(stated_limits(all_headers(exc.response.headers, exc.body)))
            return failed_attempt(exc)
        if (failure := self._failure(received, streaming="stream" in body)) is not None:
            return failure
        if words is not None:
            words.finish()
        return received.reply.completion(request, self._model)

    def _failure(self, received: Received, *, streaming: bool) -> FailedAttempt | None:
        """Return what went wrong, if anything. Raises: `LLMBadResponse` if it is not a chat completion."""
        if (failure := received.failure) is not None:
            return failure
        if (other := received.no_completion) is not None:
            elsewhere = other.startswith(PAGE) or VERSION.search(self._endpoint) is None
            advice = CHECK_URL if elsewhere else CHECK_LATER
            raise LLMBadResponse(self._model, self._endpoint, other, advice=advice)
        self._marks_ends = self._marks_ends or (received.streamed and received.ended)
        if not streaming or not received.cut_off:
            return None
        if not self._marks_ends:
            # An endpoint that marks no end at all is asked for whole replies from now on.
            self._parameters.form = self._parameters.form.without(["stream"])
        return FailedAttempt("the reply was cut off", CHECK_LATER, retry=True, may_be_billed=True)

    def _without_secrets(self, completion: Completion) -> Completion:
        """Return the completion without what a gateway may have echoed."""
        shown: dict[str, Any] = {}
        for name in _TEXTS:
            said = getattr(completion, name)
            if (hidden := self._redactor.text(said)) != said:
                shown[name] = hidden
        return replace(completion, **shown) if shown else completion

    def _late(self, timeout_s: float, calling: _Calling) -> LLMUnavailable:
        """Return the error of a call whose time is up. While it waits, nothing is under way to be billed."""
        reason, advice = (
            f"no answer within {timeout_s:g} s",
            "Allow more time, or check that the endpoint runs.",
        )
        if calling.waits_for:
            reason += f", since it had to wait: {calling.waits_for}"
            advice = CHECK_RATE
        where = self._model, self._endpoint
        return LLMUnavailable(*where, reason, advice=advice, may_be_billed=not calling.waits_for)

    def _error(self, failure: FailedAttempt, attempts: int, *, left_s: float) -> LLMError:
        """Return the error for the caller, not chained: the library's error holds the request's headers."""
        reason = self._redactor.line(failure.reason)
        where = self._model, self._endpoint
        if failure.too_long is not None:
            return ContextTooLong(*where, reason, advice=failure.advice, **asdict(failure.too_long))
        if failure.refused:
            advice = failure.advice.replace(CHECK_KEY, self._key_advice)
            return LLMRefused(*where, reason, advice=advice)
        if attempts > 1:
            reason += f", after {attempts} attempts"
        if failure.retry and failure.retry_after_s is not None and failure.retry_after_s >= left_s:
            reason += f"; it asks to wait {_seconds(failure.retry_after_s)}, and {_seconds(left_s)} are left"
        return LLMUnavailable(*where, reason, advice=failure.advice, may_be_billed=failure.may_be_billed)


@dataclass(slots=True)
class _Calling:
    """How far a call has come. `waits_for`: why the next attempt is not made yet; "" while one is."""

    waits_for: str = ""


def _seconds(amount: float) -> str:
    return f"{math.ceil(amount):,} s" if amount >= 1 else f"{max(amount, 0.0):.2g} s"
