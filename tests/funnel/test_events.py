"""The stream of events: what the documentation says of it holds, and a sink's failure is heard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from second_stage import FREE, SHOP, cell

from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.trace.events import Events
from funnel.trace.kinds import ALL, NoteWritten
from indexes import RawDocuments

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "events.md"
TURNS = (
    cell('note("k", "v")', 'print(llm_query_batched(["How long?"], [read("refunds")]))'),
    "No code.",
    cell('submit("14 days " + cite("refunds", quote="within 14 days"))'),
)
PRICES = FREE | {"sub": (0.0, 0.0)}


def documented():
    """Kind → the names that its row holds."""
    section = DOCUMENTATION.read_text().partition("## Kinds")[2].partition("## Sinks")[0]
    rows = re.findall(r"^\| `(\w+)` \|(.*)$", section, re.MULTILINE)
    return {kind: set(re.findall(r"`(\w+)`", row)) for kind, row in rows}


async def deep_run(tmp_path, sandbox):
    seen = []
    models = Models(ScriptedLLM(list(TURNS)), ScriptedLLM(["Two weeks."], name="sub"), prices=PRICES)
    funnel = Funnel(
        RawDocuments(SHOP), models=models, memory=InMemory(), sandbox=sandbox, trace_dir=tmp_path,
        router=Router(),
    )  # fmt: skip
    await funnel.ask("How long do refunds take?", Options(mode="deep"), on_event=seen.append)
    return seen


def test_every_kind_is_documented():
    assert {kind for kind, _ in ALL} <= set(documented())


async def test_every_field_that_a_deep_run_emits_is_documented(tmp_path, sandbox):
    known = documented()
    emitted = {
        (e.kind, key) for e in await deep_run(tmp_path, sandbox) if e.kind != "answer" for key in e.data
    }
    undocumented = {(kind, key) for kind, key in emitted if key not in known[kind] | {"wall_s", "error"}}
    assert undocumented == set()


async def test_every_event_but_the_runs_happens_inside_one_that_came_before(tmp_path, sandbox):
    events = await deep_run(tmp_path, sandbox)
    begun = set()
    for event in events:
        assert event.parent in begun if event.id > 1 else event.parent is None
        begun.add(event.id)
    assert [e.phase for e in events if e.id == 1] == ["start", "end"]


def test_what_a_sink_raises_is_raised_where_the_event_was_emitted():
    def full(_event):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        Events("r", full).point(NoteWritten(key="k", text="t"), parent=None)
