"""Reports the repeats as medians, ranges and ratios, in tables and as JSON types; runs nothing."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise

from inspector_bench import OURS, Found
from inspector_tasks import CHAIN, FAN, TIMED, TRANSCRIPT, TURNS

RunsBySystem = dict[str, list[Found]]
"""The measurements of each repeat, by system."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Median, minimum and maximum of the repeats."""

    median: float
    least: float
    most: float

    def show(self, scale: float = 1e3, digits: int = 1) -> str:
        """Format as milliseconds, or in another unit by `scale`."""
        median, least, most = (
            f"{value * scale:,.{digits}f}" for value in (self.median, self.least, self.most)
        )
        return f"{median} ({least}–{most})"


def figures_of(rows: RunsBySystem, value: Callable[[Found], float]) -> dict[str, Figure]:
    """Return the figure of each system."""
    found = {system: [value(run) for run in runs] for system, runs in rows.items()}
    return {system: Figure(statistics.median(all_), min(all_), max(all_)) for system, all_ in found.items()}


def plain(figures: dict[str, Figure]) -> Found:
    """Return the figures as JSON types."""
    return {system: asdict(figure) for system, figure in figures.items()}


def show_walls(results: dict[str, RunsBySystem], delay_s: float) -> Found:
    """Print wall times relative to the critical path, and to the best form of the best peer."""
    print(f"\n## Wall time, {delay_s * 1e3:g} ms a call: seconds, median (least–most)")
    figures: Found = {}
    best: dict[str, float] = {}
    for task in TIMED:
        critical = task.steps * delay_s
        walls = figures_of(results[task.name], lambda run: float(run["wall_s"]))
        cpu = figures_of(results[task.name], lambda run: float(run["cpu_s"]))
        figures[task.name] = {"critical_s": critical, "wall_s": plain(walls), "cpu_s": plain(cpu)}
        print(f"  {task.label}: critical path {critical:.2f} s")
        for system, wall in walls.items():
            at_once = max(run["most_at_once"] for run in results[task.name][system])
            print(
                f"    {system:8}{wall.show(1, 3):>24}  {wall.median / critical:5.2f} times that; "
                f"{at_once} calls at once, CPU {cpu[system].median:.2f} s"
            )
            if system != OURS:
                base = task.name.partition("_")[0]
                best[base] = min(wall.median, best.get(base, wall.median))
    for base, wall_s in best.items():
        if OURS in figures[base]["wall_s"]:
            ratio = wall_s / figures[base]["wall_s"][OURS]["median"]
            figures[base]["best_peer_ratio"] = ratio
            print(f"  {base}: the best peer, in its best form, takes {ratio:.2f} times as long as {OURS}")
    return figures


def show_prompts(runs: RunsBySystem) -> Found:
    """Print the tokens of each turn's prompt; characters if the endpoint has no tokenizer."""
    print(f"\n## Prompt tokens, {TRANSCRIPT} turns that print 2,000 characters each and one that submits")
    figures: Found = {}
    for system, found in runs.items():
        turns = [call["tokens"] or call["chars"] for call in found[-1]["calls"]]
        figures[system] = turns
        print(
            f"    {system:8}{'  '.join(f'{n:6,}' for n in turns)}   mean {statistics.mean(turns):,.0f}; "
            f"after the first {(turns[-1] - turns[0]) / (len(turns) - 1):,.0f} more a turn"
        )
    return figures


def show_overheads(results: dict[str, RunsBySystem]) -> Found:
    """Print what a turn and a sub-call take if the endpoint answers at once."""
    rows = {
        "a turn": figures_of(results["turns"], lambda run: statistics.median(_gaps(run))),
        "its CPU": figures_of(results["turns"], lambda run: float(run["cpu_s"]) / (TURNS + 1)),
        f"a sub-call of {FAN}": figures_of(results["fan"], lambda run: _cell_s(run) / FAN),
        "its CPU, too": figures_of(results["fan"], lambda run: float(run["cpu_s"]) / FAN),
        f"one of {CHAIN} in a row": figures_of(results["chain"], lambda run: _cell_s(run) / CHAIN),
    }
    print("\n## Overhead where the endpoint answers at once: milliseconds, median (least–most)")
    systems = list(results["turns"])
    print(f"    {'':18}{''.join(f'{system:>22}' for system in systems)}")
    for label, figures in rows.items():
        print(f"    {label:18}{''.join(f'{figures[system].show(1e3, 2):>22}' for system in systems)}")
    return {label: plain(figures) for label, figures in rows.items()}


def show_starts(began: RunsBySystem) -> Found:
    """Print the time from the question to the first call, in a process that has imported everything."""
    rows = {
        "first question": figures_of(began, lambda run: float(run["first_s"])),
        "second question": figures_of(began, lambda run: float(run["second_s"])),
        "imports before": figures_of(began, lambda run: float(run["import_s"])),
    }
    print("\n## From the question to the first call: milliseconds, median (least–most)")
    print(f"    {'':18}{''.join(f'{system:>26}' for system in began)}")
    for label, figures in rows.items():
        print(f"    {label:18}{''.join(f'{figures[system].show():>26}' for system in began)}")
    if OURS in began:
        built = figures_of({OURS: began[OURS]}, lambda run: float(run["build_s"]))
        print(f"    {OURS}: documents and Funnel made before the first question in {built[OURS].show()}")
        rows["built before"] = built
    return {label: plain(figures) for label, figures in rows.items()}


def _gaps(run: Found) -> Iterable[float]:
    """Return the times from the reply to a turn to the arrival of the next, if no sub-call came between."""
    return [
        after["arrived_s"] - before["replied_s"]
        for before, after in pairwise(run["calls"])
        if before["turn"] and after["turn"]
    ]


def _cell_s(run: Found) -> float:
    """Return the time of a cell of sub-calls: from the reply that contained it to the turn after it."""
    calls = run["calls"]
    last = max(i for i, call in enumerate(calls) if call["turn"])
    return float(calls[last]["arrived_s"] - calls[0]["replied_s"])
