"""Counts the model calls that memory saves on twenty questions over the same ten contracts.

python benchmarks/findings.py

Compares three uses of memory: none, the cache of completions alone, and the cache with the findings of
earlier runs. The models are scripted (findings_workload.py); the figures are counts, the same on every
machine. The cache helps only if a call is repeated exactly, so there are two kinds of root model: one words
each sub-call for the current question, as models do; the other always uses the same words. Both passes ask
the same questions; the second finds every call of the first in the cache. Two more questions each need the
label of all lines of one document (lines_workload.py).
"""

from __future__ import annotations

import asyncio
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path

from findings_workload import OWN, SAME, Root, Sub, Workload, workload
from lines_workload import QUESTIONS, LineRoot, LineSub, lines

from funnel.llm.models import Models
from funnel.memory import InMemory
from funnel.pipeline import Funnel, Options
from funnel.router import Router
from funnel.sandbox.monty.engine import MontySandbox
from indexes import RawDocuments

PRICES = {"root": (2.0, 8.0), "sub": (0.25, 2.0)}
NEITHER, CACHE, FINDINGS = "neither", "cache only", "cache + findings"


@dataclass(frozen=True, slots=True)
class Pass:
    """Calls and tokens of one pass over all questions, and its answers as (text, citations)."""

    root_calls: int
    sub_calls: int
    input_tokens: int
    output_tokens: int
    answers: tuple[tuple[str, tuple[object, ...]], ...]

    @property
    def calls(self) -> int:
        """Calls of both models."""
        return self.root_calls + self.sub_calls


async def passes(given: Workload, memory: str, *, wording: str = OWN, n: int = 1) -> list[Pass]:
    """Run `n` passes over one memory, which is empty before the first."""
    root, sub = Root(given, wording), Sub(given)
    options = Options(mode="deep", k=len(given.documents), fresh=memory == NEITHER, learn=memory == FINDINGS)
    with tempfile.TemporaryDirectory() as folder:
        funnel = Funnel(
            RawDocuments(given.documents).as_owner(),
            models=Models(root, sub, prices=PRICES),
            memory=InMemory(),
            sandbox=MontySandbox(),
            trace_dir=Path(folder),
            router=Router(),
        )
        async with funnel:
            return [await _one_pass(funnel, given, options, root, sub) for _ in range(n)]


async def _one_pass(funnel: Funnel, given: Workload, options: Options, root: Root, sub: Sub) -> Pass:
    before = root.calls, sub.calls
    answers = [await funnel.ask(question.text, options) for question in given.questions]
    return Pass(
        root.calls - before[0],
        sub.calls - before[1],
        sum(answer.usage.input_tokens for answer in answers),
        sum(answer.usage.output_tokens for answer in answers),
        tuple((answer.text, answer.citations) for answer in answers),
    )


async def label_twice(memory: str) -> list[tuple[int, int, bool]]:
    """Ask both questions about the thousand lines over one memory: root calls, sub-calls, whether right."""
    given, found = lines(), []
    options = Options(mode="deep", fresh=memory == NEITHER, learn=memory == FINDINGS)
    with tempfile.TemporaryDirectory() as folder:
        root, sub = LineRoot(), LineSub()
        funnel = Funnel(
            RawDocuments([given.document]).as_owner(),
            models=Models(root, sub, prices=PRICES),
            memory=InMemory(),
            sandbox=MontySandbox(),
            trace_dir=Path(folder),
            router=Router(),
        )
        async with funnel:
            for question in QUESTIONS:
                before = root.calls, sub.calls
                answer = await funnel.ask(question, options)
                right = answer.text == str(given.counts)
                found.append((root.calls - before[0], sub.calls - before[1], right))
    return found


def count_right(given: Workload, done: Pass) -> int:
    """Count the right answers."""
    pairs = zip(given.questions, done.answers, strict=True)
    return sum(text.startswith(f"{given.answer(question)} [1]") for question, (text, _) in pairs)


async def main() -> None:
    given = workload()
    print("python benchmarks/findings.py")
    print(
        f"Python {platform.python_version()}; 20 questions, 10 contracts, seed 7; tokens are characters / 4"
    )
    for wording in (OWN, SAME):
        words = "each question's own" if wording == OWN else "the same"
        print(f"\nsub-calls in {words} words")
        print(
            f"{'':16}{'pass':>5}{'root':>6}{'sub':>6}{'calls':>7}{'saved':>8}{'in':>9}{'out':>8}"
            "  right  answers"
        )
        first: Pass | None = None
        for memory in (NEITHER, CACHE, FINDINGS):
            for number, done in enumerate(await passes(given, memory, wording=wording, n=2), start=1):
                first = first or done
                same = "equal" if done.answers == first.answers else "DIFFER"
                print(
                    f"{memory:16}{number:5}{done.root_calls:6}{done.sub_calls:6}{done.calls:7}"
                    f"{1 - done.calls / first.calls:8.0%}{done.input_tokens:9,}{done.output_tokens:8,}"
                    f"{count_right(given, done):4}/20  {same}"
                )
    print("\ntwo questions that need the label of each of a thousand lines, in batches of fifty")
    print(f"{'':16}{'question':>9}{'root':>6}{'sub':>6}  right")
    for memory in (NEITHER, CACHE, FINDINGS):
        for number, (root_calls, sub_calls, right) in enumerate(await label_twice(memory), start=1):
            print(f"{memory:16}{number:9}{root_calls:6}{sub_calls:6}  {right}")


if __name__ == "__main__":
    asyncio.run(main())
