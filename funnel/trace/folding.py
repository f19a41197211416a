"""Stores each long string of JSON values once, under its hash; knows no event and no file.

A reference `{"$text": hash}` replaces the string. A dict in the value that already looks like a reference
gets one more dollar sign: `{"$text": 1}` becomes `{"$$text": 1}`, which in turn would become
`{"$$$text": 1}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

MIN_CHARS = 256
"""A shorter string takes less room than a reference and an entry."""
KEY = "$text"
_HASH_BYTES = 16
_SCALARS = frozenset({int, float, bool, type(None)})


class Texts:
    """The texts seen so far, by hash."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def fold(self, value: Any) -> tuple[Any, dict[str, str]]:
        """Return `value` with references instead of long strings, and the strings that are new, by hash."""
        new: dict[str, str] = {}
        return self._fold(value, new), new

    def know(self, name: str) -> None:
        """Count the text with this hash as seen."""
        self._known.add(name)

    def forget(self, names: Iterable[str]) -> None:
        """Forget texts that were new and are not stored after all."""
        self._known.difference_update(names)

    def _fold(self, value: Any, new: dict[str, str]) -> Any:
        if isinstance(value, str):
            return value if len(value) < MIN_CHARS else {KEY: self._keep(value, new)}
        if isinstance(value, Mapping):
            folded = {
                key: item if item.__class__ in _SCALARS else self._fold(item, new)
                for key, item in value.items()
            }
            return {f"${only}": folded[only]} if (only := _lookalike(folded)) else folded
        if isinstance(value, (list, tuple)):
            return [self._fold(item, new) for item in value]
        return value

    def _keep(self, text: str, new: dict[str, str]) -> str:
        name = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).hexdigest()
        if name not in self._known:
            self._known.add(name)
            new[name] = text
        return name


def unfold(value: Any, texts: Mapping[str, str]) -> Any:
    """Return the value that was folded. A reference to a text that is not in `texts` stays as it is."""
    if isinstance(value, dict):
        if only := _lookalike(value):
            if only != KEY:
                return {only[1:]: unfold(value[only], texts)}
            name = value[KEY]
            return texts.get(name, value) if isinstance(name, str) else value
        return {key: unfold(item, texts) for key, item in value.items()}
    if isinstance(value, list):
        return [unfold(item, texts) for item in value]
    return value


def _lookalike(value: Mapping[Any, Any]) -> str | None:
    """Return the only key of a dict if it is `$text` with any number of dollar signs, else None."""
    if len(value) != 1:
        return None
    only = next(iter(value))
    return only if isinstance(only, str) and only.endswith(KEY) and only.strip("$") == "text" else None
