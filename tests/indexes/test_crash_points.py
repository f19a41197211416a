"""Writers killed over three hundred times, at every step and at random moments: nothing is lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from indexes.storage import faults

PROGRAM = Path(__file__).with_name("crash_writer.py")
ELSEWHERE = {name for name in faults.STEPS if name.startswith(("backup.", "restore."))}
VECTORS = {name for name in faults.STEPS if name.startswith("vectors.")}
ENGINES = {
    name for name in faults.STEPS if name.startswith(("lexical.", "latent.", "dense.", "catalog.", "lock."))
}
ONCE = {"catalog.schema"}
"""Only at the creation: a plan that begins with it dies there, and the next life begins anew."""

TIMES = 5
MOMENTS = 40
LONGEST_S = 0.25
LIVES = {
    ("tantivy", "latent", "faiss"): ENGINES - ONCE,
    ("tantivy", "hashed", "faiss"): (ENGINES | VECTORS) - ONCE,
    ("tantivy", "latent", "exact"): {name for name in ENGINES if name.startswith("dense.")},
    ("rank-bm25", "latent", "faiss"): {"catalog.commit", "catalog.committed", "dense.named"},
}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")


def plans(steps: set[str], chance: random.Random) -> list[str | float]:
    """The deaths to die, creation first and the rest in any order."""
    drawn: list[str | float] = sorted(steps) * TIMES
    drawn += [chance.uniform(0, LONGEST_S) for _ in range(MOMENTS)]
    chance.shuffle(drawn)
    return [*ONCE, *drawn]


def lived(directory: Path, *names: str) -> tuple[Counter[str], str]:
    """How often each step was died at, and what was wrong."""
    wanted = plans(LIVES[names], random.Random(" ".join(names)))
    directory.mkdir()
    # One thread each: what is forked must have no others, and the lives run side by side.
    alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, PROGRAM, directory, "1", *names, json.dumps(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | alone, check=False)
    if done.returncode:
        return Counter(), done.stderr
    report = json.loads(done.stdout)
    return Counter(report["died"]), f"{report['wrong']}\n{done.stderr}".strip()


def test_over_three_hundred_kills_at_every_step_and_at_random_moments_lose_nothing(ram):
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda names: lived(ram / "-".join(names), *names), LIVES))
    assert [wrong for _, wrong in reports] == [""] * len(LIVES)
    died = sum((counter for counter, _ in reports), Counter())
    assert sum(died.values()) >= 300
    assert set(died) - {"moment"} == faults.STEPS - ELSEWHERE
