"""Host calls, output and limit errors of a cell, shared by all engines; drives no engine itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from funnel.sandbox.base import CellError, HostError, HostFunction, SandboxLimits, Variable
from funnel.sandbox.values import (
    MAX_KIND,
    MAX_NAME,
    MAX_VARIABLES,
    NotPlain,
    copy_from_host,
    text_bytes,
    truncate_middle,
)

MAX_HELD_BYTES = 32 * 1024 * 1024


class HostFunctionRaised(Exception):
    """Wraps an exception from a host function, so that handlers of the engine's own errors let it pass."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class HostCallLimit(Exception):
    """The cell made too many host calls. This limit is counted here, not by the engine."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The cell made more than {limit:,} host calls. Make fewer: pass lists to the batched "
            "functions, or spread the work over several cells."
        )


class Output:
    """Collects what a cell prints, up to a limit in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._kept = 0
        self._printed = 0

    def __call__(self, _stream: str, text: str) -> None:
        """Append text that the engine prints. May be called from any thread, but not concurrently."""
        self.append(text.encode("utf-8", "replace"))

    def append(self, data: bytes) -> None:
        """Append UTF-8 bytes. A character cut in half by the limit is dropped."""
        self._printed += len(data)
        if (room := self._limit - self._kept) > 0:
            self._parts.append(data[:room])
            self._kept += min(room, len(data))

    @property
    def text(self) -> str:
        """The text that was kept; if the limit cut it, a last line says how much was printed."""
        text = b"".join(self._parts).decode("utf-8", "ignore")
        if self._printed <= self._limit:
            return text
        return (
            f"{text}\n[output cut: {self._printed:,} bytes were printed, the first {self._limit:,} are kept]"
        )


class Held:
    """Counts the text that the unfinished and the uncollected host calls of one cell hold in this process.

    Code may start thousands of calls before it awaits the first.
    """

    def __init__(self, limit: int = MAX_HELD_BYTES) -> None:
        self._limit = limit
        self._held = 0

    def take(self, size: int) -> bool:
        """Count so many bytes more, if they are within the limit; a single call always is."""
        fits = self._held == 0 or self._held + size <= self._limit
        self._held += size if fits else 0
        return fits

    def give(self, size: int) -> None:
        """Count so many bytes less."""
        self._held -= size

    @property
    def refusal(self) -> str:
        """The message for a call that does not fit."""
        return (
            f"the calls that are not awaited yet hold more than {self._limit // 1024**2} MB; start fewer of "
            "them at once, or ask each for less"
        )


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """The value of a host call, or the class and message of the error to raise inside the sandbox.

    `held`: the bytes that are counted for it until it is collected.
    """

    value: Any = None
    error: Literal["TypeError", "RuntimeError"] | None = None
    message: str = ""
    held: int = 0


async def answer_call(
    function: HostFunction,
    name: str,
    arguments: Callable[[], tuple[list[Any], dict[str, Any]]],
    held: Held,
) -> HostAnswer:
    """Call a host function and return what the sandboxed code gets.

    `arguments` returns copies of the call's arguments; it may raise `NotPlain`. `held`: where what the call
    holds is counted; its `give` is to be called with the answer's `held` once the answer is collected.
    Raises: `HostFunctionRaised` if the function raises anything but a `HostError`.
    """
    try:
        args, kwargs = arguments()
        inspect.signature(function).bind(*args, **kwargs)
    except (NotPlain, TypeError) as exc:
        # NotPlain is about a value, any other about the parameters.
        told = "" if isinstance(exc, NotPlain) else f"; it is {_written(function, name)}"
        return HostAnswer(error="TypeError", message=f"{name}(): {exc}{told}")
    passed = text_bytes(args) + text_bytes(kwargs)
    if not held.take(passed):
        return HostAnswer(error="RuntimeError", message=f"{name}(): {held.refusal}")
    try:
        value = await function(*args, **kwargs)
    except HostError as exc:
        return HostAnswer(error="RuntimeError", message=truncate_middle(str(exc)))
    except Exception as exc:  # the session raises it to its caller
        raise HostFunctionRaised(exc) from exc
    finally:
        held.give(passed)
    size = text_bytes(value)
    if not held.take(size):
        return HostAnswer(error="RuntimeError", message=f"{name}(): {held.refusal}")
    try:
        return HostAnswer(copy_from_host(value), held=size)
    except NotPlain as exc:
        held.give(size)
        return HostAnswer(
            error="RuntimeError", message=f"{name}() gave a result that cannot be passed: {exc}"
        )


def _written(function: HostFunction, name: str) -> str:
    """Return a function's name with its parameters, without annotations."""
    signature = inspect.signature(function)
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    return f"{name}{signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)}"


def variables_of(found: Any) -> tuple[Variable, ...]:
    """Return the variables in a list of [name, type, length] from inside, without what is not that."""
    variables = []
    for each in found[:MAX_VARIABLES] if isinstance(found, list) else ():
        match each:
            case [str(name), str(kind), (int() | None) as size] if (
                name.isidentifier() and len(name) <= MAX_NAME and kind not in {"", "module"}
            ):
                variables.append(Variable(name, " ".join(kind.split())[:MAX_KIND], size))
            case _:
                pass
    return tuple(variables)


def time_limit_error(limits: SandboxLimits) -> CellError:
    """Return the error of a cell that exceeded its time limit."""
    return CellError(
        "TimeoutError",
        f"The cell computed for more than {limits.cell_s:g} s (host calls not counted).",
        hint="Do less in one cell: narrow with grep() or search() first; no nested loops over text.",
    )


def memory_limit_error(limits: SandboxLimits, detail: str = "") -> CellError:
    """Return the error of a cell that exceeded the session's memory limit."""
    return CellError(
        "MemoryError",
        f"The session took more than {limits.memory_bytes / 1024**2:.3g} MB of memory{detail}.",
        hint="Keep slices and counts instead of copies of the text.",
    )
