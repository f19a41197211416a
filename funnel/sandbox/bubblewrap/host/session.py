"""One bubblewrap session: drives cells, keeps or drops what they did; knows no command line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Coroutine, Mapping
from typing import Any, Final, Literal, TypeVar

from funnel.errors import SandboxDied, SandboxUnavailable
from funnel.sandbox.base import CellError, CellResult, EndCell, HostFunction, SandboxLimits
from funnel.sandbox.bubblewrap.host.calls import Calls
from funnel.sandbox.bubblewrap.host.dialect import hint_for
from funnel.sandbox.bubblewrap.host.launch import NAME, ForkServer, unavailable
from funnel.sandbox.bubblewrap.host.wire import BadFrame, Wire
from funnel.sandbox.calls import FromHost, HostCallLimit, Output, too_large, too_slow
from funnel.sandbox.monty.source import awaited_calls, normal
from funnel.sandbox.values import from_host

_RUN: Final = b"r"
_TIME: Final = b"t"
_KEEP: Final = b"k"
_DROP: Final = b"d"
_DONE: Final = b"."
_READY: Final = b"+"
_START_TIMEOUT_S: Final = 60.0
_RESOLVE_TIMEOUT_S: Final = 60.0
_PATIENCE: Final = 4
"""How many times its time a cell may take by the clock, waiting for its turn or asleep."""
_SECONDS: Final = struct.Struct("=d")
_OUT_OF_MEMORY: Final = 77
_MAX_ERROR: Final = 4_000
_T = TypeVar("_T")


class _TooSlow(Exception):
    """The cell's time is up."""


class BubblewrapSession:
    """One namespace that lasts from cell to cell; a cell that raises keeps what it had assigned.

    Not for two `run`s at once.
    """

    def __init__(
        self,
        fork_server: ForkServer,
        functions: Mapping[str, HostFunction],
        variables: Mapping[str, Any],
        limits: SandboxLimits,
    ) -> None:
        self._fork_server = fork_server
        self._functions = dict(functions)
        self._variables = from_host(dict(variables))
        self._limits = limits
        self._open = False
        self._state: Literal["stands", "runs", "resolving", "gone"] = "gone"
        self._kept = False
        self._cell = 0
        self._left_s = self._patience_s = 0.0
        self._control: socket.socket
        self._wire: Wire

    async def open(self) -> None:
        """Start the processes and bind the variables. Raises: `SandboxUnavailable`."""
        starting = asyncio.ensure_future(asyncio.to_thread(self._fork_server.session))
        try:
            self._control, self._wire = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_let_go)  # the thread goes on
            raise
        self._open = True
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                bound = await self._bind()
        except (EOFError, OSError, TimeoutError, BadFrame) as exc:
            said = Output(_MAX_ERROR)
            self._wire.printed(said)
            self.close()
            raise unavailable(self._fork_server.said() or said.text) from exc
        if not bound:
            self.close()
            raise SandboxUnavailable(
                NAME,
                f"the variables do not fit into memory_bytes = {self._limits.memory_bytes:,}. Raise it, "
                "or hand the text over in pieces",
            )
        self._state, self._cell = "stands", 0

    async def _bind(self) -> bool:
        """Whether the variables fit."""
        if await asyncio.get_running_loop().sock_recv(self._control, 1) != _READY:
            raise EOFError
        await self._wire.send({"memory_bytes": self._limits.memory_bytes, "functions": list(self._functions)})
        sending = asyncio.create_task(self._wire.send(self._variables))
        try:
            # Where they do not fit, the answer comes before all is sent.
            return (await self._wire.receive()).get("do") == "ready"
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def close(self) -> None:
        """End its processes, also in the middle of a cell."""
        if self._open:
            self._open, self._state = False, "gone"
            self._control.close()  # which ends its supervisor, and all others with it
            self._wire.close()

    async def run(self, code: str) -> CellResult:
        """Run one cell.

        Raises: `SandboxDied` when the process is gone and its state with it; what a host function raised
        other than `HostError` and `EndCell`, or cancellation, after which the session stands as before the
        cell.
        """
        text = normal(code)
        awaited = sorted(awaited_calls(text))
        await self._stand()
        out = Output(self._limits.output_bytes)
        calls = Calls(self._functions, self._limits.host_calls)
        error, keep, ended = None, False, False
        self._begin()
        try:
            with self._wire.printing(out):
                error, keep = await self._attempt({"code": text, "awaited": awaited}, calls)
        except EndCell:
            ended = True
        finally:
            self._command(_KEEP if keep else _DROP)
            await calls.cancel()
        await self._resolve(out)
        self._kept |= keep
        if self._state == "gone":
            await self._stand()
        return CellResult(out.text, error, ended, restored=not keep)

    async def _attempt(self, cell: dict[str, Any], calls: Calls) -> tuple[CellError | None, bool]:
        """What was wrong with the cell, and whether what it did is kept."""
        try:
            return await self._drive(cell, calls)
        except FromHost as carried:
            raise carried.error from None
        except HostCallLimit as exc:
            return CellError("RuntimeError", str(exc)), False
        except _TooSlow:
            return too_slow(self._limits), False
        except BadFrame:
            return CellError("SandboxCrashed", "The cell wrote to the sandbox's own line."), False
        except (EOFError, OSError):
            return CellError("SandboxCrashed", "The cell ended the sandbox."), False

    async def _drive(self, cell: dict[str, Any], calls: Calls) -> tuple[CellError | None, bool]:
        await self._computing(self._wire.send(cell))
        while True:
            frame = await self._computing(self._wire.receive())
            match frame.get("do"):
                case "call" | "wait":
                    answers = await calls.answer(frame)
                    if answers is not None:
                        await self._computing(self._wire.send({"answers": answers}))
                case "done" if frame.get("cell") == self._cell:
                    error = _error(frame.get("error"))
                    if error is not None and error.kind == "MemoryError":
                        return too_large(self._limits), False
                    return error, True
                case "died" if frame.get("cell") == self._cell:
                    return self._died(frame.get("status")), False
                case "died":
                    pass  # of a cell before, which was dropped
                case _:
                    raise BadFrame

    async def _computing(self, step: Coroutine[Any, Any, _T]) -> _T:
        """A step that waits for the code, and counts as its time. Raises: `_TooSlow`."""
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(step)
        try:
            while True:
                started = loop.time()
                done, _ = await asyncio.wait({task}, timeout=self._left_s)
                passed_s = loop.time() - started
                self._left_s -= passed_s
                self._patience_s -= passed_s
                if done:
                    return task.result()
                self._left_s = min(await self._unused_s(), self._patience_s)
                if self._left_s <= 0:
                    raise _TooSlow
        finally:
            task.cancel()

    async def _unused_s(self) -> float:
        """What the cell has not computed of its time: on a busy machine it may have had no turn."""
        try:
            self._control.send(_TIME)
            async with asyncio.timeout(_RESOLVE_TIMEOUT_S):
                answer = await asyncio.get_running_loop().sock_recv(self._control, _SECONDS.size)
            return self._limits.cell_s - float(_SECONDS.unpack(answer)[0])
        except (OSError, TimeoutError, struct.error):
            return 0.0

    def _died(self, status: Any) -> CellError:
        code = status if isinstance(status, int) else 0
        if os.WIFEXITED(code) and os.WEXITSTATUS(code) == _OUT_OF_MEMORY:
            return too_large(self._limits)
        how = f"signal {os.WTERMSIG(code)}" if os.WIFSIGNALED(code) else "an exit"
        return CellError("SandboxCrashed", f"The cell ended its own process ({how}).")

    def _begin(self) -> None:
        self._cell += 1
        self._left_s = self._limits.cell_s
        self._patience_s = _PATIENCE * self._limits.cell_s
        self._command(_RUN)

    def _command(self, command: bytes) -> None:
        """A byte, for which there is always room; if nobody is left to read it, `_resolve` will find out."""
        self._state = "runs" if command == _RUN else "resolving"
        with contextlib.suppress(OSError):
            self._control.send(command)

    async def _resolve(self, out: Output | None = None) -> None:
        try:
            async with asyncio.timeout(_RESOLVE_TIMEOUT_S):
                answer = await asyncio.get_running_loop().sock_recv(self._control, 1)
        except (OSError, TimeoutError):
            answer = b""
        self._state = "stands" if answer == _DONE else "gone"
        self._wire.printed(out)
        self._wire.drain()

    async def _stand(self) -> None:
        """The state before the cell. Raises: `SandboxDied` when it cannot be had."""
        if not self._open:
            raise SandboxDied(NAME, "it is closed")
        if self._state == "resolving":
            await self._resolve()
        if self._state == "gone":
            if self._kept:
                raise SandboxDied(NAME, "its process is gone, and the variables with it")
            self.close()
            try:
                await self.open()
            except SandboxUnavailable as exc:
                raise SandboxDied(NAME, exc.reason) from exc


def _let_go(started: asyncio.Future[tuple[socket.socket, Wire]]) -> None:
    if started.cancelled() or started.exception() is not None:
        return
    for end in started.result():
        end.close()


def _error(said: Any) -> CellError | None:
    """The error of a cell, out of a frame. Raises: `BadFrame`."""
    if said is None:
        return None
    match said:
        case {
            "kind": str(kind),
            "message": str(message),
            "line": (int() | None) as line,
            "source_line": str(source),
        } if max(len(kind), len(message), len(source)) <= _MAX_ERROR:
            return CellError(kind, message, line, source, hint_for(kind, message, source))
        case _:
            raise BadFrame
