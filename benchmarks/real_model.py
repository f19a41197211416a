r"""Asks a real model the questions of a file, by a plain RAG baseline, by lookup and by the deep route.

    OPENAI_BASE_URL=http://127.0.0.1:8390/v1 OPENAI_API_KEY=local FUNNEL_MODEL=qwen2.5-coder-1.5b \
        python benchmarks/real_model.py --questions questions.jsonl --kb DIR --modes plain,lookup,deep -n 30

A line of the file is an object with `id`, `question` and `answers`, any of which is right; without answers a
question is left out. `plain` is the baseline that most programs begin with: the first five passages of the
same search, two lines of instruction, and the reply as it comes.

Every answer is written to --out when it is there, and a second call goes on where the first was stopped.

right      an answer stands in the text, word for word after normalisation (SQuAD's), in its first 60 words
cited      answered, with at least one citation
supported  right, and an answer stands in one of the cited spans
own        deep: ended by the model's own submission
bad form   the text is JSON, code or repetition, which nobody should be shown
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import statistics
import string
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import openai

from funnel import Options, Settings, build
from funnel.llm.budget import Limits
from funnel.pipeline import Funnel
from funnel.trace.events import Event
from indexes import Collection

PLAIN, LOOKUP, DEEP = "plain", "lookup", "deep"
MODES = (PLAIN, LOOKUP, DEEP)
PASSAGES = 5
SHOWN_WORDS = 60
"""An answer that recites whole passages holds any answer; a reader takes the first lines."""
REPEATED, REPEATED_CHARS = 3, 9
"""A text that says the same line of so many characters so often repeats itself."""
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_FORMS = re.compile(r"^\s*[\[{]|```|^\s*(?:def |import |from \w+ import |print\(|submit\()", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one question went in one mode. Tokens are those that the endpoint counted."""

    id: str
    mode: str
    text: str
    status: str
    end_reason: str
    right: bool
    cited: bool
    supported: bool
    bad_form: bool
    turns: int
    calls: int
    rejected: int
    input_tokens: int
    output_tokens: int
    wall_s: float


def normalised(text: str) -> str:
    """Return a text in small letters, without articles, punctuation and repeated white space."""
    bare = "".join(" " if c in string.punctuation else c for c in text.lower())
    return " ".join(_ARTICLES.sub(" ", bare).split())


def holds(text: str, answers: Iterable[str]) -> bool:
    """Return whether one of the answers stands in the text, word for word."""
    words = f" {normalised(text)} "
    return any(f" {normalised(answer)} " in words for answer in answers)


def badly_formed(text: str) -> bool:
    """Return whether a text is JSON or code, or repeats itself."""
    lines = Counter(line.strip() for line in re.split(r"[\n.]", text) if len(line.strip()) >= REPEATED_CHARS)
    return bool(_FORMS.search(text)) or max(lines.values(), default=0) >= REPEATED


def questions(file: Path, n: int, seed: int) -> list[Mapping[str, Any]]:
    """Return `n` questions that have answers, the same ones for the same seed."""
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
    held = [row for row in rows if row.get("answers")]
    return random.Random(seed).sample(held, min(n, len(held)))


async def plainly(collection: Collection, settings: Settings, row: Mapping[str, Any]) -> Outcome:
    """Answer as a first program does: five passages, two lines, one call."""
    hits = collection.as_owner().search(row["question"], k=20)
    found = sorted((hit for document in hits for hit in document.passages), key=lambda hit: -hit.score)
    passages = "\n\n".join(hit.passage.text for hit in found[:PASSAGES])
    prompt = (
        "Answer the question from the passages below, as briefly as possible.\n"
        'If they do not hold the answer, say "I do not know".\n\n'
        f"{passages}\n\nQuestion: {row['question']}\nAnswer:"
    )
    began = time.monotonic()
    async with openai.AsyncOpenAI(timeout=1200) as client:
        reply = await client.chat.completions.create(
            model=settings.model, max_tokens=400, temperature=0,
            messages=[{"role": "user", "content": prompt}],
        )  # fmt: skip
    text = reply.choices[0].message.content or ""
    used = reply.usage
    declined = "do not know" in text.lower()
    return Outcome(
        row["id"], PLAIN, text, "declined" if declined else "complete", "answered",
        right=not declined and _right(text, row), cited=False, supported=False, bad_form=badly_formed(text),
        turns=0, calls=1, rejected=0, input_tokens=used.prompt_tokens if used else 0,
        output_tokens=used.completion_tokens if used else 0, wall_s=time.monotonic() - began,
    )  # fmt: skip


def _right(text: str, row: Mapping[str, Any]) -> bool:
    return holds(" ".join(text.split()[:SHOWN_WORDS]), row["answers"])


async def asked(funnel: Funnel, row: Mapping[str, Any], mode: str, limits: Limits) -> Outcome:
    """Answer by one of the funnel's routes."""
    rejected = 0

    def listen(event: Event) -> None:
        nonlocal rejected
        rejected += event.kind == "reply.rejected"

    options = Options(mode=mode, limits=limits, fresh=True, learn=False)  # type: ignore[arg-type] # checked by argparse
    began = time.monotonic()
    answer = await funnel.ask(row["question"], options, on_event=listen)
    answered = answer.status in ("complete", "partial")
    right = answered and _right(answer.text, row)
    return Outcome(
        row["id"], mode, answer.text, answer.status, answer.end_reason.value, right=right,
        cited=answered and bool(answer.citations),
        supported=right and any(holds(each.quote, row["answers"]) for each in answer.citations),
        bad_form=badly_formed(answer.text), turns=answer.usage.turns, calls=answer.usage.model_calls,
        rejected=rejected, input_tokens=answer.usage.input_tokens, output_tokens=answer.usage.output_tokens,
        wall_s=time.monotonic() - began,
    )  # fmt: skip


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a Markdown table with a row for each mode."""
    head = (
        "| mode | n | right | answered | cited | supported of the right | own end | bad form "
        "| median turns | rejected replies | input tokens | output tokens | median s |"
    )
    rows = [
        head,
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for mode in MODES:
        held = [each for each in outcomes if each.mode == mode]
        if not held:
            continue
        right = [each for each in held if each.right]
        counts = [
            len(held), len(right), sum(each.status in ("complete", "partial") for each in held),
            sum(each.cited for each in held), f"{sum(each.supported for each in right)} of {len(right)}",
            sum(each.end_reason in ("answered", "not_found") for each in held),
            sum(each.bad_form for each in held), statistics.median(each.turns for each in held),
            sum(each.rejected for each in held),
            f"{statistics.fmean(each.input_tokens for each in held):.0f}",
            f"{statistics.fmean(each.output_tokens for each in held):.0f}",
            f"{statistics.median(each.wall_s for each in held):.0f}",
        ]  # fmt: skip
        rows.append(f"| {mode} | {' | '.join(map(str, counts))} |")
    return "\n".join(rows)


@asynccontextmanager
async def opened(folder: Path, traces: Path) -> AsyncIterator[tuple[Collection, Settings, Funnel]]:
    """Open the collection and a funnel over it, with the settings of the environment."""
    settings = Settings(trace_dir=traces)
    with Collection.open(folder) as collection:
        async with build(collection.as_owner(), settings) as funnel:
            yield collection, settings, funnel


async def main() -> None:
    """Ask everything that --out does not hold yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--kb", type=Path, required=True)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--out", type=Path, default=Path("real_model.jsonl"))
    parser.add_argument("-n", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=1200, help="seconds for one question")
    parser.add_argument("--calls", type=int, default=12, help="model calls for one deep question")
    given = parser.parse_args()
    modes = given.modes.split(",")
    if unknown := set(modes) - set(MODES):
        parser.error(f"no such mode: {', '.join(sorted(unknown))}; there are {', '.join(MODES)}")
    limits = Limits(timeout_s=given.timeout, max_calls=given.calls)
    lines = given.out.read_text("utf-8").splitlines() if given.out.exists() else []
    outcomes = [Outcome(**json.loads(line)) for line in lines]
    done = {(each.id, each.mode) for each in outcomes}
    async with opened(given.kb, given.out.parent / "traces") as (collection, settings, funnel):
        for number, row in enumerate(questions(given.questions, given.n, given.seed), start=1):
            for mode in modes:
                if (row["id"], mode) in done:
                    continue
                if mode == PLAIN:
                    outcome = await plainly(collection, settings, row)
                else:
                    outcome = await asked(funnel, row, mode, limits)
                outcomes.append(outcome)
                with given.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")
                mark = "right" if outcome.right else "-"
                print(f"{number} {mode} {outcome.status} {mark} {outcome.wall_s:.0f} s", flush=True)
    wanted = {row["id"] for row in questions(given.questions, given.n, given.seed)}
    print(table([each for each in outcomes if each.id in wanted and each.mode in modes]))


if __name__ == "__main__":
    asyncio.run(main())
