"""One bubblewrap session: runs cells, keeps or drops their effects; knows no command line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final, Literal, TypeVar

from funnel.errors import SandboxDied, SandboxUnavailable
from funnel.sandbox.advice import advice, nearest_name
from funnel.sandbox.base import CellError, CellResult, EndCell, HostFunction, SandboxLimits, Variable
from funnel.sandbox.bubblewrap.host.calls import BubblewrapHostCalls
from funnel.sandbox.bubblewrap.host.dialect import hint_for
from funnel.sandbox.bubblewrap.host.launch import NAME, ForkServer, unavailable
from funnel.sandbox.bubblewrap.host.wire import BadFrame, Wire
from funnel.sandbox.calls import (
    HostCallLimit,
    HostFunctionRaised,
    Output,
    memory_limit_error,
    time_limit_error,
    variables_of,
)
from funnel.sandbox.monty.awaiting import awaited_calls
from funnel.sandbox.monty.source import normalised
from funnel.sandbox.values import copy_from_host

_RUN: Final = b"r"
_TIME: Final = b"t"
_KEEP: Final = b"k"
_DROP: Final = b"d"
_DONE: Final = b"."
_READY: Final = b"+"
_START_TIMEOUT_S: Final = 60.0
_RESOLVE_TIMEOUT_S: Final = 60.0
_PATIENCE: Final = 4
"""A cell may take this many times its CPU time limit by the clock, for a busy machine or a sleep."""
_SECONDS: Final = struct.Struct("=d")
_OUT_OF_MEMORY: Final = 77
_MAX_ERROR: Final = 4_000
_MAX_NAMES: Final = 500
_MAX_NAME: Final = 200
_T = TypeVar("_T")


class _TooSlow(Exception):
    """The cell exceeded its time limit."""


class BubblewrapSession:
    """One namespace that lasts from cell to cell. What a cell assigned before it raised is kept.

    Two calls of `run` must not overlap.
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
        self._variables = copy_from_host(dict(variables))
        self._limits = limits
        self._open = False
        self._state: Literal["ready", "running", "resolving", "lost"] = "lost"
        self._has_state = False
        self._cell = 0
        self._dead: set[int] = set()
        self._reclaimed: tuple[tuple[str, str], ...] = ()
        self._found: Any = None
        self._refused = False
        self._left_s = self._patience_s = 0.0
        self._control: socket.socket
        self._wire: Wire

    async def open(self) -> None:
        """Start the processes and bind the variables. Raises: `SandboxUnavailable`."""
        starting = asyncio.ensure_future(asyncio.to_thread(self._fork_server.session))
        try:
            self._control, self._wire = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_close_started)  # the thread cannot be cancelled
            raise
        self._open = True
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                bound = await self._bind()
        except (EOFError, OSError, TimeoutError, BadFrame) as exc:
            output = Output(_MAX_ERROR)
            self._wire.take_output(output)
            self.close()
            raise unavailable(self._fork_server.output() or output.text) from exc
        if not bound:
            self.close()
            raise SandboxUnavailable(
                NAME,
                f"the variables do not fit into memory_bytes = {self._limits.memory_bytes:,}. Raise it, "
                "or pass the text in pieces",
            )
        self._state, self._cell = "ready", 0
        self._dead.clear()

    async def _bind(self) -> bool:
        """Send the variables to the worker. Returns whether they fit into its memory."""
        if await asyncio.get_running_loop().sock_recv(self._control, 1) != _READY:
            raise EOFError
        await self._wire.send({"memory_bytes": self._limits.memory_bytes, "functions": list(self._functions)})
        sending = asyncio.create_task(self._wire.send(self._variables))
        try:
            # If they do not fit, the answer comes before everything has been sent.
            return (await self._wire.receive()).get("do") == "ready"
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def close(self) -> None:
        """End the session's processes, even in the middle of a cell."""
        if self._open:
            self._open, self._state = False, "lost"
            self._control.close()  # ends the supervisor, and every process of the session with it
            self._wire.close()

    async def run(self, code: str) -> CellResult:
        """Run one cell.

        Raises: `SandboxDied` if the process died and its state with it; any exception of a host function
        other than `HostError` and `EndCell`. After such an exception, or a cancellation, the session is in
        its state before the cell.
        """
        text = normalised(code)
        awaited = sorted(awaited_calls(text))
        await self._ensure_ready()
        out = Output(self._limits.output_bytes)
        calls = BubblewrapHostCalls(self._functions, self._limits.host_calls)
        error, keep, ended, self._refused = None, False, False, False
        self._reclaimed = ()
        self._begin()
        try:
            with self._wire.taking_output(out):
                error, keep = await self._attempt({"code": text, "awaited": awaited}, calls)
        except EndCell:
            ended = True
        finally:
            self._command(_KEEP if keep else _DROP)
            await calls.cancel()
        await self._resolve(out)
        self._has_state |= keep
        if self._state == "lost":
            await self._ensure_ready()
        if error is not None and error.kind == "NameError" and keep and not error.hint:
            names = (*(each.name for each in await self.variables()), *self._functions)
            error = replace(error, hint=nearest_name(error.kind, error.message, names))
        reclaimed = self._reclaimed if keep else ()
        return CellResult(out.text, error, ended, not keep, reclaimed, keep and self._refused)

    async def variables(self) -> tuple[Variable, ...]:
        """Return what was given and what the cells assigned, by name.

        Raises: `SandboxDied` if the process died and its state with it.
        """
        await self._ensure_ready()
        calls = BubblewrapHostCalls({}, 0)
        self._found = None
        self._begin()
        try:
            with self._wire.taking_output(Output(0)):
                await self._attempt({}, calls)
        finally:
            self._command(_DROP)
        await self._resolve()
        return variables_of(self._found)

    async def _attempt(
        self, cell: dict[str, Any], calls: BubblewrapHostCalls
    ) -> tuple[CellError | None, bool]:
        """Run the cell. Returns its error, and whether its effects are kept."""
        try:
            return await self._drive(cell, calls)
        except HostFunctionRaised as wrapped:
            raise wrapped.error from None
        except HostCallLimit as exc:
            return CellError("RuntimeError", str(exc)), False
        except _TooSlow:
            return time_limit_error(self._limits), False
        except BadFrame:
            return CellError("SandboxCrashed", "The cell wrote to the sandbox's own channel."), False
        except (EOFError, OSError):
            return CellError("SandboxCrashed", "The cell ended the sandbox."), False

    async def _drive(self, cell: dict[str, Any], calls: BubblewrapHostCalls) -> tuple[CellError | None, bool]:
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
                        return memory_limit_error(self._limits), False
                    self._reclaimed = _reclaimed(frame.get("reclaimed", []))
                    self._refused = error is not None and frame["error"]["ran"] is False
                    self._found = frame.get("variables")
                    return error, True
                case "died" if frame.get("cell") == self._cell:
                    return self._died(frame.get("status")), False
                case "died" if self._is_late(frame.get("cell")):
                    pass
                case _:
                    raise BadFrame

    def _is_late(self, cell: Any) -> bool:
        """Whether this is the first report of the death of an earlier cell, which was dropped."""
        late = type(cell) is int and 0 < cell < self._cell and cell not in self._dead
        if late:
            self._dead.add(cell)
        return late

    async def _computing(self, step: Coroutine[Any, Any, _T]) -> _T:
        """Await a step that counts against the cell's time. Raises: `_TooSlow`."""
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
        """Return the CPU seconds that the cell has left; on a busy machine they differ from the clock's."""
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
            return memory_limit_error(self._limits)
        how = f"signal {os.WTERMSIG(code)}" if os.WIFSIGNALED(code) else "an exit"
        return CellError("SandboxCrashed", f"The cell ended its own process ({how}).")

    def _begin(self) -> None:
        self._cell += 1
        self._left_s = self._limits.cell_s
        self._patience_s = _PATIENCE * self._limits.cell_s
        self._command(_RUN)

    def _command(self, command: bytes) -> None:
        """Send one byte, which never blocks. If the supervisor is dead, `_resolve` will find out."""
        self._state = "running" if command == _RUN else "resolving"
        with contextlib.suppress(OSError):
            self._control.send(command)

    async def _resolve(self, out: Output | None = None) -> None:
        try:
            async with asyncio.timeout(_RESOLVE_TIMEOUT_S):
                answer = await asyncio.get_running_loop().sock_recv(self._control, 1)
        except (OSError, TimeoutError):
            answer = b""
        self._state = "ready" if answer == _DONE else "lost"
        self._wire.take_output(out)
        self._wire.drain()

    async def _ensure_ready(self) -> None:
        """Make sure that the worker holds the state before the cell. Raises: `SandboxDied` if it is lost."""
        if not self._open:
            raise SandboxDied(NAME, "it is closed")
        if self._state == "resolving":
            await self._resolve()
        if self._state == "lost":
            if self._has_state:
                raise SandboxDied(NAME, "its process is gone, and the variables with it")
            self.close()
            try:
                await self.open()
            except SandboxUnavailable as exc:
                raise SandboxDied(NAME, exc.reason) from exc


def _close_started(started: asyncio.Future[tuple[socket.socket, Wire]]) -> None:
    if started.cancelled() or started.exception() is not None:
        return
    for end in started.result():
        end.close()


def _error(fields: Any) -> CellError | None:
    """Return the error of a cell from a frame; None if it has none. Raises: `BadFrame`."""
    if fields is None:
        return None
    match fields:
        case {
            "kind": str(kind),
            "message": str(message),
            "line": (int() | None) as line,
            "source_line": str(source),
            "within": str(within),
            "raised": str(raised),
            "ran": bool(),
        } if max(len(kind), len(message), len(source), len(within), len(raised)) <= _MAX_ERROR:
            hint = hint_for(kind, message, raised) or advice(kind, message, raised)
            return CellError(kind, message, line, source, hint, within)
        case _:
            raise BadFrame


def _reclaimed(pairs: Any) -> tuple[tuple[str, str], ...]:
    """Return the names that a cell took, from a frame. Raises: `BadFrame`."""
    if not isinstance(pairs, list) or len(pairs) > _MAX_NAMES:
        raise BadFrame
    found = []
    for pair in pairs:
        match pair:
            case [str(name), str(kept)] if max(len(name), len(kept)) <= _MAX_NAME:
                if not name.isidentifier() or not (kept.isidentifier() or kept == ""):
                    raise BadFrame
                found.append((name, kept))
            case _:
                raise BadFrame
    return tuple(found)
