"""Quirks below the replies: of connections, and of HTTP itself."""

from __future__ import annotations

import json
from dataclasses import dataclass

from quirks.quirk import UNAVAILABLE, body
from quirks.streams import WHOLE

from funnel.errors import LLMError

COMPLETION = json.dumps(body()).encode()
LOST = "the connection was lost"


def http(payload: bytes, *headers: str, version: str = "1.1", length: int | None = None) -> bytes:
    """A response whose connection closes after it."""
    lines = [f"HTTP/{version} 200 OK", "Content-Type: application/json", "Connection: close", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode() + payload


GOOD = http(COMPLETION, length=len(COMPLETION))


@dataclass(frozen=True)
class Broken:
    """What is sent on each connection (the last again and again), and what a user sees of it."""

    name: str
    who: str
    answers: tuple[bytes | None, ...]
    error: type[LLMError] | None = None
    says: tuple[str, ...] = ()
    connections: int = 1

    @property
    def seen(self) -> str:
        """What a user sees, in words."""
        after = f" (after {self.connections} requests)" if self.connections > 1 else ""
        if self.error is None:
            return f"the answer{after}"
        return f"`{self.error.__name__}`: " + " … ".join(f"“{piece}”" for piece in self.says) + after


CONNECTIONS = (
    Broken("HTTP/1.0 without a length", "older Python servers", (http(COMPLETION, version="1.0"),)),
    Broken("HTTP/1.1 without a length", "CGI gateways", (http(COMPLETION),)),
    Broken(
        "a stream in HTTP/1.0",
        "older llama-cpp-python",
        (http(WHOLE, version="1.0").replace(b"application/json", b"text/event-stream"),),
    ),
    Broken(
        "an early hint before the reply", "CDNs", (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + GOOD,)
    ),
    Broken(
        "a cookie and headers without end",
        "corporate gateways",
        (http(COMPLETION, *(f"Set-Cookie: c{n}={'x' * 200}" for n in range(20)), length=len(COMPLETION)),),
    ),
    Broken("the connection is reset once", "load balancers", (None, GOOD), connections=2),
    Broken(
        "the connection is reset always",
        "firewalls",
        (None,),
        error=UNAVAILABLE,
        says=(LOST, "after 3 attempts"),
        connections=3,
    ),
    Broken("the connection closes without a reply, once", "servers that restart", (b"", GOOD), connections=2),
    Broken(
        "the connection closes without a reply, always",
        "a wrong port",
        (b"",),
        error=UNAVAILABLE,
        says=(LOST,),
        connections=3,
    ),
    Broken(
        "the body is shorter than announced, once",
        "proxies",
        (http(COMPLETION[:50], length=len(COMPLETION)), GOOD),
        connections=2,
    ),
    Broken(
        "the headers never end",
        "servers that crash",
        (b"HTTP/1.1 200 OK\r\nContent-Type: applic",),
        error=UNAVAILABLE,
        says=(LOST,),
        connections=3,
    ),
    Broken(
        "it speaks no HTTP",
        "a port of mail",
        (b"220 mail.example ESMTP\r\n\r\n",),
        error=UNAVAILABLE,
        says=("speaks no HTTP",),
        connections=3,
    ),
    Broken(
        "it speaks TLS",
        "https without the s",
        (b"\x15\x03\x01\x00\x02\x02\x46",),
        error=UNAVAILABLE,
        says=("speaks no HTTP",),
        connections=3,
    ),
)
