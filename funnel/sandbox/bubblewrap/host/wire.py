"""The host's end of the line into a sandbox: every frame from inside is checked; knows no session.

Whoever runs inside may write anything at all to the line. A frame is bounded in size and in parts before it
is parsed, so that a small frame cannot become a large value.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

from funnel.sandbox.bubblewrap.guest.channel import MAX_FRAME_BYTES
from funnel.sandbox.calls import Output
from funnel.sandbox.values import MAX_PARTS

_LENGTH = struct.Struct(">I")
_CHUNK_BYTES = 256 * 1024
_MAX_DRAINED = 64
"""Chunks: more than the kernel holds, and an end where the other side goes on writing."""


class BadFrame(Exception):
    """What came from inside is no message of a worker."""


class Wire:
    """Frames over a socket, and printed text over a pipe; closes both."""

    def __init__(self, data: socket.socket, output: int) -> None:
        self._data = data
        self._output = output
        self._buffer = bytearray()

    def close(self) -> None:
        """Let go of both."""
        self._data.close()
        os.close(self._output)

    async def send(self, message: dict[str, Any]) -> None:
        """Raises: `OSError` when the sandbox is gone."""
        data = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
        await asyncio.get_running_loop().sock_sendall(self._data, _LENGTH.pack(len(data)) + data)

    async def receive(self) -> dict[str, Any]:
        """The next frame. Raises: `BadFrame`; `EOFError` and `OSError` when the sandbox is gone."""
        (size,) = _LENGTH.unpack(await self._take(_LENGTH.size))
        if size > MAX_FRAME_BYTES:
            raise BadFrame
        data = await self._take(size)
        if _parts(data) > 2 * MAX_PARTS:
            raise BadFrame
        try:
            message = json.loads(data)
        except (ValueError, RecursionError) as exc:
            raise BadFrame from exc
        if not isinstance(message, dict):
            raise BadFrame
        return message

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            chunk = await asyncio.get_running_loop().sock_recv(self._data, _CHUNK_BYTES)
            if not chunk:
                raise EOFError
            self._buffer += chunk
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def drain(self) -> None:
        """Forget what a cell sent that is gone."""
        self._buffer.clear()
        with contextlib.suppress(OSError):
            for _ in range(_MAX_DRAINED):
                self._data.recv(_CHUNK_BYTES)

    def printed(self, out: Output | None = None) -> None:
        """Take what has been printed so far."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MAX_DRAINED):
                if not (data := os.read(self._output, _CHUNK_BYTES)):
                    return
                if out is not None:
                    out.take(data)

    @contextlib.contextmanager
    def printing(self, out: Output) -> Iterator[None]:
        """Take what is printed, as it comes."""
        loop = asyncio.get_running_loop()

        def arrived() -> None:
            if data := os.read(self._output, _CHUNK_BYTES):
                out.take(data)
            else:
                loop.remove_reader(self._output)

        loop.add_reader(self._output, arrived)
        try:
            yield
        finally:
            loop.remove_reader(self._output)


def _parts(data: bytes) -> int:
    """How many values a JSON text holds at the most: what stands between its strings is counted."""
    between = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if (quotes := between.count(b'"')) > 8 * MAX_PARTS:
        return quotes
    outside = b"".join(between.split(b'"')[::2])
    return outside.count(b",") + outside.count(b"[") + outside.count(b"{")
