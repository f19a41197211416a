"""Prices and windows of models, by their names and endpoints."""

from __future__ import annotations

import subprocess
import sys

import pytest

from funnel.llm.prices import listing, price_of, tariff_of
from funnel.llm.tariff import CachedInput, Price, Tariff

OPENAI = "openai https://api.openai.com/v1"
LOCAL = "openai http://127.0.0.1:8000/v1"


def rates(price):
    return None if price is None else (price.input_usd, price.output_usd)


def test_a_known_model_has_its_list_price():
    assert rates(price_of("gpt-6.1-sol", {})) == (2.0, 10.0)
    assert rates(price_of("gpt-6.1-terra", {})) == (1.0, 5.0)


@pytest.mark.parametrize("name", ["gpt-4o-2024-08-06", "gpt-4o"])
def test_a_dated_snapshot_costs_as_its_base_name(name):
    assert rates(price_of(name, {})) == (2.50, 10.0)


@pytest.mark.parametrize("name", ["gpt-4o-audio", "gpt-6.1-sol-2026", "llama3", "", "-2024-08-06"])
def test_a_name_that_is_not_in_the_table_has_no_price(name):
    assert price_of(name, {}) is None


def test_what_the_user_states_goes_before_the_table():
    assert price_of("gpt-6.1-sol", {"gpt-6.1-sol": (1.0, 2.0)}) == Price(1.0, 2.0)


def test_what_the_user_states_for_a_base_name_holds_for_its_snapshots():
    assert price_of("mine-2026-01-01", {"mine": (1.0, 2.0)}) == Price(1.0, 2.0)


def test_an_exact_name_goes_before_a_base_name():
    stated = {"mine": (1.0, 2.0), "mine-2026-01-01": (3.0, 4.0)}
    assert price_of("mine-2026-01-01", stated) == Price(3.0, 4.0)


def test_the_user_may_state_the_price_of_cached_input():
    assert price_of("mine", {"mine": (1.0, 2.0, 0.1)}) == Price(1.0, 2.0, 0.1)


def test_the_built_in_costs_nothing():
    assert price_of("extractive", {}).cost(10**6, 10**6) == 0


@pytest.mark.parametrize(
    ("model", "base_url", "expected"),
    [
        ("gpt-4o", "https://acme.openai.azure.com/openai/v1", (2.5, 10.0)),
        ("openai/gpt-6.1-sol", "https://openrouter.ai/api/v1", (2.0, 10.0)),
        ("claude-opus-5", "https://api.anthropic.com/v1/", (5.0, 25.0)),
        ("gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/openai/", (1.25, 10.0)),
        ("llama-3.3-70b-versatile", "https://api.groq.com/openai/v1", (0.59, 0.79)),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "https://api.together.xyz/v1", (0.88, 0.88)),
        ("mistral-small-latest", "https://api.mistral.ai/v1", (0.15, 0.6)),
        ("gpt-5-mini-20250807", OPENAI, (0.25, 2.0)),
        ("ft:gpt-4o-mini-2024-07-18:acme::1", OPENAI, (0.3, 1.2)),
    ],
)
def test_the_provider_is_the_one_whose_base_url_it_is(model, base_url, expected):
    assert rates(price_of(model, {}, base_url)) == expected


@pytest.mark.parametrize("model", ["gpt-4o", "openai/gpt-4o", "anthropic/claude-opus-5", "grok-4.5"])
def test_a_model_that_one_maker_sells_has_its_price_behind_a_gateway(model):
    assert price_of(model, {}, LOCAL) is not None


@pytest.mark.parametrize(
    "model", ["qwen3:8b", "gpt-oss:20b", "openai/gpt-oss-20b", "mistral-small", "acme/gpt-4o", "my-model"]
)
def test_a_model_that_anybody_may_host_has_no_price_at_ones_own_server(model):
    assert price_of(model, {}, LOCAL) is None


def test_a_model_that_a_known_provider_does_not_list_has_no_price():
    assert price_of("gpt-4o", {}, "https://api.groq.com/openai/v1") is None


def test_a_long_prompt_is_billed_at_its_own_rates_as_a_whole():
    sol = price_of("gpt-6.1-sol", {}, OPENAI)
    assert sol.cost(272_000, 1_000) == (272_000 * 2 + 1_000 * 10) / 1e6
    assert sol.cost(272_001, 1_000) == (272_001 * 4 + 1_000 * 15) / 1e6


def test_cached_input_has_its_own_price():
    sol = price_of("gpt-6.1-sol", {}, OPENAI)
    assert sol.cost(1_000, 0, CachedInput(read=900)) == pytest.approx((100 * 2 + 900 * 0.1) / 1e6)
    assert Price(1.0, 2.0).cost(1_000, 0, CachedInput(read=900)) == 1_000 / 1e6


def test_input_written_into_the_cache_has_its_own_price():
    sol = price_of("gpt-6.1-sol", {}, OPENAI)
    assert sol.cost(1_000, 0, CachedInput(written=400)) == pytest.approx((600 * 2 + 400 * 2.5) / 1e6)


@pytest.mark.parametrize("cached", [CachedInput(read=5_000), CachedInput(read=-3), CachedInput(900, 900)])
def test_a_prompt_never_costs_less_than_nothing_or_more_than_its_worst(cached):
    sol = price_of("gpt-6.1-sol", {}, OPENAI)
    assert (
        sol.cost(1_000, 0, CachedInput(read=1_000))
        <= sol.cost(1_000, 0, cached)
        <= sol.worst().cost(1_000, 0)
    )


def test_the_worst_case_knows_of_no_cache_and_of_long_prompts():
    worst = price_of("gpt-6.1-sol", {}, OPENAI).worst()
    assert worst.cost(1_000, 100) == (1_000 * 2.5 + 100 * 10) / 1e6
    assert worst.cost(300_000, 100) == (300_000 * 5 + 100 * 15) / 1e6


def test_flex_costs_half_and_priority_as_it_is_listed():
    sol = tariff_of("gpt-6.1-sol", {}, OPENAI)
    assert (rates(sol.of("flex")), rates(sol.of("priority"))) == ((1.0, 5.0), (4.0, 20.0))
    assert rates(tariff_of("gpt-4o", {}, OPENAI).of("priority")) == (4.25, 17.0)


def test_a_stated_price_is_the_one_of_the_standard_tier():
    mine = tariff_of("mine", {"mine": (1.0, 10.0, 0.5)}, LOCAL)
    assert mine == Tariff(Price(1.0, 10.0, 0.5), Price(0.5, 5.0, 0.25), Price(2.0, 20.0, 1.0))


def test_flex_costs_no_less_where_nobody_says_so():
    groq = tariff_of("llama-3.3-70b-versatile", {}, "https://api.groq.com/openai/v1")
    assert groq.of("flex") == groq.standard


@pytest.mark.parametrize(
    ("asked", "said", "expected"),
    [
        ("flex", "flex", 5.0), ("flex", "default", 10.0), ("flex", "", 10.0), ("standard", "default", 10.0),
        ("priority", "priority", 20.0), ("priority", "fast", 20.0), ("priority", "default", 10.0),
        ("priority", "", 20.0), ("standard", "priority", 20.0), ("flex", "Flex ", 5.0),
    ],
)  # fmt: skip
def test_a_call_is_billed_at_the_tier_that_served_it_or_at_the_dearest(asked, said, expected):
    assert tariff_of("gpt-6.1-sol", {}, OPENAI).served(said, asked=asked).output_usd == expected


def test_a_call_reserves_the_dearest_tier_that_may_serve_it():
    sol = tariff_of("gpt-6.1-sol", {}, OPENAI)
    assert [sol.worst(asked).output_usd for asked in ("standard", "flex", "priority")] == [10.0, 10.0, 20.0]


def test_a_known_model_has_its_window():
    assert listing("gpt-4o", OPENAI).window_tokens == 128_000


def test_the_price_of_the_built_in_loads_no_list_of_prices():
    code = (
        "import sys; from funnel.llm.prices import tariff_of; tariff_of('extractive', {}); "
        "tariff_of('scripted', {}); print('genai_prices' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
