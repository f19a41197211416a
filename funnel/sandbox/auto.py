"""Begins in the Monty engine, and goes on in bubblewrap once a cell needs what Monty lacks; knows no model.

The cells so far run again in the new session. Their host calls are answered from a record, so nothing is
asked or paid twice. If a cell does not print again what it printed, the session stays where it is.
"""

from __future__ import annotations

import functools
import json
import shutil
import sys
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from funnel.errors import SandboxDied, SandboxUnavailable
from funnel.sandbox.base import CellResult, HostError, HostFunction, Sandbox, SandboxLimits, Session, Variable
from funnel.sandbox.bubblewrap.host.engine import BubblewrapSandbox
from funnel.sandbox.monty.engine import MontySandbox
from funnel.sandbox.values import text_bytes

NAME: Final = "auto"
MAX_CELLS: Final = 50
MAX_RECORDED_BYTES: Final = 32 * 1024 * 1024
"""Beyond either, a session stays in the engine that it began in."""
SWITCHED: Final = (
    "This cell needed what the small Python lacks: it ran in full CPython, and so do all cells from now on, "
    "with the same variables."
)


class AutoSandbox:
    """Opens sessions that begin in `first` and may go on in `second`, by default Monty and bubblewrap."""

    name = NAME

    def __init__(self, first: Sandbox | None = None, second: Sandbox | None = None) -> None:
        self._first = first or MontySandbox()
        self._second = second or BubblewrapSandbox()
        self._may_switch = second is not None or _has_bubblewrap()

    @property
    def dialect(self) -> str:
        """The dialect of the engine in which sessions begin."""
        return self._first.dialect

    @asynccontextmanager
    async def session(
        self,
        functions: Mapping[str, HostFunction],
        variables: Mapping[str, Any],
        limits: SandboxLimits | None = None,
    ) -> AsyncIterator[AutoSession]:
        """Open a new session in the first engine. Raises: `SandboxUnavailable`."""
        second = self._second if self._may_switch else None
        session = AutoSession(self._first, second, functions, variables, limits or SandboxLimits())
        try:
            await session.open()
            yield session
        finally:
            await session.close()

    async def close(self) -> None:
        """End every process of both engines."""
        await self._first.close()
        await self._second.close()


class _Unrecorded(Exception):
    """A cell that runs again makes a call that it did not make before."""


@dataclass
class _Calls:
    """The host calls of a session: those of the cell that runs, and answers for a cell that runs again."""

    functions: Mapping[str, HostFunction]
    made: list[tuple[str, Any, HostError | None]] = field(default_factory=list)
    answers: dict[str, deque[tuple[Any, HostError | None]]] = field(default_factory=dict)
    only_answers: bool = False
    recorded_bytes: int = 0

    def wrapped(self) -> dict[str, HostFunction]:
        """Return the functions with a record of their calls."""
        return {name: self._recorded(name, function) for name, function in self.functions.items()}

    def begin(self, made: list[tuple[str, Any, HostError | None]], *, only_answers: bool) -> None:
        """Begin a cell; `made` answers the calls that it made before, which are then not made again."""
        self.made, self.only_answers = [], only_answers
        self.answers = defaultdict(deque)
        for key, value, error in made:
            self.answers[key].append((value, error))

    def _recorded(self, name: str, function: HostFunction) -> HostFunction:
        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            key = json.dumps([name, args, kwargs], sort_keys=True)
            if known := self.answers.get(key):
                value, error = known.popleft()
            elif self.only_answers:
                raise _Unrecorded
            else:
                value, error = None, None
                try:
                    value = await function(*args, **kwargs)
                except HostError as raised:
                    error = raised
                self.recorded_bytes += len(key) + text_bytes(value)
            self.made.append((key, value, error))
            if error is not None:
                raise error
            return value

        return call


@dataclass(frozen=True, slots=True)
class _Ran:
    """A cell that has run: its code, result and host calls."""

    code: str
    result: CellResult
    calls: list[tuple[str, Any, HostError | None]]


class AutoSession:
    """A session of the first engine, until a cell needs the second. Two calls of `run` must not overlap."""

    def __init__(
        self,
        first: Sandbox,
        second: Sandbox | None,
        functions: Mapping[str, HostFunction],
        variables: Mapping[str, Any],
        limits: SandboxLimits,
    ) -> None:
        self._first, self._second = first, second
        self._calls = _Calls(functions)
        self._variables, self._limits = variables, limits
        self._ran: list[_Ran] = []
        self._stack = AsyncExitStack()
        self._session: Session

    async def open(self) -> None:
        """Open the session of the first engine. Raises: `SandboxUnavailable`."""
        self._session = await self._stack.enter_async_context(self._opened(self._first))

    async def close(self) -> None:
        """End the session that is open."""
        await self._stack.aclose()

    async def variables(self) -> tuple[Variable, ...]:
        """Return what was given and what the cells assigned. Raises: `SandboxDied`."""
        return await self._session.variables()

    async def run(self, code: str) -> CellResult:
        """Run one cell. Raises: as `Session.run`."""
        self._calls.begin([], only_answers=False)
        result = await self._session.run(code)
        ran = _Ran(code, result, self._calls.made)
        if self._second is None:
            return result
        if result.error is not None and result.error.lacking:
            switched = await self._switched(self._second, ran)
            if switched is not None:
                return switched
        if not (result.restored or result.refused):
            self._ran.append(ran)
        if len(self._ran) > MAX_CELLS or self._calls.recorded_bytes > MAX_RECORDED_BYTES:
            self._stay()
        return result

    def _stay(self) -> None:
        """Never switch any more, and forget what only a switch would need."""
        self._second = None
        self._ran.clear()
        self._calls.recorded_bytes = 0

    async def _switched(self, second: Sandbox, ran: _Ran) -> CellResult | None:
        """Run the cells so far and this one in the second engine; None if that is not possible."""
        stack = AsyncExitStack()
        try:
            session = await stack.enter_async_context(self._opened(second))
            repeated = await self._repeated(session)
        except (_Unrecorded, SandboxUnavailable, SandboxDied):
            repeated = False
        except BaseException:
            await stack.aclose()
            raise
        if not repeated:
            await stack.aclose()
            self._stay()
            return None
        old, self._stack, self._session = self._stack, stack, session
        self._calls.begin(ran.calls, only_answers=False)
        self._stay()
        await old.aclose()
        result: CellResult = await session.run(ran.code)
        return replace(result, remarks=(*result.remarks, SWITCHED))

    async def _repeated(self, session: Session) -> bool:
        """Run the cells so far; return whether all did again what they did before."""
        for before in self._ran:
            self._calls.begin(before.calls, only_answers=True)
            if not _same(before.result, await session.run(before.code)):
                return False
        return True

    def _opened(self, engine: Sandbox) -> AbstractAsyncContextManager[Session]:
        return engine.session(self._calls.wrapped(), self._variables, self._limits)


def _same(before: CellResult, again: CellResult) -> bool:
    """Return whether a cell that ran again did what it did before, as far as the model saw it."""
    kinds = [None if result.error is None else result.error.kind for result in (before, again)]
    return before.stdout == again.stdout and kinds[0] == kinds[1] and not again.restored


def _has_bubblewrap() -> bool:
    return sys.platform == "linux" and shutil.which("bwrap") is not None
