"""How long a reply may take: ten minutes in drips, in a time that passes as the timers say."""

from __future__ import annotations

import asyncio
from types import MappingProxyType

from chat_server import DONE, piece, usage_piece
from event_loops import loop_time, virtual_time

from funnel.llm.openai.receiving import LAST_PIECE_S, Received

TOKENS = "twenty tokens of the reply, which come together, and then nothing for a while "


class Response:
    """A response whose pieces come after so many seconds each."""

    headers = MappingProxyType({"content-type": "text/event-stream"})

    def __init__(self, *pieces: tuple[float, bytes]) -> None:
        self._pieces = pieces
        self.closed = False

    async def aiter_bytes(self):
        for wait_s, sent in self._pieces:
            await asyncio.sleep(wait_s)
            yield sent

    async def aclose(self) -> None:
        self.closed = True


async def received(*pieces: tuple[float, bytes], stall_s: float = 60.0) -> tuple[Received, float]:
    response = Response(*pieces)
    reply = Received(response, stall_s=stall_s, on_words=None)
    await reply.receive()
    assert response.closed
    return reply, loop_time()


@virtual_time
async def test_a_reply_of_ten_minutes_in_drips_of_twenty_tokens_is_had_whole():
    drips = [(20.0, piece(f"{n}: {TOKENS}")) for n in range(30)]
    reply, took_s = await received(*drips, (0, piece(finish="stop")), (0, usage_piece(9, 600)), (0, DONE))
    assert (reply.failure, reply.ended, reply.reply.text_chars) == (
        None,
        True,
        len("".join(f"{n}: {TOKENS}" for n in range(30))),
    )
    assert took_s == 600


@virtual_time
async def test_a_model_may_think_unseen_for_as_long_as_the_run_has_time():
    reply, took_s = await received((3_600.0, piece("House")), (0, piece(finish="stop")), (0, DONE))
    assert (reply.failure, took_s) == (None, 3_600)


@virtual_time
async def test_a_silence_of_a_minute_between_words_is_too_long():
    reply, took_s = await received((1.0, piece("House")), (61.0, piece(" and garden")))
    assert "no word for 60 s" in reply.failure.reason
    assert took_s == 61


@virtual_time
async def test_the_usage_is_waited_for_a_little_while_after_the_last_word():
    reply, took_s = await received((1.0, piece("House", "stop")), (300.0, usage_piece(9, 2)))
    assert (reply.failure, took_s) == (None, 1 + LAST_PIECE_S)
