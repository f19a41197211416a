"""Measures the memory of one question over growing text: 200 documents, all given to the inspector.

    python inspector_memory.py DIR MEGABYTES SEED      builds a collection of synthetic text there

Knows how collections are built and how the memory of a process and its children is watched. Memory is the
proportional set size (PSS), sampled every 20 ms. It includes file pages that the kernel may drop at any time;
these are also reported separately.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from inspector_bench import HERE, OURS, Found, Server, Worker, clean_environment
from inspector_load import family

DOCUMENTS = 200
SUB_CALLS = 20
SAMPLE_S = 0.02
BAR = 50
LIMIT_MB = 400


def memory_curve(server: Server, scratch: Path, sizes_mb: Sequence[float], seed: int) -> list[Found]:
    """Measure each size, and print its row at once. At its full width, the bar is at the limit."""
    print(f"\n## Memory: {DOCUMENTS} documents, k = {DOCUMENTS}, memory in SQLite; MB at the most")
    print(
        f"  {'text':>9}{'ours':>8}{'+children':>11}{'of files':>10}{'build s':>9}{'ask s':>8}{'to call':>9}"
        f"{'1st prompt':>12}{'tokens':>8}"
    )
    rows = []
    for size_mb in sizes_mb:
        folder = scratch / f"collection-{size_mb:g}"
        row = {"text_mb": size_mb, **build(folder, size_mb, seed), **question_over(server, scratch, folder)}
        shutil.rmtree(folder)
        rows.append(row)
        print(
            f"  {size_mb:>6,g} MB{row['own_mb']:8.0f}{row['peak_mb']:11.0f}{row['file_mb']:10.0f}"
            f"{row['build_s']:9.1f}{row['ask_s']:8.2f}{row['first_call_s']:9.2f}"
            f"{row['prompt_chars'][0]:12,}{row['prompt_tokens'][0] or 0:8,}  {bar(row['peak_mb'])}",
            flush=True,
        )
    return rows


def bar(peak_mb: float) -> str:
    filled = min(BAR + 10, round(peak_mb / LIMIT_MB * BAR))
    return "".join("|" if i == BAR else "#" if i < filled else " " for i in range(BAR + 10)).rstrip()


def build(folder: Path, size_mb: float, seed: int) -> Found:
    """Build the collection in a separate process, so that its memory does not count for the question."""
    command = [sys.executable, str(Path(__file__)), str(folder), str(size_mb), str(seed)]
    environment = clean_environment(PYTHONPATH=str(HERE.parent))
    done = subprocess.run(  # noqa: S603 - ourselves
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def question_over(server: Server, scratch: Path, folder: Path) -> Found:
    """Ask a new process one question: a grep over all text, sub-calls on parts of it, an answer."""
    memory = scratch / "memory.sqlite"
    options = ("--collection", str(folder), "--memory", f"sqlite:///{memory}")
    order = {
        "task": "memory", "n": SUB_CALLS, "documents": DOCUMENTS, "chars": 0, "k": DOCUMENTS,
        "seed": 0, "run": 0,
    }  # fmt: skip
    with Worker(OURS, server, sys.executable, scratch, *options) as worker, MemoryWatch(worker.pid) as watch:
        found = worker.ask(order, 0.0)
    turns = [call for call in found["calls"] if call["turn"]]
    for path in memory.parent.glob(f"{memory.name}*"):
        path.unlink()
    return {
        "own_mb": watch.own_mb, "peak_mb": watch.peak_mb, "file_mb": watch.file_mb, "ask_s": found["wall_s"],
        "open_s": found["build_s"], "first_call_s": found["calls"][0]["arrived_s"] - found["asked_s"],
        "prompt_chars": [call["chars"] for call in turns],
        "prompt_tokens": [call["tokens"] for call in turns],
        "curve": watch.curve,
    }  # fmt: skip


@dataclass
class MemoryWatch:
    """Records the peak memory of a process, alone and with its children, while watched."""

    pid: int
    own_mb: float = 0.0
    peak_mb: float = 0.0
    file_mb: float = 0.0
    curve: list[tuple[float, float, float]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(SAMPLE_S):
            held = {pid: _memory_mb(pid) for pid in family(self.pid)}
            own, all_ = held[self.pid][0], sum(mb for mb, _ in held.values())
            self.own_mb = max(self.own_mb, own)
            if all_ > self.peak_mb:
                self.peak_mb, self.file_mb = all_, sum(mb for _, mb in held.values())
            self.curve.append((round(time.monotonic() - began, 2), round(own), round(all_)))


def _memory_mb(pid: int) -> tuple[float, float]:
    """Return the proportional set size and the part of it that is file pages; 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1e3 for line in lines[1:] if "kB" in line}
    return sizes.get("Pss", 0.0), sizes.get("Pss_File", 0.0)


def main() -> None:
    folder, size_mb, seed = sys.argv[1:]
    from search_speed import synthetic  # noqa: PLC0415 - the watcher needs no numpy

    from indexes import Collection, Document, DocumentId  # noqa: PLC0415 - nor this project

    chars = int(float(size_mb) * 1e6 / DOCUMENTS)

    def documents() -> Iterator[Document]:
        """Yield documents of meaningless words, each with one needle in the middle."""
        passages = synthetic(2 * DOCUMENTS + DOCUMENTS * chars // 400, int(seed))
        for i in range(DOCUMENTS):
            parts, size = [], 0
            while size < chars:
                parts.append(next(passages))
                size += len(parts[-1]) + 2
            text = "\n\n".join(parts)[:chars]
            half = len(text) // 2
            text = f"{text[:half]} The needle-{i} names one of the colours. {text[half:]}"
            yield Document(DocumentId(f"d{i}"), text)

    began = time.monotonic()
    with Collection.create(folder) as kb:
        kb.upsert(documents())
        passages = kb.status().passages
    print(json.dumps({"build_s": time.monotonic() - began, "passages": passages}))


if __name__ == "__main__":
    main()
