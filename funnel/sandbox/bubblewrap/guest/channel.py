"""The worker's end of the channel to the host: frames, host calls, answers; knows no cell.

A frame is a length in four bytes followed by one JSON value. The host checks everything that it reads: a cell
may write to the channel itself, but it gains nothing that a host call would not provide.
"""

from __future__ import annotations

import itertools
import json
import os
import struct
from collections.abc import Callable, Generator
from typing import Any

from funnel.sandbox.values import NotPlain, bounded_arguments

MAX_FRAME_BYTES = 32 * 1024 * 1024
"""Limit of a frame from the sandbox. What the host sends is bounded by the worker's memory."""
_LENGTH = struct.Struct(">I")
_ERRORS: dict[str, type[Exception]] = {"TypeError": TypeError, "RuntimeError": RuntimeError}


class Channel:
    """Reads and writes whole frames on a file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, message: dict[str, Any]) -> None:
        """Send a message. Raises: `NotPlain` if it is too large for a frame."""
        data = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
        if len(data) > MAX_FRAME_BYTES:
            raise NotPlain(f"the text is longer than {MAX_FRAME_BYTES:,} bytes; pass a slice of it")
        rest = memoryview(_LENGTH.pack(len(data)) + data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def receive(self) -> Any:
        """Return the value of the next frame. Ends the process if the host has closed the channel."""
        (size,) = _LENGTH.unpack(self._read(_LENGTH.size))
        return json.loads(self._read(size))

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            if not (count := os.readv(self._descriptor, [rest])):
                os._exit(0)
            rest = rest[count:]
        return data


class PendingCall:
    """A host call that runs while the code continues; `await` returns its result."""

    def __init__(self, calls: HostCalls, name: str, number: int, cell: int) -> None:
        self._calls = calls
        self._name = name
        self._number = number
        self._cell = cell

    def __await__(self) -> Generator[Any, Any, Any]:
        if self._cell != self._calls.cell:
            raise RuntimeError(f"this call of {self._name}() ended with its cell; make it again")
        if (answer := self._calls.answered.get(self._number)) is None:
            answer = yield from self._calls.future(self._number).__await__()
        return result(answer)


def result(answer: dict[str, Any]) -> Any:
    """Return the value of an answer. Raises: the `TypeError` or `RuntimeError` that it holds."""
    if "value" in answer:
        return answer["value"]
    raise _ERRORS[answer["error"]](answer["message"]) from None


class HostCalls:
    """Makes the host calls of all cells."""

    def __init__(self, channel: Channel, flush: Callable[[], None]) -> None:
        self._channel = channel
        self._flush = flush
        self._numbers = itertools.count(1)
        self._futures: dict[int, Any] = {}
        self.answered: dict[int, dict[str, Any]] = {}
        self.cell = 0

    def begin(self, cell: int) -> None:
        """Forget the calls of the previous cell, which the host has cancelled."""
        self.cell = cell
        self.answered.clear()
        self._futures.clear()

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make a call and wait for its result. Raises: the `TypeError` or `RuntimeError` of the answer."""
        number = self._send_call(name, args, kwargs, later=False)
        self._receive_answers()
        return result(self.answered.pop(number))

    def start(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> PendingCall:
        """Start a call without waiting for it. Raises: `TypeError` if an argument cannot be passed."""
        return PendingCall(self, name, self._send_call(name, args, kwargs, later=True), self.cell)

    def future(self, number: int) -> Any:
        """Return a future of the running loop that receives the answer."""
        import asyncio  # noqa: PLC0415 - the host imports this file too, and does not need it here

        return self._futures.setdefault(number, asyncio.get_running_loop().create_future())

    @property
    def has_waiting(self) -> bool:
        """Return whether a coroutine is waiting for the host."""
        return any(not future.done() for future in self._futures.values())

    def wait(self, at_most_s: float | None) -> None:
        """Wait until at least one awaited call is answered, or the time has passed."""
        self._flush()
        self._channel.send({"do": "wait", "at_most_s": at_most_s})
        self._receive_answers()

    def _send_call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, later: bool) -> int:
        self._flush()
        number = next(self._numbers)
        try:
            positional, named = bounded_arguments(args, kwargs)
            self._channel.send(
                {
                    "do": "call",
                    "id": number,
                    "name": name,
                    "args": positional,
                    "kwargs": named,
                    "later": later,
                }
            )
        except NotPlain as exc:
            raise TypeError(f"{name}(): {exc}") from None
        return number

    def _receive_answers(self) -> None:
        for answer in self._channel.receive()["answers"]:
            number = answer["id"]
            self.answered[number] = answer
            future = self._futures.pop(number, None)
            if future is not None and not future.done():
                future.set_result(answer)


class HostFunction:
    """A host function as the cell sees it: calling it waits and returns the result, no `await` needed."""

    def __init__(self, calls: HostCalls, name: str) -> None:
        self._calls = calls
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the host and wait for the result."""
        return self._calls.call(self.__name__, args, kwargs)

    def start(self, *args: Any, **kwargs: Any) -> PendingCall:
        """Call the host without waiting for the result."""
        return self._calls.start(self.__name__, args, kwargs)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"
