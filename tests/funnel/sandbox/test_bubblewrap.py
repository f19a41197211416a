"""The bubblewrap engine beyond the contract: what model-written code is made of."""

from __future__ import annotations

import asyncio

import pytest
from constructs import HINTED, WORKS
from services.sandboxes import need

from funnel.sandbox.bubblewrap.host.engine import BubblewrapSandbox
from funnel.testing.sandbox import SandboxContract


@pytest.fixture(scope="module")
def engine():
    need("bubblewrap")
    engine = BubblewrapSandbox()
    yield engine
    asyncio.run(engine.close())


@pytest.fixture
def sandbox(engine):
    return engine


CONTEXT = ["alpha one", "beta two", "gamma"]


async def llm_query(prompt, model=None):
    return "A:" + prompt


async def llm_query_batched(prompts):
    return ["A:" + prompt for prompt in prompts]


def session(sandbox, limits=None, **functions):
    mine = {"llm_query": llm_query, "llm_query_batched": llm_query_batched, **functions}
    return sandbox.session(mine, {"context": CONTEXT}, limits)


class TestBubblewrap(SandboxContract):
    @pytest.fixture
    def sandbox(self, engine):
        return engine


@pytest.mark.parametrize("construct", WORKS, ids=lambda c: c.code[:60])
async def test_a_construct_of_model_written_code_runs(sandbox, construct):
    async with session(sandbox) as cell:
        result = await cell.run(construct.code)
    assert (result.error, result.stdout.rstrip("\n")) == (None, construct.stdout)


@pytest.mark.parametrize("construct", HINTED, ids=lambda c: c.code[:60])
async def test_a_construct_that_monty_lacks_runs_or_is_answered_with_what_to_write(sandbox, construct):
    async with session(sandbox) as cell:
        result = await cell.run(construct.code)
    assert result.error is None or result.error.hint or result.error.source_line.startswith("raise ")
