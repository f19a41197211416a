"""Many runs of one job: its cap holds for all of them together, whatever is cancelled."""

from __future__ import annotations

import asyncio
import random

import pytest
import resume_worker
from resume_worker import PRICES, QUESTION, documents

from funnel.errors import BudgetExceeded, FunnelError
from funnel.llm.budget import Ledger, Limits
from funnel.llm.models import Models
from funnel.llm.openai.chat import OpenAIChat
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.sandbox.monty.engine import MontySandbox


@pytest.fixture
async def funnel(chat_server, tmp_path):
    chat_server.default = resume_worker.model
    chat = OpenAIChat("m", base_url=chat_server.url, max_retries=0)
    made = Funnel(
        documents(None).as_owner(),
        models=Models(chat, chat, prices=PRICES, max_parallel=5),
        memory=InMemory(),
        sandbox=MontySandbox(max_processes=8),
        trace_dir=tmp_path,
        router=Router(),
        learn=False,
    )
    async with made:
        yield made


def asked(funnel: Funnel, job: Ledger, **limits):
    options = Options(mode="deep", limits=Limits(max_depth=1, **limits), ledger=job, fresh=True)
    return funnel.ask(QUESTION, options)


@pytest.mark.parametrize("cap", [{"max_calls": 37}, {"max_usd": 0.7}, {"max_tokens": 90_000}])
async def test_runs_at_once_never_pass_a_cap_of_their_job(funnel, chat_server, cap):
    job, chance = Ledger(Limits.only(**cap), name="job"), random.Random(3)
    runs = [asyncio.create_task(asked(funnel, job)) for _ in range(5)]
    for victim in chance.sample(runs, 2):
        await asyncio.sleep(0.15)
        victim.cancel()
    ended = await asyncio.gather(*runs, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError | FunnelError) or each.run for each in ended)
    served, usage = chat_server.served, job.usage
    reported = usage.input_tokens + usage.output_tokens
    assert served.calls <= usage.model_calls <= cap.get("max_calls", 10**9)
    assert served.input_tokens + served.output_tokens <= reported <= cap.get("max_tokens", 10**9)
    assert usage.cost_usd <= cap.get("max_usd", 10**9) + 1e-9
    assert (job.in_flight, job.remaining_calls()) == (
        0,
        cap["max_calls"] - usage.model_calls if "max_calls" in cap else None,
    )
    assert chat_server.most_at_once <= 5


async def test_what_each_run_spent_adds_up_to_what_their_job_spent(funnel, chat_server):
    job = Ledger(Limits.only(), name="job")
    answers = await asyncio.gather(*(asked(funnel, job) for _ in range(2)))
    assert job.usage.model_calls == sum(a.usage.model_calls for a in answers) == chat_server.served.calls
    assert job.usage.cost_usd == pytest.approx(sum(a.usage.cost_usd for a in answers))
    assert job.usage.turns == sum(a.usage.turns for a in answers)


async def test_a_run_that_its_job_has_no_room_for_is_refused_before_anything_is_written(funnel):
    with pytest.raises(BudgetExceeded, match="max_calls = 0 of the job"):
        await asked(funnel, Ledger(Limits.only(max_calls=0), name="job"))
    assert await funnel._memory.namespaces() == []
