"""The tasks for every system, and their sizes; knows no system and no results."""

from __future__ import annotations

from dataclasses import dataclass

from inspector_bench import OURS, PEERS, Found

TURNS, FAN, CHAIN, TRANSCRIPT = 40, 256, 100, 6


@dataclass(frozen=True, slots=True)
class Task:
    """A program over some documents that makes `calls` calls.

    `steps`: how many of them must follow one another; 0 if the endpoint answers without delay.
    """

    label: str
    name: str
    n: int
    calls: int
    documents: int = 20
    chars: int = 2_500
    steps: int = 0
    systems: tuple[str, ...] = (OURS, *PEERS)

    def order(self, seed: int, run: int) -> Found:
        """Return the order for a worker; `run` differs for each question."""
        return {
            "task": self.name, "n": self.n, "documents": self.documents, "chars": self.chars,
            "k": self.documents, "seed": seed, "run": run,
        }  # fmt: skip


MAP = Task("20 documents mapped", "map", 20, calls=22, steps=3)
TASKS = (
    MAP,
    Task("20 documents mapped, in threads", "map_threads", 20, calls=22, steps=3, systems=PEERS),
    Task("tree of 8 x 8", "tree", 8, calls=82, documents=8, chars=8_000, steps=5),
    Task(
        "tree of 8 x 8, one child after another", "tree_in_turn", 8, calls=82, documents=8, chars=8_000,
        steps=5, systems=("dspy",),
    ),
    Task("as much output every turn", "transcript", TRANSCRIPT, calls=TRANSCRIPT + 1),
    Task("many turns", "turns", TURNS, calls=TURNS + 1),
    Task("many sub-calls at once", "fan", FAN, calls=FAN + 2),
    Task("many sub-calls, one by one", "chain", CHAIN, calls=CHAIN + 2),
)  # fmt: skip
TIMED = tuple(task for task in TASKS if task.steps)
"""The tasks whose wall time is compared with the critical path."""
