"""The price table."""

from __future__ import annotations

import pytest

from funnel.llm.budget import Price
from funnel.llm.prices import PRICES, price_of


def test_a_known_model_has_its_list_price():
    assert price_of("gpt-6.1-sol", {}) == Price(2.0, 10.0)
    assert price_of("gpt-6.1-terra", {}) == Price(1.0, 5.0)


@pytest.mark.parametrize("name", ["gpt-4o-2024-08-06", "gpt-4o"])
def test_a_dated_snapshot_costs_as_its_base_name(name):
    assert price_of(name, {}) == Price(2.50, 10.0)


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


def test_the_built_in_costs_nothing():
    assert PRICES["extractive"].cost(10**6, 10**6) == 0
