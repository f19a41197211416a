"""The worker's end of the line to the host: frames, host calls, answers; knows no cell.

A frame is its length in four bytes and one JSON value. The host checks all that it reads from here: a cell
may write to the line by itself, and gains nothing by it that a host call would not give.
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
"""Of a frame from inside; what the host sends is bounded by the worker's memory."""
_LENGTH = struct.Struct(">I")
_ERRORS: dict[str, type[Exception]] = {"TypeError": TypeError, "RuntimeError": RuntimeError}


class Channel:
    """Reads and writes whole frames."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, message: dict[str, Any]) -> None:
        """Raises: `NotPlain` when it is too large for a frame."""
        data = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
        if len(data) > MAX_FRAME_BYTES:
            raise NotPlain(f"the text is longer than {MAX_FRAME_BYTES:,} bytes; pass a slice of it")
        rest = memoryview(_LENGTH.pack(len(data)) + data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def receive(self) -> Any:
        """The next frame's value; the process ends when the host is gone."""
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


class Later:
    """A host call that goes on while the code does; `await` gives its result."""

    def __init__(self, calls: HostCalls, name: str, number: int, cell: int) -> None:
        self._calls = calls
        self._name = name
        self._number = number
        self._cell = cell

    def __await__(self) -> Generator[Any, Any, Any]:
        if self._cell != self._calls.cell:
            raise RuntimeError(f"this call of {self._name}() ended with its cell; make it again")
        if (answer := self._calls.answered.get(self._number)) is None:
            answer = yield from self._calls.promise(self._number).__await__()
        return result(answer)


def result(answer: dict[str, Any]) -> Any:
    """The value of an answer. Raises: what it says."""
    if "value" in answer:
        return answer["value"]
    raise _ERRORS[answer["error"]](answer["message"]) from None


class HostCalls:
    """Makes the calls of one cell after the other."""

    def __init__(self, channel: Channel, flush: Callable[[], None]) -> None:
        self._channel = channel
        self._flush = flush
        self._numbers = itertools.count(1)
        self._promises: dict[int, Any] = {}
        self.answered: dict[int, dict[str, Any]] = {}
        self.cell = 0

    def begin(self, cell: int) -> None:
        """Forget the calls of the cell before: the host has ended them."""
        self.cell = cell
        self.answered.clear()
        self._promises.clear()

    def now(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Ask and wait. Raises: `TypeError` and `RuntimeError` as the host says."""
        number = self._ask(name, args, kwargs, later=False)
        self._take()
        return result(self.answered.pop(number))

    def later(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Later:
        """Ask, and go on. Raises: `TypeError` when an argument cannot be passed."""
        return Later(self, name, self._ask(name, args, kwargs, later=True), self.cell)

    def promise(self, number: int) -> Any:
        """A future of the running loop that gets the answer."""
        import asyncio  # noqa: PLC0415 - at hand in the sandbox, not wanted before

        return self._promises.setdefault(number, asyncio.get_running_loop().create_future())

    @property
    def awaited(self) -> bool:
        """Whether a coroutine waits for the host."""
        return any(not promise.done() for promise in self._promises.values())

    def wait(self, at_most_s: float | None) -> None:
        """Until one awaited call at least is answered, or the time has passed."""
        self._flush()
        self._channel.send({"do": "wait", "at_most_s": at_most_s})
        self._take()

    def _ask(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], *, later: bool) -> int:
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

    def _take(self) -> None:
        for answer in self._channel.receive()["answers"]:
            number = answer["id"]
            self.answered[number] = answer
            promise = self._promises.pop(number, None)
            if promise is not None and not promise.done():
                promise.set_result(answer)


class HostFunction:
    """A function of the host's, as the cell sees it: it returns its result at once."""

    def __init__(self, calls: HostCalls, name: str) -> None:
        self._calls = calls
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the host and wait."""
        return self._calls.now(self.__name__, args, kwargs)

    def later(self, *args: Any, **kwargs: Any) -> Later:
        """Ask the host and go on."""
        return self._calls.later(self.__name__, args, kwargs)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"
