"""Runs this project in its own process as inspector.py orders, one line of JSON in and one out.

    python inspector_worker.py URL TRACES [--memory URL] [--collection DIR]

Knows how the funnel is meant to be used: built once, asked many times.
"""

from __future__ import annotations

import time

STARTED = time.monotonic()

import argparse  # noqa: E402 - the clock starts before anything is imported
import asyncio  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from inspector_load import cpu_s, documents  # noqa: E402
from inspector_scripts import question  # noqa: E402

from funnel import Limits, Options, Settings, build  # noqa: E402
from funnel.pipeline import Funnel  # noqa: E402
from indexes import Collection, Document, DocumentId, RawDocuments, Source  # noqa: E402

LIMITS = Limits(max_calls=10_000, max_turns=64, timeout_s=600.0)
MAX_PARALLEL = 64


async def ask(funnel: Funnel, order: dict[str, Any]) -> dict[str, Any]:
    """Ask one question; `asked_s` is the time of the call, on the same clock as the server's."""
    # Without findings, because every repetition asks the same question over the same documents.
    options = Options(mode="deep", k=order["k"], limits=LIMITS, learn=False)
    used, asked = cpu_s(), time.monotonic()
    answer = await funnel.ask(question(order["task"], order["n"], order["run"]), options)
    wall = time.monotonic() - asked
    if answer.status != "complete":
        raise RuntimeError(f"{order}: {answer.status}: {answer.text} {answer.notices}")
    return {"asked_s": asked, "wall_s": wall, "cpu_s": cpu_s() - used, "answer": answer.text}


def source(order: dict[str, Any], folder: str | None) -> Source:
    if folder is not None:
        return Collection.open(folder)
    texts = documents(order["documents"], order["chars"], order["seed"])
    return RawDocuments(Document(DocumentId(f"d{i}"), text) for i, text in enumerate(texts))


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("traces", type=Path)
    parser.add_argument("--memory", default="memory://")
    parser.add_argument("--collection")
    args = parser.parse_args()
    settings = Settings(
        model="funnel", base_url=args.url, memory=args.memory, trace_dir=args.traces,
        max_parallel=MAX_PARALLEL,
    )  # fmt: skip
    importlib.import_module("funnel.llm.openai.chat")  # as `build` does if a model is named
    send({"import_s": time.monotonic() - STARTED})
    funnels: dict[tuple[int, int], Funnel] = {}
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        shape = order["documents"], order["chars"]
        built = time.monotonic()
        if shape not in funnels:
            funnels[shape] = build(source(order, args.collection).as_owner(), settings)
        built = time.monotonic() - built
        send({**await ask(funnels[shape], order), "build_s": built})
    for funnel in funnels.values():
        await funnel.close()


def send(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
