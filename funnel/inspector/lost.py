"""Counts the sub-calls of a run, and those that failed and were not made good; knows no tool and no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from indexes.counting import counted

MAX_REASONS = 2
MAX_REASON_CHARS = 200


@dataclass(slots=True)
class _Loss:
    """Calls that asked the same together and failed. `told`: whether the model of their inspector knows."""

    reasons: list[str]
    by: object
    told: bool = False


@dataclass
class LostCalls:
    """The sub-calls of all inspectors of a run.

    A call that failed is made good by a later one that asks the same. What was asked is known by a key, and
    may be asked several times at once.
    """

    _n: int = 0
    _lost: dict[Hashable, _Loss] = field(default_factory=dict)

    def add(self, calls: Iterable[tuple[Hashable, str | None]], *, by: object) -> None:
        """Count calls that an inspector made together: what each asked, and why it failed, None if not."""
        asked: set[Hashable] = set()
        failed: dict[Hashable, _Loss] = {}
        for key, reason in calls:
            self._n += 1
            asked.add(key)
            if reason is not None:
                failed.setdefault(key, _Loss([], by)).reasons.append(reason)
        for key in asked & self._lost.keys():
            self._n -= len(self._lost.pop(key).reasons)
        self._lost |= failed

    def tell(self, by: object) -> None:
        """Take note that the model of an inspector has been told what its calls have lost so far."""
        for loss in self._lost.values():
            loss.told |= loss.by is by

    @property
    def spoil(self) -> bool:
        """Whether an answer cannot be complete: the model did not know of a loss, or most calls were lost."""
        n_lost = sum(len(loss.reasons) for loss in self._lost.values())
        return 2 * n_lost > self._n or any(not loss.told for loss in self._lost.values())

    def notice(self) -> str | None:
        """Return a notice for the answer; None if no call was lost."""
        reasons = Counter(reason for loss in self._lost.values() for reason in loss.reasons)
        lost = reasons.total()
        if not lost:
            return None
        shown = [
            f"{count} times: {_short(reason)}" if len(reasons) > 1 else _short(reason)
            for reason, count in reasons.most_common(MAX_REASONS)
        ]
        if len(reasons) > MAX_REASONS:
            shown.append("…")
        return (
            f"{lost} of {counted(self._n, 'sub-call')} failed, and what they would have told is missing here "
            f"({'; '.join(shown)})."
        )


def _short(reason: str) -> str:
    line = " ".join(reason.split()).rstrip(".")
    return line if len(line) <= MAX_REASON_CHARS else f"{line[: MAX_REASON_CHARS - 1]}…"
