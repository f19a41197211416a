"""The host's end of the channel into a sandbox, which checks every frame from inside; knows no session.

Code inside may write anything to the channel. The size and the number of parts of a frame are limited before
it is parsed, so that a small frame cannot become a large value.
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
_LARGE_BYTES = 256 * 1024
"""A larger frame is parsed in a thread, step by step, so that the event loop goes on meanwhile."""
_MAX_DRAINED = 64
"""Chunks: more than the kernel buffers, and a bound if the other side keeps writing."""


class BadFrame(Exception):
    """Data from the sandbox that is not a valid message of a worker."""


class Wire:
    """Sends and receives frames over a socket, and reads printed text from a pipe; closes both."""

    def __init__(self, data: socket.socket, output: int) -> None:
        self._data = data
        self._output = output
        self._buffer = bytearray()

    def close(self) -> None:
        """Close the socket and the pipe."""
        self._data.close()
        os.close(self._output)

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message. Raises: `OSError` if the sandbox has ended."""
        data = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
        await asyncio.get_running_loop().sock_sendall(self._data, _LENGTH.pack(len(data)) + data)

    async def receive(self) -> dict[str, Any]:
        """Return the next message. Raises: `BadFrame`; `EOFError` or `OSError` if the sandbox has ended."""
        (size,) = _LENGTH.unpack(await self._take(_LENGTH.size))
        if size > MAX_FRAME_BYTES:
            raise BadFrame
        data = await self._take(size)
        return await asyncio.to_thread(_message, data) if size > _LARGE_BYTES else _message(data)

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
        """Discard what a dropped cell sent."""
        self._buffer.clear()
        with contextlib.suppress(OSError):
            for _ in range(_MAX_DRAINED):
                self._data.recv(_CHUNK_BYTES)

    def take_output(self, out: Output | None = None) -> None:
        """Append what has been printed so far to `out`, or discard it if `out` is None."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MAX_DRAINED):
                if not (data := os.read(self._output, _CHUNK_BYTES)):
                    return
                if out is not None:
                    out.append(data)

    @contextlib.contextmanager
    def taking_output(self, out: Output) -> Iterator[None]:
        """Append what is printed to `out` as it arrives, for the duration of the block."""
        loop = asyncio.get_running_loop()

        def take_available() -> None:
            if data := os.read(self._output, _CHUNK_BYTES):
                out.append(data)
            else:
                loop.remove_reader(self._output)

        loop.add_reader(self._output, take_available)
        try:
            yield
        finally:
            loop.remove_reader(self._output)


def _message(data: bytes) -> dict[str, Any]:
    """Return the message of a frame. Raises: `BadFrame`."""
    if _parts(data) > 2 * MAX_PARTS:
        raise BadFrame
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise BadFrame from exc
    if not isinstance(message, dict):
        raise BadFrame
    return message


def _parts(data: bytes) -> int:
    """Return an upper bound of the values in a JSON text: counts commas and brackets outside strings."""
    between = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if (quotes := between.count(b'"')) > 8 * MAX_PARTS:
        return quotes
    outside = b"".join(between.split(b'"')[::2])
    return outside.count(b",") + outside.count(b"[") + outside.count(b"{")
