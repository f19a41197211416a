"""The inspector side by side with other recursive language models, on the same programs and endpoint.

    python benchmarks/inspector.py --peers PYTHON [--delay-ms 200] [--repeats 5] [--sizes-mb 1 10 100 1000]

The peers are not dependencies of this project. Install them into any Python and pass its path:

    python -m venv /tmp/peers && /tmp/peers/bin/pip install rlms dspy
    python benchmarks/inspector.py --peers /tmp/peers/bin/python

An endpoint on loopback delays each call by a fixed time and writes the root's programs. Each system runs in
its own process, warmed up by one run of each task, and the repeats alternate between the systems. 64 calls
may be in flight here, 16 of a batch of rlms, 8 of a batch of dspy.RLM. In the tasks "in threads", the peer's
root starts threads instead, as many as ours. The critical path is the delay times the number of calls that
must follow one another. A turn's overhead is the time from the endpoint's reply to the arrival of the next
turn; a sub-call's overhead is its share of a cell of many. Tokens are counted as gpt-5 does, if the peers'
Python can.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from inspector_bench import OURS, PEERS, Found, Server, Worker
from inspector_memory import memory_curve
from inspector_report import RunsBySystem, show_overheads, show_prompts, show_starts, show_walls
from inspector_tasks import MAP, TASKS, Task
from search_speed import machine

PACKAGES = ("pydantic-monty", "openai", "tantivy", "faiss-cpu", "numpy")


def measure(workers: Sequence[Worker], task: Task, args: argparse.Namespace) -> RunsBySystem:
    """Run the repeats of all systems alternately, after one warm-up run each.

    Raises: `RuntimeError` if a system did not make the calls that the program asks for.
    """
    delay_s = args.delay_ms / 1000 if task.steps else 0.0
    asked = [worker for worker in workers if worker.system in task.systems]
    runs: RunsBySystem = {worker.system: [] for worker in asked}
    for repeat in range(args.repeats + 1):
        for worker in asked:
            found = worker.ask(task.order(args.seed, repeat), delay_s)
            if (made := len(found["calls"])) != task.calls:
                raise RuntimeError(f"{worker.system} made {made} calls for {task.name}, not {task.calls}")
            if repeat:
                runs[worker.system].append(found)
    return runs


def starts(server: Server, args: argparse.Namespace, scratch: Path, systems: Iterable[str]) -> RunsBySystem:
    """Time a first and a second question in new processes that have imported everything."""
    runs: RunsBySystem = {system: [] for system in systems}
    for _ in range(args.repeats):
        for system, found in runs.items():
            with Worker(system, server, args.peers, scratch) as worker:
                first, second = (worker.ask(MAP.order(args.seed, run), 0.0) for run in range(2))
                found.append({
                    "import_s": worker.hello["import_s"], "build_s": first.get("build_s"),
                    "first_s": until_call(first), "second_s": until_call(second),
                })  # fmt: skip
    return runs


def until_call(found: Found) -> float:
    return float(found["calls"][0]["arrived_s"] - found["asked_s"])


def compare(server: Server, scratch: Path, args: argparse.Namespace) -> Found:
    """Measure everything that is compared side by side."""
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(system, server, args.peers, scratch)) for system in args.systems
        ]
        versions = [worker.hello["versions"] for worker in workers if worker.system != OURS]
        print(f"peers: {'; '.join(versions)}")
        results = {task.name: measure(workers, task, args) for task in TASKS}
    return {
        "peers": versions,
        "walls": show_walls(results, args.delay_ms / 1000),
        "prompt_tokens": show_prompts(results["transcript"]),
        "overheads": show_overheads(results),
        "starts": show_starts(starts(server, args, scratch, args.systems)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peers", default=sys.executable, help="the Python that has the peers")
    parser.add_argument(
        "--systems", nargs="*", default=[OURS, *PEERS], choices=[OURS, *PEERS], help="none: memory only"
    )
    parser.add_argument("--delay-ms", type=float, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--sizes-mb", type=float, nargs="*", default=[1, 10, 100, 1000], help="none: no memory"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", help="where to build; the system's temporary folder by default")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    args = parser.parse_args()
    command = " ".join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])
    installed = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    before = machine()
    print(f"{command}\n{installed}; seed {args.seed}; {before}")
    figures: Found = {"command": command, "versions": installed, "seed": args.seed, "machine": before}
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder, Server(args.peers) as server:
        scratch = Path(folder)
        if args.systems:
            figures |= compare(server, scratch, args)
        if args.sizes_mb:
            figures["memory"] = memory_curve(server, scratch, args.sizes_mb, args.seed)
    figures["machine_afterwards"] = machine()
    print(f"\nafterwards: {figures['machine_afterwards']}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
