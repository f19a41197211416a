"""What a cell asks of the host and what it prints, whatever the engine: checked, answered, cut to length."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from funnel.sandbox.base import CellError, HostError, HostFunction, SandboxLimits
from funnel.sandbox.values import NotPlain, from_host


class FromHost(Exception):
    """Carries what a host function raised past the handlers of the engine's own errors."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class HostCallLimit(Exception):
    """A limit that we count, not the engine."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The cell made more than {limit:,} host calls. Make fewer: pass lists to the batched "
            "functions, or spread the work over several cells."
        )


class Output:
    """What the cell printed, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._kept = 0
        self._printed = 0

    def __call__(self, _stream: str, text: str) -> None:
        """Take what the engine prints; from any thread, one at a time."""
        self.take(text.encode("utf-8", "replace"))

    def take(self, data: bytes) -> None:
        """Take UTF-8; where it is cut, half a character is left out."""
        self._printed += len(data)
        if (room := self._limit - self._kept) > 0:
            self._parts.append(data[:room])
            self._kept += min(room, len(data))

    @property
    def text(self) -> str:
        """What is kept, with a line about what is not."""
        kept = b"".join(self._parts).decode("utf-8", "ignore")
        if self._printed <= self._limit:
            return kept
        return (
            f"{kept}\n[output cut: {self._printed:,} bytes were printed, the first {self._limit:,} are kept]"
        )


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """A value, or the class and message of the error that is raised inside."""

    value: Any = None
    error: Literal["TypeError", "RuntimeError"] | None = None
    message: str = ""


async def answered(
    function: HostFunction, name: str, arguments: Callable[[], tuple[list[Any], dict[str, Any]]]
) -> HostAnswer:
    """What the code gets for its call; `arguments` copies them, and may raise `NotPlain`.

    Raises: `FromHost` with anything but a `HostError` that the function raised.
    """
    try:
        args, kwargs = arguments()
        inspect.signature(function).bind(*args, **kwargs)
    except (NotPlain, TypeError) as exc:
        return HostAnswer(error="TypeError", message=f"{name}(): {exc}")
    try:
        value = await function(*args, **kwargs)
    except HostError as exc:
        return HostAnswer(error="RuntimeError", message=str(exc))
    except Exception as exc:  # the session hands it to its caller
        raise FromHost(exc) from exc
    try:
        return HostAnswer(from_host(value))
    except NotPlain as exc:
        return HostAnswer(
            error="RuntimeError", message=f"{name}() gave a result that cannot be passed: {exc}"
        )


def too_slow(limits: SandboxLimits) -> CellError:
    """The cell passed its time."""
    return CellError(
        "TimeoutError",
        f"The cell computed for more than {limits.cell_s:g} s (host calls not counted).",
        hint="Do less in one cell: narrow with grep() or search() first; no nested loops over text.",
    )


def too_large(limits: SandboxLimits, detail: str = "") -> CellError:
    """The session passed its memory."""
    return CellError(
        "MemoryError",
        f"The session took more than {limits.memory_bytes / 1024**2:.3g} MB of memory{detail}.",
        hint="Keep slices and counts instead of copies of the text.",
    )
