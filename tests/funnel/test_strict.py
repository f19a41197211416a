"""An answer without a citation is partial, and declined where only backed answers are wanted."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import pytest
from second_stage import FREE, SHOP, cell, doc, reading

from funnel.factory import build
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.run.options import ResumeOptions
from funnel.sandbox.monty.engine import MontySandbox
from funnel.settings import Settings
from funnel.types import EndReason
from indexes import RawDocuments

QUESTION = "How long do refunds take?"
BACKED = {
    "lookup": reading("They take 14 days [1].", (1, "We refund within 14 days.")),
    "deep": cell('submit("14 days " + cite("refunds", quote="We refund within 14 days."))'),
}
BARE = {
    "lookup": reading("Ada Marsh [1].", (1, "Ada Marsh signs for refunds.")),
    "deep": cell("submit('Ada Marsh', citations=[])"),
}
MODES = ("lookup", "deep")


class Changed(RawDocuments):
    """Documents of which one is rewritten after the search."""

    def read(self, document_id, start, stop, scope):
        text = super().read(document_id, start, stop, scope)
        return text if document_id != "refunds" else "We never refund."


@asynccontextmanager
async def a_funnel(tmp_path, *replies, documents=None, **how):
    model = ScriptedLLM(replies)
    made = Funnel(
        (documents or RawDocuments(SHOP)).as_owner(),
        models=Models(model, model, prices=FREE),
        memory=InMemory(),
        sandbox=MontySandbox(max_processes=32),
        trace_dir=tmp_path,
        router=Router(),
        **how,
    )
    async with made:
        yield made


@pytest.mark.parametrize("mode", MODES)
async def test_a_strict_question_declines_what_no_citation_backs(tmp_path, mode):
    async with a_funnel(tmp_path, BARE[mode]) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode=mode, strict=True))
    assert (answer.status, answer.end_reason) == ("declined", EndReason.NOT_FOUND)
    assert "Ada Marsh" not in answer.text
    assert answer.citations == answer.uncited == ()
    assert "An answer without a citation was declined" in answer.notices[-1]


@pytest.mark.parametrize("mode", MODES)
async def test_a_strict_question_gets_an_answer_that_a_citation_backs(tmp_path, mode):
    async with a_funnel(tmp_path, BACKED[mode]) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode=mode, strict=True))
    assert (answer.status, len(answer.citations)) == ("complete", 1)


async def test_a_lookup_that_nothing_backs_is_partial_and_is_not_resumed(tmp_path):
    async with a_funnel(tmp_path, BARE["lookup"]) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode="lookup"))
        again = await funnel.resume(answer.run, ResumeOptions())
    assert (answer.status, answer.text, answer.end_reason) == ("partial", "Ada Marsh.", EndReason.ANSWERED)
    assert [span.text for span in answer.uncited] == ["Ada Marsh."]
    assert "Nothing in this answer is backed by a quote." in answer.notices
    assert again == answer


async def test_an_answer_whose_every_citation_is_gone_from_the_documents_is_partial(tmp_path):
    documents = Changed([doc("refunds", SHOP[0].text)])
    async with a_funnel(tmp_path, BACKED["lookup"], documents=documents) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode="lookup"))
    assert (answer.status, answer.citations) == ("partial", ())


@pytest.mark.parametrize(("strict", "status"), [(None, "declined"), (False, "partial")])
async def test_a_strict_funnel_declines_unless_the_question_says_otherwise(tmp_path, strict, status):
    async with a_funnel(tmp_path, BARE["lookup"], strict=True) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode="lookup", strict=strict))
    assert answer.status == status


async def test_the_setting_makes_a_funnel_strict(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNNEL_STRICT", "1")
    settings = Settings(memory="memory://", trace_dir=tmp_path)
    model = ScriptedLLM([BARE["lookup"]])
    async with build(RawDocuments(SHOP).as_owner(), settings, models=model) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode="lookup"))
    assert answer.status == "declined"


async def test_a_resumed_run_is_as_strict_as_it_began(tmp_path):
    async with a_funnel(tmp_path, RuntimeError("down"), BARE["lookup"]) as funnel:
        with pytest.raises(RuntimeError):
            await funnel.ask(QUESTION, Options(mode="lookup", strict=True))
        (run,) = [path.stem for path in tmp_path.glob("*.jsonl")]
        answer = await funnel.resume(run, ResumeOptions())
    assert answer.status == "declined"


async def test_a_typed_answer_that_nothing_backs_loses_its_value_where_that_is_strict(tmp_path):
    reply = json.dumps({"found": True, "answer": "Ada Marsh.", "quotes": [], "value": {"who": "Ada Marsh"}})
    schema = {"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]}
    async with a_funnel(tmp_path, reply) as funnel:
        answer = await funnel.ask(QUESTION, Options(mode="lookup", schema=schema, strict=True))
    assert (answer.status, answer.value) == ("declined", None)
