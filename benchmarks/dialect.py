"""Counts what a sandbox makes of everyday constructs: right, answered by a hint, unanswered, silently wrong.

    python benchmarks/dialect.py [--sandbox monty] [--folder FOLDER] [--show]

The constructs are those of the tests, or of a folder of `.txt` files, each with constructs between lines of
`#---`. CPython says what is right. `--show` prints each construct that is not right.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/funnel/sandbox"))

from everyday import FOLDER, Outcome, constructs, expected, judged, run

from funnel.sandbox import open_sandbox


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sandbox", default="monty")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--show", action="store_true")
    asked = parser.parse_args()
    these = constructs(asked.folder)
    wanted = expected(these)
    sandbox = open_sandbox(asked.sandbox)
    started = time.perf_counter()
    try:
        got = await run(sandbox, [each.code for each in these])
    finally:
        await sandbox.close()
    seconds = time.perf_counter() - started
    tally: Counter[tuple[str, Outcome]] = Counter()
    for construct, one, other in zip(these, wanted, got, strict=True):
        outcome = judged(one, other)
        tally[construct.subject, outcome] += 1
        if asked.show and outcome is not Outcome.RIGHT:
            print(
                f"== {construct.subject} {construct.number}: {outcome.value}\n{construct.code}  wanted: {one}"
            )
            print(f"  {asked.sandbox}: {other.error or repr(other.stdout)}\n")
    print("| subject |", " | ".join(each.value for each in Outcome), "|\n|---|" + "---|" * len(Outcome))
    for subject in dict.fromkeys(each.subject for each in these):
        print(f"| {subject} |", " | ".join(str(tally[subject, each]) for each in Outcome), "|")
    totals = [sum(count for (_, of), count in tally.items() if of is each) for each in Outcome]
    print("| all |", " | ".join(map(str, totals)), "|")
    print(f"{len(these)} constructs, {1000 * seconds / len(these):.1f} ms each with its session")


if __name__ == "__main__":
    asyncio.run(main())
