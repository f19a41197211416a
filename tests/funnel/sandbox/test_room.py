"""Sessions wait until their memory fits, and no tree of sessions waits for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from second_stage import a_run, cell, doc
from services.sandboxes import need

from funnel.inspector import Inspector
from funnel.llm.scripted import ScriptedLLM
from funnel.sandbox import open_sandbox, room
from funnel.sandbox.room import Room

DEEPEST = 3
TREES = st.recursive(
    st.builds(list), lambda inner: st.lists(inner, max_size=4), max_leaves=25
)  # a session and its children


class Counted:
    """Trees of sessions in one room, with the most memory that they ever took."""

    def __init__(self, total: int) -> None:
        self.room = Room(total)
        self.taken = self.most = 0

    async def session(self, tree: Sequence[object], need: int, depth: int = 0) -> None:
        async with self.room.of(need, depth=depth, max_depth=DEEPEST):
            self.taken += need
            self.most = max(self.most, self.taken)
            await asyncio.sleep(0)
            if depth < DEEPEST:
                await asyncio.gather(*(self.session(child, need, depth + 1) for child in tree))
            self.taken -= need


@settings(max_examples=150)
@given(st.lists(st.tuples(TREES, st.integers(1, 5)), min_size=1, max_size=4), st.integers(0, 30))
def test_any_trees_in_any_room_end_and_keep_to_it(trees, total):
    async def run():
        counted = Counted(total)
        async with asyncio.timeout(60):
            await asyncio.gather(*(counted.session(tree, need) for tree, need in trees))
        assert counted.most <= max(total, (DEEPEST + 1) * max(need for _, need in trees))
        assert (counted.taken, counted.room.n_open) == (0, 0)

    asyncio.run(run())


async def test_who_is_cancelled_while_waiting_takes_no_room():
    small = Room(1)
    async with small.of(1, depth=0, max_depth=0):
        waiting = asyncio.create_task(small.of(1, depth=0, max_depth=0).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with asyncio.timeout(5), small.of(1, depth=0, max_depth=0):
        assert small.n_open == 1


async def test_sessions_of_several_event_loops_share_a_room():
    small, inside, most = Room(2), 0, 0

    async def session():
        nonlocal inside, most
        async with small.of(1, depth=0, max_depth=0):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    async def several():
        await asyncio.gather(*(session() for _ in range(5)))

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, several()) for _ in range(4)))
    assert most == 2


def test_the_room_of_a_process_is_a_share_of_what_its_container_may_take(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_CONTROL_GROUPS", tmp_path)
    machine = room.memory_bytes()
    (tmp_path / "memory.max").write_text("max\n")
    assert room.memory_bytes() == machine
    (tmp_path / "memory.max").write_text(f"{64 * 1024**2}\n")
    assert room.memory_bytes() == 64 * 1024**2


@pytest.fixture(params=["monty", "bubblewrap"])
def engine(request):
    """The name of an engine that this machine can run."""
    need(request.param)
    return request.param


async def test_children_that_do_not_fit_wait_for_others_while_their_parent_waits(engine):
    sandbox, n = open_sandbox(engine), 12
    small = Room(3 * 192 * 1024**2)
    seen: list[int] = []

    def reply(request):
        seen.append(small.n_open)
        if "Child" not in request.messages[1].content:
            ids = [f"d{i}" for i in range(n)]
            return cell(
                f"r = rlm_query_batched(['Child?'] * {n}, [[d] for d in {ids}])",
                "submit(str(sum(x['ok'] for x in r)), citations=[])",
            )
        return cell("submit('x', citations=[])")

    try:
        async with a_run(
            ScriptedLLM([reply] * (n + 1)), documents=[doc(f"d{i}", f"Text {i}.") for i in range(n)]
        ) as bench:
            draft = await Inspector(sandbox, room=small).answer(bench.run, bench.hits())
    finally:
        await sandbox.close()
    assert draft.text == str(n)
    assert max(seen) <= 3
