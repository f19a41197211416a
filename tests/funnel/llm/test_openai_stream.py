"""Streams of completions from a real HTTP server on loopback: words, silence, ends, and odd framing."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from chat_server import DONE, ChatServer, Reply, error, event, piece, streamed, usage_piece

from funnel.errors import LLMUnavailable
from funnel.llm.base import CallOptions, Message, Request, Retry
from funnel.llm.openai.chat import OpenAIChat

ASK = Request((Message("user", "x" * 40),), "query", max_output_tokens=100)
END = (piece(finish="stop"), usage_piece(10, 2), DONE)


@pytest.fixture(params=["aiohttp", "own"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test here runs on aiohttp and on the library's own transport."""
    if request.param == "own":
        monkeypatch.setattr("funnel.llm.openai.client._fits_aiohttp", lambda _url: False)
    return request.param


@pytest.fixture
async def chat(chat_server: ChatServer):
    llm = OpenAIChat("m", base_url=chat_server.url, backoff_s=0.001, stall_s=0.5)
    yield llm
    await llm.close()


async def test_the_words_of_a_stream_are_heard_one_by_one_and_joined(chat, chat_server):
    pieces = piece("", role="assistant"), piece("Hill "), piece("House"), *END
    chat_server.script(streamed(*pieces, drip_s=0.1))
    heard: list[str] = []
    completion = await chat.complete(ASK, CallOptions(on_delta=heard.append))
    assert heard == ["Hill ", "House"]
    assert (completion.text, completion.finish_reason) == ("Hill House", "stop")
    assert (completion.input_tokens, completion.output_tokens, completion.estimated) == (10, 2, False)


async def test_a_reply_that_takes_longer_than_any_silence_is_had_whole(chat, chat_server):
    words = [f"word{n} " for n in range(12)]
    chat_server.script(streamed(*map(piece, words), *END, drip_s=0.1))
    assert (await chat.complete(ASK)).text == "".join(words)
    assert len(chat_server.seen) == 1


async def test_a_silence_between_words_ends_the_attempt_and_may_be_billed(chat, chat_server):
    def silent():
        yield piece("Hill ")
        chat_server.wait(60)

    chat_server.script(streamed(), Reply("in time"))
    chat_server.replies[0] = Reply(pieces=silent(), content_type="text/event-stream")
    heard: list[Retry] = []
    assert (await chat.complete(ASK, CallOptions(on_retry=heard.append))).text == "in time"
    [retry] = heard
    assert (retry.reason, retry.may_be_billed) == ("no word for 0.5 s in the middle of a reply", True)


async def test_what_to_set_is_said_when_every_attempt_falls_silent(chat_server):
    def silent(_body):
        def pieces():
            yield piece("Hill ")
            chat_server.wait(60)

        return Reply(pieces=pieces(), content_type="text/event-stream")

    chat_server.default = silent
    chat = OpenAIChat("m", base_url=chat_server.url, backoff_s=0.001, stall_s=0.05, max_retries=1)
    with pytest.raises(LLMUnavailable, match="FUNNEL_STALL_S") as failed:
        await chat.complete(ASK)
    assert failed.value.may_be_billed
    await chat.close()


async def test_silence_before_the_first_word_has_the_time_of_the_call(chat, chat_server):
    def thinking():
        yield piece("", role="assistant")
        chat_server.wait(1.2)
        yield piece("House")
        yield from END

    chat_server.script(Reply(pieces=thinking(), content_type="text/event-stream"))
    assert (await chat.complete(ASK)).text == "House"


async def test_comments_between_words_are_signs_of_life(chat, chat_server):
    alive = [b": keep-alive\n\n"] * 8
    chat_server.script(streamed(piece("Hill "), *alive, piece("House"), *END, drip_s=0.1))
    assert (await chat.complete(ASK)).text == "Hill House"
    assert len(chat_server.seen) == 1


async def test_a_comment_is_no_word_so_that_a_silent_thinker_has_its_time(chat, chat_server):
    def thinking():
        yield b": processing\n\n"
        chat_server.wait(1.2)
        yield piece("House")
        yield from END

    chat_server.script(Reply(pieces=thinking(), content_type="text/event-stream"))
    assert (await chat.complete(ASK)).text == "House"


async def test_an_endpoint_that_answers_a_stream_with_one_body_works(chat, chat_server):
    chat_server.script(Reply("plain", stream=False, delay_s=0.7))
    heard: list[str] = []
    assert (await chat.complete(ASK, CallOptions(on_delta=heard.append))).text == "plain"
    assert heard == ["plain"]


@pytest.mark.parametrize(
    ("refusal", "left"),
    [
        (error(400, "Unrecognized request argument supplied: stream_options"), {"stream"}),
        (error(400, "stream_options is not allowed", param="stream_options"), {"stream"}),
        (
            Reply(status=422, body={"detail": [{"loc": ["body", "stream_options"], "msg": "Extra"}]}),
            {"stream"},
        ),
        (error(400, "Streaming is not supported by this model", param="stream"), set()),
        (error(422, "streaming is not supported"), set()),
    ],
)
async def test_an_endpoint_that_refuses_to_stream_is_asked_without_from_then_on(
    chat, chat_server, refusal, left
):
    chat_server.script(refusal)
    assert (await chat.complete(ASK)).text == "ok"
    await chat.complete(ASK)
    asked = [{"stream", "stream_options"} & seen.body.keys() for seen in chat_server.seen]
    assert asked == [{"stream", "stream_options"}, left, left]


async def test_an_endpoint_that_only_streams_works_where_no_stream_is_asked_for(chat, chat_server):
    chat_server.script(error(400, "bad stream", param="stream"), Reply("only so", stream=True))
    assert (await chat.complete(ASK)).text == "only so"


async def test_a_stream_that_breaks_off_is_made_again_as_one_that_may_be_billed(chat, chat_server):
    chat_server.script(streamed(piece("Hill "), hang_up=True), Reply("whole"))
    heard: list[Retry] = []
    assert (await chat.complete(ASK, CallOptions(on_retry=heard.append))).text == "whole"
    assert [retry.may_be_billed for retry in heard] == [True]


async def test_a_stream_that_breaks_off_after_its_last_word_is_whole(chat, chat_server):
    chat_server.script(streamed(piece("House"), piece(finish="stop"), hang_up=True))
    completion = await chat.complete(ASK)
    assert (completion.text, completion.estimated) == ("House", True)


async def test_a_stream_without_an_end_is_not_taken_for_a_whole_reply(chat, chat_server):
    chat_server.script(Reply("first"), streamed(piece("Hill ")), Reply("whole"))
    await chat.complete(ASK)
    heard: list[Retry] = []
    assert (await chat.complete(ASK, CallOptions(on_retry=heard.append))).text == "whole"
    assert [(retry.reason, retry.may_be_billed) for retry in heard] == [("the reply was cut off", True)]
    assert all("stream" in seen.body for seen in chat_server.seen)


async def test_an_endpoint_that_marks_no_end_is_asked_for_whole_replies(chat, chat_server):
    chat_server.default = lambda body: streamed(piece("Hill "), piece("House"))
    heard: list[Retry] = []
    assert (await chat.complete(ASK, CallOptions(on_retry=heard.append))).text == "Hill House"
    assert len(heard) == 1
    assert [seen.body.get("stream") for seen in chat_server.seen] == [True, None]


async def test_done_ends_a_stream_whose_finish_reason_is_null(chat, chat_server):
    chat_server.script(streamed(piece("House"), DONE))
    completion = await chat.complete(ASK)
    assert (completion.text, completion.finish_reason) == ("House", "stop")


async def test_a_server_that_keeps_the_connection_open_after_done_is_not_waited_for(chat, chat_server):
    def staying():
        yield piece("House")
        yield b"".join(END)
        chat_server.wait(60)

    chat_server.script(Reply(pieces=staying(), content_type="text/event-stream"))
    began = time.monotonic()
    assert (await chat.complete(ASK)).text == "House"
    assert time.monotonic() - began < 20


async def test_connections_are_kept_from_call_to_call(chat, chat_server):
    chat_server.default = lambda _body: streamed(piece("House"), *END)
    for _ in range(4):
        await chat.complete(ASK)
    assert chat_server.connections == 1


async def test_cancelling_a_call_in_mid_stream_closes_its_connection(chat, chat_server):
    chat_server.script(streamed(*[piece("word ")] * 2_000, drip_s=0.02))
    begun = asyncio.Event()
    calling = asyncio.create_task(chat.complete(ASK, CallOptions(on_delta=lambda _words: begun.set())))
    await begun.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert await asyncio.to_thread(chat_server.left.wait, 20)


FRAMINGS = {
    "CRLF": lambda body: body.replace(b"\n", b"\r\n"),
    "CR": lambda body: body.replace(b"\n", b"\r"),
    "BOM": lambda body: b"\xef\xbb\xbf" + body,
    "no space after the colon": lambda body: body.replace(b"data: ", b"data:"),
    "spaces": lambda body: body.replace(b"data: ", b"data:   ").replace(b"\n\n", b"  \n\n"),
    "no empty line": lambda body: body.replace(b"\n\n", b"\n"),
    "no field name": lambda body: body.replace(b"data: {", b"{"),
    "no last line end": lambda body: body.rstrip(),
    "fields around": lambda body: body.replace(b"data: {", b"event: chunk\nid: 7\nretry: 10\ndata: {"),
    "several lines": lambda body: body.replace(b'"delta"', b'\ndata: "delta"'),
    "empty events": lambda body: b"\n\n\ndata:\n\n" + body,
    "words that are no JSON": lambda body: b"data: ping\n\n" + body,
}


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
@pytest.mark.parametrize("name", FRAMINGS)
async def test_odd_framing_is_read(chat, chat_server, name, size):
    body = FRAMINGS[name](b"".join([piece("Hill "), piece("Häuser \N{GRINNING FACE}"), *END]))
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    chat_server.script(streamed(*pieces))
    completion = await chat.complete(ASK)
    assert completion.text == "Hill Häuser \N{GRINNING FACE}"
    assert not completion.estimated


async def test_a_stream_under_the_wrong_content_type_is_a_stream(chat, chat_server):
    chat_server.script(Reply(pieces=[piece("House"), *END], content_type="application/json"))
    assert (await chat.complete(ASK)).text == "House"


async def test_one_body_under_the_content_type_of_a_stream_is_a_body(chat, chat_server):
    body = {"choices": [{"message": {"content": "House"}, "finish_reason": "stop"}]}
    chat_server.script(Reply(body=body, content_type="text/event-stream"))
    assert (await chat.complete(ASK)).text == "House"


async def test_halves_of_a_character_in_two_pieces_are_joined(chat, chat_server):
    halves = [piece("HALF1").replace(b"HALF1", b"\\ud83d"), piece("HALF2").replace(b"HALF2", b"\\ude00")]
    chat_server.script(streamed(*halves, *END))
    assert (await chat.complete(ASK)).text == "\N{GRINNING FACE}"


async def test_a_piece_that_is_broken_json_is_not_passed_over(chat, chat_server):
    chat_server.script(streamed(piece("Hill "), b'data: {"choices": [{"del\n\n', *END), Reply("whole"))
    assert (await chat.complete(ASK)).text == "whole"


async def test_an_error_in_mid_stream_is_tried_again_in_the_servers_words(chat, chat_server):
    said = event({"error": {"message": "the upstream is overloaded"}})
    chat_server.script(streamed(piece("Hill "), said), Reply("whole"))
    heard: list[Retry] = []
    assert (await chat.complete(ASK, CallOptions(on_retry=heard.append))).text == "whole"
    assert "the upstream is overloaded" in heard[0].reason


async def test_an_event_named_error_is_one_whatever_it_holds(chat, chat_server):
    said = b"event: error\ndata: out of memory\n\n"
    chat_server.script(streamed(piece("Hill "), said), Reply("whole"))
    heard: list[Retry] = []
    await chat.complete(ASK, CallOptions(on_retry=heard.append))
    assert "out of memory" in heard[0].reason


async def test_a_whole_message_at_the_end_of_a_stream_does_not_double_the_words(chat, chat_server):
    whole = event({"choices": [{"message": {"content": "Hill House"}, "finish_reason": "stop"}]})
    chat_server.script(streamed(piece("Hill "), piece("House"), whole, DONE))
    assert (await chat.complete(ASK)).text == "Hill House"


async def test_a_stream_of_one_whole_completion_is_read(chat, chat_server):
    whole = event({"choices": [{"message": {"content": "Hill House"}, "finish_reason": "stop"}]})
    chat_server.script(streamed(whole))
    assert (await chat.complete(ASK)).text == "Hill House"


def body_with(**completion) -> Reply:
    return Reply(body=json.dumps({"choices": [{"message": {"content": "House"}}], **completion}).encode())


@pytest.mark.parametrize(
    ("usage", "tokens", "estimated"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 2}, (10, 2), False),
        ({"prompt_tokens": 10.5, "completion_tokens": 1.2}, (11, 2), False),
        ({"prompt_tokens": "10", "completion_tokens": "2"}, (10, 2), False),
        ({"input_tokens": 10, "output_tokens": 2}, (10, 2), False),
        ({"prompt_tokens": 10, "total_tokens": 12}, (10, 2), False),
        ({"completion_tokens": 2, "total_tokens": 12}, (10, 2), False),
        ({"prompt_tokens": 10, "completion_tokens": None}, (10, 10), True),
        ({"prompt_tokens": 10}, (10, 10), True),
        ({"prompt_tokens": -1, "completion_tokens": -1}, (28, 10), True),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (28, 10), True),
        ({"prompt_tokens": True, "completion_tokens": [2]}, (28, 10), True),
        ({"prompt_tokens": 1e300, "completion_tokens": 2}, (28, 2), True),
        (None, (28, 10), True),
        ("none", (28, 10), True),
        ({}, (28, 10), True),
    ],
)
@pytest.mark.parametrize("as_stream", [True, False])
async def test_a_usage_of_any_form_costs_no_answer(chat, chat_server, usage, tokens, estimated, as_stream):
    last = event({"choices": [], "usage": usage})
    as_pieces = streamed(piece("House"), piece(finish="stop"), last, DONE)
    chat_server.script(as_pieces if as_stream else body_with(usage=usage))
    completion = await chat.complete(ASK)
    assert completion.text == "House"
    assert (completion.input_tokens, completion.output_tokens) == tokens
    assert completion.estimated is estimated


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens_details": {"cached_tokens": 7}},
        {"input_tokens_details": {"cached_tokens": 7}},
        {"prompt_cache_hit_tokens": 7},
        {"cached_tokens": 7},
        {"cache_read_input_tokens": 7},
        {"prompt_tokens_details": None, "num_cached_tokens": 7},
        {"prompt_tokens_details": {"cached_tokens": None}, "cached_tokens": 7.0},
    ],
)
async def test_cached_tokens_are_read_in_every_spelling(chat, chat_server, usage):
    chat_server.script(body_with(usage={"prompt_tokens": 10, "completion_tokens": 2, **usage}))
    assert (await chat.complete(ASK)).cached_input_tokens == 7


async def test_more_cached_tokens_than_there_are_count_as_all(chat, chat_server):
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "cached_tokens": 70}
    chat_server.script(body_with(usage=usage))
    assert (await chat.complete(ASK)).cached_input_tokens == 10


@pytest.mark.parametrize(
    ("reason", "read"),
    [
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ({"type": "length"}, "length"),
        (["length"], "length"),
        (1, "stop"),
        (True, "stop"),
        ("content_filter", "content_filter"),
    ],
)
async def test_a_finish_reason_of_any_type_costs_no_answer(chat, chat_server, reason, read):
    chat_server.script(streamed(piece("House"), piece(finish=reason), DONE))
    completion = await chat.complete(ASK)
    assert (completion.text, completion.finish_reason) == ("House", read)


@pytest.mark.parametrize(
    "content",
    [
        ["House"],
        [None, {"type": "text", "text": "House"}, None],
        [{"type": "text", "text": None}, {"type": "output_text", "text": "House"}],
        [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
            {"type": "text", "text": "House"},
        ],
        {"type": "text", "text": "House"},
        {"text": "House"},
    ],
)
async def test_content_in_parts_of_any_form_is_read(chat, chat_server, content):
    chat_server.script(Reply(body={"choices": [{"message": {"content": content}}]}))
    assert (await chat.complete(ASK)).text == "House"


async def test_json_that_the_server_has_read_already_is_json_again(chat, chat_server):
    chat_server.script(Reply(body={"choices": [{"message": {"content": {"answer": "Häuser"}}}]}))
    assert json.loads((await chat.complete(ASK)).text) == {"answer": "Häuser"}


async def test_a_body_may_begin_with_a_bom_and_white_space(chat, chat_server):
    body = json.dumps({"choices": [{"message": {"content": "House"}}]}).encode()
    chat_server.script(Reply(body=b"\xef\xbb\xbf\n \n" + body))
    assert (await chat.complete(ASK)).text == "House"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_thoughts_beside_the_words_are_kept_apart(chat, chat_server, name):
    chat_server.script(streamed(piece(**{name: "hm, "}), piece(**{name: "so"}), piece("House"), *END))
    heard: list[str] = []
    completion = await chat.complete(ASK, CallOptions(on_delta=heard.append))
    assert (completion.text, completion.thoughts, heard) == ("House", "hm, so", ["House"])


async def test_thoughts_that_come_under_two_names_are_kept_once(chat, chat_server):
    chat_server.script(streamed(piece(reasoning="hm", reasoning_content="hm"), piece("House"), *END))
    assert (await chat.complete(ASK)).thoughts == "hm"


async def test_a_silence_after_the_first_thought_ends_the_attempt(chat, chat_server):
    def silent():
        yield piece(reasoning_content="hm")
        chat_server.wait(60)

    chat_server.script(Reply(pieces=silent(), content_type="text/event-stream"), Reply("in time"))
    assert (await chat.complete(ASK)).text == "in time"


async def test_a_sentence_said_over_and_over_is_stopped_and_its_slot_freed(chat, chat_server):
    sentence = "The lease ends in the spring of the year. "
    chat_server.script(streamed(*[piece(sentence)] * 3_700, drip_s=0.001))
    completion = await chat.complete(ASK)
    assert (completion.cut, completion.finish_reason) == ("repetition", "length")
    assert len(completion.text) < 4_000
    assert await asyncio.to_thread(chat_server.left.wait, 20)


async def test_thoughts_that_go_round_in_circles_are_stopped(chat, chat_server):
    thought = "Wait, let me check that once more. "
    chat_server.script(streamed(*[piece(reasoning_content=thought)] * 3_700))
    completion = await chat.complete(ASK)
    assert (completion.text, completion.cut) == ("", "repetition")


async def test_a_reply_without_end_is_cut_at_the_size_that_is_stated(chat, chat_server):
    chat_server.script(streamed(*[piece(f"{n} bottles ") for n in range(50_000)]))
    completion = await chat.complete(ASK)
    assert (completion.cut, completion.finish_reason, completion.estimated) == ("size", "length", True)
    assert 100_000 <= len(completion.text) < 100_100


async def test_a_reply_that_was_cut_is_booked_at_all_that_was_asked_for(chat, chat_server):
    request = Request(ASK.messages, "query", max_output_tokens=9_000)
    chat_server.script(streamed(*[piece("The lease ends in the spring of the year. ")] * 3_700))
    completion = await chat.complete(request)
    assert (completion.output_tokens, completion.estimated) == (9_000, True)


async def test_what_comes_after_done_is_not_read(chat, chat_server):
    chat_server.script(streamed(piece("House"), *END, DONE, b"data: {bad\n\n", piece(" and garden")))
    assert (await chat.complete(ASK)).text == "House"
    assert len(chat_server.seen) == 1


async def test_pieces_in_a_list_are_read(chat, chat_server):
    listed = event([json.loads(piece(word)[6:]) for word in ("Hill ", "House")])
    chat_server.script(streamed(listed, *END))
    assert (await chat.complete(ASK)).text == "Hill House"


async def test_an_event_without_end_is_not_read_for_ever(chat, chat_server):
    chat_server.script(streamed(b"data: {", *[b"x" * 2**20] * 6), Reply("whole"))
    assert (await chat.complete(ASK)).text == "whole"
