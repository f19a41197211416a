"""What a sandbox is: Python cells in, output and errors as data out; knows no model and no document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

HostFunction = Callable[..., Awaitable[Any]]
"""Called from inside. Arguments are str, numbers, None, bools, and lists or dicts of these, depth-checked;
it may return any JSON value."""


class HostError(Exception):
    """What a host function raises to tell the code what it did wrong; a RuntimeError inside the sandbox.

    `code`: names the mistake for our own code, which never reads the message.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        self.code = code
        super().__init__(message)


class EndCell(Exception):
    """What a host function raises to end the cell at once, for good: no `except` inside can catch it."""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Of one cell, but for `memory_bytes`. Host calls do not count as time.

    `memory_bytes` is what the session's process may take, what the engine needs to keep a state to go back
    to included: give it at least four times the text that the session is to hold.
    """

    cell_s: float = 10.0
    memory_bytes: int = 512 * 1024 * 1024
    output_bytes: int = 1024 * 1024
    host_calls: int = 10_000


@dataclass(frozen=True, slots=True)
class CellError:
    """What was wrong with the code: `kind` is the exception's class, `line` starts at 1 within the cell.

    `hint` says what to write instead, for a construct that the sandbox lacks; "" otherwise.
    """

    kind: str
    message: str
    line: int | None = None
    source_line: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class CellResult:
    """What one cell did. `ended` means that a host function raised `EndCell`.

    `restored` means that the session went back to its state before the cell: a limit, a crash, or `ended`.
    """

    stdout: str = ""
    error: CellError | None = None
    ended: bool = False
    restored: bool = False


class Session(Protocol):
    """One namespace that lasts from cell to cell; a cell that raises keeps what it had assigned."""

    async def run(self, code: str) -> CellResult:
        """Run one cell.

        Raises: `SandboxDied` when the process is gone; what a host function raised other than `HostError`
        and `EndCell`, after which the session stands as before the cell.
        """


class Sandbox(Protocol):
    """An engine that opens sessions. Any number may be open at once."""

    @property
    def name(self) -> str:
        """As answers and traces show it."""

    @property
    def dialect(self) -> str:
        """What the model must know of this Python: what is missing, what to write instead. May be empty."""

    def session(
        self,
        functions: Mapping[str, HostFunction],
        variables: Mapping[str, Any],
        limits: SandboxLimits = ...,
    ) -> AbstractAsyncContextManager[Session]:
        """A fresh session with these host functions and JSON values in its namespace.

        Raises: `SandboxUnavailable`.
        """

    async def close(self) -> None:
        """End every process."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What `funnel doctor` learns of an engine without opening a session for a model."""

    available: bool
    detail: str = field(default="")
