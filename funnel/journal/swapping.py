"""Changing the memory of a run that is going on in another process: a request and a reply in that memory.

The request holds the new URL as it was given, credentials included, until the run has taken it, which it does
within a second; nobody but who may read the memory can see it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import Any, Self

from funnel.errors import MemoryFailed, RunUnknown, SwapFailed
from funnel.journal.journal import MOVED, Journal
from funnel.memory.base import Memory, Namespace, namespace
from funnel.memory.hot_swap import HotSwap

REQUEST, REPLY = "swap/request", "swap/reply"
EVERY_S = 0.5


class Mailbox:
    """Takes the requests to one run, as long as it is entered."""

    def __init__(self, memory: HotSwap, run: str, *, tenant: str = "local", every_s: float = EVERY_S) -> None:
        self._memory = memory
        self._where: Namespace = namespace(tenant, "run", run)
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._take())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _take(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            # A memory that fails for a moment is the run's trouble, which hears of it by itself.
            with contextlib.suppress(MemoryFailed):
                found = await self._memory.get_many(self._where, [REQUEST])
                if REQUEST in found:
                    await self._memory.delete_many(self._where, [REQUEST])
                    await self._swap(json.loads(found[REQUEST]))

    async def _swap(self, request: dict[str, Any]) -> None:
        async def leave(old: Memory) -> None:
            done = {"id": request["id"], "ok": True, "url": self._memory.url}
            moved = json.dumps(self._memory.url).encode()
            await old.put_many(self._where, {REPLY: json.dumps(done).encode(), MOVED: moved})

        try:
            await self._memory.swap(request["url"], copy=request["copy"], leave=leave)
        except SwapFailed as error:
            failed = json.dumps({"id": request["id"], "ok": False, "error": error.reason}).encode()
            await self._memory.put_many(self._where, {REPLY: failed})


async def request_swap(
    memory: Memory, run: str, url: str, *, copy: bool = True, tenant: str = "local", timeout_s: float = 600.0
) -> str:
    """Have the process that works on `run` use the memory at `url`. Returns: its URL without credentials.

    Raises: `RunUnknown` when `memory` holds no such run, or nobody works on it; `SwapFailed`.
    """
    where = namespace(tenant, "run", run)
    await Journal(memory, run, tenant=tenant).record()
    name = secrets.token_hex(8)
    asked = json.dumps({"id": name, "url": url, "copy": copy}).encode()
    await memory.put_many(where, {REQUEST: asked}, ttl_s=timeout_s)
    waited = 0.0
    try:
        while waited < timeout_s:
            await asyncio.sleep(EVERY_S / 2)
            waited += EVERY_S / 2
            found = await memory.get_many(where, [REQUEST, REPLY])
            if REPLY in found and (reply := json.loads(found[REPLY]))["id"] == name:
                if not reply["ok"]:
                    raise SwapFailed(memory.url, reply["error"])
                return str(reply["url"])
            if REQUEST in found and waited > 20 * EVERY_S:
                raise RunUnknown(run, memory.url, "no process works on it that takes requests")
    finally:
        await memory.delete_many(where, [REQUEST])
    raise SwapFailed(memory.url, f"the run gave no word within {timeout_s:g} s")
