"""How a question is asked and how a run is resumed: what a caller may choose; knows no part of the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from funnel.asker import Asker
from funnel.llm.budget import Ledger, Limits
from funnel.types import Mode
from indexes.filters import Filter

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Options:
    """How one question is asked. `k` documents that `asker` may read and `where` matches reach stage two.

    `asker`: who asks; None is whoever the funnel was built for, as in `build(collection.as_owner())`.
    `schema`: what the answer's `value` must be, a pydantic model class or a JSON Schema. `fresh`: no answer
    is taken from the cache. `learn`: findings of earlier runs are offered to this one, and its own are
    kept for later ones. `labels` are kept with the run, for whoever resumes it. `tools`: functions with type
    hints and a docstring that the model's code may call, or the names of those that installed packages
    bring as entry points of `funnel.tool`; `funnel.tool` says more about one.
    `ledger`: what the run draws on besides its own limits, such as the ledger of a job that has many runs.
    """

    mode: Mode = "auto"
    k: int = 20
    limits: Limits = field(default_factory=Limits)
    asker: Asker | None = None
    where: Filter | None = None
    trace: Path | None = None
    schema: type[BaseModel] | Mapping[str, Any] | None = None
    fresh: bool = False
    learn: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    tools: Sequence[Callable[..., Any] | str] = ()
    ledger: Ledger | None = None


@dataclass(frozen=True, slots=True)
class ResumeOptions:
    """How a run is resumed. `limits`: None leaves them as they were.

    `asker`: who resumes it, which must be who asked; None is whoever the funnel was built for, and the owner
    may resume any run. `schema`: a model class to check a typed answer with; None checks it with the JSON
    Schema of the run's beginning. `tools`: those that the run began with. `ledger`: what it draws on from now
    on; what it spent before was booked then.
    """

    limits: Limits | None = None
    asker: Asker | None = None
    trace: Path | None = None
    schema: type[BaseModel] | None = None
    tools: Sequence[Callable[..., Any] | str] = ()
    ledger: Ledger | None = None
