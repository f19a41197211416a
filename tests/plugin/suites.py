"""The shipped suites over the parts of funnel-example, all of them by name; run where both are installed.

`tests/test_plugin.py` builds, installs and runs; pytest does not find this file by itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import funnel
from funnel import Models, Options, Settings, build_sync
from funnel.factory import models
from funnel.memory import known_memories, open_memory
from funnel.pipeline import Funnel
from funnel.router import Router
from funnel.sandbox import open_sandbox
from funnel.testing import ScriptedLLM
from funnel.testing.memory import MemoryContract
from funnel.testing.model import ModelContract
from funnel.testing.text_index import TextIndexContract
from funnel.testing.tool import ToolContract
from indexes import Collection, Document, RawDocuments
from indexes.dense import embedder
from indexes.loaders import load
from indexes.testing.embedder import EmbedderContract
from indexes.testing.loader import LoaderContract
from indexes.types import DocumentId

CARD = b"NAME: Ada Roth\nBORN: 1815\nTOWN: Hill House\n"


def make_by_name(clock):
    """`open_memory` finds the class; a clock is no part of a URL."""
    memory = open_memory("example://")
    memory._clock = clock
    return memory


class TestMemory(MemoryContract):
    @pytest.fixture
    def make(self):
        return make_by_name


class TestTextIndex(TextIndexContract):
    @pytest.fixture
    def make(self):
        return make_by_name


class TestModel(ModelContract):
    @pytest.fixture
    def model(self):
        return models(Settings(model="example:first")).root


class TestTool(ToolContract):
    @pytest.fixture
    def tool(self):
        return "exchange_rate"

    @pytest.fixture
    def calls(self):
        return [{"currency": "USD"}, {"currency": "CHF"}]

    @pytest.fixture
    def wrong_calls(self):
        return [{"currency": "XXX"}, {}]


class TestEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self):
        return embedder("hashed:512")


class TestLoader(LoaderContract):
    suffix = ".card"

    @pytest.fixture
    def sample(self):
        return CARD

    @pytest.fixture
    def words(self):
        return "BORN: 1815"


def test_what_is_tested_is_what_was_installed():
    assert Path(funnel.__file__).is_relative_to(sys.prefix)
    assert "example" in known_memories()


def test_a_collection_is_made_of_the_parts_from_outside(tmp_path):
    (tmp_path / "ada.card").write_bytes(CARD)
    (tmp_path / "bob.card").write_bytes(b"NAME: Bob Smith\nBORN: 1900\n")
    with Collection.create(tmp_path / "kb", embedder=embedder("hashed:512")) as made:
        made.sync(load([tmp_path / "ada.card", tmp_path / "bob.card"]), source="cards")
    with Collection.open(tmp_path / "kb") as opened:
        [first, *_] = opened.as_owner().search("Who was born in 1815?", k=2)
    assert (first.document.id, first.document.title) == ("ada.card", "Ada Roth")


async def test_a_question_uses_the_parts_from_outside(tmp_path):
    code = "```python\nsubmit(f\"A dollar is {exchange_rate('USD')} to the euro.\", citations=[])\n```"
    leads = ScriptedLLM([code])
    async with Funnel(
        RawDocuments([Document(DocumentId("rates"), "The bank publishes rates.")]).as_owner(),
        models=Models(leads, leads),
        memory=open_memory("example://"),
        sandbox=open_sandbox("monty"),
        trace_dir=tmp_path,
        router=Router(),
    ) as asked:
        answer = await asked.ask("What is a dollar?", Options(mode="deep", tools=["exchange_rate"]))
    assert answer.text == "A dollar is 1.25 to the euro."
    assert "exchange_rate(currency" in leads.requests[0].messages[0].content


def test_a_model_from_outside_is_passed_to_build(tmp_path):
    reply = {"found": True, "answer": "Rates [1].", "quotes": [{"passage": 1, "quote": "publishes rates"}]}
    leads = ScriptedLLM([json.dumps(reply)])
    documents = RawDocuments([Document(DocumentId("rates"), "The bank publishes rates.")]).as_owner()
    settings = Settings(memory="memory://", trace_dir=tmp_path)
    with build_sync(documents, settings, models=leads) as asked:
        answer = asked.ask("What does the bank publish?", Options(mode="lookup"))
    assert (answer.text, len(answer.citations)) == ("Rates [1].", 1)
    assert len(leads.requests) == 1
