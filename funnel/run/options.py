"""Options for asking a question and for resuming a run; knows no part of the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from funnel.asker import Asker
from funnel.llm.budget import Ledger, Limits
from funnel.types import Mode
from indexes.filters import Filter
from indexes.scope import COLLECTION, Statistics

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Options:
    """Options of one question. `k` documents that `asker` may read and `where` matches reach stage two.

    `asker`: who asks; None means the asker that the funnel was built for, as in
    `build(collection.as_owner())`. `schema`: the form of the answer's `value`, a pydantic model class or a
    JSON Schema. `fresh`: whether cached replies are ignored. `learn`: whether findings of earlier runs are
    offered to this one, and its own are kept for later ones. `labels`: kept with the run, for whoever resumes
    it. `tools`: functions with type hints and a docstring that the model's code may call, or the names of
    functions that installed packages provide as entry points of `funnel.tool`; see `funnel.tool`. `ledger`: a
    ledger that the run draws on besides its own limits, such as that of a job with many runs. `statistics`:
    "visible" if nothing that a search finds may depend on documents that the asker may not read. `strict`:
    whether an answer that no citation backs is declined; None means as the funnel was built. `follows`:
    a run of the same asker whose conversation the question goes on with: "And in 2024?" becomes a question
    that stands alone, and the program begins with the variables that the earlier one kept.
    `keep_variables`: whether they are kept for a question that follows.
    """

    mode: Mode = "auto"
    k: int = 20
    limits: Limits = field(default_factory=Limits)
    asker: Asker | None = None
    where: Filter | None = None
    statistics: Statistics = COLLECTION
    trace: Path | None = None
    schema: type[BaseModel] | Mapping[str, Any] | None = None
    fresh: bool = False
    learn: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    tools: Sequence[Callable[..., Any] | str] = ()
    ledger: Ledger | None = None
    strict: bool | None = None
    follows: str | None = None
    keep_variables: bool = False


@dataclass(frozen=True, slots=True)
class ResumeOptions:
    """Options for resuming a run. `limits`: None keeps the run's limits.

    `asker`: the asker of the run; None means the asker that the funnel was built for, and if that is the
    owner, any run may be resumed. `schema`: a model class to check a typed answer with; if None, the JSON
    Schema that the run began with is used. `tools`: the tools that the run began with. `ledger`: a ledger
    that the run draws on from now on; what it spent before is not booked there.
    """

    limits: Limits | None = None
    asker: Asker | None = None
    trace: Path | None = None
    schema: type[BaseModel] | None = None
    tools: Sequence[Callable[..., Any] | str] = ()
    ledger: Ledger | None = None
