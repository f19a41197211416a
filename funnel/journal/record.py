"""The record of a run that is kept for a resume: question, rights and options; knows no part of the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from funnel.llm.budget import Limits
from funnel.stored import Stored
from funnel.types import EndReason, Mode
from indexes.filters import AllOf, AnyOf, Condition, Filter, Not
from indexes.scope import COLLECTION, Statistics
from indexes.types import Access

FORMAT = 2


def _spelled(where: Filter) -> list[Any]:
    """Return a filter as JSON types; its fields may have any names."""
    match where:
        case AllOf(parts):
            return ["all", [_spelled(part) for part in parts]]
        case AnyOf(parts):
            return ["any", [_spelled(part) for part in parts]]
        case Not(part):
            return ["not", _spelled(part)]
        case Condition(name, operator, wanted, missing):
            # A string is kept as bytes in a condition, since "true" and "false" stand for themselves.
            atoms = [[a.decode("utf-8", "surrogatepass")] if isinstance(a, bytes) else a for a in wanted]
            return ["is", name, operator, atoms, missing]
    raise TypeError(f"{where!r} is not a filter")


def _read(spelled: Any) -> Filter:
    """Return the filter that `_spelled` turned into these JSON types."""
    match spelled:
        case ["all", parts]:
            return AllOf(tuple(_read(part) for part in parts))
        case ["any", parts]:
            return AnyOf(tuple(_read(part) for part in parts))
        case ["not", part]:
            return Not(_read(part))
        case ["is", name, operator, atoms, missing]:
            wanted = tuple(a[0].encode("utf-8", "surrogatepass") if isinstance(a, list) else a for a in atoms)
            return Condition(name, operator, wanted, missing)
    raise ValueError("these JSON types are not a filter")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The question and options of a run. `labels`: the caller's own data, such as the collection's path.

    `schema`: the JSON Schema of a typed answer. `learn`: whether it and other runs learn from each other.
    `tools`: the line of each of the caller's own functions in the prompt. `end_reason`: why the run's last
    attempt ended; None if it is still running or its process was killed. `statistics`: what the scores of its
    searches may depend on. `strict`: whether an answer that no citation backs is declined. `follows`: the run
    whose conversation its question goes on with. `keep_variables`: whether the variables of its program are
    kept for a question that follows.
    """

    run: str
    question: str
    mode: Mode
    k: int
    limits: Limits
    access: Access
    where: Annotated[Filter, PlainValidator(_read), PlainSerializer(_spelled)] | None
    model: str
    sub_model: str
    sandbox: str
    started_at: str
    labels: Mapping[str, str] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    learn: bool = True
    tools: tuple[str, ...] = ()
    end_reason: EndReason | None = None
    statistics: Statistics = COLLECTION
    strict: bool = False
    follows: str | None = None
    keep_variables: bool = False
    format: int = FORMAT

    def dump(self) -> bytes:
        """Return the record as it is stored."""
        return _RECORDS.dump(self)

    @classmethod
    def load(cls, stored: bytes) -> RunRecord:
        """Return the record that was dumped. Raises: `ValueError` for a format of a later version."""
        return _RECORDS.load(stored)


def _upgraded(kept: dict[str, Any]) -> dict[str, Any]:
    """Convert a record of format 1, which had the two fields of `access` beside the others."""
    match kept["format"]:
        case 1:
            access = {"principals": kept["principals"], "everything": kept["everything"]}
            return {**kept, "access": access, "format": FORMAT}
        case 2:
            return kept
        case later:
            raise ValueError(f"format {later}; this version reads formats 1 and {FORMAT}")


_RECORDS: Stored[RunRecord] = Stored(RunRecord, upgrade=_upgraded)
