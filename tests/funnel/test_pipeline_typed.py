"""Typed answers from question to answer: both routes, what became of their markers, a resume."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
from pydantic import BaseModel, Field, field_validator
from second_stage import FREE, SHOP, cell, doc, reading

from funnel.errors import BadSchema, BadSetting, LLMUnavailable
from funnel.llm.extractive import Extractive
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.run.options import ResumeOptions
from funnel.sandbox.monty.engine import MontySandbox
from indexes import RawDocuments

QUESTION = "How long do refunds take?"
DAYS = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}
QUOTE = (1, "We refund within 14 days.")
DOWN = LLMUnavailable("scripted", "http://localhost", "connection refused")


class Refund(BaseModel):
    days: int
    by_post: bool = Field(False, alias="byPost")

    @field_validator("days")
    @classmethod
    def is_possible(cls, days: int) -> int:
        if days > 90:
            raise ValueError("nobody waits that long")
        return days


@asynccontextmanager
async def a_funnel(tmp_path, *replies, source=None, root=None, memory=None):
    model = root or ScriptedLLM(replies)
    funnel = Funnel(
        (source or RawDocuments(SHOP)).as_owner(),
        models=Models(model, model, prices=FREE),
        memory=memory or InMemory(),
        sandbox=MontySandbox(max_processes=4),
        trace_dir=tmp_path / "traces",
        router=Router(),
    )
    async with funnel:
        yield funnel


def typed(value, answer="They take 14 days [1].", *quotes):
    return json.dumps(json.loads(reading(answer, *(quotes or [QUOTE]))) | {"value": value})


class Changing(RawDocuments):
    """Documents of which one is rewritten once an event of this kind is over."""

    def __init__(self, documents, kind):
        super().__init__(documents)
        self.kind, self.is_rewritten = kind, False

    def __call__(self, event):
        self.is_rewritten |= event.kind == self.kind and event.phase != "start"

    def read(self, document_id, start, stop, scope):
        if self.is_rewritten and document_id == "refunds":
            return "We never refund."[start:stop]
        return super().read(document_id, start, stop, scope)


async def test_a_lookup_gives_words_and_a_value(tmp_path):
    async with a_funnel(tmp_path, typed({"days": 14})) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode="lookup", schema=DAYS))
    assert (answer.status, answer.text, answer.value) == ("complete", "They take 14 days [1].", {"days": 14})


async def test_a_model_class_fills_in_what_it_knows(tmp_path):
    replies = [
        typed({"days": 14}),
        cell('submit({"days": 140}, citations=[])'),
        cell('submit({"days": "14"}, citations=[])'),
    ]
    async with a_funnel(tmp_path, *replies) as funnel:
        lookup = await funnel.ask(QUESTION, Options(mode="lookup", schema=Refund))
        deep = await funnel.ask(QUESTION, Options(mode="deep", schema=Refund))
    assert lookup.value == deep.value == {"days": 14, "byPost": False}
    assert json.loads(deep.text) == deep.value
    assert Refund.model_validate(deep.value).days == 14


@pytest.mark.parametrize("mode", ["lookup", "deep"])
async def test_the_value_keeps_its_form_when_a_citation_is_dropped(tmp_path, mode):
    replies = {
        "lookup": lambda request: typed(
            {"days": 14, "who": "Ada [2]", "note": "14 [1], yes  [2]"},
            "14 days [1]; Ada [2].",
            QUOTE,
            (2, "Ada Roth signed it."),
        ),
        "deep": cell(
            'a, b = cite("refunds", 0, 9), cite("leases", quote="Ada Roth signed it.")',
            'submit({"days": 14, "who": "Ada " + b, "note": "14 " + a + ", yes  " + b})',
        ),
    }
    documents = [
        doc("refunds", SHOP[0].text),
        doc("leases", "The lease ended. Ada Roth signed it. No refund."),
    ]
    source = Changing(documents, {"lookup": "model_call", "deep": "submit"}[mode])
    options = Options(mode=mode, schema=DAYS)
    async with a_funnel(tmp_path, replies[mode], source=source) as funnel:
        answer = await funnel.ask("refund within 14 days form", options, on_event=source)
    assert answer.value == {"days": 14, "who": "Ada [1]", "note": "14, yes  [1]"}
    assert [c.quote for c in answer.citations] == ["Ada Roth signed it."]
    assert "1 of 2 citations were dropped" in answer.notices[0]
    assert answer.text == "14 days; Ada [1]." if mode == "lookup" else json.loads(answer.text) == answer.value


async def test_a_value_that_loses_its_form_with_its_markers_does_not_leave(tmp_path):
    schema = {"type": "object", "properties": {"said": {"pattern": r"\[\d\]$"}}}
    submit = cell('submit({"said": "14 days " + cite("refunds", 0, 9)})')
    source = Changing(SHOP, "submit")
    async with a_funnel(tmp_path, submit, source=source) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode="deep", schema=schema), on_event=source)
    assert (answer.status, answer.value) == ("partial", None)
    assert answer.notices[2] == (
        "The value no longer met the schema when its citations were numbered: "
        r"$.said: '14 days' does not match '\\[\\d\\]$'"
    )


@pytest.mark.parametrize("mode", ["lookup", "deep"])
async def test_a_bad_schema_is_told_before_anything_is_done(tmp_path, mode):
    async with a_funnel(tmp_path) as funnel:
        with pytest.raises(BadSchema, match=r"schema: \$\.type: 'int' is not valid"):
            await funnel.ask(QUESTION, Options(mode=mode, schema={"type": "int"}))
    assert not (tmp_path / "traces").exists()


@pytest.mark.parametrize("again", [ResumeOptions(), ResumeOptions(schema=Refund)])
async def test_a_resumed_run_checks_with_the_schema_that_it_began_with(tmp_path, again):
    memory = InMemory()
    replies = [
        "x",
        DOWN,
        cell('submit({"days": "fourteen"}, citations=[])'),
        cell('submit({"days": 14}, citations=[])'),
    ]
    async with a_funnel(tmp_path, *replies, memory=memory) as funnel:
        options = Options(mode="deep", schema=Refund, trace=tmp_path / "t.jsonl")
        stopped = await funnel.ask(QUESTION, options)
        assert stopped.status in {"failed", "declined", "partial"}
        answer = await funnel.resume(stopped.run, again)
    assert answer.value == {"days": 14} | ({"byPost": False} if again.schema else {})


async def test_what_a_sub_model_was_asked_again_is_not_paid_for_again(tmp_path):
    asks = cell("n = llm_query('Days?', schema={'type': 'integer'})", "print(n)")
    model = ScriptedLLM([asks, "x", '"14"', "14", DOWN, DOWN, cell("submit({'days': n}, citations=[])")])
    async with a_funnel(tmp_path, root=model) as funnel:
        stopped = await funnel.ask(QUESTION, Options(mode="deep", schema=DAYS))
        answer = await funnel.resume(stopped.run)
    assert (stopped.status, answer.value) == ("failed", {"days": 14})
    assert [request.purpose for request in model.requests] == [
        "turn", "query", "query", "query", "turn", "extract", "turn",
    ]  # fmt: skip


async def test_a_resume_with_another_model_class_is_refused(tmp_path):
    class Other(BaseModel):
        weeks: int

    async with a_funnel(tmp_path, cell('submit({"days": 1}, citations=[])')) as funnel:
        run = (await funnel.ask(QUESTION, Options(mode="deep", schema=DAYS))).run
        with pytest.raises(BadSetting, match="began with another one"):
            await funnel.resume(run, ResumeOptions(schema=Other))


@pytest.mark.parametrize("mode", ["lookup", "deep"])
async def test_without_a_model_no_value_is_made_and_one_sentence_says_so(tmp_path, mode):
    async with a_funnel(tmp_path, root=Extractive()) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode=mode, schema=DAYS))
    assert (answer.status, answer.value) == ("declined", None)
    assert answer.text.startswith("No language model is configured, and a typed answer needs one")
    assert answer.notices == ()
