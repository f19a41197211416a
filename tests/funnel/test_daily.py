"""What a tenant's owner may spend a day holds over all runs, jobs and processes with the same memory."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from second_stage import cell, doc

from funnel import factory
from funnel.asker import Asker
from funnel.errors import BadSetting, BudgetExceeded
from funnel.journal.housekeeping import remove_runs_before
from funnel.llm.budget import Ledger, Limits
from funnel.llm.daily import DailyBudget
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

ACME, BETA = Asker.owner("acme"), Asker.owner("beta")
TWO_TURNS = [cell("x = 1"), cell("submit('May ' + cite('lease', quote='ends in May'))")]


@pytest.fixture
def memory():
    return InMemory()


@pytest.fixture
async def replica(memory, tmp_path):
    """Makes a funnel, as another process with the same memory would have."""
    made = []

    def make(**daily) -> Funnel:
        llm = ScriptedLLM(TWO_TURNS * 9)
        funnel = Funnel(
            RawDocuments([doc("lease", "The lease ends in May.", "Lease")]),
            models=Models(llm, llm, prices={"scripted": (1.0, 1.0)}),
            memory=memory,
            sandbox=MontySandbox(max_processes=2),
            trace_dir=tmp_path,
            router=Router(),
            daily=Limits.only(**daily) if daily else None,
        )
        made.append(funnel)
        return funnel

    yield make
    for funnel in made:
        await funnel.close()


def asked(funnel: Funnel, asker: Asker = ACME, **options):
    limits = Limits(max_calls=3)  # too few to keep one for the last call
    return funnel.ask("When does it end?", Options(mode="deep", asker=asker, limits=limits, **options))


async def test_replicas_share_their_owners_day(replica):
    first, second = replica(max_calls=4), replica(max_calls=4)
    for funnel in (first, second):
        assert (await asked(funnel)).usage.model_calls == 2
    with pytest.raises(BudgetExceeded, match=r"max_calls = 4 of the owner's day is used up") as refused:
        await asked(first)
    assert refused.value.ledger == "owner's day"


async def test_each_tenant_has_a_day_of_its_own(replica):
    funnel = replica(max_calls=2)
    for asker in (ACME, BETA):
        assert (await asked(funnel, asker)).status == "complete"
    with pytest.raises(BudgetExceeded):
        await asked(funnel, BETA)


async def test_a_run_that_is_resumed_draws_on_its_owners_day_for_what_is_left_to_do(replica, memory):
    funnel = replica(max_calls=3)
    await asked(funnel)
    run = (await asked(funnel)).run  # its second call was refused
    again = await funnel.resume(run, ResumeOptions(asker=ACME))
    assert (again.end_reason, again.usage.model_calls) == (EndReason.BUDGET, 1)
    assert "max_calls = 3 of the owner's day is used up" in again.notices[0]
    assert (await replica(max_calls=9).resume(run, ResumeOptions(asker=ACME))).status == "complete"
    async with DailyBudget(memory, Limits.only(max_calls=9)).open(ACME) as day:
        assert (await day.total()).calls == 2 + 1 + 2, "what the run had spent before was counted again"


async def test_a_new_day_has_a_ledger_of_its_own(memory):
    now = datetime(2026, 11, 28, 23, 59, tzinfo=UTC)
    budget = DailyBudget(memory, Limits.only(max_calls=1), now=lambda: now)
    async with budget.open(ACME) as today:
        held = await today.reserve_in_turn(1, 1, None)
        today.settle(held, input_tokens=1, output_tokens=1, price=None)
    now = datetime(2026, 11, 29, tzinfo=UTC)
    async with budget.open(ACME) as tomorrow:
        assert tomorrow.remaining_calls() == 1
    assert await memory.namespaces() == ["acme/ledger/day%2F2026-11-28", "acme/ledger/day%2F2026-11-29"]


async def test_runs_at_once_share_one_holder_which_goes_with_the_last(memory):
    budget = DailyBudget(memory, Limits.only(max_calls=1))
    async with budget.open(ACME) as first, budget.open(ACME) as second:
        assert first is second
    assert budget._opened == {}


async def test_a_job_draws_on_its_owners_day(replica):
    funnel = replica(max_calls=2)
    async with funnel.job(Limits.only(max_calls=100), asker=ACME) as job:
        await asked(funnel, ledger=job)
        with pytest.raises(BudgetExceeded, match="owner's day"):
            await asked(funnel, ledger=job)
    assert job.usage.model_calls == 2


@pytest.mark.parametrize("asker", [ACME, BETA])
async def test_a_ledger_that_would_stand_beside_its_owners_day_is_refused(replica, asker):
    funnel = replica(max_calls=2)
    async with funnel.job(Limits.only(), asker=BETA if asker is ACME else ACME) as another:
        for ledger in (Ledger(Limits.only(), name="job"), another):
            with pytest.raises(BadSetting, match=r"ledger: it does not draw on its owner's budget"):
                await asked(funnel, asker, ledger=ledger)


async def test_a_job_with_a_name_goes_on_where_it_was(replica):
    limits = Limits.only(max_calls=3)
    async with replica().job(limits, asker=ACME, name="nightly") as job:
        assert (await asked(replica(), ledger=job)).usage.model_calls == 2
    async with replica().job(limits, asker=ACME, name="nightly") as job:
        assert job.remaining_calls() == 1
    async with replica().job(limits, asker=BETA, name="nightly") as job:
        assert job.remaining_calls() == 3


def test_the_setting_caps_the_dollars_of_a_day(monkeypatch):
    assert factory.daily(Settings()) is None
    monkeypatch.setenv("FUNNEL_MAX_USD_PER_DAY", "2.5")
    assert factory.daily(Settings()) == Limits.only(max_usd=2.5)


async def test_the_ledgers_of_days_gone_by_are_removed_with_their_runs(memory):
    async def spend(day: int, asker: Asker = ACME) -> str:
        budget = DailyBudget(memory, Limits.only(), now=lambda: datetime(2026, 11, day, tzinfo=UTC))
        async with budget.open(asker):
            return f"{asker.tenant}/ledger/day%2F2026-11-{day}"

    spaces = [await spend(26), await spend(27), await spend(28), await spend(26, BETA)]
    noon, ann = datetime(2026, 11, 28, 12, tzinfo=UTC), Asker.of("ann", tenant="acme")
    await remove_runs_before(memory, noon, asker=ann)
    assert sorted(await memory.namespaces()) == sorted(spaces)
    await remove_runs_before(memory, noon, asker=ACME)
    assert sorted(await memory.namespaces()) == sorted(spaces[2:])


async def test_the_ledger_of_a_day_that_somebody_draws_on_stays(memory):
    yesterday = datetime(2026, 11, 27, tzinfo=UTC)
    async with DailyBudget(memory, Limits.only(), now=lambda: yesterday).open(ACME):
        await remove_runs_before(memory, datetime(2026, 11, 29, tzinfo=UTC), asker=ACME)
        assert await memory.namespaces() == ["acme/ledger/day%2F2026-11-27"]
