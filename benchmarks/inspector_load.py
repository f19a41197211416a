"""Synthetic documents and CPU times for the workers; needs no library."""

from __future__ import annotations

import os
import random
from pathlib import Path

COLOURS = ("blue", "red", "green", "yellow", "black", "white")
COMMON = """
about after again along among another around because become before between bring building business carry
century certain change children city close common company condition country course court days different door
during early earth every example experience family father field figure follow found friend general given
government great group hand heard history house however human idea important interest kind knowledge large
later letter light little local love making matter members might minute morning mother music nature never
night nothing number office often order other paper people perhaps period person place point political power
present problem public question rather reason result right river room school second service several short
small social society something special stand state story street study system table thing thought through
together town turned under until upon various water week while whole within without woman words work world
writing year young
"""
WORDS = COMMON.split()
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def documents(n: int, chars: int, seed: int) -> list[str]:
    """Return documents of exactly `chars` characters: sentences of common words with a colour in each."""
    rng = random.Random(seed)
    texts = []
    for _ in range(n):
        sentences: list[str] = []
        size = 0
        while size < chars:
            said = [*rng.choices(WORDS, k=rng.randint(6, 14)), rng.choice(COLOURS)]
            sentences.append(" ".join(said).capitalize() + ". ")
            size += len(sentences[-1])
        texts.append("".join(sentences)[:chars])
    return texts


def cpu_s() -> float:
    """Return the CPU seconds of this process and its children, running or ended."""
    return sum(_ticks(pid) for pid in family(os.getpid())) * TICK_S


def family(root: int) -> list[int]:
    """Return the ids of a process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        if (fields := _stat(path)) is not None:
            parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, ())
    return found


def _ticks(pid: int) -> int:
    fields = _stat(Path(f"/proc/{pid}/stat"))
    return sum(map(int, fields[11:15])) if fields else 0


def _stat(path: Path) -> list[str] | None:
    """Return the fields after the name, which may contain spaces; None if the process has ended."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return None
