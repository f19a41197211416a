"""A chat-completions endpoint that waits a fixed time and answers with inspector_scripts.py; knows no system.

    python inspector_server.py          prints its port; ends with its standard input

The model's name says which system asks. Calls are kept until /log is requested, which only then counts
tokens, so that counting disturbs no timing. Needs only the standard library; counts tokens if tiktoken and
an encoding file of litellm are installed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from inspector_scripts import prompt_texts, reply

ENCODING = "o200k_base"
CHARS_A_TOKEN = 4
TOKENS_A_MESSAGE = 4
"""Role and separators, as in OpenAI's chat format."""


class CallLog:
    """The calls since the last reset."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.reset(0.0)

    def reset(self, delay_s: float) -> None:
        """Forget all calls, and delay each from now on."""
        self.delay_s = delay_s
        self.seen: list[dict[str, Any]] = []
        self.at_once = 0
        self.most_at_once = 0

    def log(self) -> dict[str, Any]:
        """Return times, sizes and turns of the calls, by arrival. Times are of the monotonic clock."""
        count = counter()
        rows = []
        for call in self.seen:
            texts = prompt_texts(call["messages"])
            tokens = sum(map(count, texts)) + TOKENS_A_MESSAGE * len(texts) if count else None
            chars = sum(map(len, texts))
            times = {key: call.get(key) for key in ("arrived_s", "replied_s", "turn")}
            rows.append({**times, "chars": chars, "tokens": tokens})
        return {"calls": rows, "most_at_once": self.most_at_once}


@lru_cache(1)
def counter() -> Any:
    """Return a function that counts tokens, with litellm's own file (no download); None without it."""
    if importlib.util.find_spec("tiktoken") is None or (spec := importlib.util.find_spec("litellm")) is None:
        return None
    folder = Path(spec.origin or "").parent / "litellm_core_utils" / "tokenizers"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    encoding = importlib.import_module("tiktoken").get_encoding(ENCODING)
    return lru_cache(20_000)(lambda text: len(encoding.encode_ordinary(text)))


class Connection(asyncio.Protocol):
    """One client's connection, whose requests come one after another."""

    def __init__(self, calls: CallLog) -> None:
        self._calls = calls
        self._read = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Implement the callback of `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a TCP server makes
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Implement the callback of `asyncio.Protocol`."""
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._read[:end])
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            size = int(lengths[0].split(b":")[1]) if lengths else 0
            if len(self._read) < end + 4 + size:
                return
            body = bytes(self._read[end + 4 : end + 4 + size])
            del self._read[: end + 4 + size]
            self._serve(head.split(b" ", 2)[1], body)

    def _serve(self, path: bytes, body: bytes) -> None:
        if path == b"/reset":
            self._calls.reset(json.loads(body)["delay_s"])
            self._send({})
        elif path == b"/log":
            self._send(self._calls.log())
        elif path.partition(b"?")[0].endswith(b"/chat/completions"):
            self._complete(body)
        else:
            # A client may look for what else the endpoint can do.
            self._write(b"application/json", b"{}", b"404 Not Found")

    def _complete(self, body: bytes) -> None:
        arrived = time.monotonic()
        calls, asked = self._calls, json.loads(body)
        text, turn = reply(asked["model"], asked["messages"])
        call = {"arrived_s": arrived, "turn": turn, "messages": asked["messages"]}
        calls.seen.append(call)
        calls.at_once += 1
        calls.most_at_once = max(calls.most_at_once, calls.at_once)
        usage = {"prompt_tokens": len(body) // 4, "completion_tokens": len(text) // 4}
        usage["total_tokens"] = sum(usage.values())
        about = {"id": f"call-{len(calls.seen)}", "created": 0, "model": asked["model"]}
        if asked.get("stream"):
            answer = events(about, text, usage)
        else:
            message = {"role": "assistant", "content": text}
            choices = [{"index": 0, "finish_reason": "stop", "message": message}]
            whole = {**about, "object": "chat.completion", "choices": choices, "usage": usage}
            answer = b"application/json", json.dumps(whole).encode()
        # The delay runs from the arrival, so that it includes the server's own work.
        if calls.delay_s:
            asyncio.get_running_loop().call_at(arrived + calls.delay_s, self._finish, call, answer)
        else:
            self._finish(call, answer)

    def _finish(self, call: dict[str, Any], answer: tuple[bytes, bytes]) -> None:
        self._calls.at_once -= 1
        call["replied_s"] = time.monotonic()
        self._write(*answer)

    def _send(self, answer: dict[str, Any]) -> None:
        self._write(b"application/json", json.dumps(answer).encode())

    def _write(self, kind: bytes, body: bytes, status: bytes = b"200 OK") -> None:
        about = b"content-type: %b\r\ncontent-length: %d" % (kind, len(body))
        head = b"HTTP/1.1 %b\r\n%b\r\n\r\n" % (status, about)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(head + body)


def events(about: dict[str, Any], text: str, usage: dict[str, int]) -> tuple[bytes, bytes]:
    """Return a reply as a stream with an event for each token, for a client that asks for one.

    It is written at once: what is measured is how long a client takes to read it.
    """
    about = {**about, "object": "chat.completion.chunk"}
    words = [text[at : at + CHARS_A_TOKEN] for at in range(0, len(text), CHARS_A_TOKEN)]
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in words), {}]
    reasons = [None] * (len(deltas) - 1) + ["stop"]
    choices = [
        [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]
        for delta, reason in zip(deltas, reasons, strict=True)
    ]
    pieces = [{**about, "choices": each, "usage": None} for each in choices]
    pieces.append({**about, "choices": [], "usage": usage})
    lines = [f"data: {json.dumps(piece)}\n\n" for piece in pieces]
    return b"text/event-stream", "".join([*lines, "data: [DONE]\n\n"]).encode()


async def main() -> None:
    loop = asyncio.get_running_loop()
    calls = CallLog()
    server = await loop.create_server(lambda: Connection(calls), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
