"""JSON values with a short repr for error messages, and JSON paths; validates nothing.

The JSON Schema library prints the whole value in each of its messages, so it is given values whose repr is
short.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

SHOWN_CHARS = 60
SHOWN_KEYS = 5


def json_path(parts: Any) -> str:
    """Return the keys and indexes that lead to a part of a value as a JSON path: `$.clauses[2].year`."""
    written = "$"
    for part in parts:
        if isinstance(part, int):
            written += f"[{part}]"
        elif len(part) <= SHOWN_CHARS and part.isidentifier():
            written += f".{part}"
        else:
            written += f"[{json.dumps(part[:SHOWN_CHARS], ensure_ascii=False)}]"
    return written


class _Text(str):
    """Text whose repr shows only its beginning."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(str(self) if len(self) <= SHOWN_CHARS else f"{self[:SHOWN_CHARS]}…")


class _List(list[Any]):
    __slots__ = ()

    def __repr__(self) -> str:
        return f"[{len(self)} items]" if self else "[]"


class _Object(dict[str, Any]):
    __slots__ = ()

    def __repr__(self) -> str:
        keys = [f"{key!r}: …" for key in islice(self, SHOWN_KEYS)]
        return f"{{{', '.join(keys)}{', …' if len(self) > SHOWN_KEYS else ''}}}"


def with_short_repr(value: Any) -> Any:
    """Return a copy of a JSON value that has a short repr."""
    if isinstance(value, str):
        return _Text(value)
    if isinstance(value, list):
        return _List(with_short_repr(item) for item in value)
    if isinstance(value, dict):
        return _Object((_Text(key), with_short_repr(item)) for key, item in value.items())
    # JSON has one kind of number: 1.0 equals 1.
    return int(value) if isinstance(value, float) and value.is_integer() else value
