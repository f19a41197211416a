"""Counts the sub-calls of a run, and those that failed and were not made good; knows no tool and no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from indexes.counting import counted

MAX_REASONS = 2
MAX_REASON_CHARS = 200


@dataclass
class LostCalls:
    """The sub-calls of all inspectors of a run.

    A call that failed is made good by a later one that asks the same. What was asked is known by a key, and
    may be asked several times at once.
    """

    _n: int = 0
    _lost: dict[Hashable, list[str]] = field(default_factory=dict)

    def add(self, calls: Iterable[tuple[Hashable, str | None]]) -> None:
        """Count calls that were made together: what each asked, and why it failed, None if it did not."""
        before: set[Hashable] = set()
        failed: dict[Hashable, list[str]] = {}
        for key, reason in calls:
            self._n += 1
            before.add(key)
            if reason is not None:
                failed.setdefault(key, []).append(reason)
        for key in before:
            self._n -= len(self._lost.pop(key, ()))
        self._lost |= failed

    def notice(self) -> str | None:
        """Return a notice for the answer; None if no call was lost."""
        reasons = Counter(reason for each in self._lost.values() for reason in each)
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
