"""Everyday constructs of data analysis in Python: what CPython prints for each, and how a sandbox compares.

The constructs are in the folder `everyday`, separated by lines of `#---`. What they should print is never
stored: CPython runs them each time, except those in `outside.txt`, which need files, programs, the network
or packages, and are to be answered by a hint.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from funnel.sandbox.base import CellResult, Sandbox

FOLDER = Path(__file__).with_name("everyday")
OUTSIDE = "outside"
_REFERENCE = """
import contextlib, io, json, sys, warnings
warnings.simplefilter("ignore")
results = []
for code in json.load(sys.stdin):
    printed = io.StringIO()
    failed = False
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            exec(compile(code, "<cell>", "exec", dont_inherit=True), {"__name__": "__main__"})
        except BaseException:
            failed = True
    results.append([printed.getvalue(), failed])
json.dump(results, sys.stdout)
"""


class Construct(NamedTuple):
    """One construct: the file that it is in, its number there from 1 on, and its code."""

    subject: str
    number: int
    code: str


class Expected(NamedTuple):
    """What CPython printed, and whether the construct failed there."""

    stdout: str
    failed: bool


class Outcome(Enum):
    """What a sandbox made of a construct."""

    RIGHT = "right"
    HINTED = "hint"
    UNANSWERED = "unanswered"
    WRONG = "silently wrong"


def constructs(folder: Path = FOLDER) -> list[Construct]:
    """Return the constructs of all files, in order."""
    return [
        Construct(file.stem, number, code.strip("\n") + "\n")
        for file in sorted(folder.glob("*.txt"))
        for number, code in enumerate(file.read_text(encoding="utf-8").split("#---\n"), start=1)
    ]


def expected(these: Sequence[Construct]) -> list[Expected]:
    """Return what CPython makes of each construct, each in a namespace of its own."""
    codes = [each.code if each.subject != OUTSIDE else "raise SystemExit" for each in these]
    done = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", "-c", _REFERENCE],
        input=json.dumps(codes),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    return [Expected(*result) for result in json.loads(done.stdout)]


async def run(sandbox: Sandbox, codes: Sequence[str]) -> list[CellResult]:
    """Run each code in a session of its own, after the imports that every run begins with."""
    results = []
    for code in codes:
        async with sandbox.session({}, {}) as session:
            await session.run("import re, json, math, collections, itertools, datetime")
            results.append(await session.run(code))
    return results


def judged(wanted: Expected, got: CellResult) -> Outcome:
    """Compare what a sandbox did with what CPython did."""
    if got.error is not None:
        return Outcome.HINTED if got.error.hint else Outcome.UNANSWERED
    if wanted.failed or got.stdout != wanted.stdout:
        return Outcome.WRONG
    return Outcome.RIGHT
