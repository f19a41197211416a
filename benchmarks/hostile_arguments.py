"""Runs programs that pass tools hostile arguments: the memory that each adds, how late it ends.

    python benchmarks/hostile_arguments.py [--sandbox monty] [--only WORDS] [--seconds 6]

Each program runs in a process of its own, as the first cell of a run with a deadline; the model's second
cell submits. Measured in the process that hosts the run: `added_mb`, the peak of its memory above what an
ordinary run took before; `late_s`, seconds past the deadline; `stalled_s`, the longest time for which the
event loop did nothing else. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hostile_programs import PROGRAMS

from funnel import Limits, Options
from funnel.llm.base import CallOptions, Completion, Request
from funnel.llm.models import Models
from funnel.memory import open_memory
from funnel.memory.swap.hot_swap import HotSwap
from funnel.pipeline import Funnel
from funnel.router import Router
from funnel.sandbox import open_sandbox
from indexes import Document, DocumentId, RawDocuments

SANDBOXES = ("monty", "bubblewrap")
SUBMIT = "submit('done', citations=[])"
SMALL = "The lease of Hill House ends in May 2026. Ada Roth signed it. w1 w2 w3."
DEEP = "[" * 24 + '"x"' + "]" * 24
"""A reply that takes an intricate schema its longest."""
MAX_ADDED_MB, MAX_LATE_S = 300, 1.0
WARM_S = 120.0
"""The deadline of the ordinary run before, which starts the sandbox."""
LINE = (
    "{sandbox:10} {program:50} {added_mb:5} MB  wall {wall_s:6} s  late {late_s:5} s  "
    "stalled {stalled_s:5} s  disk {disk_mb:6} MB  {status}"
)


class Scripted:
    """Runs the program first and then submits; as a sub-model it replies with JSON that nests."""

    name = "scripted"

    def __init__(self) -> None:
        self.program = SUBMIT

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        """Return the next cell."""
        del options
        text = DEEP
        if request.purpose == "turn":
            code, self.program = self.program, SUBMIT
            text = f"```python\n{code}\n```"
        return Completion(text=text, model=self.name, input_tokens=10, output_tokens=10)

    async def close(self) -> None:
        """Do nothing: there is no connection."""


def own(text: str, values: list[int] | None = None) -> int:
    """Count what it is passed."""
    return len(text) + len(values or ())


def peak_mb() -> float:
    """Return the peak of this process's memory since `forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]  # it is always there


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def written_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


async def stalls(found: list[float]) -> None:
    """Append how long each turn of the event loop took beyond a hundredth of a second."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.01)
        found.append(time.monotonic() - began - 0.01)


async def run_one(sandbox: str, name: str, seconds: float, folder: Path) -> dict[str, Any]:
    model = Scripted()
    texts = {"big": "a " * 1_000_000, "small": SMALL}
    funnel = Funnel(
        RawDocuments(Document(DocumentId(key), text) for key, text in texts.items()).as_owner(),
        models=Models(model, model, prices={"scripted": (0.0, 0.0)}),
        memory=HotSwap(open_memory(f"sqlite:///{folder / 'memory.sqlite'}")),
        sandbox=open_sandbox(sandbox),
        trace_dir=folder,
        router=Router(),
    )
    limits = Limits(max_calls=1_000, max_turns=3, timeout_s=WARM_S)
    options = Options(mode="deep", tools=[own], limits=limits)
    model.program = "for d in context: print(cite(d, 0, 1), search('lease'), recall('lease'), grep('lease'))"
    await funnel.ask("What is said about the lease?", options)
    options = replace(options, limits=replace(limits, timeout_s=seconds))
    base, loop_stalls = peak_mb(), [0.0]
    forget_peak()
    base = min(base, peak_mb())
    watching = asyncio.create_task(stalls(loop_stalls))
    model.program = PROGRAMS[name]
    began = time.monotonic()
    answer = await funnel.ask("What else is said about the lease?", options)
    wall = time.monotonic() - began
    watching.cancel()
    await funnel.close()
    return {
        "sandbox": sandbox, "program": name, "added_mb": round(peak_mb() - base), "wall_s": round(wall, 2),
        "late_s": round(max(0.0, wall - seconds), 2), "stalled_s": round(max(loop_stalls), 2),
        "disk_mb": round(written_mb(folder), 1), "status": answer.status,
    }  # fmt: skip


def measured(sandbox: str, name: str, seconds: float) -> dict[str, Any]:
    """Return the figures of one program, run in a process of its own."""
    command = [sys.executable, __file__, "--one", name, "--sandbox", sandbox, "--seconds", str(seconds)]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20 * seconds + WARM_S)  # noqa: S603 - itself
    if done.returncode:
        raise RuntimeError(f"{sandbox}, {name}: {done.stderr[-2_000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**figures, "process_s": round(time.monotonic() - began, 2)}


def all_measured(sandboxes: tuple[str, ...], only: str, seconds: float) -> Iterator[dict[str, Any]]:
    for sandbox in sandboxes:
        for name in PROGRAMS:
            if only in name:
                yield measured(sandbox, name, seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sandbox", choices=SANDBOXES)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--one", choices=PROGRAMS)
    args = parser.parse_args()
    sandboxes = (args.sandbox,) if args.sandbox else SANDBOXES
    if args.one:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(asyncio.run(run_one(sandboxes[0], args.one, args.seconds, Path(folder)))))
        return
    worst = {"added_mb": 0.0, "late_s": 0.0, "stalled_s": 0.0, "disk_mb": 0.0}
    for found in all_measured(sandboxes, args.only, args.seconds):
        mark = " <<<" if found["added_mb"] > MAX_ADDED_MB or found["late_s"] > MAX_LATE_S else ""
        print(LINE.format(**found) + mark, flush=True)
        worst = {key: max(value, found[key]) for key, value in worst.items()}
    print(f"worst: {worst}")


if __name__ == "__main__":
    main()
