"""A deep run whose memory is swapped in a ring through all backends while it works; most fail at first."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, Reply
from second_stage import cell, doc

from funnel.asker import LOCAL_OWNER
from funnel.errors import MemoryFailed, SwapFailed
from funnel.llm.budget import Limits
from funnel.llm.models import Models
from funnel.llm.openai.chat import OpenAIChat
from funnel.memory import InMemory, namespace, open_memory
from funnel.memory.swap.hot_swap import HotSwap
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.sandbox.monty.engine import MontySandbox
from funnel.workspace.workspace import Workspace
from indexes import RawDocuments

QUESTION = "What do all the gardens grow?"
GARDENS = [
    doc(f"garden-{n}", f"Garden {n} grows plant {n}. Its code is G{n:03}.", f"Garden {n}") for n in range(8)
]
LIMITS = Limits(max_calls=300, max_usd=50.0, max_tokens=10_000_000, timeout_s=300.0, max_depth=1)
N_SWAPS, N_NOTES, N_PARTS, N_CHILDREN = 6, 34, 8, 3
WORK = cell(
    f"for i in range({N_NOTES}):\n    note(f'@/{{i}}', f'note {{i}} of turn @')",
    f"said = llm_query_batched([f'Part @/{{i}}' for i in range({N_PARTS})] + ['Hold @'])",
    f"grown = rlm_query_batched([f'Child @/{{i}}' for i in range({N_CHILDREN})])",
    "note('said @', ' '.join(s['value'] for s in said) + ' '.join(g['value'] for g in grown))",
    "print(len(notes()), len(grep('G[0-9]+', docs='all')))",
)
CHILD = cell(
    "name = llm_query('In child @')",
    "note('child @', name)",
    "mark = cite('garden-1', quote='Garden 1 grows plant 1.')",
    "submit(f'{name} {mark}')",
)
LAST = cell(
    "kept = notes()",
    "mark = cite('garden-0', quote='Garden 0 grows plant 0.')",
    "submit(f\"{len(kept)} notes {mark} \" + kept['said 1'] + kept['said 6'])",
)


class Model:
    """Answers a prompt always the same. The last part of turn n waits until swap n is over."""

    def __init__(self) -> None:
        self.begun = [threading.Event() for _ in range(N_SWAPS + 1)]
        self.swapped = [threading.Event() for _ in range(N_SWAPS + 1)]

    def undisturbed(self) -> None:
        for event in self.swapped:
            event.set()

    def __call__(self, body: Any) -> Reply:
        asked = body["messages"][-1]["content"]
        turn = re.search(r"\nTurn (\d+) of \d+\.", asked)
        if turn is None:
            if held := re.search(r"Hold (\d)", asked):
                self.begun[int(held[1])].set()
                self.swapped[int(held[1])].wait(60)
            return Reply(sha256(asked.encode()).hexdigest()[:6], delay_s=0.02)
        if child := re.search(r"Child (\d/\d)", body["messages"][1]["content"]):
            return Reply(CHILD.replace("@", child[1]), delay_s=0.02)
        return Reply(WORK.replace("@", turn[1]) if int(turn[1]) <= N_SWAPS else LAST)


@dataclass
class Done:
    """All that a run left, without what differs from run to run: its name, times, and tokens left."""

    answer: dict[str, Any]
    notes: dict[str, str]
    entries: Counter[str]
    paid: int
    hops: list[str] = field(default_factory=list)


SIZES = {"input_tokens", "cost_usd"}


def told(entry: bytes) -> str:
    """A journal's entry without the sizes of prompts: the line on what is left is in them."""
    return json.dumps(without_sizes(json.loads(entry)), sort_keys=True)


def without_sizes(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    return {name: without_sizes(value) for name, value in found.items() if name not in SIZES}


async def run(server: ChatServer, folder: Path, swaps=None) -> Done:
    model = Model()
    server.default = model
    chat = OpenAIChat("m", base_url=server.url, max_retries=0)
    hot = HotSwap(InMemory())
    funnel = Funnel(
        RawDocuments(GARDENS).as_owner(),
        models=Models(chat, chat, prices={"m": (1.0, 10.0)}),
        memory=hot,
        sandbox=MontySandbox(max_processes=8),
        trace_dir=folder / "traces",
        router=Router(),
    )
    before = server.served.calls
    async with funnel:
        asking = asyncio.create_task(funnel.ask(QUESTION, Options(mode="deep", limits=LIMITS)))
        if swaps is None:
            model.undisturbed()
        hops = [] if swaps is None else [hop async for hop in swaps(hot, model)]
        answer = await asking
        where = namespace("local", "run", answer.run)
        keys = await hot.scan(where, "journal/", limit=100_000)
        assert await hot.scan(where, "moved") == []
        entries = Counter(told(entry) for entry in (await hot.get_many(where, keys)).values())
        async with Workspace(hot, run=answer.run, asker=LOCAL_OWNER) as workspace:
            notes = await workspace.notes()
    shown = answer.as_dict()
    kept = {name: shown[name] for name in ("text", "citations", "status", "value", "route", "notices")}
    assert shown["usage"]["model_calls"] == server.served.calls - before
    return Done(kept, notes, entries, server.served.calls - before, hops)


class FailingAt:
    """Another memory whose write number `at` is done, but not confirmed."""

    def __init__(self, inner, at: int) -> None:
        self.inner, self.at = inner, at

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def put_many(self, where, items, *, ttl_s=None):
        await self.inner.put_many(where, items, ttl_s=ttl_s)
        self.at -= 1
        if self.at == 0:
            raise MemoryFailed(self.inner.url, "the line is dead.")


async def fails_first(hot: HotSwap, url: str, at: int) -> None:
    """A swap that fails, and leaves nothing behind."""
    was, target = hot.url, open_memory(url)
    with pytest.raises(SwapFailed, match="the line is dead"):
        await hot.swap(FailingAt(target, at))
    assert hot.url == was
    assert await target.namespaces() == []
    await target.close()


async def test_the_ring_changes_nothing(chat_server, tmp_path, redis_server, postgres_server, s3_server):
    ring = [
        (f"sqlite:///{tmp_path}/memory.sqlite", 3),
        (redis_server.url, 10),
        (postgres_server.url, 20),
        (s3_server.url, 2),
        (f"file://{tmp_path}/files", 25),
        ("memory://", 0),
    ]

    async def swaps(hot, model):
        for number, (url, at) in enumerate(ring, start=1):
            await asyncio.to_thread(model.begun[number].wait, 60)
            if at:
                await fails_first(hot, url, at)
            copied = await hot.swap(url)
            assert copied.keys > number * N_NOTES
            model.swapped[number].set()
            yield hot.url.partition(":")[0]

    undisturbed = await run(chat_server, tmp_path)
    done = await run(chat_server, tmp_path, swaps)
    assert done.hops == ["sqlite", "redis", "postgresql", "s3", "file", "memory"]
    assert done.answer == undisturbed.answer
    assert done.notes == undisturbed.notes
    assert len(done.notes) == N_SWAPS * (N_NOTES + 1 + N_CHILDREN)
    assert done.entries == undisturbed.entries
    assert done.paid == undisturbed.paid == N_SWAPS * (1 + N_PARTS + 1 + 2 * N_CHILDREN) + 1
