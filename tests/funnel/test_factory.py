"""What the settings say becomes the parts of a funnel."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from second_stage import SHOP

import funnel
from funnel.errors import BadSetting, MemoryFailed, UnknownName
from funnel.factory import limits, models
from funnel.llm.base import Completion, Message, Request
from funnel.llm.budget import Ledger, Limits
from funnel.llm.models import Models
from funnel.llm.openai.chat import OpenAIChat
from funnel.settings import Settings
from funnel.trace.events import Events
from indexes import Collection, RawDocuments
from indexes.errors import PlugInFailed

ASK = Request((Message("user", "x"),), "query")


async def test_without_a_model_the_stand_in_leads_and_does_the_parts():
    made = models(Settings())
    assert (made.root.name, made.sub) == ("extractive", made.root)


async def test_one_named_model_does_everything():
    made = models(Settings(named_model="m", base_url="http://localhost:1/v1"))
    assert isinstance(made.root, OpenAIChat)
    assert (made.root.name, made.sub) == ("m", made.root)
    await made.close()


async def test_a_sub_model_has_a_client_of_its_own():
    made = models(Settings(named_model="m", named_sub_model="s", base_url="http://localhost:1/v1"))
    assert (made.root.name, made.sub.name) == ("m", "s")
    await made.close()


async def test_each_model_is_sent_what_the_settings_add_for_it(chat_server):
    settings = Settings(
        model="m",
        sub_model="s",
        base_url=chat_server.url,
        extra_body={"top_k": 5, "s": {"reasoning_effort": "low"}},
        extra_headers={"x-team": "a", "m": {"api-key": "k-1"}},
    )
    made = models(settings)
    for model in (made.root, made.sub):
        await model.complete(ASK)
    await made.close()
    for_root, for_sub = chat_server.seen
    assert (for_root.body["top_k"], for_sub.body["top_k"]) == (5, 5)
    assert ("reasoning_effort" in for_root.body, for_sub.body["reasoning_effort"]) == (False, "low")
    assert (for_root.headers["api-key"], "api-key" in for_sub.headers) == ("k-1", False)
    assert for_sub.headers["x-team"] == "a"


class Own:
    """A model that a user writes: no base class is needed."""

    def __init__(self, name):
        self.name, self.asked, self.closed = name, 0, 0

    async def complete(self, request, options=None):
        self.asked += 1
        return Completion('{"found": true, "answer": "Ada Roth.", "quotes": []}', self.name, 1, 1)

    async def close(self):
        self.closed += 1


async def test_a_model_of_ones_own_goes_before_the_settings_and_is_closed_with_the_funnel(tmp_path):
    own = Own("mine")
    settings = Settings(
        model="named", base_url="http://localhost:1/v1", memory="memory://", trace_dir=tmp_path
    )
    async with funnel.build(RawDocuments(SHOP).as_owner(), settings, models=own) as built:
        answer = await built.ask("Who signed the lease of Hill House?", funnel.Options(mode="lookup"))
    assert (answer.text, own.asked, own.closed) == ("Ada Roth. [1]", 1, 1)


async def test_two_models_of_ones_own_lead_and_answer_sub_calls(tmp_path):
    root, sub = Own("root"), Own("sub")
    settings = Settings(memory="memory://", trace_dir=tmp_path)
    given = funnel.Models(root, sub)
    async with funnel.build(RawDocuments(SHOP).as_owner(), settings, models=given) as built:
        await built.ask("Who signed the lease of Hill House?", funnel.Options(mode="lookup"))
    assert (root.asked + sub.asked, root.closed, sub.closed) == (1, 1, 1)


def test_limits_are_those_of_the_settings():
    assert limits(Settings(max_usd=1.5, max_calls=7, timeout_s=9, max_prompt_tokens=9_000)) == Limits(
        max_usd=1.5, max_calls=7, timeout_s=9, max_prompt_tokens=9_000
    )


async def test_addenda_are_read_once_when_the_funnel_is_built(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('[[addenda]]\nmatch = ["*"]\npurpose = "reader"\ntext = "Be brief."\n')
    settings = Settings(addenda=own, memory="memory://", trace_dir=tmp_path)
    async with funnel.build(RawDocuments(SHOP).as_owner(), settings) as built:
        own.unlink()
        assert (await built.ask("Who signed the lease of Hill House?")).status == "complete"
    with pytest.raises(BadSetting, match=r"FUNNEL_ADDENDA: .*own\.toml: cannot be read"):
        funnel.build(RawDocuments(SHOP).as_owner(), settings)


class Counting:
    """Counts how many calls are made at once."""

    def __init__(self, name):
        self.name = name
        self.now = 0

    async def complete(self, request, options=None):
        Counting.now += 1
        Counting.most = max(Counting.most, Counting.now)
        await asyncio.sleep(0.001)
        Counting.now -= 1
        return Completion("x", self.name, 1, 1)

    async def close(self):
        Counting.closed.append(self.name)


@pytest.fixture
def counting():
    Counting.now = Counting.most = 0
    Counting.closed = []
    return Counting


async def test_root_and_sub_calls_share_one_ledger_and_one_limit(counting):
    made = Models(counting("r"), counting("s"), prices={"r": (1, 1), "s": (2, 2)}, max_parallel=3)
    ledger = Ledger(Limits())
    root, sub = made.meters(ledger, Events("r"))
    await asyncio.gather(*(meter.complete(ASK, parent=None) for meter in [root, sub] * 6))
    assert Counting.most == 3
    assert ledger.usage.model_calls == 12
    assert ledger.usage.cost_usd == pytest.approx((6 * 2 * 1 + 6 * 2 * 2) / 1e6)


async def test_models_are_closed_once_each(counting):
    one = counting("r")
    await Models(one, one).close()
    await Models(one, counting("s")).close()
    assert Counting.closed == ["r", "r", "s"]


async def test_what_was_opened_is_closed_with_the_funnel(tmp_path):
    settings = Settings(trace_dir=tmp_path, memory=f"sqlite:///{tmp_path / 'm.sqlite'}")
    async with funnel.build(RawDocuments(SHOP).as_owner(), settings) as ready:
        memory = ready._memory
    with pytest.raises(MemoryFailed):
        await memory.get_many("x", ["k"])


@pytest.mark.parametrize(("name", "value"), [("memory", "reddis://h"), ("sandbox", "docker")])
def test_an_unknown_part_is_told_when_the_funnel_is_built(tmp_path, name, value):
    with pytest.raises(UnknownName, match="Known: "):
        funnel.build(RawDocuments(SHOP).as_owner(), Settings(trace_dir=tmp_path, **{name: value}))


def test_a_sync_funnel_may_be_closed_twice_and_says_that_it_is_closed(tmp_path):
    ready = funnel.build_sync(RawDocuments(SHOP).as_owner(), Settings(trace_dir=tmp_path))
    ready.close()
    ready.close()
    with pytest.raises(RuntimeError, match="closed"):
        ready.ask("x")


def test_a_collection_and_raw_documents_are_the_same_source():
    for name in ("search", "document", "read", "info", "ids"):
        raw = inspect.signature(getattr(RawDocuments, name)).parameters
        built = inspect.signature(getattr(Collection, name)).parameters
        assert list(raw) == list(built)


def brought(monkeypatch, value):
    point = EntryPoint(name="acme", value=value, group="funnel.model")
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda *, group: EntryPoints([point]).select(group=group)
    )


class Acme(Counting):
    """A model that a package brings."""


async def test_a_model_of_an_installed_package_gets_the_whole_name(monkeypatch):
    brought(monkeypatch, f"{__name__}:Acme")
    made = models(Settings(named_model="acme:large"))
    assert (type(made.root), made.root.name) == (Acme, "acme:large")


async def test_a_colon_in_the_name_of_an_endpoints_model_is_no_plug_in(monkeypatch):
    brought(monkeypatch, f"{__name__}:Acme")
    made = models(Settings(named_model="qwen3:8b", base_url="http://localhost:1/v1"))
    assert isinstance(made.root, OpenAIChat)
    await made.close()


def test_a_model_whose_plug_in_does_not_load_is_named(monkeypatch):
    brought(monkeypatch, "no_such_module:Acme")
    with pytest.raises(PlugInFailed, match="Model 'acme': its plug-in no_such_module:Acme does not load"):
        models(Settings(named_model="acme:large"))
