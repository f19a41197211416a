"""What the reader sends: with the full form a schema that endpoints can enforce, none with the simple."""

from __future__ import annotations

from dataclasses import replace

from chat_server import ChatServer, Reply
from second_stage import FREE, a_run, reading

from funnel.llm.openai.chat import OpenAIChat
from funnel.reader import Reader


async def sent(server: ChatServer, form: str):
    """The bodies of the requests of one lookup."""
    model = OpenAIChat("m", base_url=server.url, backoff_s=0.001)
    async with a_run(model, prices=FREE | {"m": (0.0, 0.0)}) as bench:
        draft = await Reader().answer(replace(bench.run, form=form), bench.hits())
    await model.close()
    return draft, [seen.body for seen in server.seen if seen.path.endswith("/chat/completions")]


async def test_the_full_form_sends_a_strict_schema_with_the_answer_before_its_quotes(chat_server):
    chat_server.script(Reply(reading("14 days [1].", (1, "We refund within 14 days."))))
    draft, (body,) = await sent(chat_server, "full")
    asked = body["response_format"]["json_schema"]
    assert body["response_format"]["type"] == "json_schema"
    assert asked["strict"] is True
    assert list(asked["schema"]["properties"]) == ["found", "answer", "missing", "quotes"]
    assert draft.status == "complete"


async def test_the_simple_form_asks_for_words_at_temperature_zero(chat_server):
    chat_server.script(Reply("14 days"))
    draft, (body,) = await sent(chat_server, "simple")
    assert "response_format" not in body
    assert body["temperature"] == 0
    assert [citation.quote for citation in draft.citations] == ["We refund within 14 days."]
