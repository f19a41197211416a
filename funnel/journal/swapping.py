"""Swaps the memory of a run in another process, by a request and a reply in that memory.

The request holds the new URL as it was given, credentials included, until the run takes it, which it does
within a second. Only those who may read the memory can see it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from typing import Any, Self

from funnel.asker import Asker
from funnel.errors import MemoryFailed, SwapFailed
from funnel.journal import lease
from funnel.journal.journal import MOVED, Journal
from funnel.memory import layout
from funnel.memory.base import Memory, Namespace
from funnel.memory.swap.hot_swap import HotSwap

REQUEST, REPLY = "swap/request", "swap/reply"
EVERY_S = 0.5
_KEEP_REPLY_S = 3600.0
_LOG = logging.getLogger(__name__)


class Mailbox:
    """Takes swap requests for one run inside `async with`, and records where the run moved.

    `ttl_s`: how long that record is kept.
    """

    def __init__(
        self,
        memory: HotSwap,
        run: str,
        *,
        asker: Asker,
        ttl_s: float | None = None,
        every_s: float = EVERY_S,
    ) -> None:
        self._memory = memory
        self._where: Namespace = layout.run(asker, run)
        self._ttl_s = ttl_s
        self._every_s = every_s
        self._asked: str | None = None
        self._left = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._memory.residents.add(self)
        self._task = asyncio.create_task(self._take())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._memory.residents.discard(self)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def leave(self, old: Memory, url: str) -> None:
        """Record in the old memory that the run is at `url` from now on."""
        await old.put_many(self._where, {MOVED: json.dumps(url).encode()}, ttl_s=self._ttl_s)
        if self._asked is not None:
            await self._reply(old, ok=True, url=url)
        self._left = True

    async def stay(self, old: Memory) -> None:
        """Withdraw that record."""
        self._left = False
        await old.delete_many(self._where, [MOVED, REPLY])

    async def _take(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            # A brief failure of the memory is not handled here: the run notices it by itself.
            with contextlib.suppress(MemoryFailed):
                found = await self._memory.get_many(self._where, [REQUEST])
                if REQUEST in found:
                    await self._memory.delete_many(self._where, [REQUEST])
                    await self._swap(json.loads(found[REQUEST]))

    async def _swap(self, request: dict[str, Any]) -> None:
        self._asked, self._left = request["id"], False
        try:
            await self._memory.swap(request["url"])
        except SwapFailed as error:
            await self._reply(self._memory, ok=False, error=error.why)
        except asyncio.CancelledError:
            if not self._left:
                await self._reply(self._memory, ok=False, error="the run ended meanwhile")
            raise
        except Exception as error:  # noqa: BLE001 - may be a plug-in's: the run goes on, and the caller is told
            # Its text may hold a password.
            _LOG.warning("a swap failed with %s", type(error).__name__)
            await self._reply(self._memory, ok=False, error=f"{type(error).__name__} in the new memory")
        finally:
            self._asked = None

    async def _reply(self, memory: Memory, **what: Any) -> None:
        reply = json.dumps({"id": self._asked, **what}).encode()
        await memory.put_many(self._where, {REPLY: reply}, ttl_s=_KEEP_REPLY_S)


async def request_swap(memory: Memory, run: str, url: str, *, asker: Asker, timeout_s: float = 600.0) -> str:
    """Make the process that works on `run` use the memory at `url`. Returns: its URL without credentials.

    Raises: `RunUnknown` if `memory` holds no such run; `SwapFailed`, also if nobody is working on it.
    """
    await Journal(memory, run, asker=asker).record()
    where = layout.run(asker, run)
    name = secrets.token_hex(8)
    asked = json.dumps({"id": name, "url": url}).encode()
    watch = lease.Watch()
    end = time.monotonic() + timeout_s
    await memory.put_many(where, {REQUEST: asked}, ttl_s=timeout_s)
    try:
        while time.monotonic() < end:
            found = await memory.get_many(where, [REPLY, lease.KEY])
            if REPLY in found and (reply := json.loads(found[REPLY]))["id"] == name:
                if not reply["ok"]:
                    raise SwapFailed(memory.url, reply["error"])
                return str(reply["url"])
            if not watch.alive(found.get(lease.KEY)):
                raise SwapFailed(memory.url, f"nobody works on run {run[:200]!r} now")
            await asyncio.sleep(EVERY_S / 2)
    finally:
        await memory.delete_many(where, [REQUEST])
    raise SwapFailed(memory.url, f"the run did not reply within {timeout_s:g} s")
