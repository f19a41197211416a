"""The declaration of a tool: all that the prompt, the journal and the findings know about it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from funnel.inspector.shared import Shared
from funnel.inspector.tools.bounds import DEFAULT, Bounds
from funnel.sandbox.base import HostError

Arguments = Mapping[str, Any]
"""The arguments of a call, by parameter; defaults are left out."""


class Exposes(Enum):
    """Which documents a result may hold text of, if the tool does not name them."""

    NOTHING = auto()
    RECORDED = auto()
    """Only documents whose text it took through the run's documents, which keep a record by themselves."""
    EVERYTHING = auto()
    """Any document that the asker may read; the default."""


def always(_arguments: Arguments) -> bool:
    """Say that every result is answered from the journal when the run is resumed."""
    return True


def never(_arguments: Arguments) -> bool:
    """Say that no result is: the tool gives the same again, or its parts are in the journal by themselves."""
    return False


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model's code may call.

    `signature`: as the model's code sees it. `prompt`: its text in the first prompt; text that begins
    with "- " begins a line, any other continues the line before. `replayed`: whether a call with these
    arguments is answered from the journal when the run is resumed; failures always are. `exposes`: which
    documents a result may hold text of, or a function that returns their ids for a result, or None for any.

    `records`: records where texts of a result come from, and what was found out. `then`: what else follows
    from a result for the owner of the tool; `refused`: what follows from an error. These three are also
    called for results that come from the journal.
    """

    name: str
    function: Callable[..., Awaitable[Any]]
    signature: inspect.Signature
    prompt: str
    replayed: Callable[[Arguments], bool] = never
    exposes: Exposes | Callable[[Any], Iterable[str] | None] = Exposes.EVERYTHING
    records: Callable[[Shared, Arguments, Any], None] | None = None
    then: Callable[[Any, Arguments, Any], None] | None = None
    refused: Callable[[Any, Arguments, HostError], None] | None = None
    sited: bool = False
    """Whether the function takes the call site as `site`."""
    counts: Callable[[], None] | None = None
    """Counts a call, also one that the journal answers. Raises: `HostError` over a limit."""
    bounds: Bounds = DEFAULT
    """The most that the arguments of a call may hold."""
    last: bool = False
    """Whether it may be called even if the run may store no more, to end with what it has."""
    durable: bool = False
    """Whether the code goes on only after the result is written, so that it is not called again."""


def tool(
    *,
    prompt: str,
    replayed: Callable[[Arguments], bool] = never,
    exposes: Exposes = Exposes.EVERYTHING,
    records: Callable[[Shared, Arguments, Any], None] | None = None,
    then: Callable[[Any, Arguments, Any], None] | None = None,
    refused: Callable[[Any, Arguments, HostError], None] | None = None,
    bounds: Bounds = DEFAULT,
    last: bool = False,
) -> Callable[[Callable[..., Awaitable[Any]]], Tool]:
    """Declare a method as the tool of its name."""

    def declare(function: Callable[..., Awaitable[Any]]) -> Tool:
        return Tool(
            function.__name__,
            function,
            _signature(function),
            prompt,
            replayed=replayed,
            exposes=exposes,
            records=records,
            then=then,
            refused=refused,
            bounds=bounds,
            last=last,
            sited="site" in inspect.signature(function).parameters,
        )

    return declare


def _signature(function: Callable[..., Awaitable[Any]]) -> inspect.Signature:
    """Return the signature without `self`, `site` and annotations."""
    signature = inspect.signature(function)
    shown = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name not in {"self", "site"}
    ]
    return signature.replace(parameters=shown, return_annotation=inspect.Signature.empty)


def declared(owner: type[Any]) -> tuple[Tool, ...]:
    """Return the tools that a class declares, in the order of their declaration."""
    return tuple(each for each in vars(owner).values() if isinstance(each, Tool))
