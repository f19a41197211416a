"""The contract of a tool holds for plain and declared functions, and fails for wrong ones."""

from __future__ import annotations

import asyncio
import time

import pytest

from funnel import tool
from funnel.errors import BadTool
from funnel.inspector.tools.registry import RESERVED
from funnel.sandbox.base import HostError
from funnel.testing.tool import ToolContract
from funnel.tools import user_tools


def rate(currency: str) -> float:
    """The rate of the euro to a currency."""
    return {"USD": 1.25}[currency]


@tool(exposes=lambda result: [each["id"] for each in result])
async def leases(owner: str, *, at_most: int = 2) -> list[dict[str, str]]:
    """The leases of an owner."""
    return [{"id": f"{owner}-{n}", "text": "A lease."} for n in range(at_most)]


class TestPlain(ToolContract):
    @pytest.fixture
    def tool(self):
        return rate

    @pytest.fixture
    def calls(self):
        return [{"currency": "USD"}]

    @pytest.fixture
    def wrong_calls(self):
        return [{"currency": "XXX"}, {"currency": 7}, {}, {"currency": "USD", "day": 1}]


class TestDeclared(ToolContract):
    @pytest.fixture
    def tool(self):
        return leases

    @pytest.fixture
    def calls(self):
        return [{"owner": "ada"}, {"owner": "ada", "at_most": 0}]

    @pytest.fixture
    def wrong_calls(self):
        return [{"owner": "ada", "at_most": "many"}]


def returns_an_object(currency: str) -> object:
    """Return what JSON does not know."""
    return object()


def takes_anything(currency: object) -> float:
    """Refuse nothing."""
    return 1.0


@tool(exposes=lambda result: [result["id"]])
def fails_to_name(currency: str) -> float:
    """Name no document."""
    return 1.0


@tool(timeout_s=0.1)
def sleeps(currency: str) -> float:
    """Take too long."""
    time.sleep(0.3)
    return 1.0


def busy_for_good():
    busy = False

    async def call(currency: str) -> float:
        """Serve nobody after a call that was cancelled."""
        nonlocal busy
        if busy:
            raise RuntimeError("busy")
        busy = True
        await asyncio.sleep(0.01)
        busy = False
        return 1.0

    return call


@pytest.mark.parametrize(
    ("function", "test"),
    [
        (returns_an_object, "test_each_call_returns_json_within_its_bounds"),
        (sleeps, "test_each_call_returns_json_within_its_bounds"),
        (takes_anything, "test_a_wrong_call_is_refused_with_a_message_for_the_code"),
        (fails_to_name, "test_it_names_the_documents_whose_text_a_result_may_hold"),
        (busy_for_good(), "test_many_concurrent_calls_complete"),
        (busy_for_good(), "test_a_cancelled_call_leaves_it_usable"),
    ],
)
async def test_a_wrong_tool_fails_the_contract(function, test):
    [declared] = user_tools([function], RESERVED)
    given = [declared, [{"currency": "USD"}]]
    if "wrong" in test:
        given[1] = [{"currency": 7}]
    with pytest.raises((AssertionError, HostError, pytest.fail.Exception)):
        await getattr(ToolContract(), test)(*given)


@pytest.mark.parametrize(
    "test", ["test_each_call_returns_json_within_its_bounds", "test_many_concurrent_calls_complete"]
)
async def test_a_right_tool_passes_what_the_wrong_ones_fail(test):
    [declared] = user_tools([rate], RESERVED)
    await getattr(ToolContract(), test)(declared, [{"currency": "USD"}])


def test_a_function_without_hints_is_no_tool():
    with pytest.raises(BadTool):
        user_tools([lambda: 1], RESERVED)
