"""The stream of events: what the documentation says of it holds, and a sink's failure is heard."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from second_stage import FREE, SHOP, cell

from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.trace.events import Events
from funnel.trace.kinds import ALL, AnswerGiven, CellEnded, NoteWritten, TurnStarted, fields_of
from funnel.trace.schema import event_schema, write
from funnel.types import Answer
from indexes import RawDocuments

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "events.md"
TURNS = (
    cell('note("k", "v")', 'print(llm_query_batched(["How long?"], [read("refunds")]))'),
    "No code.",
    cell('submit("14 days " + cite("refunds", quote="within 14 days"))'),
)
ENDS = {"wall_s", "error", "error_type"}
PRICES = FREE | {"sub": (0.0, 0.0)}


def documented():
    """Kind → the names that its row holds."""
    section = DOCUMENTATION.read_text().partition("## Kinds")[2].partition("## Sinks")[0]
    rows = re.findall(r"^\| `([\w.]+)` \|(.*)$", section, re.MULTILINE)
    return {kind: set(re.findall(r"`(\w+)`", row)) for kind, row in rows}


async def deep_run(tmp_path, sandbox):
    seen = []
    models = Models(ScriptedLLM(list(TURNS)), ScriptedLLM(["Two weeks."], name="sub"), prices=PRICES)
    funnel = Funnel(
        RawDocuments(SHOP).as_owner(), models=models, memory=InMemory(), sandbox=sandbox, trace_dir=tmp_path,
        router=Router(),
    )  # fmt: skip
    await funnel.ask("How long do refunds take?", Options(mode="deep"), on_event=seen.append)
    return seen


def test_every_kind_is_documented():
    assert {kind for kind, _ in ALL} <= set(documented())


@pytest.mark.parametrize("data", ALL.values(), ids=lambda data: data.__name__)
def test_every_field_of_a_kind_is_documented(data):
    answer = {spec.name for spec in fields(Answer)} if data is AnswerGiven else set()
    assert set(fields_of(data)) <= documented()[data.kind] | ENDS | answer


def test_the_documentation_has_the_schema_that_the_classes_give():
    assert write(DOCUMENTATION, check=True), "write it: python -m funnel.trace.schema"


def test_a_field_that_is_added_changes_the_schema_in_the_documentation(tmp_path, monkeypatch):
    copy = tmp_path / "events.md"
    copy.write_text(DOCUMENTATION.read_text())

    @dataclass(frozen=True, slots=True, kw_only=True, eq=False)
    class Longer(NoteWritten):
        author: str = ""

    monkeypatch.setitem(ALL, ("note", "point"), Longer)
    assert not write(copy, check=True)
    write(copy)
    assert write(copy, check=True)
    assert "author" in copy.read_text()


async def test_every_event_of_a_run_meets_the_schema(tmp_path, sandbox):
    schema = Draft202012Validator(event_schema())
    for event in await deep_run(tmp_path, sandbox):
        schema.validate(json.loads(json.dumps(event.as_dict())))


async def test_a_subscriber_reads_fields_or_the_documented_names(tmp_path, sandbox):
    [turn, *_] = [e for e in await deep_run(tmp_path, sandbox) if isinstance(e.data, TurnStarted)]
    assert (turn.data.number, turn.data["number"], turn.data.get("error")) == (1, 1, None)
    assert dict(turn.data) == {"number": 1, "depth": 0}
    with pytest.raises(KeyError):
        turn.data["weather"]


def test_what_began_as_one_kind_cannot_end_as_another():
    events = Events("r")
    with (
        pytest.raises(ValueError, match="a turn cannot end as a cell"),
        events.open(TurnStarted(number=1), parent=None) as turn,
    ):
        turn.end_with(CellEnded(stdout=""))


async def test_every_field_that_a_deep_run_emits_is_documented(tmp_path, sandbox):
    known = documented()
    emitted = {
        (e.kind, key) for e in await deep_run(tmp_path, sandbox) if e.kind != "answer" for key in e.data
    }
    undocumented = {(kind, key) for kind, key in emitted if key not in known[kind] | ENDS}
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
