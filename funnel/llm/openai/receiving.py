"""Receives one reply over an open response: a stream of events or one body, whatever was asked for.

Before the first word any silence is allowed, since a model may think unseen; the caller's own time ends it.
After the first word a silence of `stall_s` ends the attempt. Every byte is a sign of life, so that a comment
which keeps the connection alive counts, though it is no word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import openai

from funnel.llm.base import MAX_REPLY_CHARS
from funnel.llm.openai.client import TRANSPORT_ERRORS
from funnel.llm.openai.failures import CHECK_LATER, FailedAttempt, failed_reply
from funnel.llm.openai.repetition import Repetition
from funnel.llm.openai.reply import ReplyBuilder, plain_words
from funnel.llm.openai.sse import DONE, EventReader, Garbled, parsed

MAX_THOUGHT_CHARS = 1_000_000
"""Thoughts beyond this are taken for thoughts without end."""
MAX_BODY_BYTES = 64 * 2**20
"""A body that is longer is not read to its end, whatever it holds."""
LAST_PIECE_S = 5.0
"""How long the usage may come after the words, from a server that does not close its stream."""
DRAIN_S = 0.1
"""How long the end of the body may come after `[DONE]`, so that the connection can be used again."""
PAGE = "a page of HTML or XML"
DESCRIBED_CHARS = 2_000
"""How much of a wrong body an error gets: more than is shown, as no secret is cut before it is hidden."""
CHECK_SILENCE = "Allow a longer silence (FUNNEL_STALL_S), or check the endpoint."
_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_LONGEST_FIELD = max(map(len, _FIELDS))

OnWords = Callable[[str], None]


class Received:
    """One reply: `receive` reads it into `reply`, and the properties say how it ended."""

    def __init__(self, response: Any, *, stall_s: float, on_words: OnWords | None) -> None:
        self.reply = ReplyBuilder()
        self._body = b""
        self._garbled = ""
        self._stalled = False
        self._response = response
        self._stall_s = stall_s
        self._on_words = on_words
        self._size = 0
        self._head: bytes | None = b""
        self._events: EventReader | None = None
        self._pieces: list[bytes] = []
        self._done = False
        self._text, self._thoughts = Repetition(), Repetition()

    @property
    def streamed(self) -> bool:
        """Whether it came as a stream of events."""
        return self._events is not None

    @property
    def ended(self) -> bool:
        """Whether the server has said that the reply is over."""
        return self._done or bool(self.reply.finish_reason)

    @property
    def cut_off(self) -> bool:
        """Whether a stream has ended without a word that it was the end."""
        return self.streamed and not self.ended and not self.reply.cut

    @property
    def failure(self) -> FailedAttempt | None:
        """What went wrong, None if nothing did."""
        if self.reply.error:
            failed = failed_reply(self.reply.error, status=None)
            return replace(failed, may_be_billed=failed.may_be_billed or self.reply.began)
        if self._stalled:
            reason = f"no word for {self._stall_s:g} s in the middle of a reply"
            return FailedAttempt(reason, CHECK_SILENCE, retry=True, may_be_billed=True)
        if self._garbled:
            reason = f"a piece of the reply was not JSON: {self._garbled[:DESCRIBED_CHARS]!r}"
            return FailedAttempt(reason, CHECK_LATER, retry=True, may_be_billed=True)
        if self.reply.names_choices and not self.reply.has_choices:
            return FailedAttempt("a reply without choices", CHECK_LATER, retry=True, may_be_billed=True)
        if self._is_empty_stream:
            return FailedAttempt("a stream without a reply", CHECK_LATER, retry=True, may_be_billed=True)
        return None

    @property
    def _is_empty_stream(self) -> bool:
        """Whether a stream was begun and nothing was said in it."""
        if self.reply.has_choices:
            return False
        kind = self._response.headers.get("content-type", "")
        streamed = self.streamed or (not self._body and "event-stream" in kind)
        return bool(streamed)

    @property
    def no_completion(self) -> str | None:
        """What the body is in a few words, if it is no chat completion."""
        if self.too_long:
            return f"a body of more than {MAX_BODY_BYTES:,} bytes"
        return None if self.reply.has_choices else described(self._body)

    @property
    def too_long(self) -> bool:
        """Whether the body was too long to be read."""
        return self._size > MAX_BODY_BYTES

    async def receive(self) -> None:
        """Read until the reply ends, and close the response. Raises: `APIConnectionError`."""
        now = asyncio.get_running_loop().time
        silence = asyncio.timeout(None)
        try:
            async with silence, aclosing(self._response.aiter_bytes()) as pieces:
                async for piece in pieces:
                    self._take(piece)
                    if self._is_over:
                        break
                    if (patience_s := self._patience_s) is not None:
                        silence.reschedule(now() + patience_s)
        except TimeoutError:
            if not silence.expired():
                raise
            self._stalled = not self.ended
        except TRANSPORT_ERRORS as error:
            self._finish()
            if not (self.ended if self.streamed else self.reply.has_choices):
                raise openai.APIConnectionError(request=self._response.request) from error
        finally:
            await self._response.aclose()
        self._finish()

    @property
    def _is_over(self) -> bool:
        return bool(self.reply.error or self.reply.cut or self._garbled or self.too_long)

    @property
    def _patience_s(self) -> float | None:
        """Return how long the next bytes may take; None for as long as the caller has time."""
        if self._done:
            return DRAIN_S
        if self.reply.finish_reason:
            return min(LAST_PIECE_S, self._stall_s)
        return self._stall_s if self.reply.began else None

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if self._head is not None:
            data = self._begin(data)
        if self._events is not None:
            self._read(self._events.feed(data))
        elif data:
            self._pieces.append(data)

    def _begin(self, data: bytes) -> bytes:
        """Find out by its first bytes what the body is; servers mislabel both kinds. Return what to read."""
        assert self._head is not None  # noqa: S101 - asked only until it is known
        head = (self._head + data).removeprefix(_BOM).lstrip()
        if len(head) < _LONGEST_FIELD and (not head or any(f.startswith(head) for f in (*_FIELDS, _BOM))):
            self._head = self._head + data
            return b""
        self._head = None
        if head.startswith(_FIELDS):
            self._events = EventReader()
        return head

    def _read(self, values: list[Any]) -> None:
        plain: list[str] = []
        for value in values:
            if (words := plain_words(value)) is not None:
                plain.append(words)
                continue
            if plain:
                self._say_plain(plain)
                plain = []
            self._read_one(value)
        if plain:
            self._say_plain(plain)

    def _read_one(self, value: Any) -> None:
        """Take what an event holds."""
        if self._is_over:
            return
        if self._done:
            # Some servers state the usage after the end; words no longer count.
            if isinstance(value, dict):
                self.reply.book(value)
        elif value is DONE:
            self._done = True
        elif isinstance(value, list):
            self._read(value)
        elif isinstance(value, dict):
            self._say(*self.reply.add(value))
        elif isinstance(value, Garbled) and value.text.startswith(("{", "[")):
            self._garbled = value.text

    def _say_plain(self, plain: list[str]) -> None:
        """Take the words of pieces that came together and bring nothing else."""
        words = "".join(plain)
        if words and not self._is_over and not self._done:
            self.reply.add_words(words)
            self._say(words, "")

    def _say(self, words: str, thoughts: str) -> None:
        reply = self.reply
        if words:
            if self._on_words is not None:
                self._on_words(words)
            if reply.text_chars > MAX_REPLY_CHARS:
                reply.cut = "size"
            elif self._text.add(words):
                reply.cut = "repetition"
        if thoughts:
            if reply.thought_chars > MAX_THOUGHT_CHARS:
                reply.cut = "size"
            elif self._thoughts.add(thoughts):
                reply.cut = "repetition"

    def _finish(self) -> None:
        """Read what is left when no more comes."""
        if self._is_over:
            return
        if self._head:
            self._pieces, self._head = [self._head], None
        if self._events is not None:
            self._read(self._events.finish())
            if self.ended:
                self._garbled = ""  # half a line after the end
        elif self._pieces:
            self._body, self._pieces = b"".join(self._pieces), []
            self._read_body()

    def _read_body(self) -> None:
        value = parsed(self._body)
        # Some gateways wrap their errors in a list, and others the pieces of a stream.
        for piece in value if isinstance(value, list) else [value]:
            if isinstance(piece, dict):
                words, _ = self.reply.add(piece)
                if words and self._on_words is not None:
                    self._on_words(words)
        if value is None and b"\n" in self._body:
            # JSON line by line, or events after something else.
            lines = EventReader()
            self._read([found for found in (*lines.feed(self._body), *lines.finish()) if found is not DONE])
            self._garbled = ""


def described(body: bytes) -> str:
    """Return in a few words what a body is that is not a completion."""
    start = body[:DESCRIBED_CHARS].decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    if not start:
        return "an empty body"
    if start.startswith("<"):
        return PAGE
    if parsed(body) is None:
        return f"a body that is not JSON, {' '.join(start.split())!r}"
    return f"no choices, in {' '.join(start.split())!r}"
