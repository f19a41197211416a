"""What a journal keeps, one class an entry, as JSON and back; knows no memory.

The first key of an entry names its kind and holds the place, the number or the name that it is about.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from funnel.llm.base import Outcome
from funnel.stored import Stored
from funnel.types import Citation

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a host call gave: a result, or the error that it raised, and its remarks to the model.

    `failed`: it raised, or some of the results are failures. `code`: that of the error.
    """

    result: Any
    error: str | None = None
    remarks: tuple[str, ...] = ()
    failed: bool = False
    code: str | None = None


@dataclass(frozen=True, slots=True)
class CallAsked:
    """A model call that is about to be made, and the most that it may cost."""

    path: Annotated[Path, Field(alias="asked")]
    worst: Outcome


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A model call, and how it ended."""

    path: Annotated[Path, Field(alias="ended")]
    fingerprint: Annotated[str, Field(alias="check")]
    outcome: Outcome


def _kept_before(given: Any) -> Any:
    """Kept results were lists of their fields."""
    return dict(zip(Kept.__slots__, given, strict=False)) if isinstance(given, list) else given


@dataclass(frozen=True, slots=True)
class HostCallEnded:
    """A host call, and what it gave."""

    path: Annotated[Path, Field(alias="kept")]
    fingerprint: Annotated[str, Field(alias="check")]
    kept: Annotated[Kept, Field(alias="given"), BeforeValidator(_kept_before)]


@dataclass(frozen=True, slots=True)
class CitationNumbered:
    """A citation, and the number that it was given."""

    number: Annotated[int, Field(alias="cite")]
    citation: Citation


def _numbered_before(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """A numbered citation was one list: the number, then the citation's fields."""
    if not isinstance(entry["cite"], list):
        return entry
    number, *values = entry["cite"]
    names = [spec.name for spec in fields(Citation)]
    return {"cite": number, "citation": dict(zip(names, values, strict=True))}


@dataclass(frozen=True, slots=True)
class TextExposed:
    """Documents of which the run had text, or all that its asker may read."""

    ids: Annotated[list[str], Field(alias="exposed")]
    everything: Annotated[bool, Field(alias="all")]


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A value of the run as a whole."""

    name: Annotated[str, Field(alias="value")]
    value: Annotated[Any, Field(alias="is")]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A place from which on nothing of earlier attempts fits any more."""

    path: Annotated[Path, Field(alias="forget")]


Entry = CallAsked | CallEnded | HostCallEnded | CitationNumbered | TextExposed | ValueSet | Forgotten

_KINDS: dict[str, type[Entry]] = {
    "asked": CallAsked,
    "ended": CallEnded,
    "kept": HostCallEnded,
    "cite": CitationNumbered,
    "exposed": TextExposed,
    "value": ValueSet,
    "forget": Forgotten,
}
_UPGRADES: dict[type[Entry], Callable[[Any], Any]] = {CitationNumbered: _numbered_before}
_STORED: dict[type[Entry], Stored[Any]] = {
    kind: Stored(kind, upgrade=_UPGRADES.get(kind)) for kind in _KINDS.values()
}


def dump(entry: Entry) -> bytes:
    """Return the entry as JSON."""
    return _STORED[type(entry)].dump(entry)


def load(stored: bytes) -> Entry | None:
    """Return the entry that was dumped, or None if its kind is of a later version. Raises: `ValueError`."""
    plain = json.loads(stored)
    kind = next((_KINDS[key] for key in plain if key in _KINDS), None)
    entry: Entry | None = None if kind is None else _STORED[kind].of(plain)
    return entry
