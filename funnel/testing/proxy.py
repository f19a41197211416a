"""A proxy in front of a test server, which loses replies on request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Self


class Proxy:
    """Forwards to `target`, a port of this machine. Leaving the context ends every connection."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._loss: Callable[[], Awaitable[None]] | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.n_lost = 0
        self.n_connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()
        self._open.set()
        for writer in [*self._writers]:
            writer.close()
        await self._server.wait_closed()
        while self._writers:  # noqa: ASYNC110 - each ends by itself
            await asyncio.sleep(0.001)

    def lose_next_reply(self, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
        """Lose the next reply: its connection ends instead, once `meanwhile` is done."""

        async def nothing() -> None:
            pass

        self._loss = meanwhile or nothing

    def hang(self) -> None:
        """Hold back all replies, without ending any connection."""
        self._open.clear()

    def go_on(self) -> None:
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            await self._end(writer)
            return
        self._writers.add(back)
        await asyncio.gather(self._forward(reader, back), self._reply(there, writer), return_exceptions=True)
        await self._end(back)
        await self._end(writer)

    async def _end(self, writer: asyncio.StreamWriter) -> None:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self._writers.discard(writer)

    @staticmethod
    async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._open.wait()
                if self._loss:
                    meanwhile, self._loss = self._loss, None
                    await meanwhile()
                    self.n_lost += 1
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
