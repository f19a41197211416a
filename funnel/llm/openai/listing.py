"""Reads what endpoints say of the models that they serve, in every form that is known; does no I/O."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

_SERVED = ("loaded_context_length", "max_model_len", "n_ctx")
_WINDOWS = (
    "context_window", "context_length", "max_context_length", "max_context_window_tokens", "context_size",
    "max_input_tokens", "inputTokenLimit", "n_ctx_train",
)  # fmt: skip
"""Names of the window, first those of what is served, then those of what the model could have."""
_INSIDE = ("meta", "top_provider", "limits", "capabilities", "model_info", "default_generation_settings")
_ENDS = re.compile(
    r"(?:shut.?down|retire|retirement|sunset|deprecat|expir|end.?of.?life|eol)\w*", re.IGNORECASE
)
_DAYS = ("%Y/%m/%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y%m%d", "%d.%m.%Y")
MOST_TOKENS = 100_000_000
NEAREST = 3


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that an endpoint lists: its window in tokens and the day of its end, None if not stated."""

    id: str
    window_tokens: int | None = None
    ends: date | None = None


def listed_models(content: bytes) -> list[Listed] | None:
    """Return the models in a list, by name; None if the body is no such list."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    items = body
    if isinstance(body, Mapping):
        items = next((body[name] for name in ("data", "models") if isinstance(body.get(name), list)), None)
    if not isinstance(items, list):
        return None
    found: dict[str, Listed] = {}
    for item in items:
        own = {"id": item} if isinstance(item, str) else item
        name = next(iter(_texts(own, "id", "name", "model")), None) if isinstance(own, Mapping) else None
        if name is not None:
            found.setdefault(name, Listed(name, window_in(own), _end(own)))
    return sorted(found.values(), key=lambda each: each.id)


def window_in(item: Any) -> int | None:
    """Return the window that an object states, there or in an object inside it."""
    if not isinstance(item, Mapping):
        return None
    inside = [item, *(item[name] for name in _INSIDE if isinstance(item.get(name), Mapping))]
    for name in (*_SERVED, *_WINDOWS):
        for each in inside:
            if (tokens := _tokens(each.get(name))) is not None:
                return tokens
    return None


def named(models: Sequence[Listed], model: str) -> Listed | None:
    """Return the model of that name. `llama3` stands for `llama3:latest`, and `models/x` for `x`."""
    by_name = {each.id: each for each in models}
    for name in (model, f"{model}:latest", f"models/{model}", model.removeprefix("models/")):
        if name in by_name:
            return by_name[name]
    return None


def nearest(models: Sequence[Listed], model: str) -> list[str]:
    """Return the names that are nearest to one that is not listed."""
    by_plain = {each.id.lower(): each.id for each in models}
    close = difflib.get_close_matches(model.lower(), by_plain, n=NEAREST, cutoff=0.5)
    tail = model.lower().rpartition("/")[2]
    same = [name for name in by_plain if tail and tail in name and name not in close]
    return [by_plain[name] for name in (*close, *same)][:NEAREST]


def _texts(item: Mapping[str, Any], *names: str) -> Iterator[str]:
    for name in names:
        if isinstance(value := item.get(name), str) and value.strip():
            yield value


def _tokens(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value.strip()[:12])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 < value <= MOST_TOKENS else None


def _end(item: Mapping[str, Any]) -> date | None:
    """Return the first day that a member names which speaks of an end."""
    days = []
    for name, value in item.items():
        if isinstance(name, str) and _ENDS.search(name):
            values = value.values() if isinstance(value, Mapping) else [value]
            days += [found for each in values if (found := day(each)) is not None]
    return min(days, default=None)


def day(value: Any) -> date | None:
    """Return the day that a value names, in any of the usual forms; None if it names none."""
    if isinstance(value, str):
        text = value.strip()
        for form in _DAYS:
            with suppress(ValueError):
                return datetime.strptime(text, form).replace(tzinfo=UTC).date()
        with suppress(ValueError):
            return datetime.fromisoformat(text).date()
        if not re.fullmatch(r"\d{9,14}(?:\.\d+)?", text):
            return None
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    with suppress(ValueError, OverflowError, OSError):
        seconds = value / 1000 if value > 1e11 else value  # noqa: PLR2004 - the year 5138 in seconds
        found = datetime.fromtimestamp(seconds, UTC).date()
        return found if found.year >= 2000 else None  # noqa: PLR2004 - earlier ones are no such time
    return None
