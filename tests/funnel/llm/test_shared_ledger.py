"""A ledger in a memory: no cap is passed, and what a dead holder had not sent comes back."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from funnel.asker import LOCAL_OWNER, Asker
from funnel.errors import BudgetExceeded, MemoryFailed
from funnel.llm.base import Message, Request, Retry
from funnel.llm.budget import Ledger, Limits, Price
from funnel.llm.limiter import Limiter
from funnel.llm.meter import Meter
from funnel.llm.pot import Amount, Pot, Share
from funnel.llm.scripted import ScriptedLLM
from funnel.llm.shared import SharedLedger
from funnel.llm.shares import Lost
from funnel.memory import InMemory, layout, open_memory
from funnel.trace.events import Events

DOLLAR = Price(1.0, 10.0)
LEASE_S = 0.3
CAPS = Limits.only(max_calls=40, max_tokens=8_000, max_usd=0.05)


@pytest.fixture(params=["in_memory", "sqlite", "files", "redis", "postgres", "s3"])
async def memory(request, tmp_path):
    """Every memory that there is; two openings of it are two processes' views of the same."""
    match request.param:
        case "in_memory":
            url = None
        case "sqlite":
            url = f"sqlite:///{tmp_path / 'm.sqlite'}"
        case "files":
            url = f"file://{tmp_path / 'm'}"
        case server:
            url = request.getfixturevalue(f"{server}_server").url
    opened = InMemory() if url is None else open_memory(url)
    yield opened
    await opened.close()


def shared(memory, limits=CAPS, name="day", **how):
    return SharedLedger(
        memory, name, limits, **{"label": "owner", "asker": LOCAL_OWNER, "lease_s": LEASE_S, **how}
    )


async def call(ledger: Ledger, *, took=(50, 50), tokens=(100, 100), send=True) -> None:
    reservation = await ledger.reserve_in_turn(*tokens, DOLLAR)
    await ledger.announce(reservation)
    if send:
        ledger.settle(reservation, input_tokens=took[0], output_tokens=took[1], price=DOLLAR)


async def vanish(ledger: SharedLedger) -> None:
    """Stop as a killed process does: nothing is written any more."""
    ledger._shared._beating.cancel()
    await asyncio.gather(ledger._shared._beating, return_exceptions=True)


async def until(true) -> None:
    for _ in range(3_000):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to be")


async def stored_pot(memory) -> Pot:
    return Pot.load((await memory.get_many(layout.ledger(Asker.owner(), "day"), ["pot"]))["pot"])


# over every memory


async def test_what_one_holder_spent_another_finds_spent(memory):
    async with shared(memory) as first:
        await call(first)
    async with shared(memory) as second:
        assert await second.total() == Amount(1, 100, pytest.approx(DOLLAR.cost(50, 50)))
        assert second.remaining_calls() == 40 - 1


async def test_holders_at_once_never_pass_a_cap(memory):
    chance = random.Random(11)

    async def work(holder: Ledger) -> int:
        run, done = Ledger(Limits(max_calls=None), parent=holder), 0
        while True:
            took = chance.randrange(100), chance.randrange(100)
            try:
                await call(run, took=took)
            except BudgetExceeded:
                return done
            done += 1
            await asyncio.sleep(0)

    async with AsyncExitStack() as stack:
        holders = [await stack.enter_async_context(shared(memory, lease_s=1.5)) for _ in range(3)]
        done = await asyncio.gather(*(work(holder) for holder in holders for _ in range(4)))
    spent = (await stored_pot(memory)).spent
    assert spent.calls == sum(done)
    assert CAPS.max_calls / 2 < spent.calls <= CAPS.max_calls
    assert spent.tokens <= CAPS.max_tokens
    assert spent.usd <= CAPS.max_usd + 1e-9


async def test_of_a_dead_holder_what_was_sent_counts_at_its_worst_and_the_rest_comes_back(memory):
    limits = Limits.only(max_calls=4, max_tokens=800)
    async with shared(memory, limits) as dead, shared(memory, limits) as heir:
        await call(dead, took=(10, 10))
        await call(dead, send=False)
        await dead.reserve_in_turn(100, 100, DOLLAR)  # never announced
        await vanish(dead)
        await asyncio.wait_for(heir._shared.prepare(100, 100, DOLLAR), 60)
        await until(lambda: heir.remaining_calls() >= 2)
        assert await heir.total() == Amount(2, 20 + 200, pytest.approx(DOLLAR.cost(10, 10) + 0.0011))
        for _ in range(2):
            await asyncio.wait_for(call(heir), 60)
        with pytest.raises(BudgetExceeded, match="max_calls = 4 of the owner is used up"):
            await asyncio.wait_for(call(heir), 60)


async def test_a_holder_that_others_took_for_dead_spends_nothing_before_it_has_joined_again(memory):
    async with shared(memory) as slow, shared(memory) as other:
        held = await slow.reserve_in_turn(100, 100, DOLLAR)
        await vanish(slow)
        await until(lambda: len(other._shared._others) == 1)
        with pytest.raises(MemoryFailed, match=r"not heard of for 0.3 s"):
            await slow.announce(held)
        slow.release(held)
        await call(slow)
        assert (await other.total()).calls == 1


# in memory


class Held(InMemory):
    """A memory in which shares are written only when `go` is set."""

    def __init__(self):
        super().__init__()
        self.go = asyncio.Event()
        self.go.set()
        self.broken = False

    async def compare_and_set(self, where, key, *, expected, value):
        if key.startswith("share/"):
            await self.go.wait()
            if self.broken:
                raise OSError("no space")
        return await super().compare_and_set(where, key, expected=expected, value=value)


async def test_a_call_that_is_announced_while_its_holder_is_found_dead_is_not_sent():
    memory = Held()
    async with shared(memory) as slow, shared(memory) as other:
        calls = [await slow.reserve_in_turn(100, 100, DOLLAR) for _ in range(2)]
        await vanish(slow)
        await until(lambda: len(other._shared._others) == 1)
        memory.go.clear()
        announced = [asyncio.create_task(slow.announce(call)) for call in calls[:1]]
        await asyncio.sleep(0.01)  # the share is being written, without the second call
        announced.append(asyncio.create_task(slow.announce(calls[1])))
        await asyncio.sleep(0.01)
        memory.go.set()
        ended = await asyncio.gather(*announced, return_exceptions=True)
        assert [type(error) for error in ended] == [Lost, Lost]
        for held in calls:
            slow.release(held)
        assert await other.total() == Amount()


async def test_within_a_closed_ledger_no_further_call_is_made(here):
    async with shared(here) as ledger:
        run = Ledger(Limits(), parent=ledger)
        held = await run.reserve_in_turn(100, 100, DOLLAR)
    with pytest.raises(MemoryFailed, match="owner ledger: it is closed, and a run within it goes on"):
        await run.announce(held)
    run.release(held)
    assert (await here.scan(layout.ledger(LOCAL_OWNER, "day"))) == ["pot"]


async def test_whoever_announces_hears_of_whatever_the_memory_raises():
    memory = Held()
    async with shared(memory) as ledger:
        held = await ledger.reserve_in_turn(100, 100, DOLLAR)
        memory.broken = True
        with pytest.raises(OSError, match="no space"):
            await asyncio.wait_for(ledger.announce(held), 30)
        memory.broken = False


async def test_a_repeated_call_draws_what_the_lost_attempt_took(here):
    limits, request = Limits.only(max_calls=12), Request((Message("user", "x"),), "query")

    class Late(ScriptedLLM):
        async def complete(self, request, options=None):
            await asyncio.sleep(0)
            await options.on_retry(Retry(1, "timeout", 0.0, may_be_billed=True))
            return await super().complete(request)

    async with shared(here, limits) as ledger:
        run = Ledger(Limits(), parent=ledger)
        meter = Meter(Late(["y"] * 3), run, Events("r"), price=DOLLAR, limit=Limiter(4))
        await asyncio.gather(*(meter.complete(request, parent=None) for _ in range(3)))
        assert (await ledger.total()).calls == 3 + 3


@pytest.fixture
def here():
    return InMemory()


async def test_another_tenants_ledger_of_the_same_name_is_another(here):
    acme, beta = (shared(here, asker=Asker.owner(name)) for name in ("acme", "beta"))
    async with acme, beta:
        await call(acme)
        assert ((await acme.total()).calls, (await beta.total()).calls) == (1, 0)


async def test_a_holder_draws_an_allowance_so_that_most_calls_leave_the_pot_alone(here):
    async with shared(here, Limits.only(max_calls=1_000)) as ledger:
        changes = 0
        for _ in range(100):
            before = await stored_pot(here)
            await call(ledger)
            changes += await stored_pot(here) != before
        assert changes <= 2


async def test_what_a_holder_does_not_use_it_gives_back_to_who_wants_it(here):
    limits = Limits.only(max_calls=10)
    async with shared(here, limits) as hoarder, shared(here, limits) as other:
        await hoarder._shared._draw(Amount(9))
        assert (await stored_pot(here)).free(limits).calls <= 1
        async with asyncio.timeout(60):
            for _ in range(9):
                await call(other)
        assert (await other.total()).calls == 9


async def test_the_last_calls_are_cut_to_what_the_pot_still_has(here):
    async with shared(here, Limits.only(max_tokens=170)) as ledger:
        assert (await ledger.reserve_in_turn(100, 100, DOLLAR)).output_tokens == 70


async def test_a_refusal_says_what_was_left(here):
    async with shared(here, Limits.only(max_tokens=150)) as ledger:
        with pytest.raises(BudgetExceeded, match=r"150 of the owner is used up .*150 left, 164 needed"):
            await ledger.reserve_in_turn(100, 100, DOLLAR)


async def test_the_deadline_of_a_shared_ledger_counts_from_when_the_first_opened_it(here):
    limits = Limits.only(timeout_s=100)
    async with shared(here, limits):
        pot = await stored_pot(here)
    earlier = Pot(pot.began - 60, pot.spent, pot.drawn, pot.wanted).dump()
    await here.put_many(layout.ledger(Asker.owner(), "day"), {"pot": earlier})
    async with shared(here, limits) as late:
        assert 30 < late.remaining_s < 41


async def test_cancelling_who_draws_or_announces_leaves_nothing_reserved(here):
    chance = random.Random(5)
    async with shared(here) as ledger:
        run = Ledger(Limits(max_calls=None), parent=ledger)
        tasks = [asyncio.create_task(reserved_and_let_go(run)) for _ in range(60)]
        while not all(task.done() for task in tasks):
            chance.choice(tasks).cancel()
            await asyncio.sleep(0)
        assert not any(run.balances[i]._open for i in (0, 1))
        assert await ledger.total() == Amount()


async def reserved_and_let_go(ledger: Ledger) -> None:
    held = await ledger.reserve_in_turn(10, 10, DOLLAR)
    try:
        await ledger.announce(held)
    finally:
        ledger.release(held)


async def test_a_ledger_of_a_later_version_is_refused_in_one_line(here):
    await here.put_many(layout.ledger(Asker.owner(), "day"), {"pot": b'{"format": 9}'})
    with pytest.raises(MemoryFailed, match=r"local/ledger/day cannot be read .format 9; this version reads"):
        await shared(here).__aenter__()


def test_a_pot_and_a_share_come_back_as_they_were_stored():
    pot = Pot(5.0, Amount(1, 2, 0.3), {"a": Amount(4, 5, 0.6)}, 7)
    share = Share({"id": "a"}, 3, Amount(1, 2, 0.3), Amount(1, 9, 0.9), ended=True)
    assert (Pot.load(pot.dump()), Share.load(share.dump())) == (pot, share)
