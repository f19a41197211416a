"""The contract of a language model: what every `LLM` must do, as classes of tests to inherit."""

from __future__ import annotations

import asyncio
import copy
import time
import traceback
from typing import get_args

import pytest

from funnel.errors import LLMBadResponse, LLMRefused, LLMUnavailable
from funnel.llm.base import LLM, CallOptions, Completion, Located, Message, Purpose, Request, Retry

SYSTEM = "You answer in one short sentence."
ANSWER_S = 60.0
"""How long a real model may take for a short answer."""
SECRET = "hunter2"  # noqa: S105 - nobody's password
"""What the fixtures of `EndpointModelContract` use as a key."""


def request(text: str, purpose: Purpose = "query", **fields: object) -> Request:
    """Return a request as readers and inspectors make it: a system message, then a user message."""
    made = Request((Message("system", SYSTEM), Message("user", text)), purpose, max_output_tokens=64)
    return made if not fields else Request(made.messages, purpose, **{"max_output_tokens": 64, **fields})  # type: ignore[arg-type]  # tests name real fields


ASK = request("Who signed the lease of Hill House?")


class ModelContract:
    """What every `funnel.llm.base.LLM` must do.

        class TestMine(ModelContract):
            @pytest.fixture
            def model(self):
                return MyModel("name")

    The fixture's model answers any number of requests, with any text. With a real model the suite costs about
    forty short calls.
    """

    @pytest.fixture
    def model(self) -> LLM:
        """Return the model."""
        raise NotImplementedError("override the fixture `model`: return an LLM")

    async def test_its_name_is_one_line_and_does_not_change(self, model: LLM) -> None:
        name = model.name
        assert name.strip()
        assert name.isprintable()
        await model.complete(ASK)
        assert model.name == name

    async def test_a_completion_reports_its_model_and_tokens(self, model: LLM) -> None:
        completion = await model.complete(ASK)
        assert isinstance(completion, Completion)
        assert isinstance(completion.text, str)
        assert completion.model
        assert completion.input_tokens > 0
        assert completion.output_tokens >= 0
        assert completion.finish_reason

    async def test_no_reply_takes_more_output_than_is_reserved_for_it(self, model: LLM) -> None:
        asked = request("Count from one to a hundred.")
        assert (await model.complete(asked)).output_tokens <= asked.max_output_tokens

    async def test_words_that_come_early_are_those_of_the_text(self, model: LLM) -> None:
        came: list[str] = []
        completion = await model.complete(ASK, CallOptions(timeout_s=ANSWER_S, on_delta=came.append))
        # A model may hand on none, and what it hands on may have spaces around it that the text lacks.
        assert "".join(came).strip() in {"", completion.text.strip()}

    @pytest.mark.parametrize("purpose", get_args(Purpose))
    async def test_every_purpose_is_answered(self, model: LLM, purpose: Purpose) -> None:
        assert isinstance((await model.complete(request("Which is taller?", purpose))).text, str)

    async def test_options_may_be_given(self, model: LLM) -> None:
        options = CallOptions(timeout_s=ANSWER_S, on_retry=lambda _retry: None)
        assert isinstance((await model.complete(ASK, options)).text, str)

    async def test_words_that_are_heard_are_those_of_the_text(self, model: LLM) -> None:
        heard: list[str] = []
        completion = await model.complete(ASK, CallOptions(timeout_s=ANSWER_S, on_delta=heard.append))
        assert not heard or "".join(heard).strip() == completion.text.strip()

    async def test_every_field_of_a_request_is_accepted(self, model: LLM) -> None:
        schema = {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        }
        asked = request("Name a colour. Be quick.", temperature=0.0, schema=schema, varying=("Be quick.", ""))
        before = copy.deepcopy(asked)
        assert isinstance((await model.complete(asked)).text, str)
        assert asked == before

    @pytest.mark.parametrize(
        "text", ["\ud800", "a\udfffb", "\x00", "\U0001f600é合", "\r\n\t", "<|endoftext|>", "{}"]
    )
    async def test_a_message_may_contain_any_character(self, model: LLM, text: str) -> None:
        assert isinstance((await model.complete(request(f"Repeat: {text}"))).text, str)

    @pytest.mark.parametrize("word", ["lease ", "賃貸借 ", "x=1;", "é", "\U0001f600"])
    async def test_no_request_takes_more_input_than_is_reserved_for_it(self, model: LLM, word: str) -> None:
        asked = request(word * 200)
        assert (await model.complete(asked)).input_tokens <= asked.estimated_input_tokens()

    async def test_a_longer_request_takes_more_input(self, model: LLM) -> None:
        short, long = [(await model.complete(request("lease " * n))).input_tokens for n in (1, 500)]
        assert short < long

    async def test_many_tasks_may_ask_at_once(self, model: LLM) -> None:
        asked = [request(f"Is {n} even?") for n in range(16)]
        done = await asyncio.gather(*map(model.complete, asked))
        assert [type(completion) for completion in done] == [Completion] * 16

    async def test_the_model_still_works_after_a_call_is_cancelled(self, model: LLM) -> None:
        calling = asyncio.create_task(model.complete(ASK))
        await asyncio.sleep(0)
        calling.cancel()
        # A model that had the answer immediately may have returned it.
        [ended] = await asyncio.gather(calling, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError | Completion)
        assert isinstance((await model.complete(ASK)).text, str)

    async def test_closing_twice_is_no_error(self, model: LLM) -> None:
        await model.complete(ASK)
        await model.close()
        await model.close()


def said(error: BaseException) -> str:
    """Return everything that a traceback, its chain and the error itself show."""
    return f"{''.join(traceback.format_exception(error))} {error} {error!r} {vars(error)!r}"


class EndpointModelContract(ModelContract):
    """What a model behind an endpoint must do in addition to `ModelContract`.

    Provide four more fixtures, each a model with `SECRET` as its key: `unreachable`, at a port where nothing
    listens, which retries within a second; `refusing`, whose endpoint refuses the key; `garbled`, whose
    endpoint returns no valid completion; `hanging`, whose endpoint takes more than a minute. A local HTTP
    server can play all of them.
    """

    @pytest.fixture
    def unreachable(self) -> LLM:
        """Return a model whose endpoint does not exist."""
        raise NotImplementedError("override the fixture `unreachable`: return an LLM")

    @pytest.fixture
    def refusing(self) -> LLM:
        """Return a model whose endpoint refuses the key."""
        raise NotImplementedError("override the fixture `refusing`: return an LLM")

    @pytest.fixture
    def garbled(self) -> LLM:
        """Return a model whose endpoint returns nonsense."""
        raise NotImplementedError("override the fixture `garbled`: return an LLM")

    @pytest.fixture
    def hanging(self) -> LLM:
        """Return a model whose endpoint does not answer for a minute."""
        raise NotImplementedError("override the fixture `hanging`: return an LLM")

    async def test_it_shows_its_endpoint_but_not_its_key(self, unreachable: LLM) -> None:
        assert isinstance(unreachable, Located)
        assert unreachable.endpoint.strip()
        assert unreachable.endpoint.isprintable()
        assert SECRET not in f"{unreachable.endpoint} {unreachable.name} {unreachable!r}"
        await unreachable.close()

    async def test_an_endpoint_that_is_not_there_is_one_clear_error(self, unreachable: LLM) -> None:
        retries: list[Retry] = []
        with pytest.raises(LLMUnavailable) as failed:
            await unreachable.complete(ASK, CallOptions(timeout_s=ANSWER_S, on_retry=retries.append))
        assert "\n" not in str(failed.value)
        assert SECRET not in said(failed.value)
        assert [retry.attempt for retry in retries] == list(range(1, len(retries) + 1))
        assert retries
        assert all(retry.wait_s >= 0 and retry.reason and SECRET not in retry.reason for retry in retries)
        await unreachable.close()

    async def test_the_retry_callback_can_end_the_call(self, unreachable: LLM) -> None:
        stop = RuntimeError("the budget is spent")

        def refuse(_retry: Retry) -> None:
            raise stop

        with pytest.raises(RuntimeError) as raised:
            await unreachable.complete(ASK, CallOptions(on_retry=refuse))
        assert raised.value is stop
        await unreachable.close()

    async def test_a_refused_key_is_one_clear_error_without_a_retry(self, refusing: LLM) -> None:
        retries: list[Retry] = []
        with pytest.raises(LLMRefused) as failed:
            await refusing.complete(ASK, CallOptions(on_retry=retries.append))
        assert "\n" not in str(failed.value)
        assert SECRET not in said(failed.value)
        assert not failed.value.may_be_billed
        assert retries == []
        await refusing.close()

    async def test_an_invalid_completion_may_have_been_billed(self, garbled: LLM) -> None:
        with pytest.raises(LLMBadResponse) as failed:
            await garbled.complete(ASK)
        assert "\n" not in str(failed.value)
        assert failed.value.may_be_billed
        await garbled.close()

    async def test_a_call_ends_when_its_time_is_up_and_may_have_been_billed(self, hanging: LLM) -> None:
        began = time.monotonic()
        with pytest.raises(LLMUnavailable) as failed:
            await hanging.complete(ASK, CallOptions(timeout_s=0.2))
        assert time.monotonic() - began < ANSWER_S / 2
        assert failed.value.may_be_billed
        await hanging.close()

    async def test_a_cancelled_call_does_not_wait_for_the_endpoint(self, hanging: LLM) -> None:
        calling = asyncio.create_task(hanging.complete(ASK))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert time.monotonic() - began < ANSWER_S / 2
        await hanging.close()
