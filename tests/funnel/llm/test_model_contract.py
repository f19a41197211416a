"""Every model keeps the contract, and a model that does not is caught by it."""

from __future__ import annotations

import asyncio
import json

import pytest
from chat_server import ChatServer, Reply, error

from funnel.errors import LLMUnavailable
from funnel.llm.base import CallOptions, Completion
from funnel.llm.extractive import Extractive
from funnel.llm.openai.chat import OpenAIChat
from funnel.testing import ScriptedLLM
from funnel.testing.model import ASK, SECRET, EndpointModelContract, ModelContract


class TestExtractive(ModelContract):
    @pytest.fixture
    def model(self):
        return Extractive()


class TestScripted(ModelContract):
    @pytest.fixture
    def model(self):
        return ScriptedLLM(["It was Ada Roth."] * 40)


class TestOpenAIChat(EndpointModelContract):
    @pytest.fixture
    async def at(self, chat_server: ChatServer):
        """Opens a model whose server gives the reply."""
        opened = []

        def open_one(reply: Reply | None = None, base_url: str = chat_server.url) -> OpenAIChat:
            if reply:
                chat_server.default = lambda _body: reply
            opened.append(OpenAIChat("m", api_key=SECRET, base_url=base_url, backoff_s=0.001))
            return opened[-1]

        yield open_one
        for model in opened:
            await model.close()

    @pytest.fixture
    def model(self, at):
        return at()

    @pytest.fixture
    def unreachable(self, at):
        # Port 1 is nobody's.
        return at(base_url="http://127.0.0.1:1/v1")

    @pytest.fixture
    def refusing(self, at):
        return at(error(401, f"Incorrect API key provided: {SECRET}"))

    @pytest.fixture
    def garbled(self, at):
        return at(Reply(body=json.dumps({"object": "list"}).encode()))

    @pytest.fixture
    def hanging(self, at):
        return at(Reply("late", delay_s=90))


class Wrong(ScriptedLLM):
    """Answers as it should, but for what a subclass does."""

    def __init__(self):
        super().__init__(["ok"] * 9)


class GivesText(Wrong):
    async def complete(self, request, options=None):
        return (await super().complete(request, options)).text


class CountsNothing(Wrong):
    async def complete(self, request, options=None):
        return Completion("ok", "m", 0, 0)


class CountsCharacters(Wrong):
    async def complete(self, request, options=None):
        size = sum(len(message.content) for message in request.messages)
        return Completion("ok", "m", size, 1)


class WritesTooMuch(Wrong):
    async def complete(self, request, options=None):
        return Completion("ok", "m", 1, request.max_output_tokens + 1)


class HandsOnItsThoughts(Wrong):
    async def complete(self, request, options=None):
        if options and options.on_delta:
            options.on_delta("Let me see. ")
        return await super().complete(request, options)


class NeedsOptions(Wrong):
    async def complete(self, request, options):
        return await super().complete(request, options)


class BreaksOnSurrogates(Wrong):
    async def complete(self, request, options=None):
        return Completion(request.messages[-1].content.encode().decode(), "m", 1, 1)


class ServesOneAtATime(Wrong):
    busy = False

    async def complete(self, request, options=None):
        if self.busy:
            raise LLMUnavailable("m", "here", "busy")
        self.busy = True
        await asyncio.sleep(0)
        self.busy = False
        return await super().complete(request, options)


class StaysBusyWhenCancelled(ServesOneAtATime):
    """The flag is not taken back."""


class ChangesTheSchema(Wrong):
    async def complete(self, request, options=None):
        if request.schema:
            request.schema["strict"] = True
        return await super().complete(request, options)


class ChangesItsName(Wrong):
    @property
    def name(self):
        return f"m{self.remaining}"


@pytest.mark.parametrize(
    ("model_class", "test", "options"),
    [
        (GivesText, "test_a_completion_reports_its_model_and_tokens", {}),
        (CountsNothing, "test_a_completion_reports_its_model_and_tokens", {}),
        (CountsNothing, "test_a_longer_request_takes_more_input", {}),
        (CountsCharacters, "test_no_request_takes_more_input_than_is_reserved_for_it", {"word": "lease "}),
        (WritesTooMuch, "test_no_reply_takes_more_output_than_is_reserved_for_it", {}),
        (HandsOnItsThoughts, "test_words_that_come_early_are_those_of_the_text", {}),
        (NeedsOptions, "test_its_name_is_one_line_and_does_not_change", {}),
        (BreaksOnSurrogates, "test_a_message_may_contain_any_character", {"text": "\ud800"}),
        (ServesOneAtATime, "test_many_tasks_may_ask_at_once", {}),
        (StaysBusyWhenCancelled, "test_the_model_still_works_after_a_call_is_cancelled", {}),
        (ChangesTheSchema, "test_every_field_of_a_request_is_accepted", {}),
        (ChangesItsName, "test_its_name_is_one_line_and_does_not_change", {}),
    ],
)
async def test_a_wrong_model_fails_the_contract(model_class, test, options):
    with pytest.raises((AssertionError, TypeError, UnicodeEncodeError, LLMUnavailable)):
        await getattr(ModelContract(), test)(model_class(), **options)


class GivesUpInSilence(OpenAIChat):
    async def complete(self, request, options=None):
        return await super().complete(request, CallOptions(timeout_s=(options or CallOptions()).timeout_s))


async def test_an_endpoint_that_retries_in_silence_fails_the_contract():
    model = GivesUpInSilence("m", api_key=SECRET, base_url="http://127.0.0.1:1/v1", backoff_s=0.001)
    with pytest.raises(AssertionError):
        await EndpointModelContract().test_an_endpoint_that_is_not_there_is_one_clear_error(model)
    await model.close()


async def test_the_right_model_passes_what_the_wrong_ones_fail():
    assert (await ScriptedLLM(["ok"]).complete(ASK)).text == "ok"
    await ModelContract().test_a_completion_reports_its_model_and_tokens(ScriptedLLM(["ok"]))
