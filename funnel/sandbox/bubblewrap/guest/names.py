"""Gives the names of host and built-in functions back after a cell took them; knows no host and no cell."""

from __future__ import annotations

import builtins
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from funnel.sandbox.values import MAX_VARIABLES

_ALWAYS = "print"
"""The built-in function without which nothing can be seen."""

_SIZED = frozenset(
    {str, bytes, list, tuple, dict, set, frozenset, range, deque, Counter, defaultdict, OrderedDict}
)
"""Types whose length is told."""


class Names:
    """The names in a namespace that are not a cell's to take."""

    def __init__(self, namespace: dict[str, Any], functions: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._functions = dict(functions)
        self._builtins = dict(vars(builtins))

    def reclaim(self) -> list[tuple[str, str]]:
        """Give back what the last cell took; returns each name, and the name that its value has now.

        That is "" if there is no value.
        """
        taken = [
            (name, self._moved(name))
            for name, function in self._functions.items()
            if self._namespace.get(name) is not function
        ]
        self._namespace.update({name: self._functions[name] for name, _ in taken})
        shadows = [name for name in self._builtins if name in self._namespace and not name.startswith("_")]
        for name in shadows:
            if name not in self._functions and (name == _ALWAYS or self._namespace[name] is None):
                taken.append((name, self._moved(name)))
                del self._namespace[name]
        changed = {
            name: value
            for name, value in self._builtins.items()
            if vars(builtins).get(name, self) is not value and name != "_"
        }
        vars(builtins).update(changed)
        return [*taken, *((name, "") for name in changed if not name.startswith("_"))]

    def listing(self) -> list[tuple[str, str, int | None]]:
        """Return name, type and length of each variable; runs no method of the code."""
        names = sorted(
            name
            for name in self._namespace
            if type(name) is str and not name.startswith("_") and name not in self._functions
        )
        values = [(name, self._namespace[name]) for name in names]
        mine = [(name, value) for name, value in values if type(value) is not ModuleType]
        return [
            (name, type(value).__name__, len(value) if type(value) in _SIZED else None)
            for name, value in mine[:MAX_VARIABLES]
        ]

    def _moved(self, name: str) -> str:
        value = self._namespace.get(name)
        if value is None:
            return ""
        free = f"{name}_"
        while free in self._namespace:
            free += "_"
        self._namespace[free] = value
        return free
