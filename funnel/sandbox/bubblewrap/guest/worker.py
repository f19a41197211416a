"""The process inside a sandbox that holds a session's namespace and runs its cells; knows no engine.

It forks for each cell. The child runs the cell, reports to the host, and waits for the next cell itself.
The worker waits for the child's death, which means that the cell's effects are dropped.
"""

from __future__ import annotations

import ast
import builtins
import io
import linecache
import mmap
import os
import random
import resource
import signal
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from funnel.sandbox.advice import MAX_KEYS, indexed_by, with_keys
from funnel.sandbox.bubblewrap.guest import loop
from funnel.sandbox.bubblewrap.guest.channel import Channel, HostCalls, HostFunction
from funnel.sandbox.bubblewrap.guest.names import Names
from funnel.sandbox.values import truncate_middle

OUT_OF_MEMORY = 77
"""Exit status of a process that had no memory left even to report that its memory is full."""
_MIB = 1024 * 1024
_MAX_PROBED_BYTES = 1 << 40
_OUTPUT = 1


def serve(data: int, run_signal: int, fork_reports: int) -> NoReturn:
    """Set up the session with what the host sends, and run its cells until the process is killed."""
    channel = Channel(data)
    try:
        worker = Worker(channel)
        channel.send({"do": "ready"})
    except MemoryError:
        channel.send({"do": "full"})
    number = 0
    while os.read(run_signal, 1):
        number += 1
        state = random.getstate()
        try:
            child = os.fork()
        except OSError:
            os.write(fork_reports, b"-")
            continue  # the cell was dropped before it began
        if child:
            _, status = os.waitpid(child, 0)
            channel.send({"do": "died", "cell": number, "status": status})
        else:
            os.write(fork_reports, b"+")
            random.setstate(state)  # the module reseeds itself after a fork
            worker.answer(number)
    os._exit(0)


class Worker:
    """One namespace and the channel to the host."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._output = _output()
        self._calls = HostCalls(channel, self._flush)
        settings = channel.receive()
        _limit(settings["memory_bytes"])
        self._module = types.ModuleType("__main__")
        self._namespace = self._module.__dict__
        functions = {name: HostFunction(self._calls, name) for name in settings["functions"]}
        self._namespace.update(functions)
        self._namespace.update(channel.receive())
        self._close_off()
        self._names = Names(self._namespace, functions)

    def _close_off(self) -> None:
        """Make imports from disk impossible: only modules that are loaded now can be imported."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "funnel"]:
            del sys.modules[name]
        sys.modules["__main__"] = self._module
        sys.path[:] = []
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder.__name__ != "PathFinder"]  # type: ignore[attr-defined]  # a class
        sys.path_importer_cache.clear()
        sys.argv[:] = [""]
        sys.orig_argv[:] = [""]
        sys.stdin = io.StringIO()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        warnings.simplefilter("ignore")
        random.seed(0)  # so that a run can be repeated cell by cell
        loop.adapt(self._calls)
        for function in (self.echo, loop.start_call, loop.awaitable):
            setattr(builtins, _hidden(function), function)

    def answer(self, number: int) -> None:
        """Run the cell that the host sends, and report the result."""
        try:
            cell = self._channel.receive()
            self._calls.begin(number)
            if "code" not in cell:
                self._channel.send({"do": "done", "cell": number, "variables": self._names.listing()})
                return
            sys.stdout = sys.stderr = self._output
            error = self._run(cell["code"], {(start, stop) for start, stop in cell["awaited"]}, number)
            back = self._names.reclaim()
            self._flush()
            self._channel.send({"do": "done", "cell": number, "error": error, "reclaimed": back})
        except MemoryError:
            os._exit(OUT_OF_MEMORY)

    def _run(self, code: str, awaited: set[tuple[int, int]], number: int) -> dict[str, Any] | None:
        filename = f"<cell {number}>"
        lines = code.splitlines(keepends=True)
        linecache.cache[filename] = (len(code), None, lines, filename)
        ran = False
        try:
            compiled = compile(
                _ready(code, filename, awaited), filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            )
            ran = True
            coroutine = eval(compiled, self._namespace)  # noqa: S307 - what this process is for
            if coroutine is not None:
                loop.run(self._calls, coroutine)
        except BaseException as exc:  # noqa: BLE001 - SystemExit and the like are errors of the cell
            try:
                return _described(exc, filename, lines, ran=ran)
            except BaseException:  # noqa: BLE001 - an exception whose own text raises
                return _told("Exception")
        return None

    def echo(self, value: Any) -> None:
        """Show the value of a last expression, as a REPL does."""
        if value is not None:
            self._namespace["_"] = value
            print(repr(value))  # noqa: T201 - to the sandbox's own output

    def _flush(self) -> None:
        self._output.flush()


def _output() -> io.TextIOWrapper:
    raw = io.FileIO(_OUTPUT, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "replace", line_buffering=True)


def _hidden(function: Callable[..., Any]) -> str:
    return f"__funnel_{function.__name__.strip('_')}__"


def _limit(memory_bytes: int) -> None:
    """Limit the memory that this process and its children may take, beyond what it has taken so far."""
    taken = _address_space()
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory_bytes,) * 2)
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_MEMLOCK):
        resource.setrlimit(limit, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))


def _address_space() -> int:
    """Return the bytes in use, to the MiB. Without /proc, it probes for the lowest limit that works."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    low, high = 0, _MAX_PROBED_BYTES
    while high - low > _MIB:
        middle = (low + high) // 2
        resource.setrlimit(resource.RLIMIT_AS, (middle, hard))
        try:
            mmap.mmap(-1, _MIB).close()
            high = middle
        except (OSError, MemoryError):
            low = middle
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    return high


def _ready(code: str, filename: str, awaited: set[tuple[int, int]]) -> ast.Module:
    """Parse a cell and rewrite its tree.

    The last expression is printed; `await` accepts any value; awaited host calls are started without waiting.
    """
    tree = ast.parse(code, filename)
    starts = [0]
    for line in code.encode().split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    written = list(ast.walk(tree))
    if tree.body and isinstance(last := tree.body[-1], ast.Expr):
        last.value = _wrapped(Worker.echo, last.value)
    for node in written:
        if isinstance(node, ast.Await):
            node.value = _wrapped(loop.awaitable, node.value)
        elif awaited and isinstance(node, ast.Call) and _span(node, starts) in awaited:
            call = _wrapped(loop.start_call, node.func)
            node.func, node.args = call.func, [*call.args, *node.args]
    return tree


def _wrapped(function: Callable[..., Any], argument: ast.expr) -> ast.Call:
    name = ast.copy_location(ast.Name(_hidden(function), ast.Load()), argument)
    return ast.copy_location(ast.Call(name, [argument], []), argument)


def _span(node: ast.Call, starts: list[int]) -> tuple[int, int]:
    return (
        starts[node.lineno - 1] + node.col_offset,
        starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0),
    )


def _described(exc: BaseException, filename: str, lines: list[str], *, ran: bool) -> dict[str, Any]:
    """Return what the host is told of an error: the cell's own line, and where in its functions it arose."""
    message, line, within, raised = str.__str__(str(exc)), None, "", ""
    frames = list(_frames(exc))
    if isinstance(exc, SyntaxError) and exc.filename == filename:
        message, line = str(exc.msg), exc.lineno
    elif own := [at for at in frames if at.tb_frame.f_code.co_filename == filename]:
        line = own[0].tb_lineno
    source = lines[line - 1].strip() if line is not None and 0 < line <= len(lines) else ""
    if frames and ran:
        code, number = frames[-1].tb_frame.f_code, frames[-1].tb_lineno
        raised = linecache.getline(code.co_filename, number).strip()
        if raised != source and code.co_name != "<module>":
            place = f"line {number}, " if code.co_filename == filename else ""
            within = f"{place}in {code.co_name}: {raised}"
        message = _with_keys(exc, message, raised, frames[-1].tb_frame)
    return _told(type(exc).__name__, message, line, source, within=within, raised=raised or source, ran=ran)


def _told(
    kind: str,
    message: str = "",
    line: int | None = None,
    source: str = "",
    *,
    within: str = "",
    raised: str = "",
    ran: bool = True,
) -> dict[str, Any]:
    """Return an error as the host reads it, which takes no other form."""
    return {
        "kind": kind,
        "message": truncate_middle(message),
        "line": line,
        "source_line": truncate_middle(source),
        "within": truncate_middle(within),
        "raised": truncate_middle(raised),
        "ran": ran,
    }


def _frames(exc: BaseException) -> Iterator[types.TracebackType]:
    """Yield the places of a traceback that are in cells."""
    at = exc.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename.startswith("<cell "):
            yield at
        at = at.tb_next


def _with_keys(exc: BaseException, message: str, raised: str, frame: types.FrameType) -> str:
    """Return the message of a `KeyError` with the keys that the dict has."""
    if type(exc) is not KeyError:
        return message
    for expression in indexed_by(message, raised):
        try:
            value = eval(expression, frame.f_globals, dict(frame.f_locals))  # noqa: S307 - what this process is for
            if isinstance(value, dict):
                return with_keys(message, [repr(key) for key in list(value)[:MAX_KEYS]], len(value))
        except Exception:  # noqa: BLE001, S112 - whatever the code's own objects raise
            continue
    return message
