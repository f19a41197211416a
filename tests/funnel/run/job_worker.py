"""Works on the runs of one job, in processes of their own that are killed; told what to do by lines of JSON.

Each process draws on the job's ledger and, above it, the owner's, both in one SQLite memory that all share.
It resumes what others left and asks anew. Like `resume_worker`, it is a fork that imports nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from chat_server import Reply
from resume_worker import CHATS, PRICES, QUESTION, Elsewhere, documents, tell
from second_stage import cell

from funnel.asker import LOCAL_OWNER
from funnel.errors import FunnelError
from funnel.journal import listing
from funnel.llm.budget import Ledger, Limits
from funnel.llm.models import Models
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.shared import SharedLedger
from funnel.memory import SqliteMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.run.options import ResumeOptions
from funnel.sandbox.monty.engine import MontySandbox

RUN = Limits(max_calls=40, max_usd=1.0, max_tokens=400_000, timeout_s=600.0, max_depth=1)
LEASE_S = 2.0
TURNS = {
    1: cell('first = llm_query_batched([f"What of {i}?" for i in range(6)])'),
    2: cell('second = llm_query_batched([f"And of {i}?" for i in range(6)])'),
    3: cell(
        'submit(" ".join(s["value"] for s in first + second) + " " + cite("garden-01", quote="Garden 1"))'
    ),
}
N_CALLS = len(TURNS) + 12
AT_ONCE = 4


def model(body: Any) -> Reply:
    """What the model says, slowly enough that a process can be killed meanwhile."""
    turn = re.search(r"\nTurn (\d+) of \d+\.", body["messages"][-1]["content"])
    return Reply("fine" if turn is None else TURNS[int(turn[1])], delay_s=0.03)


async def work(order: dict[str, Any]) -> dict[str, Any]:
    """Resume what is unfinished and ask so many questions more. Returns: what came of each."""
    memory = SqliteMemory(f"sqlite:///{order['db']}")
    chat = Elsewhere(CHATS[order["url"]])
    funnel = Funnel(
        documents(None).as_owner(),
        models=Models(chat, chat, prices=PRICES, max_parallel=AT_ONCE),
        memory=memory,
        sandbox=MontySandbox(max_processes=4),
        trace_dir=Path(order["db"]).parent / "traces",
        router=Router(),
        learn=False,
    )
    owner_limits, job_limits = (Limits.only(**order[name]) for name in ("owner", "job"))
    async with (
        funnel,
        SharedLedger(
            memory, "owner", owner_limits, label="owner", lease_s=LEASE_S, asker=LOCAL_OWNER
        ) as owner,
        SharedLedger(memory, "job", job_limits, parent=owner, lease_s=LEASE_S, asker=LOCAL_OWNER) as job,
    ):
        left = [
            each.record.run async for each in listing.runs(memory, asker=LOCAL_OWNER) if each.answer is None
        ]
        works = [ended(funnel.resume(run, ResumeOptions(ledger=job))) for run in left]
        works += [ended(asked(funnel, job)) for _ in range(order["ask"])]
        return {"ended": await asyncio.gather(*works)}


def asked(funnel: Funnel, job: Ledger) -> Any:
    return funnel.ask(QUESTION, Options(mode="deep", limits=RUN, ledger=job))


async def ended(run: Any) -> dict[str, Any]:
    try:
        answer = await run
    except FunnelError as error:
        return {"error": type(error).__name__, "said": str(error), "ledger": getattr(error, "ledger", None)}
    return {"run": answer.run, "status": answer.status, "usage": answer.as_dict()["usage"]}


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if order["url"] not in CHATS:
            CHATS[order["url"]] = OpenAIChat("m", base_url=order["url"], max_retries=0)
        child = os.fork()
        if not child:
            try:
                found = asyncio.run(work(order))
                Path(order["out"]).write_text(json.dumps(found))
            except BaseException:  # noqa: BLE001 - shown where the test looks for its result
                traceback.print_exc()
            finally:
                os._exit(0)
        tell({"pid": child})


if __name__ == "__main__":
    main()
