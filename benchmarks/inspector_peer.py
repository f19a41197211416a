"""Runs a peer in its own process as inspector.py orders, one line of JSON in and one out.

    PEERS_PYTHON inspector_peer.py URL rlms|dspy

Knows how each peer is meant to be used. Imports only the peer that is asked for.
"""

# mypy: disable-error-code="import-not-found"
# ruff: noqa: PLC0415 - each peer imports what the other does without
from __future__ import annotations

import time

STARTED = time.monotonic()

import json  # noqa: E402 - the clock starts before anything is imported
import os  # noqa: E402 - as above
import sys  # noqa: E402 - as above
from collections.abc import Callable  # noqa: E402 - as above
from importlib.metadata import version  # noqa: E402 - as above
from typing import Any  # noqa: E402 - as above

from inspector_load import cpu_s, documents  # noqa: E402 - as above
from inspector_scripts import question  # noqa: E402 - as above

MAX_TURNS = 64
MAX_CALLS = 100_000
PARALLEL = 64

Ask = Callable[[str, list[str]], str]
"""(question, documents) → answer."""


def rlms(url: str) -> Ask:
    """Return a root of depth 2, whose children have a REPL, as parallel as ours. Its batches run 16 calls."""
    from rlm import RLM

    def ask(asked: str, texts: list[str]) -> str:
        rlm = RLM(
            backend="openai", backend_kwargs={"base_url": url, "api_key": "none", "model_name": "rlms"},
            environment="local", max_depth=2, max_iterations=MAX_TURNS, max_concurrent_subcalls=PARALLEL,
        )  # fmt: skip
        return str(rlm.completion(texts, root_prompt=asked).response)

    return ask


def dspy(url: str) -> Ask:
    """Return a root in a local process, faster than Pyodide, without cache. Its batches run 8 calls."""
    import dspy

    dspy.configure(
        lm=dspy.LM("openai/dspy", api_base=url, api_key="none", cache=False),
        interpreter_factory=dspy.LocalInterpreter,
    )
    rlm = dspy.RLM("context: list[str], question -> answer", max_iters=MAX_TURNS, max_llm_calls=MAX_CALLS)
    return lambda asked, texts: str(rlm(context=texts, question=asked).answer)


PEERS = {"rlms": (rlms, ("rlms", "openai")), "dspy": (dspy, ("dspy", "litellm", "openai"))}


def main() -> None:
    _, url, name = sys.argv
    # A peer may print, and may replace standard output.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def send(found: dict[str, Any]) -> None:
        out.write(json.dumps(found) + "\n")

    make, packages = PEERS[name]
    ask = make(url)
    send({
        "import_s": time.monotonic() - STARTED,
        "versions": ", ".join(f"{package} {version(package)}" for package in packages),
    })  # fmt: skip
    for line in sys.stdin:
        order = json.loads(line)
        texts = documents(order["documents"], order["chars"], order["seed"])
        used, asked = cpu_s(), time.monotonic()
        answer = ask(question(order["task"], order["n"], order["run"]), texts)
        wall = time.monotonic() - asked
        send({"asked_s": asked, "wall_s": wall, "cpu_s": cpu_s() - used, "answer": answer})


if __name__ == "__main__":
    main()
