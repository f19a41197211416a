"""What a run writes into its memory is counted and capped, and long strings are written once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from second_stage import a_run, cell, doc

from funnel import Limits, Options
from funnel.asker import LOCAL_OWNER
from funnel.inspector import Inspector
from funnel.journal import Journal, RunRecord
from funnel.journal.entries import Kept
from funnel.llm.base import StepId
from funnel.llm.budget import Ledger
from funnel.llm.models import Models
from funnel.llm.scripted import ScriptedLLM
from funnel.memory import InMemory, namespace
from funnel.memory.swap.hot_swap import HotSwap
from funnel.pipeline import Funnel
from funnel.router import Router
from funnel.types import EndReason
from indexes import RawDocuments
from indexes.types import OWNER

HERE = namespace("local", "run", "r")
LONG = "word " * 2_000
TEXTS = st.text(max_size=8) | st.sampled_from([LONG, LONG + "x", "$text"])
RESULTS = st.recursive(
    st.none() | st.integers() | TEXTS | st.just({"$text": "a"}),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXTS.map(lambda t: t[:8]), inner, max_size=3)
    ),
    max_leaves=12,
)


async def bytes_in(memory, where=HERE):
    keys = await memory.scan(where, "", limit=10_000)
    found = await memory.get_many(where, keys)
    return sum(len(value) for key, value in found.items() if key.startswith(("journal/", "text/", "note/")))


async def begun(memory):
    journal = Journal(memory, "r", asker=LOCAL_OWNER)
    await journal.begin(RunRecord("r", "q", "auto", 1, Limits(), OWNER, None, "m", "m", "s", "now"))
    return journal


async def test_the_same_long_result_takes_the_room_of_one():
    memory = InMemory()
    async with await begun(memory) as journal:
        for n in range(200):
            assert journal.keep(StepId((0, n), "f"), Kept([{"text": LONG, "n": n}]))
    assert await bytes_in(memory) < 2 * len(LONG) + 200 * 200


@given(st.lists(RESULTS, min_size=1, max_size=4))
async def test_a_resumed_run_gets_what_was_kept_to_the_letter(results):
    memory = InMemory()
    async with await begun(memory) as journal:
        for n, result in enumerate(results):
            journal.keep(StepId((0, n), "f"), Kept([result, LONG], remarks=("r",)))
    async with Journal(memory, "r", asker=LOCAL_OWNER) as again:
        await again.resume()
        assert [again.kept(StepId((0, n), "f")) for n in range(len(results))] == [
            Kept([result, LONG], remarks=("r",), folded=True) for result in results
        ]
        again.keep(StepId((0, 99), "f"), Kept([LONG]))
    async with Journal(memory, "r", asker=LOCAL_OWNER) as third:
        await third.resume()
        assert third.kept(StepId((0, 99), "f")).result == [LONG]


async def test_what_is_counted_is_what_is_written_in_all_attempts():
    memory, ledger = InMemory(), Ledger(Limits())
    async with await begun(memory) as journal:
        journal.count_with(ledger.count_stored)
        journal.keep(StepId((0, 1), "f"), Kept([LONG]))
        journal.set_value("hits", [1, 2])
        await journal.flush()
        assert ledger.usage.stored_bytes == await bytes_in(memory) > len(LONG)
    later = Ledger(Limits())
    async with Journal(memory, "r", asker=LOCAL_OWNER) as again:
        await again.resume()
        again.count_with(later.count_stored)
        assert later.usage.stored_bytes == ledger.usage.stored_bytes


async def test_a_result_that_does_not_fit_is_not_written_and_another_of_its_strings_is():
    memory = InMemory()
    async with await begun(memory) as journal:
        assert not journal.keep(StepId((0, 1), "f"), Kept([LONG]), at_most=1_000)
        assert journal.keep(StepId((0, 2), "f"), Kept([LONG]), at_most=20_000)
    async with Journal(memory, "r", asker=LOCAL_OWNER) as again:
        await again.resume()
        assert again.kept(StepId((0, 1), "f")) is None
        assert again.kept(StepId((0, 2), "f")).result == [LONG]


@pytest.fixture
async def ask(sandbox, tmp_path):
    """Asks a funnel over three documents, whose model gives these replies; returns answer and memory."""
    memory = InMemory()
    funnels = []

    async def asked(*replies, max_stored_bytes):
        model = ScriptedLLM(replies)
        funnel = Funnel(
            RawDocuments([doc(f"d{i}", f"{i} {8 * LONG}") for i in range(3)]).as_owner(),
            models=Models(model, model, prices={"scripted": (0, 0)}),
            memory=HotSwap(memory),
            sandbox=sandbox,
            trace_dir=tmp_path,
            router=Router(),
        )
        funnels.append(funnel)
        options = Options(mode="deep", limits=Limits(max_stored_bytes=max_stored_bytes), learn=False)
        return await funnel.ask("Which word?", options), memory

    yield asked
    for funnel in funnels:
        await funnel.close()


@pytest.mark.parametrize(
    "code",
    [
        "for i in range(400): note('k' + str(i), 'x' * 900 + str(i))",
        "note('k', 'x' * 150)\nfor i in range(5_000): notes()",
        "for i in range(2_000): search('word ' + str(i), k=3)",
        "for i in range(5_000):\n    try: note('', '')\n    except RuntimeError: pass",
        "for i in range(60):\n    try: grep('(?s).{3' + str(i) + '}', 'all')\n    except Exception: pass",
    ],
)
async def test_a_run_that_has_stored_all_that_it_may_ends_with_what_it_has(ask, code):
    answer, memory = await ask(cell(code), "In short: unknown.", max_stored_bytes=100_000)
    assert (answer.end_reason, answer.status) == (EndReason.BUDGET, "partial")
    assert "max_stored_bytes = 100000 is used up" in answer.notices[0]
    assert answer.usage.stored_bytes < 120_000
    assert await bytes_in(memory, namespace("local", "run", answer.run)) < 120_000


async def test_the_code_is_told_that_a_result_is_more_than_may_be_stored(sandbox):
    model = ScriptedLLM([cell("grep('(?s).{9000}', docs='all')"), "In short: unknown."])
    documents = [doc(f"d{i}", LONG + str(i)) for i in range(9)]
    async with a_run(model, documents=documents, limits=Limits(max_stored_bytes=20_000)) as bench:
        draft = await Inspector(sandbox).answer(bench.run, bench.hits())
    assert draft.end_reason is EndReason.BUDGET
    told = bench.data("cell", "end")[0]["error"]
    assert "grep() returned more than this run may still store (max_stored_bytes = 20000 is used up" in told


async def test_pages_that_may_not_be_stored_are_read_all_the_same(ask):
    code = "t = [read('d' + str(i)) for i in range(3)] * 2\nsubmit(str(sum(map(len, t))), citations=[])"
    answer, memory = await ask(cell(code), max_stored_bytes=100_000)
    pages = [where for where in await memory.namespaces() if "/document/" in where]
    stored = [await memory.get_many(where, await memory.scan(where)) for where in pages]
    assert answer.text == str(6 * len(f"0 {8 * LONG}"))
    assert sum(len(page) for each in stored for page in each.values()) <= 100_000
