"""The service tier of calls: sent, served, billed, shown; what flex refuses, the standard tier serves."""

from __future__ import annotations

import pytest
from chat_server import ChatServer, Reply, error
from second_stage import SHOP, reading

from funnel.errors import BadSetting, BudgetExceeded
from funnel.factory import build, limits
from funnel.llm.base import CallOptions, Message, Request
from funnel.llm.budget import Ledger, Limits
from funnel.llm.limiter import Limiter
from funnel.llm.meter import Meter
from funnel.llm.openai.chat import FLEX_PAUSE_S, OpenAIChat
from funnel.llm.tariff import Price, Tariff
from funnel.pipeline import Options
from funnel.settings import Settings
from funnel.trace.events import Events
from indexes import RawDocuments

ASK = Request((Message("user", "x" * 40),), "query", max_output_tokens=100)
TARIFF = Tariff(Price(1.0, 10.0), flex=Price(0.5, 5.0), priority=Price(2.0, 20.0))
BUSY = error(429, "Resource unavailable", code="resource_unavailable")


def served(tier, text="ok"):
    """A reply that names the tier that served it."""
    return Reply(text, usage=(1_000, 100), tier=tier)


class Rig:
    """A meter that calls one model at a tier."""

    def __init__(self, server, tier, cap=None):
        self.chat = OpenAIChat("m", base_url=server.url, tier=tier, backoff_s=0.01)
        self.ledger, self.seen = Ledger(cap or Limits()), []
        events = Events("r", self.seen.append)
        self.meter = Meter(self.chat, self.ledger, events, price=TARIFF, limit=Limiter(4))

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_exc):
        await self.chat.close()

    async def ask(self):
        return await self.meter.complete(ASK, parent=None)

    def data(self, kind, phase="point"):
        return [event.data for event in self.seen if (event.kind, event.phase) == (kind, phase)]


def asked_tiers(server):
    return [seen.body.get("service_tier") for seen in server.seen]


@pytest.mark.parametrize(
    ("tier", "sent", "said", "usd", "shown"),
    [
        ("standard", None, "default", (1_000 * 1 + 100 * 10) / 1e6, ""),
        ("flex", "flex", "flex", (1_000 * 0.5 + 100 * 5) / 1e6, "flex"),
        ("priority", "priority", "priority", (1_000 * 2 + 100 * 20) / 1e6, "priority"),
        ("priority", "priority", "default", (1_000 * 1 + 100 * 10) / 1e6, "standard"),
        ("flex", "flex", "default", (1_000 * 1 + 100 * 10) / 1e6, "standard"),
        ("standard", None, "priority", (1_000 * 2 + 100 * 20) / 1e6, "priority"),
    ],
)
async def test_a_call_costs_what_the_tier_costs_that_served_it(chat_server, tier, sent, said, usd, shown):
    chat_server.script(served(said))
    async with Rig(chat_server, tier) as rig:
        await rig.ask()
        assert asked_tiers(chat_server) == [sent]
        assert rig.ledger.usage.cost_usd == pytest.approx(usd)
        assert rig.ledger.usage.tier == shown
        other = "The endpoint of m served calls that asked for the {} tier at the standard tier."
        assert rig.meter.notices == (() if said != "default" or sent is None else (other.format(tier),))
        assert rig.data("model_call", "end")[0].get("tier", "") == shown


async def test_what_flex_has_no_room_for_is_asked_at_the_standard_tier_and_said(chat_server):
    chat_server.script(BUSY, served("default"))
    async with Rig(chat_server, "flex") as rig:
        await rig.ask()
        assert asked_tiers(chat_server) == ["flex", None]
        assert rig.ledger.usage.cost_usd == pytest.approx((1_000 * 1 + 100 * 10) / 1e6)
        assert rig.ledger.usage.model_calls == 1
        [retry] = rig.data("retry")
        assert (retry["tier"], retry["wait_s"]) == ("standard", 0.0)
        [notice] = rig.meter.notices
        assert notice == (
            "Some calls were made at the standard tier: the flex tier did not serve the call: HTTP 429, "
            "Resource unavailable."
        )


async def test_the_next_call_asks_flex_again_after_it_was_busy(chat_server):
    chat_server.script(BUSY, served("default"), served("flex"))
    async with Rig(chat_server, "flex") as rig:
        await rig.ask()
        await rig.ask()
        assert asked_tiers(chat_server) == ["flex", None, "flex"]
        assert rig.ledger.usage.tier == "standard, flex"


async def test_flex_that_takes_half_of_the_time_is_given_up_and_counted_at_its_worst(chat_server):
    chat_server.script(Reply(delay_s=60), served("default"), served("default"))
    async with Rig(chat_server, "flex", Limits(timeout_s=4.0)) as rig:
        await rig.ask()
        await rig.ask()  # flex is not asked again for a while
        assert asked_tiers(chat_server) == ["flex", None, None]
        worst = (28 * 1 + 100 * 10) / 1e6
        assert rig.ledger.usage.cost_usd == pytest.approx(worst + 2 * (1_000 * 1 + 100 * 10) / 1e6)
        assert "no answer within 2 s" in rig.meter.notices[0]
        assert FLEX_PAUSE_S > 60


async def test_the_standard_tier_is_not_asked_for_what_the_cap_does_not_allow(chat_server):
    chat_server.script(Reply(delay_s=60), served("default"))
    cap = 1.5 * TARIFF.standard.cost(28, 100)
    async with Rig(chat_server, "flex", Limits(max_usd=cap, timeout_s=3.0)) as rig:
        with pytest.raises(BudgetExceeded, match="max_usd"):
            await rig.ask()
        assert asked_tiers(chat_server) == ["flex"]
        assert rig.ledger.usage.cost_usd <= cap


async def test_an_endpoint_that_does_not_know_the_parameter_serves_without_and_one_line_says_so(chat_server):
    refused = error(400, "Unrecognized request argument supplied: service_tier", param="service_tier")
    chat_server.script(refused, Reply("ok", usage=(1_000, 100)), Reply("ok", usage=(1_000, 100)))
    async with Rig(chat_server, "flex") as rig:
        await rig.ask()
        await rig.ask()
        assert asked_tiers(chat_server) == ["flex", None, None]
        assert rig.ledger.usage.cost_usd == pytest.approx(2 * (1_000 * 1 + 100 * 10) / 1e6)
        [notice] = rig.meter.notices
        assert notice.startswith(
            "The endpoint of m does not say that it served the flex tier: it may not know it"
        )


async def test_a_refusal_at_flex_is_an_error_and_no_reason_to_pay_more(chat_server):
    chat_server.script(error(401, "wrong key"))
    async with Rig(chat_server, "flex") as rig:
        with pytest.raises(Exception, match="wrong key"):
            await rig.ask()
        assert asked_tiers(chat_server) == ["flex"]


async def test_an_answer_shows_the_tier_and_what_was_cached(tmp_path):
    with ChatServer() as server:
        text = reading("Two weeks [1].", (1, "We refund within 14 days."))
        server.script(Reply(text, usage=(1_000, 100), tier="flex", cached_tokens=800))
        settings = Settings(
            named_model="m", base_url=server.url, memory="memory://", trace_dir=tmp_path, tier="flex",
            prices={"m": (1.0, 10.0, 0.1)},
        )  # fmt: skip
        async with build(RawDocuments(SHOP).as_owner(), settings) as funnel:
            answer = await funnel.ask("How long?", Options(mode="lookup", limits=limits(settings)))
    assert (answer.usage.tier, answer.usage.cached_input_tokens) == ("flex", 800)
    assert answer.usage.cost_usd == pytest.approx((200 * 0.5 + 800 * 0.05 + 100 * 5) / 1e6)


def test_a_tier_that_does_not_exist_is_refused(monkeypatch):
    monkeypatch.setenv("FUNNEL_TIER", "cheap")
    with pytest.raises(BadSetting, match="FUNNEL_TIER: must be standard, flex or priority, not 'cheap'"):
        Settings()


async def test_a_model_called_directly_falls_back_as_well(chat_server):
    chat_server.script(BUSY, served("default", "fine"))
    told = []
    chat = OpenAIChat("m", base_url=chat_server.url, tier="flex")
    assert (await chat.complete(ASK, CallOptions(on_retry=told.append))).text == "fine"
    await chat.close()
    assert [retry.tier for retry in told] == ["standard"]
