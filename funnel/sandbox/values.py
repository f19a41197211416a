"""What may cross between sandbox and host: plain values, copied and bounded; knows no engine.

Values from inside may share structure (`l = [l, l]` forty times is 2**40 nodes in forty lists), so nothing is
printed, compared or serialised before it was copied here, where every visit of a shared part counts.
"""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 32
MAX_NODES = 200_000
MAX_CHARACTERS = 16 * 1024 * 1024
MAX_INTEGER_BITS = 4_096


class NotPlain(Exception):  # noqa: N818 - reads as what it says: this value is not plain
    """A value that may not cross; the message says what to pass instead."""


class _Copier:
    """Counts what one value takes over all its parts."""

    def __init__(self) -> None:
        self.nodes = 0
        self.characters = 0

    def copy(self, value: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise NotPlain(f"the value has more than {MAX_NODES:,} parts; pass a smaller one")
        kind = type(value)
        if kind is str:
            self.characters += len(value)
            if self.characters > MAX_CHARACTERS:
                raise NotPlain(f"the text is longer than {MAX_CHARACTERS:,} characters; pass a slice of it")
            return value
        if value is None or kind is bool or kind is float:
            return value
        if kind is int:
            if value.bit_length() > MAX_INTEGER_BITS:
                raise NotPlain("the integer is too large; pass it as a short string or a float")
            return value
        if depth >= MAX_DEPTH:
            raise NotPlain(f"the value is nested deeper than {MAX_DEPTH} levels; flatten it")
        if kind in (list, tuple, set, frozenset):
            return [self.copy(item, depth + 1) for item in value]
        if kind is dict:
            return {self._key(key): self.copy(item, depth + 1) for key, item in value.items()}
        raise NotPlain(
            f"a value of type {kind.__name__} cannot be passed; pass str, int, float, bool, None, "
            "or lists and dicts of these"
        )

    def _key(self, key: Any) -> Any:
        if type(key) in (list, tuple, dict, set, frozenset):
            raise NotPlain("dict keys must be str, int, float, bool or None; use str(key)")
        return self.copy(key, MAX_DEPTH)


def plain(value: Any) -> Any:
    """A copy of `value` out of str, int, float, bool, None, list and dict; tuples and sets become lists.

    Raises: `NotPlain` when it holds anything else or passes one of the limits above.
    """
    return _Copier().copy(value, 0)
