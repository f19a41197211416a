"""What one question's program hands on to the next: its plain variables, and what was said; asks no model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from funnel.errors import SandboxDied
from funnel.findings.store import MAX_EXPOSED
from funnel.inspector.tools.registry import GIVEN
from funnel.prompts import fence
from funnel.run.context import Run
from funnel.run.earlier import Earlier, keep_variables
from funnel.sandbox.base import Session, Variable

MAX_VARIABLES = 50
MAX_CHARS = 1_000_000
"""The variables that are kept, as JSON together."""
MAX_VARIABLE_CHARS = 500_000
PLAIN = frozenset(
    {"str", "int", "float", "bool", "list", "dict", "tuple", "Counter", "defaultdict", "OrderedDict"}
)
"""Kinds that JSON can hold; a tuple comes back as a list, and a subclass of dict as a dict."""
LISTED = 20
TOLD_CHARS = 1_000
"""The beginning of each answer that a program is told of; the last is told at twice the length."""


async def keep(run: Run, session: Session) -> None:
    """Keep the plain variables of a program that has submitted, as far as there is room for them.

    What the cell of the submission itself assigned is gone, as a session is then back in its state before.
    """
    try:
        values = await _values(session, await session.variables())
    except SandboxDied:
        return
    await keep_variables(values, run.journal, run.documents, at_most=MAX_EXPOSED)


async def _values(session: Session, variables: Sequence[Variable]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    room = MAX_CHARS
    wanted = [each for each in variables if each.kind in PLAIN and each.name not in GIVEN]
    for each in wanted[:MAX_VARIABLES]:
        # One cell each, so that one which JSON cannot hold does not lose the others.
        result = await session.run(f"import json\nprint(json.dumps({each.name}))")
        if result.error is not None or len(result.stdout) > min(room, MAX_VARIABLE_CHARS):
            continue
        try:
            found[each.name] = json.loads(result.stdout)
        except ValueError:
            continue  # cut at the session's own limit
        room -= len(result.stdout)
    return found


def told(earlier: Earlier) -> str:
    """Return what the first message says of the questions before this one; "" if there are none."""
    if not earlier.exchanges:
        return ""
    lines = ["Said before, without its citations; what you use of it, find and cite anew:"]
    last = len(earlier.exchanges) - 1
    for number, exchange in enumerate(earlier.exchanges):
        room = TOLD_CHARS * (2 if number == last else 1)
        answer = exchange.answer if len(exchange.answer) <= room else f"{exchange.answer[:room]}…"
        lines.append(fence("earlier", f"{exchange.question}\n{answer}"))
    if earlier.values:
        named = [f"`{name}` ({_size(value)})" for name, value in list(earlier.values.items())[:LISTED]]
        lines.append(f"Variables that you still have from there: {', '.join(named)}.")
    return "\n\n".join(lines)


def _size(value: Any) -> str:
    kind = type(value).__name__
    return f"{kind}, {len(value):,}" if isinstance(value, str | list | dict) else kind
