"""Checks of what the model's code passed; each error says what to pass instead.

Knows no tool. Every function here raises `HostError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from funnel.sandbox.base import HostError
from funnel.sandbox.values import compiled_pattern
from funnel.text.citations import MARKER

_INLINE = {"a": re.ASCII, "i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
"""The letters of the flags that a regular expression may begin with."""
SHOWN_ARGUMENTS = 10
SHOWN_DEPTH = 3
"""How much of a call a trace shows."""


def require_text(**values: object) -> None:
    """Check that each value is a str with something in it."""
    for name, value in values.items():
        if not isinstance(value, str):
            raise HostError(f"{name} must be a str, not {type(value).__name__}")
        if not value.strip():
            raise HostError(f"{name} is empty")


def require_integers(**values: object) -> None:
    """Check that each value is an int or None."""
    for name, value in values.items():
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise HostError(f"{name} must be an int, not {type(value).__name__}")


def require_numbers(**values: object) -> None:
    """Check that each value is an int."""
    require_integers(**values)
    for name, value in values.items():
        if value is None:
            raise HostError(f"{name} must be an int, not None")


def as_pattern(text: str) -> str:
    """Return a regular expression with its flags in it, `(?im)a`, if the code passed a compiled one."""
    compiled = compiled_pattern(text)
    if compiled is None:
        return text
    letters = "".join(letter for letter, flag in _INLINE.items() if compiled.flags & flag)
    return f"(?{letters}){compiled.pattern}" if letters else compiled.pattern


def as_list(value: object, *, at_most: int | None = None) -> list[Any]:
    """Return a list as it is, and a single str, int or document as a list of one."""
    if isinstance(value, (list, tuple)):
        if at_most is not None and len(value) > at_most:
            raise HostError(f"a list of {len(value):,} is too long; at most {at_most:,} at a time")
        return list(value)
    if isinstance(value, (str, int, dict)):
        return [value]
    raise HostError(f"expected a list, not {type(value).__name__}")


def markers(marker: object) -> list[int]:
    """Return the numbers in "[3]", "[1][2]" or 3."""
    if isinstance(marker, int):
        return [marker]
    if isinstance(marker, str) and (found := MARKER.findall(marker)):
        return [int(number) for number in found]
    raise HostError("citations is a list of the markers that cite() returned, like ['[1]', '[4]']")


def brief_call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the arguments of a call as a trace shows them, the first few of many."""
    named = (f"{brief_name(key)}={brief(value)}" for key, value in islice(kwargs.items(), SHOWN_ARGUMENTS))
    more = max(0, len(args) - SHOWN_ARGUMENTS) + max(0, len(kwargs) - SHOWN_ARGUMENTS)
    return *map(brief, args[:SHOWN_ARGUMENTS]), *named, *((f"… and {more:,} more",) if more else ())


def brief(value: object, limit: int = 200, depth: int = 0) -> str:
    """Return a value as a trace shows it; values were checked for size when they left the sandbox."""
    if isinstance(value, str):
        return json.dumps(
            value if len(value) <= limit else f"{value[:limit]}… ({len(value):,} characters)",
            ensure_ascii=False,
        )
    if isinstance(value, (list, tuple, dict)):
        shown = f"{type(value).__name__} of {len(value)}"
        if depth > SHOWN_DEPTH:
            return shown
        return f"{shown}: {', '.join(brief(item, 60, depth + 1) for item in islice(value, 3))}"
    return brief_name(str(value), limit)


def brief_name(name: str, limit: int = 60) -> str:
    """Return a name or a number, cut if it is too long."""
    return name if len(name) <= limit else f"{name[:limit]}…"
