"""The entries of a journal, a class for each kind, as JSON and back; knows no memory.

The first key of an entry names its kind, and its value is the path, number or name that the entry is about.
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
    """The outcome of a host call: a result or the error that it raised, and its remarks to the model.

    `failed`: whether it raised or some of its results are failures. `code`: the code of the error. `folded`:
    whether long strings of the result are stored once for the run, under their hash.
    """

    result: Any
    error: str | None = None
    remarks: tuple[str, ...] = ()
    failed: bool = False
    code: str | None = None
    folded: bool = False


@dataclass(frozen=True, slots=True)
class CallAsked:
    """A model call that is about to be made, and the most that it may cost."""

    path: Annotated[Path, Field(alias="asked")]
    worst: Outcome


@dataclass(frozen=True, slots=True)
class CallPutOff:
    """A model call that waits for its endpoint, and what its attempts so far are booked at."""

    path: Annotated[Path, Field(alias="put_off")]
    spent: Outcome


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A model call, and how it ended."""

    path: Annotated[Path, Field(alias="ended")]
    fingerprint: Annotated[str, Field(alias="check")]
    outcome: Outcome


def _kept_before(given: Any) -> Any:
    """Convert a kept result of an earlier version, which was a list of its fields."""
    return dict(zip(Kept.__slots__, given, strict=False)) if isinstance(given, list) else given


@dataclass(frozen=True, slots=True)
class HostCallEnded:
    """A host call and its outcome."""

    path: Annotated[Path, Field(alias="kept")]
    fingerprint: Annotated[str, Field(alias="check")]
    kept: Annotated[Kept, Field(alias="given"), BeforeValidator(_kept_before)]


@dataclass(frozen=True, slots=True)
class CitationNumbered:
    """A citation, and the number that it was given."""

    number: Annotated[int, Field(alias="cite")]
    citation: Citation


def _numbered_before(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Convert a numbered citation of an earlier version: a list of the number and the citation's fields."""
    if not isinstance(entry["cite"], list):
        return entry
    number, *values = entry["cite"]
    names = [spec.name for spec in fields(Citation)]
    return {"cite": number, "citation": dict(zip(names, values, strict=False))}


@dataclass(frozen=True, slots=True)
class TextExposed:
    """Documents whose text the run saw, or all that its asker may read."""

    ids: Annotated[list[str], Field(alias="exposed")]
    everything: Annotated[bool, Field(alias="all")]


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A value of the run as a whole."""

    name: Annotated[str, Field(alias="value")]
    value: Annotated[Any, Field(alias="is")]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A path from which on the entries of earlier attempts no longer fit."""

    path: Annotated[Path, Field(alias="forget")]


Entry = (
    CallAsked | CallPutOff | CallEnded | HostCallEnded | CitationNumbered | TextExposed | ValueSet | Forgotten
)

_KINDS: dict[str, type[Entry]] = {
    "asked": CallAsked,
    "put_off": CallPutOff,
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
    """Return the entry that was dumped, or None if a later version wrote its kind. Raises: `ValueError`."""
    plain = json.loads(stored)
    kind = next((_KINDS[key] for key in plain if key in _KINDS), None)
    entry: Entry | None = None if kind is None else _STORED[kind].of(plain)
    return entry


def exposes_everything(stored: bytes) -> bool:
    """Return whether an entry says that the run may have had text of any document."""
    if b'"exposed"' not in stored:
        return False
    try:
        entry = load(stored)
    except ValueError:
        return True  # of a later version, which nobody here understands
    return isinstance(entry, TextExposed) and entry.everything
