"""Plain values that may pass between sandbox and host, copied and bounded; knows no engine.

Values from the sandbox may share structure (`l = [l, l]` forty times is 2**40 nodes in forty lists). So
nothing is printed, compared or serialised before it has been copied here, where every visit of a shared part
counts against the limits.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

MAX_DEPTH = 32
MAX_PARTS = 200_000
MAX_CHARACTERS = 16 * 1024 * 1024
MAX_INTEGER_BITS = 4_096
MAX_ARGUMENTS = 64
MAX_NAME = 200
"""Characters of the name of an argument."""
MAX_KIND = 60
"""Characters of the name of a type."""
MAX_VARIABLES = 500
MAX_MESSAGE = 2_000
_OBJECT_REPR = re.compile(
    r"dict_(keys|values|items)\(\[|range\(\d+, -?\d+|deque\(\[|<(function|built-in|re\.Match|class) "
    r"|<[A-Za-z_][\w.]* object[ >]"
)
"""The Monty engine passes some objects as their repr, which could be mistaken for a prompt or a name."""


class NotPlain(TypeError):
    """A value that cannot pass between sandbox and host; the message says what to pass instead."""


def bounded_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Copy all arguments of one call into str, int, float, bool, None, list and dict.

    Tuples and sets become lists, and a compiled regular expression its repr (`compiled_pattern` reads it).
    One set of limits applies to all arguments together.
    Raises: `NotPlain` if there is anything else among them or they exceed one of the limits above.
    """
    if len(args) + len(kwargs) > MAX_ARGUMENTS:
        raise NotPlain(f"{len(args) + len(kwargs):,} arguments are too many; pass a list")
    if any(len(name) > MAX_NAME for name in kwargs):
        raise NotPlain(f"the name of an argument is longer than {MAX_NAME} characters")
    copier = _Copier(MAX_PARTS, MAX_CHARACTERS)
    return [copier.copy(argument, 0) for argument in args], {
        copier.copy(name, 0): copier.copy(argument, 0) for name, argument in kwargs.items()
    }


def refuse_objects(values: Iterable[Any]) -> None:
    """Refuse objects that the Monty engine passes as their repr. Raises: `NotPlain`."""
    for value in values:
        if type(value) is str and _OBJECT_REPR.match(value) and value[-1] in ")>":
            raise NotPlain(
                f"{value[:60]!r} is the repr of an object; pass list(...) of it, or the text that you mean"
            )


class Compiled(NamedTuple):
    """A compiled regular expression as it crosses to the host."""

    pattern: str
    flags: int


def compiled_pattern(value: Any) -> Compiled | None:
    """Return pattern and flags of a compiled regular expression that the code passed; None for another value.

    It crosses as text, its whole repr: `re.compile('a b', re.IGNORECASE)`.
    """
    if not (isinstance(value, str) and value.startswith("re.compile(") and value.endswith(")")):
        return None
    try:
        call = ast.parse(value, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="re"), attr="compile"),
            args=[ast.Constant(value=str(pattern)), *rest],
            keywords=[],
        ):
            names = [node.attr for each in rest for node in ast.walk(each) if isinstance(node, ast.Attribute)]
            flags = [getattr(re, name, 0) for name in names]
            return Compiled(pattern, sum(int(flag) for flag in flags if isinstance(flag, re.RegexFlag)))
    return None


def copy_from_host(value: Any) -> Any:
    """Copy a value of the host for the sandbox, whose own memory limit bounds its size.

    A lone surrogate, which the engine refuses, becomes "?"; it is still one character, so offsets stay valid.
    Raises: `NotPlain` if it holds anything but JSON types.
    """
    return _Copier(None, None).copy(value, 0)


def text_bytes(value: Any) -> int:
    """Return the UTF-8 size in bytes of all text in a plain value."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
    if isinstance(value, dict):
        return sum(text_bytes(key) + text_bytes(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return sum(text_bytes(item) for item in value)
    return 0


def truncate_middle(text: str, limit: int = MAX_MESSAGE) -> str:
    """Keep both ends of a long text, because an error message may quote a whole document."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} [... {len(text):,} characters ...] {text[-half:]}"


_BASES: tuple[type, ...] = (str, bool, int, float, list, tuple, dict, set, frozenset)


def _base(value: Any) -> type:
    """Return the plain type that a value is or derives from: str for a StrEnum, tuple for a NamedTuple."""
    kind = type(value)
    return kind if kind in _BASES else next((base for base in _BASES if isinstance(value, base)), kind)


def _repr_of(pattern: re.Pattern[str]) -> str:
    """Return the repr of a regular expression, whole; Python's own ends after 200 characters."""
    flags = re.RegexFlag(pattern.flags & ~re.UNICODE)
    names = [f"re.{flag.name}" for flag in re.RegexFlag if flag & flags and flag.name is not None]
    return f"re.compile({pattern.pattern!r}{', ' if names else ''}{'|'.join(names)})"


class _Copier:
    """Copies values and counts their parts and characters against limits; None means no limit."""

    def __init__(self, max_parts: int | None, max_characters: int | None) -> None:
        self._max_parts = max_parts
        self._max_characters = max_characters
        self._parts = 0
        self._characters = 0

    def copy(self, value: Any, depth: int) -> Any:
        self._parts += 1
        if self._max_parts is not None and self._parts > self._max_parts:
            raise NotPlain(f"the value has more than {self._max_parts:,} parts; pass a smaller one")
        kind = _base(value)
        if kind is str:
            return self._text(value)
        if value is None or kind is bool or kind is float:
            return value if type(value) is kind or value is None else kind(value)
        if kind is int:
            if value.bit_length() > MAX_INTEGER_BITS:
                raise NotPlain("the integer is too large; pass it as a float or as text")
            self._count(value.bit_length() // 8)
            return int(value)
        if depth >= MAX_DEPTH:
            raise NotPlain(f"the value is nested deeper than {MAX_DEPTH} levels; flatten it")
        if kind in (list, tuple, set, frozenset):
            return [self.copy(item, depth + 1) for item in value]
        if kind is dict:
            return {self._key(key): self.copy(item, depth + 1) for key, item in value.items()}
        if kind is re.Pattern and type(value.pattern) is str:
            return self._text(_repr_of(value))
        raise NotPlain(
            f"a value of type {type(value).__name__} cannot be passed; pass str, int, float, bool, None, "
            "or lists and dicts of these"
        )

    def _text(self, text: str) -> str:
        # A text with one character outside the Basic Multilingual Plane takes four bytes for each.
        self._count(max(len(text), sys.getsizeof(text) // 2))
        if text.isascii():
            return str.__str__(text)
        return text.encode("utf-8", "replace").decode()

    def _count(self, characters: int) -> None:
        self._characters += characters
        if self._max_characters is not None and self._characters > self._max_characters:
            raise NotPlain(f"the text is longer than {self._max_characters:,} characters; pass a slice of it")

    def _key(self, key: Any) -> Any:
        if type(key) in (list, tuple, dict, set, frozenset):
            raise NotPlain("dict keys must be str, int, float, bool or None; use str(key)")
        return self.copy(key, MAX_DEPTH)
