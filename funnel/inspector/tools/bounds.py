"""Bounds what one call of a tool is passed, before any work is done on it; knows no tool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from funnel.sandbox.base import HostError


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that all arguments of one call may hold together.

    `chars`: characters of text, keys of dicts included. `parts`: values, each element of a list counted.
    """

    chars: int = 20_000
    parts: int = 1_000

    def check(self, name: str, args: Iterable[Any], kwargs: Mapping[str, Any]) -> None:
        """Check the arguments of a call of the tool `name`. Raises: `HostError` at the first excess."""
        chars = parts = 0
        todo: list[Any] = [*args, *kwargs, *kwargs.values()]
        while todo:
            value = todo.pop()
            parts += 1
            if isinstance(value, str):
                chars += len(value)
            elif isinstance(value, dict):
                todo += [*value, *value.values()]
            elif isinstance(value, (list, tuple)):
                todo += value
            if chars > self.chars:
                raise HostError(
                    f"{name}() was passed more than {self.chars:,} characters of text: pass a slice of it"
                )
            if parts + len(todo) > self.parts:
                raise HostError(f"{name}() was passed more than {self.parts:,} values: pass fewer at a time")


DEFAULT = Bounds()
DOCUMENTS = Bounds(chars=6_000_000, parts=200_000)
"""For lists of documents, which may be dicts with their text, as in `context`."""
DOCUMENT = Bounds(chars=250_000)
"""For one document, which may be such a dict, or one that `search` or `grep` returned."""
