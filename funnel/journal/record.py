"""What a run was asked, and under whose rights, as it is kept for a resume; knows no part of the work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from funnel.llm.budget import Limits
from funnel.types import Mode
from indexes.filters import AllOf, AnyOf, Condition, Filter, Not
from indexes.types import Access

FORMAT = 1


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The beginning of a run. `labels` is what the caller wants to find again, such as the collection's path.

    `schema` is the JSON Schema of a typed answer; `learn`: whether it and other runs learn from
    each other. `tools`: what the model is told of each of the caller's own functions.
    """

    run: str
    question: str
    mode: Mode
    k: int
    limits: Limits
    access: Access
    where: Filter | None
    model: str
    sub_model: str
    sandbox: str
    started_at: str
    labels: Mapping[str, str] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    learn: bool = True
    tools: tuple[str, ...] = ()

    def dump(self) -> bytes:
        """As it is stored."""
        kept = {
            "format": FORMAT, "run": self.run, "question": self.question, "mode": self.mode, "k": self.k,
            "limits": asdict(self.limits), "principals": sorted(self.access.principals),
            "everything": self.access.everything,
            "where": None if self.where is None else _spelled(self.where),
            "model": self.model, "sub_model": self.sub_model, "sandbox": self.sandbox,
            "started_at": self.started_at, "labels": dict(self.labels), "schema": self.schema,
            "learn": self.learn, "tools": list(self.tools),
        }  # fmt: skip
        return json.dumps(kept).encode()

    @classmethod
    def load(cls, stored: bytes) -> RunRecord:
        """What `dump` gave. Raises: `ValueError` for a format of a later version."""
        kept = json.loads(stored)
        if kept["format"] != FORMAT:
            raise ValueError(f"format {kept['format']}; this version reads format {FORMAT}")
        return cls(
            run=kept["run"],
            question=kept["question"],
            mode=kept["mode"],
            k=kept["k"],
            limits=Limits(**kept["limits"]),
            access=Access(frozenset(kept["principals"]), kept["everything"]),
            where=None if kept["where"] is None else _read(kept["where"]),
            model=kept["model"],
            sub_model=kept["sub_model"],
            sandbox=kept["sandbox"],
            started_at=kept["started_at"],
            labels=kept["labels"],
            schema=kept["schema"],
            learn=kept.get("learn", True),
            tools=tuple(kept.get("tools", ())),
        )


def _spelled(where: Filter) -> list[Any]:
    """A filter as JSON, whatever its fields are called."""
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
    raise TypeError(f"{where!r} is no filter")


def _read(spelled: list[Any]) -> Filter:
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
    raise ValueError("no filter is spelled so")
