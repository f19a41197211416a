"""Starts runs in processes of their own that die when told to; told what to do by lines of JSON on stdin.

Each run is a fork of this process, which has imported everything and has neither a thread nor an event loop,
so that a life costs what the run costs. Its answer goes to a file.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import traceback
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from chat_server import Reply
from second_stage import cell, doc

from funnel.asker import LOCAL_OWNER
from funnel.errors import FunnelError
from funnel.journal import lease, listing
from funnel.llm.budget import Limits
from funnel.llm.models import Models
from funnel.llm.openai.chat import OpenAIChat
from funnel.memory import SqliteMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.run.options import ResumeOptions
from funnel.sandbox.monty.engine import MontySandbox
from funnel.workspace.workspace import Workspace
from indexes import RawDocuments

QUESTION = "Which gardens does the survey name, and what became of each of them?"
LIMITS = Limits(max_calls=60, max_usd=2.0, max_tokens=1_000_000, timeout_s=600.0, max_depth=1)
PRICES = {"m": (1.0, 10.0)}
GROUPS = 3
GARDENS = tuple(
    doc(
        f"garden-{i:02}",
        f"Garden {i} belongs to group {i % GROUPS}. Its code is G{i:03}. It was laid out in {1900 + i}.",
        f"Garden {i}",
    )
    for i in range(12)
)

ROOT = {
    1: cell(
        'hits = search("garden code group", k=8)',
        'note("plan", f"{len(hits)} hits, {len(documents())} documents")',
        'codes = grep(r"G\\d{3}", docs="all")',
        "marks = [cite(m) for m in codes[:4]]",
        'print(len(codes), budget()["calls_left"] > 0)',
    ),
    2: "First I would like to think about it in words.",
    3: cell(
        "ids = sorted(d['id'] for d in documents())",
        'said = llm_query_batched([f"What of {i}?" for i in ids], [read(i) for i in ids])',
        "told = [s['value'] for s in said if s['ok']]",
        'note("told", " ".join(told))',
        "print(len(told), told[:3])",
    ),
    4: cell(
        'count = llm_query("How many?", "twelve", schema={"type": "object", '
        '"properties": {"n": {"type": "integer"}}, "required": ["n"]})',
        'try:\n    read("garden-99")\nexcept Exception as e:\n    print(e)',
        "print(count, 1 / 0)",
    ),
    5: cell(
        f"groups = [[i for i in ids if int(i[-2:]) % {GROUPS} == g] for g in range({GROUPS})]",
        f'parts = rlm_query_batched([f"Survey of group {{g}}" for g in range({GROUPS})], groups)',
        "print([p['ok'] for p in parts])",
    ),
    6: cell('kept = notes()\nprint(sorted(kept), len(kept["told"]))', 'submit("x [77]")'),
    7: cell(
        "lines = [p['value'] for p in parts]",
        'submit("; ".join(lines) + f". Codes {marks[0]} {marks[3]}, {count[\'n\']}, " + " ".join(told)'
        ' + " | " + kept["told"])',
    ),
}
CHILD = {
    1: cell(
        "mine = [d['id'] for d in context]",
        'both = llm_query_batched([f"The year of {i}?" for i in mine[:2]])',
        'mark = cite(mine[0], quote="It was laid out in")',
        'note("group of " + mine[0], both[0]["value"])',
        "print(both)",
    ),
    2: cell("submit(f\"{both[0]['value']} and {both[1]['value']} {mark}\")"),
}
N_CALLS = len(ROOT) + len(GARDENS) + 2 + GROUPS * (len(CHILD) + 2)


def model(body: Any) -> Reply:
    """What the model says to a prompt; the same to the same, but for the line on what is left."""
    messages = body["messages"]
    turn = re.search(r"\nTurn (\d+) of \d+\.", messages[-1]["content"])
    if turn is None:
        if "How many?" in messages[1]["content"]:
            return Reply('{"n": 12}' if len(messages) > 2 else "twelve")
        said = sha256(messages[-1]["content"].encode()).hexdigest()[:8]
        return Reply(f"said {said}")
    turns = CHILD if "Survey of group" in messages[1]["content"] else ROOT
    return Reply(turns[int(turn[1])])


CHATS: dict[str, OpenAIChat] = {}


class Elsewhere:
    """The model without saying where it is, so that no cache can help."""

    def __init__(self, chat: OpenAIChat):
        self.name, self.complete, self.close = chat.name, chat.complete, chat.close


class Deadly(SqliteMemory):
    """Ends its process before or after it writes journal, record or answer of a run for the `at`-th time."""

    def __init__(self, url: str, at: int, when: str):
        super().__init__(url)
        self.at, self.when, self.written = at, when, 0

    async def put_many(self, where, items, *, ttl_s=None):
        counts = any(key.startswith("journal/") or key in {"record", "answer"} for key in items)
        self.written += counts
        deadly = counts and self.written == self.at
        if deadly and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        await super().put_many(where, items, ttl_s=ttl_s)
        if deadly:
            os.kill(os.getpid(), signal.SIGKILL)


def documents(edited: str | None) -> RawDocuments:
    changed = {edited: "Another text."} if edited else {}
    return RawDocuments([replace(d, text=changed.get(d.id, d.text)) for d in GARDENS])


async def life(order: dict[str, Any]) -> dict[str, Any]:
    """One life of a run: its answer, or the error that it ended in; and the notes that it left."""
    memory = Deadly(f"sqlite:///{order['db']}", order["at"], order["when"])
    chat = Elsewhere(CHATS[order["url"]])
    funnel = Funnel(
        documents(order.get("edited")).as_owner(),
        models=Models(chat, chat, prices=PRICES),
        memory=memory,
        sandbox=MontySandbox(max_processes=8),
        trace_dir=Path(order["db"]).parent / "traces",
        router=Router(),
    )
    limits = replace(LIMITS, **order.get("limits", {}))
    async with funnel:
        try:
            if order["resume"]:
                known = [listed.record.run async for listed in listing.runs(memory, asker=LOCAL_OWNER)]
                if not known:
                    return {"unknown": True}
                answer = await funnel.resume(known[0], ResumeOptions(limits if order.get("limits") else None))
            else:
                answer = await funnel.ask(QUESTION, Options(mode="deep", limits=limits))
        except FunnelError as error:
            return {"error": type(error).__name__, "said": str(error), "written": memory.written}
        async with Workspace(memory, run=answer.run, asker=LOCAL_OWNER) as workspace:
            notes = await workspace.notes()
        return {"answer": answer.as_dict(), "notes": notes, "written": memory.written}


def tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        # Made once: it reads the certificates that it will not need.
        if order["url"] not in CHATS:
            CHATS[order["url"]] = OpenAIChat("m", base_url=order["url"], max_retries=0)
        child = os.fork()
        if not child:
            os.setsid()  # so that what it starts can be told from what others do
            if "lease_s" in order:
                lease.Lease.__init__.__kwdefaults__["ttl_s"] = order["lease_s"]
            try:
                found = asyncio.run(life(order))
                Path(order["out"]).write_text(json.dumps(found))
            except BaseException:  # noqa: BLE001 - shown where the test looks for its result
                traceback.print_exc()
            finally:
                os._exit(0)
        tell({"pid": child})
        if order.get("wait", True):
            _, status = os.waitpid(child, 0)
            tell({"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0})


if __name__ == "__main__":
    main()
