"""A caller's own functions as tools of the model's code: declared, checked, bounded; knows no run.

    @tool(exposes="nothing")
    def exchange_rate(currency: str, day: date) -> float:
        '''The rate of the euro to a currency on a day.'''

    await funnel.ask(question, Options(tools=[exchange_rate]))

A plain function will do; `tool` sets its limits. If an installed package declares the function as an entry
point of `funnel.tool`, its name will do: `Options(tools=["exchange_rate"])`.
"""

from __future__ import annotations

import asyncio
import builtins
import inspect
import json
import keyword
import logging
import re
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, overload

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from funnel.errors import BadTool, UnknownName
from funnel.llm.limiter import Limiter
from funnel.sandbox.base import HostError
from funnel.sandbox.values import truncate_middle
from funnel.waiting import wait_for
from indexes.errors import PlugInFailed
from indexes.plugins import Registry

MAX_LINE_CHARS = 300
"""Maximum length of a docstring's first line in the prompt."""
MAX_ARGUMENT_CHARS = 200_000
MAX_ERROR_CHARS = 500
AT_ONCE = 16
"""Maximum number of calls of the caller's tools that a run makes at once; further ones wait."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_PLAIN = (str, int, float, bool, type(None))
_LOG = logging.getLogger(__name__)

TOOLS: Registry[Callable[..., Any]] = Registry("tool", "funnel.tool", {}, unknown=UnknownName)
"""Functions that installed packages provide, by name."""

Exposes = Literal["nothing", "everything"] | Callable[[Any], Iterable[str]]
"""Which documents a result may hold text of: none, any that the asker may read, or those whose ids the
function returns for the result, as JSON values."""


@dataclass(frozen=True, slots=True, eq=False)
class UserTool:
    """A function with its declaration; it can still be called like the function itself."""

    function: Callable[..., Any]
    name: str
    signature: inspect.Signature
    line: str
    adapters: dict[str, TypeAdapter[Any]]
    exposes: Exposes
    timeout_s: float
    max_calls: int
    max_result_chars: int

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.function(*args, **kwargs)

    def checked(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments converted to their type hints. Raises: `HostError`."""
        size = len(json.dumps(arguments, ensure_ascii=False))
        if size > MAX_ARGUMENT_CHARS:
            raise HostError(
                f"{self.name}() was passed {size:,} characters; at most {MAX_ARGUMENT_CHARS:,} are allowed"
            )
        # Copies, since a function may change what it is passed, and the journal keeps what was asked.
        return {name: self._argument(name, deepcopy(value)) for name, value in arguments.items()}

    def _argument(self, name: str, value: Any) -> Any:
        try:
            return self.adapters[name].validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(map(str, (name, *first["loc"])))
            told = f"{self.name}(): {where}: {first['msg']}. Signature: {self.name}{self.signature}"
            raise HostError(truncate_middle(told)) from None

    async def result(self, arguments: dict[str, Any]) -> Any:
        """Call the function and return its result as JSON values within the bounds.

        Raises: `HostError` for every failure, since the model's code may do without the result.
        """
        try:
            with self._failures_told():
                checked = self.checked(arguments)
            if not inspect.iscoroutinefunction(inspect.unwrap(self.function)):
                return await wait_for(partial(self._called, checked), self.timeout_s)
            async with asyncio.timeout(self.timeout_s):
                with self._failures_told():
                    return await asyncio.to_thread(self._plain, await self.function(**checked))
        except TimeoutError as error:
            raise HostError(f"{self.name}() took more than {self.timeout_s:g} s") from error

    def _called(self, arguments: dict[str, Any]) -> Any:
        """Call the function in a thread and return its result as JSON values."""
        with self._failures_told():
            return self._plain(self.function(**arguments))

    @contextmanager
    def _failures_told(self) -> Iterator[None]:
        """Turn whatever the function raises into a `HostError`."""
        try:
            yield
        except HostError:
            raise
        except BaseException as error:
            if _ends_the_caller(error):
                raise
            _LOG.warning("the tool %s failed", self.name, exc_info=error)
            raise HostError(f"{self.name}() failed: {_told(error)}") from error

    def _plain(self, value: Any) -> Any:
        """Return the result as JSON values, as it is read from the journal: nan becomes None."""
        stored = json.dumps(to_jsonable_python(value, inf_nan_mode="null"))
        if len(stored) > self.max_result_chars:
            raise HostError(
                f"{self.name}() returned {len(stored):,} characters, at most {self.max_result_chars:,} are "
                "allowed: ask it for less"
            )
        return json.loads(stored)

    def exposed(self, result: Any) -> Iterable[str] | None:
        """Return the ids of the documents that the result may hold text of; None for any."""
        if not callable(self.exposes):
            return () if self.exposes == "nothing" else None
        try:
            ids = self.exposes(result)
            return None if isinstance(ids, str) else [str(each) for each in ids]
        except Exception as error:  # noqa: BLE001 - whatever it raises, it named no document
            _LOG.warning("the tool %s failed to say what it exposes", self.name, exc_info=error)
            return None


def _ends_the_caller(error: BaseException) -> bool:
    """Whether an error ends the task that awaits the function, and is none of the function itself."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False  # in a thread, which nobody cancels and no signal reaches
    if isinstance(error, asyncio.CancelledError):
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | GeneratorExit)


def _told(error: BaseException) -> str:
    """Return the text that the model sees of an error, whatever the error's own text is."""
    try:
        reason = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - its own text fails, too
        reason = type(error).__name__
    # A lone surrogate, as in the name of a file, reaches no sandbox.
    return truncate_middle(reason.encode("utf-8", "backslashreplace").decode(), MAX_ERROR_CHARS)


class RunTools:
    """The caller's tools in one run, with their calls counted; iterates in the order given."""

    def __init__(self, tools: Sequence[UserTool] = ()) -> None:
        self._tools = tuple(tools)
        self._made = dict.fromkeys((each.name for each in tools), 0)
        self._at_once = Limiter(AT_ONCE)

    def __iter__(self) -> Iterator[UserTool]:
        return iter(self._tools)

    def count(self, tool: UserTool) -> None:
        """Count a call, even if it is answered from the journal. Raises: `HostError` over the limit."""
        if self._made[tool.name] >= tool.max_calls:
            raise HostError(f"{tool.name}() was called {tool.max_calls:,} times, the most that a run may")
        self._made[tool.name] += 1

    async def call(self, tool: UserTool, arguments: dict[str, Any]) -> Any:
        """Return the tool's result. Raises: `HostError`."""
        async with self._at_once:
            return await tool.result(arguments)


@overload
def tool(function: Callable[..., Any]) -> UserTool: ...


@overload
def tool(
    function: None = None,
    *,
    exposes: Exposes = ...,
    timeout_s: float = ...,
    max_calls: int = ...,
    max_result_chars: int = ...,
) -> Callable[[Callable[..., Any]], UserTool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    *,
    exposes: Exposes = "everything",
    timeout_s: float = 30.0,
    max_calls: int = 1_000,
    max_result_chars: int = 200_000,
) -> UserTool | Callable[[Callable[..., Any]], UserTool]:
    """Declare a function, sync or async, as a tool for the model's code.

    `exposes`: which documents its results may hold text of. What a run finds out after a call is shown to
    later runs only if their askers may read all of these. `max_calls`: the limit for one run.

    Raises: `BadTool` if the function lacks a docstring or type hints, or its name cannot be a tool's.
    """
    if function is None:
        return partial(
            _declared,
            exposes=exposes,
            timeout_s=timeout_s,
            max_calls=max_calls,
            max_result_chars=max_result_chars,
        )
    return _declared(
        function,
        exposes=exposes,
        timeout_s=timeout_s,
        max_calls=max_calls,
        max_result_chars=max_result_chars,
    )


def user_tools(functions: Iterable[Callable[..., Any] | str], taken: Collection[str]) -> tuple[UserTool, ...]:
    """Return functions as tools: plain ones, declared ones, or the names of installed ones.

    `taken`: names that are already in use.

    Raises: `BadTool`; `UnknownName` if no installed package provides one of the names.
    """
    found = [_installed(each) if isinstance(each, str) else each for each in functions]
    tools = tuple(each if isinstance(each, UserTool) else tool(each) for each in found)
    names = [each.name for each in tools]
    for name in names:
        if name in taken:
            raise BadTool(name, "the model's code has something else of that name. Rename the function")
        if names.count(name) > 1:
            raise BadTool(name, "two tools have that name. Rename one")
    return tools


def _installed(name: str) -> Callable[..., Any]:
    try:
        return TOOLS.get(name)
    except PlugInFailed as error:
        raise BadTool(name, error.reason) from error


def _declared(
    function: Callable[..., Any],
    *,
    exposes: Exposes,
    timeout_s: float,
    max_calls: int,
    max_result_chars: int,
) -> UserTool:
    name = _name(function)
    if not callable(exposes) and exposes not in {"nothing", "everything"}:
        raise BadTool(name, f'exposes = {exposes!r} is neither "nothing" nor "everything" nor a function')
    if min(timeout_s, max_calls, max_result_chars) <= 0:
        raise BadTool(name, "timeout_s, max_calls and max_result_chars must be above 0")
    doc = (inspect.getdoc(function) or "").partition("\n")[0].strip()
    if not doc:
        raise BadTool(name, "it has no docstring, whose first line would tell the model what it does")
    signature, adapters = _typed(name, function)
    line = f"{name}{signature}: {truncate_middle(doc, MAX_LINE_CHARS)}"
    return UserTool(
        function, name, signature, line, adapters, exposes, timeout_s, max_calls, max_result_chars
    )


def _name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", None)
    if not inspect.isroutine(function) or not isinstance(name, str):
        raise BadTool(repr(function)[:80], "it is not a function")
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise BadTool(name, "that is not a plain name. Define the function with def and a name of its own")
    if hasattr(builtins, name):
        raise BadTool(name, "Python has something else of that name. Rename the function")
    return name


def _typed(name: str, function: Callable[..., Any]) -> tuple[inspect.Signature, dict[str, TypeAdapter[Any]]]:
    """Return the signature that the prompt shows, and a checker for each argument."""
    signature = inspect.signature(function)
    try:
        hints = typing.get_type_hints(function)
        checked = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise BadTool(name, f"its type hints cannot be read ({error})") from error
    adapters: dict[str, TypeAdapter[Any]] = {}
    for each in signature.parameters.values():
        if each.kind not in {each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY}:
            raise BadTool(name, f"the parameter {each.name} cannot be passed by name")
        if each.name not in hints:
            raise BadTool(name, f"the parameter {each.name} has no type hint, by which it is checked")
        try:
            adapters[each.name] = TypeAdapter(checked[each.name])
        except (PydanticUserError, NameError) as error:
            reason = str(error).partition("\n")[0]
            raise BadTool(name, f"the type hint of {each.name} cannot be checked ({reason})") from error
    if "return" not in hints:
        raise BadTool(name, "it has no return hint, which tells the model what comes back")
    shown = [
        each.replace(annotation=hints[each.name], default=_shown(each.default))
        for each in signature.parameters.values()
    ]
    return signature.replace(parameters=shown, return_annotation=hints["return"]), adapters


def _shown(default: Any) -> Any:
    """Return a default as the prompt shows it; others become `...`, since their repr may hold an address."""
    return default if isinstance(default, _PLAIN) or default is inspect.Parameter.empty else ...
