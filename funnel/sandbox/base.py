"""What a sandbox is: Python cells in, output and errors as data out; knows no model and no document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

HostFunction = Callable[..., Awaitable[Any]]
"""A function that code in the sandbox can call. Its arguments are JSON values of limited depth; it may
return any JSON value. A compiled regular expression arrives as its repr, which
`funnel.sandbox.values.compiled_pattern` reads."""


class HostError(Exception):
    """Raised by a host function to report a mistake of the code; a RuntimeError inside the sandbox.

    `code`: names the mistake for our own code, which never reads the message.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        self.code = code
        super().__init__(message)


class EndCell(Exception):
    """Raised by a host function to end the cell at once; no `except` inside the sandbox can catch it."""


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """The limits of one cell, and of a session's memory. Time spent in host calls does not count.

    `memory_bytes`: the most that the session's process may take, including the state that the engine keeps to
    restore the session. It should be at least four times the text that the session is to hold.
    """

    cell_s: float = 10.0
    memory_bytes: int = 192 * 1024 * 1024
    output_bytes: int = 1024 * 1024
    host_calls: int = 10_000


@dataclass(frozen=True, slots=True)
class CellError:
    """An error of the code: `kind` is the exception's class, `line` starts at 1 within the cell.

    `line` and `source_line` are the cell's own statement. `within`: the place in a function of the code,
    called by it, where the error was raised. `hint`: what to write instead; "" if there is none. `lacking`:
    the engine lacks what CPython has.
    """

    kind: str
    message: str
    line: int | None = None
    source_line: str = ""
    hint: str = ""
    within: str = ""
    lacking: bool = False


@dataclass(frozen=True, slots=True)
class CellResult:
    """The result of one cell. `ended`: a host function raised `EndCell`.

    `restored`: the session is back in its state before the cell, after a limit, a crash, or `ended`.

    `reclaimed`: the names that the cell took from host functions or built-in ones, which mean these again in
    the next cell; each with the name under which the cell's own value is kept, "" if there is none.

    `refused`: nothing of the cell ran, since it is not Python, or holds what the engine does not have.

    `remarks`: what the engine tells the model beside.
    """

    stdout: str = ""
    error: CellError | None = None
    ended: bool = False
    restored: bool = False
    reclaimed: tuple[tuple[str, str], ...] = ()
    refused: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a session: the name of its type, and its length (`size`), None if it has none."""

    name: str
    kind: str
    size: int | None = None


class Session(Protocol):
    """A namespace that lasts from cell to cell; what a cell assigned before it raised is kept.

    A cell cannot take a host function, or `print`, from the cells after it: if it assigned to the name or
    deleted it, the name means the function again, and the value is kept under another name. The same holds
    for a built-in function whose name a cell bound to None.
    """

    async def run(self, code: str) -> CellResult:
        """Run one cell.

        Raises: `SandboxDied` if the process is gone; any exception of a host function other than `HostError`
        and `EndCell`, after which the session is as it was before the cell.
        """

    async def variables(self) -> tuple[Variable, ...]:
        """Return what was given and what the cells assigned, by name; changes nothing.

        Left out are modules, the host functions, and names that begin with an underscore.
        Raises: `SandboxDied` if the process is gone.
        """


class Sandbox(Protocol):
    """An engine that opens sessions. Any number may be open at once."""

    @property
    def name(self) -> str:
        """The name in answers and traces."""

    @property
    def dialect(self) -> str:
        """Description of this Python for the model: what it lacks, what to write instead. May be empty."""

    def session(
        self,
        functions: Mapping[str, HostFunction],
        variables: Mapping[str, Any],
        limits: SandboxLimits = ...,
    ) -> AbstractAsyncContextManager[Session]:
        """Open a new session with these host functions and JSON values in its namespace.

        Raises: `SandboxUnavailable`.
        """

    async def close(self) -> None:
        """End every process."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Result of probing an engine: whether it runs here, for `funnel doctor`."""

    available: bool
    detail: str = field(default="")
