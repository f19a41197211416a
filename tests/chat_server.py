"""A real HTTP server on loopback that speaks chat completions and does as it is told; knows no client.

It answers a request with the next of its scripted replies, and with a plain completion when there is none.
It keeps count of what it served, as a provider's bill would.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """One answer. With `text` it is a completion; else `body` goes out as it is.

    `delay_s` passes before anything is sent; `hang_up`: the request is served, then the connection drops.
    """

    text: str | None = None
    status: int = 200
    body: bytes | Mapping[str, Any] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    delay_s: float = 0.0
    usage: tuple[int, int] | None = None
    no_usage: bool = False
    hang_up: bool = False


def error(
    status: int, message: str = "no", *, param: str | None = None, code: str | None = None, **headers: str
):
    """An error as OpenAI words it."""
    body = {"error": {"message": message, "type": "error", "param": param, "code": code}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, body=body, headers=named)


@dataclass(frozen=True)
class Seen:
    """A request as it came; header names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Body


@dataclass
class Served:
    """What a provider would bill."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class ChatServer:
    """Use as a context manager; `url` is what OPENAI_BASE_URL would be."""

    def __init__(self) -> None:
        self.replies: list[Reply | Callable[[Body], Reply]] = []
        self.seen: list[Seen] = []
        self.served = Served()
        self.default: Callable[[Body], Reply] = lambda _body: Reply("ok")
        self.called = threading.Event()
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def script(self, *replies: Reply | Callable[[Body], Reply]) -> None:
        """The next replies, in order."""
        self.replies.extend(replies)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, seen: Seen) -> tuple[Reply, bytes]:
        """Take the next reply, wait as it says, count what it serves."""
        with self._lock:
            self.seen.append(seen)
            self.called.set()
            reply = self.replies.pop(0) if self.replies else self.default
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            reply = reply if isinstance(reply, Reply) else reply(seen.body)
            deadline = time.monotonic() + reply.delay_s
            while (left := deadline - time.monotonic()) > 0 and not self._closing.wait(min(left, 0.02)):
                pass
            if reply.text is None:
                return reply, reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            return reply, self._completion(reply, reply.text, seen.body)
        finally:
            with self._lock:
                self._at_once -= 1

    def _completion(self, reply: Reply, text: str, body: Body) -> bytes:
        sent = sum(len(m["content"]) for m in body["messages"])
        input_tokens, output_tokens = reply.usage or (-(-sent // 4), -(-len(text) // 4))
        with self._lock:
            self.served.calls += 1
            self.served.input_tokens += input_tokens
            self.served.output_tokens += output_tokens
        usage = {
            "prompt_tokens": input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        }
        completion: dict[str, Any] = {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            ],
        }  # fmt: skip
        if not reply.no_usage:
            completion["usage"] = usage
        return json.dumps(completion).encode()


def _handler_of(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Header and body go out apart: the body would wait 40 ms for the client to acknowledge the header.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self._send(json.loads(self.rfile.read(length)))

        def do_GET(self) -> None:
            self._send({})

        def _send(self, body: Body) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply, payload = server.answer(Seen(self.path, headers, body))
            if reply.hang_up:
                self.close_connection = True
                return
            # The client may be gone by now: that is what some tests are about.
            with suppress(BrokenPipeError, ConnectionResetError):
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

        def log_message(self, *_args: Any) -> None:
            pass

    return Handler
