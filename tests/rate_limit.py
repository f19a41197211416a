"""A rate limit of an endpoint, for `ChatServer.default`: windows or a bucket, with or without headers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from chat_server import Body, Reply, error


@dataclass
class RateLimit:
    """`n` requests in `span_s` seconds, of each model by itself.

    `steady`: the limit is filled again steadily, and not when a window ends; a window begins with its first
    request. `headers`: each response states what is left. `retry_after`: a refusal says when to come back.
    `only`: the one model that is limited.
    """

    n: int
    span_s: float
    steady: bool = False
    headers: bool = False
    retry_after: bool = False
    only: str | None = None
    reply: Callable[[Body], Reply] = lambda _body: Reply("ok")
    served: int = 0
    refused: int = 0
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, body: Body) -> Reply:
        """Serve or refuse."""
        if self.only not in {None, body["model"]}:
            return self.reply(body)
        with self._lock:
            now = time.monotonic()
            left, at = self._left.get(body["model"], (float(self.n), now))
            if self.steady:
                left, at = min(float(self.n), left + (now - at) * self.n / self.span_s), now
            elif now >= at + self.span_s:
                left, at = float(self.n), now
            taken = left >= 1
            left -= taken
            self._left[body["model"]] = left, at
            self.served += taken
            self.refused += not taken
        per_s = self.n / self.span_s
        whole_in_s = (self.n - left) / per_s if self.steady else at + self.span_s - now
        reply = self.reply(body) if taken else error(429, "Rate limit reached: too many requests per minute")
        stated = {}
        if self.headers:
            stated = {
                "x-ratelimit-limit-requests": str(self.n),
                "x-ratelimit-remaining-requests": str(int(left)),
                "x-ratelimit-reset-requests": f"{whole_in_s * 1000:.0f}ms",
            }
        if self.retry_after and not taken:
            stated["retry-after-ms"] = str((1 - left) / per_s * 1000 if self.steady else whole_in_s * 1000)
        return replace(reply, headers={**reply.headers, **stated})
