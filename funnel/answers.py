"""Answers as JSON and back, including those of earlier versions; knows no memory and no trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from funnel.stored import Stored
from funnel.types import Answer, EndReason

_CUT_SHORT = "The work ended before an answer was submitted: "
_LIMITS = {
    "timeout_s = ": EndReason.DEADLINE,
    "max_turns = ": EndReason.TURNS,
    "max_": EndReason.BUDGET,
}


def with_end_reason(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an answer's JSON types with its `end_reason`.

    Earlier versions had none: only a notice said that the work had been cut short, and why.
    """
    if "end_reason" in answer:
        return answer
    return {**answer, "end_reason": _end_reason(answer["status"], answer["notices"])}


def _end_reason(status: str, notices: list[str]) -> EndReason:
    stopped = [notice.removeprefix(_CUT_SHORT) for notice in notices if notice.startswith(_CUT_SHORT)]
    if not stopped:
        finals = {"complete": EndReason.ANSWERED, "declined": EndReason.NOT_FOUND}
        return finals.get(status, EndReason.MALFORMED)
    if "replies in a row held no code" in stopped[0]:
        return EndReason.MALFORMED
    found = (reason for start, reason in _LIMITS.items() if stopped[0].startswith(start))
    return next(found, EndReason.BROKEN)


ANSWERS: Stored[Answer] = Stored(Answer, upgrade=with_end_reason)
