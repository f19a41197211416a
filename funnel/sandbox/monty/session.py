"""One Monty session: runs cells, answers host calls, restores the last good state; owns no pool."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeGuard

from pydantic_monty import (
    AsyncFunctionSnapshot,
    AsyncFutureSnapshot,
    AsyncMonty,
    AsyncMontySession,
    AsyncSnapshot,
    MontyComplete,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySyntaxError,
    OSPolicy,
    ResourceLimits,
)

from funnel.errors import SandboxDied, SandboxUnavailable
from funnel.sandbox.advice import advice, indexed_by, nearest_name, with_keys
from funnel.sandbox.base import CellError, CellResult, EndCell, HostFunction, SandboxLimits, Variable
from funnel.sandbox.calls import (
    HostCallLimit,
    HostFunctionRaised,
    Output,
    memory_limit_error,
    time_limit_error,
    variables_of,
)
from funnel.sandbox.monty.awaiting import compiles
from funnel.sandbox.monty.calls import MontyHostCalls
from funnel.sandbox.monty.hints import hint_for, lacks
from funnel.sandbox.monty.imports import KNOWN
from funnel.sandbox.monty.names import Names
from funnel.sandbox.monty.refusals import Refusal
from funnel.sandbox.monty.source import Cell, Seen, prepare
from funnel.sandbox.monty.stdlib import module_source
from funnel.sandbox.values import copy_from_host, text_bytes, truncate_middle

_NAME: Final = "monty"
_MAX_RECURSION: Final = 500
_DUMP_FACTOR: Final = 4
"""To dump its variables, a worker needs this many times their size in memory (measured: 3.7-4.2)."""
_WORDING: Final = {
    "The monty syntax parser": "This sandbox's Python",
    "Internal error in monty: ": "",
    "'_Std' object": "this module",
}
_UNPARSED: Final = re.compile(r"The monty syntax parser|Wildcard imports")
_LIMIT: Final = re.compile(r"limit exceeded|exceeded its memory limit")
_LOG: Final = logging.getLogger(__name__)
_UNCOUNTED: Final = 2_000_000_000
"""Effectively no limit: the engine counts suspensions over a session, while we limit them for each cell."""


class MontySession:
    """One namespace that lasts from cell to cell. What a cell assigned before it raised is kept.

    Two calls of `run` must not overlap.
    """

    def __init__(
        self,
        pool: AsyncMonty,
        functions: Mapping[str, HostFunction],
        variables: Mapping[str, Any],
        limits: SandboxLimits,
    ) -> None:
        self._pool = pool
        self._functions = dict(functions)
        self._variables = copy_from_host(dict(variables))
        self._limits = limits
        self._worker: AsyncMontySession | None = None
        self._dump: bytes | None = None
        self._feeds = 0
        self._modules: frozenset[str] = frozenset()
        self._awaited: dict[str, frozenset[int]] = {}
        self._stale = self._refused = False
        self._texts: dict[str, Cell] = {}
        self._names = Names(frozenset(functions), secrets.token_hex(6))
        self._reclaimed: tuple[tuple[str, str], ...] = ()
        self._aliases: Mapping[str, str] = KNOWN
        self._good = (0, self._modules, self._names, self._aliases)

    async def open(self) -> None:
        """Take a worker and bind the variables. Raises: `SandboxUnavailable`."""
        needed = _DUMP_FACTOR * text_bytes(self._variables)
        if needed > self._limits.memory_bytes:
            raise SandboxUnavailable(
                _NAME,
                f"the variables need memory_bytes = {needed:,} (four times their text), "
                f"and it is {self._limits.memory_bytes:,}. Raise it, or pass the text in pieces",
            )
        try:
            await self._take_worker()
        except MontyError as exc:
            raise SandboxUnavailable(_NAME, f"the session does not start: {exc}") from exc
        except (TimeoutError, OSError, RuntimeError) as exc:
            raise SandboxUnavailable(_NAME, f"no worker process is free: {exc}") from exc

    async def close(self) -> None:
        """Return the worker to the pool, which ends it, even in the middle of a cell."""
        worker, self._worker = self._worker, None
        if worker is not None:
            with contextlib.suppress(MontyError, RuntimeError):
                await worker.__aexit__(None, None, None)

    async def run(self, code: str) -> CellResult:
        """Run one cell.

        Raises: `SandboxDied` if the process died and its state cannot be restored; any exception of a host
        function other than `HostError` and `EndCell`. After such an exception, or a cancellation, the session
        is in its state before the cell.
        """
        cell = prepare(code, self._seen())
        if cell.refused is not None:
            return CellResult(error=_refused(cell, cell.refused), refused=True)
        if self._stale:
            await self._restore()
        out = Output(self._limits.output_bytes)
        calls = MontyHostCalls(self._functions, self._limits.host_calls)
        self._stale, self._refused, self._reclaimed = True, False, ()
        try:
            error = await self._attempt(cell, out, calls)
        except EndCell:
            return CellResult(stdout=out.text, ended=True, restored=True)
        except HostCallLimit as exc:
            error = CellError("RuntimeError", str(exc))
        finally:
            await calls.cancel()
        if restored := self._stale:
            await self._restore()
        reclaimed = () if restored else self._reclaimed
        return CellResult(out.text, error, False, restored, reclaimed, self._refused)

    async def variables(self) -> tuple[Variable, ...]:
        """Return what was given and what the cells assigned, by name.

        Raises: `SandboxDied` if the process died and its state cannot be restored.
        """
        code = Cell(self._names.listing(self._variables), "")
        for _ in range(2):
            if self._stale:
                await self._restore()
            self._stale = True
            try:
                found = await self._feed(code, Output(0), MontyHostCalls({}, self._limits.host_calls))
            except MontyCrashedError:
                continue
            self._stale = False
            return variables_of(found)
        raise SandboxDied(_NAME, "its process ends again and again")

    async def _advised(self, error: CellError, out: Output, calls: MontyHostCalls) -> CellError:
        """Return an error with what the session's variables tell about it."""
        if error.kind == "NameError" and not error.hint:
            names = (*self._names.used, *self._variables, *self._functions)
            return replace(error, hint=nearest_name(error.kind, error.message, names))
        if error.kind != "KeyError" or error.within:
            return error
        for expression in indexed_by(error.message, error.source_line):
            with contextlib.suppress(MontyRuntimeError, MontySyntaxError):
                match await self._feed(Cell(self._names.keys(expression), ""), out, calls):
                    case [int(count), list(keys)]:
                        return replace(error, message=with_keys(error.message, [*map(str, keys)], count))
                    case _:
                        pass
        return error

    def _seen(self) -> Seen:
        """Return what earlier cells did that a cell's rewriting depends on."""
        return Seen(self._aliases, self._names.used, self._names.functions)

    async def _attempt(self, cell: Cell, out: Output, calls: MontyHostCalls) -> CellError | None:
        """Run the cell and return its error. Clears `_stale` only if the worker's state is worth keeping."""
        try:
            return await self._complete(cell, out, calls)
        except HostFunctionRaised as wrapped:
            raise wrapped.error from None
        except (HostCallLimit, SandboxDied):
            raise
        except MontyCrashedError as exc:
            if exc.timed_out:
                return time_limit_error(self._limits)
            return CellError("SandboxCrashed", f"The cell ended its own process ({exc}).")
        except Exception as exc:  # noqa: BLE001 - a fault of the engine loses the cell, not the session
            if isinstance(exc, MontyError) and (breach := self._breach(exc)) is not None:
                return breach
            _LOG.warning("the Monty engine failed on a cell", exc_info=True)
            detail = truncate_middle(str(exc))
            return CellError("SandboxFault", f"The sandbox failed on this cell ({detail}).")

    async def _complete(self, cell: Cell, out: Output, calls: MontyHostCalls) -> CellError | None:
        error = None
        try:
            await self._drive(cell, out, calls)
        except MontyCrashedError as exc:
            if calls.made or exc.timed_out:
                raise
            # The worker may have died before the cell began. No host call was made, so the cell can rerun.
            await self._restore()
            self._stale = True
            await self._drive(cell, out, calls)
        except (MontySyntaxError, MontyRuntimeError) as exc:
            if self._breach(exc) is not None:
                raise
            self._refused = bool(_UNPARSED.match(str(exc.exception()))) or not compiles(cell.original)
            error = await self._advised(_error(exc, cell, self._texts), out, calls)
        if code := self._names.after():
            found = await self._feed(Cell(code, ""), out, calls)
            self._reclaimed = tuple((str(name), str(kept)) for name, kept in found)
        # Dumping the state takes memory in the worker, so this can exceed the limit too.
        await self._keep()
        return error

    async def _drive(self, cell: Cell, out: Output, calls: MontyHostCalls) -> None:
        for module in cell.modules:
            if module not in self._modules:
                source = module_source(module, self._names.lost())
                await self._feed(Cell(source, ""), out, calls)
                self._modules |= {module}
        self._aliases = cell.aliases
        self._names, code = self._names.before(cell.bound)
        if code:
            await self._feed(Cell(code, ""), out, calls)
        await self._feed(cell, out, calls)

    async def _feed(self, cell: Cell, out: Output, calls: MontyHostCalls) -> Any:
        """Run code and return the value of its last expression."""
        assert self._worker is not None  # noqa: S101 - set by `open`
        name = f"<python-input-{self._feeds}>"
        self._awaited[name] = cell.awaited
        self._texts.pop(name, None)
        if cell.original:
            self._texts[name] = cell
        self._feeds += 1
        snapshot = await self._worker.feed_start(
            cell.text, external_lookup=self._functions, print_callback=out
        )
        while not isinstance(snapshot, MontyComplete):
            if isinstance(snapshot, AsyncFutureSnapshot):
                snapshot = await calls.settle(snapshot)
            elif self._is_ours(snapshot, calls):
                calls.count(host=True)
                position = snapshot.position
                later = position.start in self._awaited.get(position.filename, frozenset())
                snapshot = await (calls.answer_later(snapshot) if later else calls.answer_now(snapshot))
            else:
                calls.count(host=False)
                snapshot = await snapshot.resume_auto()
        return snapshot.output

    @staticmethod
    def _is_ours(snapshot: AsyncSnapshot, calls: MontyHostCalls) -> TypeGuard[AsyncFunctionSnapshot]:
        return (
            isinstance(snapshot, AsyncFunctionSnapshot)
            and not snapshot.is_os_function
            and snapshot.object_id is None
            and calls.knows(snapshot.function_name)
        )

    def _breach(self, exc: MontyError) -> CellError | None:
        """Return the error if the engine hit one of its limits, after which its state cannot be trusted."""
        inner = exc.exception()
        if not _LIMIT.search(str(inner)[:200]):
            return None
        if isinstance(inner, TimeoutError):
            return time_limit_error(self._limits)
        if isinstance(inner, MemoryError):
            return memory_limit_error(self._limits, " (a quarter of it can be kept from cell to cell)")
        return None

    async def _keep(self) -> None:
        if self._worker is None:
            raise SandboxDied(_NAME, "it was closed while a cell ran")
        self._dump = await self._worker.dump()
        self._good = (self._feeds, self._modules, self._names, self._aliases)
        self._stale = False

    async def _restore(self) -> None:
        """Restore the last good state in a new worker. Raises: `SandboxDied`."""
        await self.close()
        try:
            await self._take_worker()
        except (MontyError, TimeoutError, OSError, RuntimeError) as exc:
            raise SandboxDied(_NAME, f"its last good state cannot be restored: {exc}") from exc
        self._stale = False

    async def _take_worker(self) -> None:
        limits = ResourceLimits(
            max_feed_duration_secs=self._limits.cell_s,
            max_memory=self._limits.memory_bytes,
            max_recursion_depth=_MAX_RECURSION,
            max_suspensions=_UNCOUNTED,
        )
        # Sleeping is pointless here, and a fixed seed makes a run repeatable cell by cell.
        policy = OSPolicy(sleep="zero", random_start={"seed": 0})
        worker = self._pool.checkout(limits=limits, os_policy=policy, assert_message_annotations=False)
        await worker.__aenter__()
        self._worker = worker
        self._feeds, self._modules, self._names, self._aliases = self._good
        if self._dump is not None:
            await worker.load_session(self._dump)
        else:
            await worker.feed_run("pass", inputs=self._variables)
            self._feeds = 1


def _error(exc: MontySyntaxError | MontyRuntimeError, cell: Cell, texts: Mapping[str, Cell]) -> CellError:
    """Return an error as data. `texts`: the cells so far, by the engine's names of them."""
    inner = exc.exception()
    kind = type(inner).__name__
    # A message may be as long as the worker's memory allows, and each step would copy it.
    text = truncate_middle(inner.msg if isinstance(inner, SyntaxError) else str(inner))
    for theirs, ours in _WORDING.items():
        text = text.replace(theirs, ours)
    message = truncate_middle(text)
    frames = [frame for frame in exc.traceback() if frame.filename in texts]
    line = frames[0].line if frames and texts[frames[0].filename] is cell else None
    source_line = raised = truncate_middle(cell.line(line))
    within = ""
    if line is not None and (last := frames[-1]) != frames[0]:
        raised = truncate_middle(texts[last.filename].line(last.line)) or source_line
        number = f"line {last.line}, " if texts[last.filename] is cell else ""
        if raised != source_line:
            within = f"{number}in {last.function_name or 'a function'}: {raised}"
    if hint := hint_for(kind, message, raised):
        return CellError(kind, message, line, source_line, hint, within, lacks(kind, message, raised))
    return CellError(kind, message, line, source_line, advice(kind, message, raised), within)


def _refused(cell: Cell, refused: Refusal) -> CellError:
    source_line = cell.line(refused.line)
    message, hint = refused.message, refused.hint
    return CellError("NotImplementedError", message, refused.line, source_line, hint, lacking=True)
