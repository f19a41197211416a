"""Checks of what the model's code passed; each error says what to pass instead.

Knows no tool. Every function here raises `HostError`.
"""

from __future__ import annotations

import json
from typing import Any

from funnel.sandbox.base import HostError
from funnel.text.citations import MARKER


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


def as_list(value: object) -> list[Any]:
    """Return a list as it is, and a single str, int or document as a list of one."""
    if isinstance(value, (list, tuple)):
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


def brief(value: object, limit: int = 200) -> str:
    """Return a value as a trace shows it; values were checked for size when they left the sandbox."""
    if isinstance(value, str):
        return json.dumps(
            value if len(value) <= limit else f"{value[:limit]}… ({len(value):,} characters)",
            ensure_ascii=False,
        )
    if isinstance(value, (list, tuple, dict)):
        head = list(value)[:3]
        return f"{type(value).__name__} of {len(value)}: {', '.join(brief(item, 60) for item in head)}"
    return str(value)
