"""Whole trees of inspectors on one budget: nothing is spent unseen, no cap is passed, no deadline missed."""

from __future__ import annotations

import asyncio
import json
import math
import re
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from chat_server import ChatServer, Reply, error
from event_loops import jumping, loop_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from second_stage import SHOP, a_run, cell, doc

from funnel.asker import LOCAL_OWNER
from funnel.errors import BudgetExceeded, BudgetTooSmall, LLMError
from funnel.inspector import Inspector
from funnel.inspector.inspector import EXTRACT_TIME_SHARE
from funnel.journal import Journal
from funnel.llm.budget import Limits, Price
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.scripted import ScriptedLLM
from funnel.sandbox.base import SandboxLimits
from funnel.sandbox.monty.engine import MontySandbox

PRICE = Price(1.0, 10.0)
PRICES = {"m": (1.0, 10.0), "sub": (1.0, 10.0)}

outcomes = st.sampled_from(
    ["ok"] * 9 + ["once_429", "once_500", "refused", "down", "once_lost", "lost", "html", "late"]
)
subs = st.fixed_dictionaries({"outcome": outcomes, "reply": st.sampled_from([0, 30, 900, 20_000])})
turns = st.one_of(
    st.fixed_dictionaries({"batch": st.lists(subs, min_size=1, max_size=6)}),
    st.fixed_dictionaries({"one": subs}),
    st.sampled_from([{"prose": True}, {"print": 1_000}, {"raise": True}]),
)


def nodes(inner):
    children = st.fixed_dictionaries(
        {"children": st.lists(inner, min_size=1, max_size=3), "together": st.booleans()}
    )
    return st.fixed_dictionaries(
        {"turns": st.lists(turns | children, max_size=3), "outcome": outcomes, "submits": st.booleans()}
    )


leaves = st.fixed_dictionaries(
    {"turns": st.lists(turns, max_size=2), "outcome": st.just("ok"), "submits": st.booleans()}
)
trees = nodes(nodes(leaves))
# A turn reserves about 15,000 tokens or 0.09 dollars, a sub-call about a third of it.
caps = st.builds(
    Limits,
    max_usd=st.none() | st.floats(0.02, 1.0),
    max_calls=st.none() | st.integers(1, 25),
    max_tokens=st.none() | st.integers(4_000, 200_000),
    max_output_chars=st.none() | st.integers(0, 3_000),
    max_turns=st.integers(1, 5),
    max_depth=st.integers(0, 2),
)


def prose(length: int) -> str:
    """Text of that length that does not say the same over and over."""
    return "".join(f"{number} leases " for number in range(length // 9 + 1))[:length]


class Script:
    """Says what the tree says, and fails as it says; never writes more than it was asked for."""

    def __init__(self, tree) -> None:
        self.nodes: list[dict] = []
        self.subs: list[dict] = []
        self.attempts: dict[str, int] = {}
        self._number(tree)

    def _number(self, node) -> int:
        here = len(self.nodes)
        self.nodes.append({**node, "cells": {}})
        for number, turn in enumerate(node["turns"], start=1):
            self.nodes[here]["cells"][number] = self._cell(turn)
        return here

    def _cell(self, turn) -> str:
        if "children" in turn:
            asked = [f"NODE {self._number(child)}" for child in turn["children"]]
            documents = [["roth"]] * len(asked)
            if turn["together"]:
                return cell(f"r = rlm_query_batched({asked}, {documents})", "print(r)")
            told = [
                f"try:\n    print(rlm_query({ask!r}, ['roth']))\nexcept Exception as e:\n    print(e)"
                for ask in asked
            ]
            return cell(*told)
        if "batch" in turn:
            return cell(
                f"r = llm_query_batched({[self._sub(sub) for sub in turn['batch']]})", "print(len(r))"
            )
        if "one" in turn:
            return cell(f"print(llm_query({self._sub(turn['one'])!r})[:50])")
        if "print" in turn:
            return cell(f"print('x' * {turn['print']})")
        return "No code." if "prose" in turn else cell("x = 1 / 0")

    def _sub(self, sub) -> str:
        self.subs.append(sub)
        return f"SUB {len(self.subs) - 1}"

    def __call__(self, body):
        asked = body["messages"][1]["content"]
        room = 4 * body["max_tokens"]
        if sub := re.match(r"SUB (\d+)", asked):
            found = self.subs[int(sub[1])]
            return self._outcome(sub[0], found["outcome"], prose(min(found["reply"], room)))
        node = re.search(r"NODE (\d+)", asked)
        found = self.nodes[int(node[1])]
        turn = re.search(r"\nTurn (\d+) of \d+\.", body["messages"][-1]["content"])
        if turn is None:
            return Reply("Some answer."[:room])
        ends = cell("submit('done', citations=[])") if found["submits"] else "No code."
        said = found["cells"].get(int(turn[1]), ends)
        return self._outcome(
            f"{node[0]} {turn[1]}", found["outcome"] if turn[1] == "2" else "ok", said[:room]
        )

    def _outcome(self, name, outcome, text):
        before = self.attempts.get(name, 0)
        self.attempts[name] = before + 1
        outcome = outcome.removeprefix("once_") if not before else ("ok" if "once_" in outcome else outcome)
        return {
            "429": error(429), "500": error(500), "refused": error(400), "down": error(500),
            "lost": Reply(text, hang_up=True), "html": Reply(body=b"<html>"),
            "late": Reply(text, pause_s=2.0),
        }.get(outcome, Reply(text))  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees, caps)
async def test_over_any_tree_of_inspectors_no_cap_is_passed_and_the_bill_is_what_was_reported(tree, limits):
    sandbox = MontySandbox(max_processes=64)
    with ChatServer() as server:
        server.default = Script(tree)
        chats = [
            OpenAIChat(name, base_url=server.url, max_retries=2, backoff_s=0.0001, stall_s=1.0)
            for name in ("m", "sub")
        ]
        async with a_run(chats[0], sub=chats[1], question="NODE 0", limits=limits, prices=PRICES) as bench:
            with suppress(LLMError, BudgetExceeded, BudgetTooSmall):
                await Inspector(sandbox).answer(bench.run, bench.hits())
            await bench.run.journal.close()
            usage, run = bench.run.ledger.usage, bench.run
            again = Journal(bench.memory, "r", asker=LOCAL_OWNER)
            await again.resume()
            await again.close()
        for chat in chats:
            await chat.close()
        served = server.served
    await sandbox.close()

    billed = served.calls, served.input_tokens, served.output_tokens
    reported = usage.model_calls, usage.input_tokens, usage.output_tokens
    ends = bench.data("model_call", "end")
    if any(end["usage"] in ("worst_case", "estimated") for end in ends):
        assert all(b <= r for b, r in zip(billed, reported, strict=True))
    else:
        assert billed == reported
    assert usage.cost_usd == pytest.approx(PRICE.cost(*reported[1:]))
    assert usage.cost_usd <= (math.inf if limits.max_usd is None else limits.max_usd + 1e-9)
    assert usage.model_calls <= (math.inf if limits.max_calls is None else limits.max_calls)
    assert sum(reported[1:]) <= (math.inf if limits.max_tokens is None else limits.max_tokens)
    assert usage.output_chars <= (math.inf if limits.max_output_chars is None else limits.max_output_chars)
    assert usage.depth <= limits.max_depth
    assert run.ledger.in_flight == 0
    assert run.ledger.remaining_calls() in {None, (limits.max_calls or 0) - usage.model_calls}

    # What a resume would book is what this run had booked.
    kept = [outcome for outcome in again.spent if not outcome.cached]
    assert sum(outcome.calls for outcome in kept) == usage.model_calls
    assert sum(outcome.input_tokens for outcome in kept) == usage.input_tokens
    assert sum(outcome.output_tokens for outcome in kept) == usage.output_tokens
    assert sum(outcome.cost_usd for outcome in kept) == pytest.approx(usage.cost_usd)


@dataclass
class Connection:
    """An endpoint that answers what `model` says, and where that is None never does; `open` are waiting."""

    model: object
    url: str = ""
    open: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                if head.startswith("get "):  # whether it is Ollama
                    writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                    continue
                body = json.loads(await reader.readexactly(int(re.search(r"content-length: (\d+)", head)[1])))
                text = self.model(body)
                if text is None:
                    self.open += 1
                    self.asked.set()
                    try:
                        await reader.read()  # until the caller is gone
                    finally:
                        self.open -= 1
                    break
                message = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
                usage = {"prompt_tokens": 1, "completion_tokens": 1}
                payload = json.dumps({"choices": [message], "usage": usage}).encode()
                size = f"content-length: {len(payload)}\r\n".encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + size + b"\r\n" + payload
                )
                await writer.drain()
        writer.close()


@asynccontextmanager
async def a_line(model):
    line = Connection(model)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0, limit=2**24)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield line


HANGING = {
    "a turn": None,
    "a sub-call": cell("llm_query('SUB')"),
    "a batch": cell("llm_query_batched(['SUB'] * 40)"),
    "a cell": cell("while True:\n    pass"),
    "a cell of many calls": cell("while True:\n    read('refunds', 0, 1)"),
    "a grep": cell("grep(r'(?:a|a|b)*c' + 'x' * 9)"),
}
LONG = "ab" * 60_000


LAST = "As far as I came."


class Deadline:
    """Comes for several runs at once, a moment after the last of them has come to where it hangs.

    Until then it is far away, however busy the machine is.
    """

    def __init__(self, *, runs: int, last_calls: int, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + timeout_s
        self._kept_s = timeout_s * EXTRACT_TIME_SHARE
        self._to_come = {"work": runs, "last call": last_calls}

    def reached(self, what: str) -> None:
        """One more run hangs: in its work, or in the last call, which a part of the time is kept for."""
        self._to_come[what] -= 1
        if not self._to_come[what]:
            moment = self._end - (self._kept_s if what == "work" else 0)
            self._loop.call_later(1.0, self._loop.jump_to, moment)


def at_depth(depth: int, code: str | None, deadline: Deadline, *, last: bool):
    """A model that leads to inspectors at that depth, which do as `code` says; `last`: it ends in words."""
    reached = set()

    def hangs(what: str) -> None:
        if what not in reached:
            reached.add(what)
            deadline.reached(what)

    def model(body):
        asked = body["messages"][1]["content"]
        if asked.startswith("SUB"):
            return None
        if not re.search(r"\nTurn \d+ of", body["messages"][-1]["content"]):
            if not last:
                hangs("last call")
            return LAST if last else None
        level = int(re.search(r"LEVEL (\d)", asked)[1])
        child = f"rlm_query_batched(['LEVEL {level + 1}'] * 3, [['long']] * 3)"
        if level == depth:
            hangs("work")
        return code if level == depth else cell(child)

    return model


@jumping
@pytest.mark.usefixtures("ledgers_in_loop_time")
@pytest.mark.parametrize("what", HANGING)
async def test_the_deadline_ends_whatever_hangs_wherever_it_does(what):
    """The answer is there, and nothing goes on: no call, no task, no sandbox."""
    before = asyncio.all_tasks()
    # A run that hangs in its very first turn has nothing that a last call could tell.
    last_calls = 2 if what == "a turn" else 3
    runs = [(depth, last) for depth in (0, 1, 2) for last in (True, False)]
    deadline = Deadline(runs=len(runs), last_calls=last_calls, timeout_s=TIMEOUT_S)
    late_s = await asyncio.gather(*(late(what, depth, deadline, last=last) for depth, last in runs))
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before
    # A second is what is promised; a busy machine may take more, and half a minute would be no deadline.
    assert max(late_s) < 10


TIMEOUT_S = 100.0


async def late(what: str, depth: int, deadline: Deadline, *, last: bool) -> float:
    """How many seconds after its deadline such a run is over."""
    sandbox = Counting(max_processes=64)
    documents = [*SHOP, doc("long", LONG)]
    limits = Limits(timeout_s=TIMEOUT_S)
    async with a_line(at_depth(depth, HANGING[what], deadline, last=last)) as line:
        chat, sub = (OpenAIChat(name, base_url=line.url) for name in ("m", "sub"))
        async with a_run(
            chat, sub=sub, question="LEVEL 0", documents=documents, limits=limits, prices=PRICES
        ) as bench:
            inspector = Inspector(sandbox, limits=SandboxLimits(cell_s=60, host_calls=10**9))
            started = loop_time()
            try:
                draft = await inspector.answer(bench.run, bench.hits())
                assert draft.status == ("partial" if last else "declined")
            except BudgetExceeded:
                assert (what, depth) == ("a turn", 0)  # not even the first was answered
            late_s = loop_time() - started - limits.timeout_s
            assert sandbox.open == 0
        for _ in range(6_000):
            if not line.open:
                break
            await asyncio.sleep(0.01)
        assert line.open == 0
        await chat.close()
        await sub.close()
    await sandbox.close()
    return late_s


async def test_a_run_that_waits_for_a_sandbox_keeps_its_deadline():
    sandbox = MontySandbox(max_processes=1)
    async with sandbox.session({}, {}), a_run(ScriptedLLM([]), limits=Limits(timeout_s=0.3)) as bench:
        async with asyncio.timeout(20):
            with pytest.raises(BudgetExceeded, match="no sandbox was free, and the model was never asked"):
                await Inspector(sandbox).answer(bench.run, bench.hits())
    await sandbox.close()


class Counting(MontySandbox):
    """Knows how many sessions are open."""

    open = 0

    @asynccontextmanager
    async def session(self, functions, variables, limits=None):
        self.open += 1
        try:
            async with super().session(functions, variables, limits) as session:
                yield session
        finally:
            self.open -= 1
