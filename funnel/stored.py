"""Converts values to the JSON that a memory keeps and back, with pydantic; knows no value and no memory."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

T = TypeVar("T")
_REPLACED = b"\\ufffd"


def _plain(value: object) -> object:
    """Return what is no JSON type as one, as pydantic does. Raises: `TypeError`."""
    return list(value) if isinstance(value, set | frozenset) else to_jsonable_python(value)


class Stored(Generic[T]):
    """Converts values of one type. The schema is built when it is first needed.

    `upgrade` turns JSON types that an earlier version stored into what this version stores. It is called
    with everything that is loaded, and may raise `ValueError`.
    """

    def __init__(self, type_: Any, *, upgrade: Callable[[Any], Any] | None = None) -> None:
        self._type = type_
        self._upgrade = upgrade

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        return TypeAdapter(self._type)

    def dump(self, value: T) -> bytes:
        """Return the value as JSON, in ASCII."""
        with contextlib.suppress(PydanticSerializationError):
            dumped = self._adapter.dump_json(value, ensure_ascii=True, by_alias=True, warnings=False)
            if _REPLACED not in dumped:
                return dumped
        # For lone surrogates, which only the json module writes. pydantic refuses them in values, and
        # replaces them in the names of members, unless it makes Python's types rather than JSON's.
        python = self._adapter.dump_python(value, mode="python", by_alias=True, warnings=False)
        return json.dumps(python, default=_plain).encode()

    def load(self, stored: bytes) -> T:
        """Return the value that was dumped. Raises: `ValueError`, in one line, if there is none."""
        return self.of(json.loads(stored))

    def of(self, plain: Any) -> T:
        """Return the value with these JSON types. Raises: `ValueError`, in one line, if there is none."""
        try:
            return self._adapter.validate_python(self._upgrade(plain) if self._upgrade else plain)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not what was stored ({type(error).__name__}: {error})") from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise ValueError(f"{where}: {first['msg']}") from None


def spellings(text: str) -> set[bytes]:
    """Return the ways in which `dump` may have written this text, quotes included."""
    found = {json.dumps(text).encode()}
    with contextlib.suppress(PydanticSerializationError):
        found.add(to_json(text, ensure_ascii=True))
    return found
