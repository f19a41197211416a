"""A real HTTP server on loopback that speaks chat completions and does as it is told; knows no client.

It answers a request with the next of its scripted replies, and with a plain completion when there is none.
It keeps count of what it served, as a provider's bill would.
"""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Body = Mapping[str, Any]
STREAMED_CHARS = 8
"""How much of a text a piece of a stream brings."""


@dataclass(frozen=True)
class Reply:
    """One answer. With `text` it is a completion; else `pieces` or `body` go out as they are.

    `delay_s` passes before anything is sent; `hang_up`: the request is served, then the connection drops.
    `stream`: whether the completion is a stream of events; None means as it is asked for. `pieces` go out one
    by one, `drip_s` apart, and so do the words of a stream; with `hang_up` the last piece is not the end.
    A stream is silent for `pause_s` after its first word.
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
    tier: str | None = None
    cached_tokens: int = 0
    stream: bool | None = None
    pieces: Iterable[bytes] | None = None
    drip_s: float = 0.0
    pause_s: float = 0.0


def event(data: Any) -> bytes:
    """A server-sent event; a text goes out as it is."""
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def piece(text: str | None = None, finish: Any = None, **more: Any) -> bytes:
    """A piece of a stream as OpenAI words it; `more` are members of its delta."""
    delta = {**more} if text is None else {"content": text, **more}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"object": "chat.completion.chunk", "model": "m", "choices": [choice]})


def usage_piece(input_tokens: Any, output_tokens: Any, **more: Any) -> bytes:
    """The last piece of a stream, with no choices."""
    usage = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, **more}
    return event({"object": "chat.completion.chunk", "model": "m", "choices": [], "usage": usage})


DONE = event("[DONE]")


def streamed(*pieces: bytes, **how: Any) -> Reply:
    """A stream of these pieces."""
    return Reply(pieces=pieces, content_type="text/event-stream", **how)


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
        self.beside: dict[str, Any] = {}
        """What the server answers at other paths, as JSON."""
        self.called = threading.Event()
        self.connections = 0
        self.left = threading.Event()
        """Whether a client has closed its connection before the end of a reply."""
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._http.daemon_threads = True
        # With the five of its default, calls that are made together would wait a second to connect.
        self._http.socket.listen(128)
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
            if reply.pieces is not None:
                return reply, b""
            if reply.text is None:
                return reply, reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            return self._completion(reply, reply.text, seen.body)
        finally:
            with self._lock:
                self._at_once -= 1

    def wait(self, seconds: float) -> bool:
        """Wait, unless the server closes meanwhile; return whether it does."""
        return self._closing.wait(seconds)

    def _completion(self, reply: Reply, text: str, body: Body) -> tuple[Reply, bytes]:
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
            "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
        }
        if reply.stream if reply.stream is not None else body.get("stream"):
            wanted = not reply.no_usage and (body.get("stream_options") or {}).get("include_usage")
            return self._as_stream(reply, text, usage if wanted else None), b""
        completion: dict[str, Any] = {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            ],
        }  # fmt: skip
        if reply.tier is not None:
            completion["service_tier"] = reply.tier
        if not reply.no_usage:
            completion["usage"] = usage
        return reply, json.dumps(completion).encode()

    def _as_stream(self, reply: Reply, text: str, usage: Any) -> Reply:
        """The completion word by word, as the larger endpoints stream it."""
        words = [text[i : i + STREAMED_CHARS] for i in range(0, len(text), STREAMED_CHARS)]
        pieces = [piece("", role="assistant"), *map(piece, words), piece(finish="stop")]
        if usage is not None:
            details = usage["prompt_tokens_details"]
            pieces.append(
                usage_piece(usage["prompt_tokens"], usage["completion_tokens"], prompt_tokens_details=details)
            )
        if reply.tier is not None:
            pieces.append(
                event({"object": "chat.completion.chunk", "choices": [], "service_tier": reply.tier})
            )
        sent = self._with_pause([*pieces, DONE], reply.pause_s) if reply.pause_s else [*pieces, DONE]
        return replace(reply, pieces=sent, content_type="text/event-stream")

    def _with_pause(self, pieces: Iterable[bytes], pause_s: float) -> Iterator[bytes]:
        for number, sent in enumerate(pieces):
            yield sent
            if number == 1:  # the first piece has no word
                self.wait(pause_s)


def _answered_beside(handler: BaseHTTPRequestHandler, beside: Mapping[str, Any]) -> bool:
    """Answer what no chat client asks for: JSON, or that there is nothing. Returns: whether it was that."""
    path = handler.path
    if path not in beside and (handler.command == "POST" or not path.startswith(("/api/", "/props"))):
        return False
    payload = json.dumps(beside.get(path)).encode()
    handler.send_response(200 if path in beside else 404)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(payload)))
    handler.end_headers()
    handler.wfile.write(payload)
    return True


def _handler_of(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Header and body go out apart: the body would wait 40 ms for the client to acknowledge the header.
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server.connections += 1

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self._send(json.loads(self.rfile.read(length)))

        def do_GET(self) -> None:
            self._send({})

        def _send(self, body: Body) -> None:
            if _answered_beside(self, server.beside):
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply, payload = server.answer(Seen(self.path, headers, body))
            if reply.pieces is not None and not (reply.hang_up and reply.text is not None):
                _send_pieces(self, server, reply, reply.pieces)
                return
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


def _send_pieces(
    handler: BaseHTTPRequestHandler, server: ChatServer, reply: Reply, pieces: Iterable[bytes]
) -> None:
    """Send a body piece by piece, until the client leaves."""
    handler.close_connection = True
    try:
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Type", reply.content_type)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for sent in pieces:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(sent), sent))
            if reply.drip_s and (server.wait(reply.drip_s) or _left(handler.connection)):
                server.left.set()
                return
        if not reply.hang_up:
            handler.wfile.write(b"0\r\n\r\n")
            handler.close_connection = False
    except (BrokenPipeError, ConnectionResetError):
        server.left.set()


def _left(connection: socket.socket) -> bool:
    """Whether the client has closed its end: then there is something to read, and it is nothing."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(1, socket.MSG_PEEK)
