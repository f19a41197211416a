"""Ten contracts, twenty questions about them with known answers, and scripted models that answer sensibly.

The contracts are made up. Each states four terms, each in one of several wordings, so that a program without
a model does not find them all. The root's program first uses the findings in its prompt, then asks
`recall()`, and makes sub-calls only for what is missing. The sub-model returns the value and its sentence.
"""

from __future__ import annotations

import ast
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from funnel.llm.base import CallOptions, Completion, Request
from funnel.prompts import fenced
from indexes.types import Document, DocumentId

NAMES = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ironwood", "Juniper")
FILLER = (
    "The parties shall meet twice a year to review the work. ",
    "Each party keeps the other's secrets for as long as they are secrets. ",
    "No party is in breach for what neither could foresee. ",
    "Headings are for convenience only. ",
    "This agreement may be signed in counterparts. ",
)
OWN, SAME = "own", "same"
"""How the root words its sub-calls: in each question's own words, or in the same words for the same term."""


@dataclass(frozen=True, slots=True)
class Term:
    """A term that each contract states; `wordings` have a placeholder for its value."""

    name: str
    unit: str
    values: tuple[int, ...]
    wordings: tuple[str, ...]


TERMS = (
    Term("notice period", "days", (30, 60, 90, 45), (
        "Either party may end this agreement by giving {} days' written notice.",
        "It ends {} days after one side has told the other in writing.",
        "Termination takes effect once {} days have passed since it was declared.",
    )),
    Term("liability cap", "thousand euros", (100, 250, 500, 1000), (
        "Neither side owes the other more than {} thousand euros in all.",
        "Damages are limited to EUR {} thousand.",
        "The most that may be claimed hereunder is {} thousand euros.",
    )),
    Term("payment term", "days", (14, 21, 28, 35), (
        "Invoices fall due {} days after they were received.",
        "The customer settles each bill within {} days.",
        "Sums owed are paid not later than {} days from the invoice.",
    )),
    Term("warranty", "months", (6, 12, 24, 36), (
        "Defects are mended free of charge for {} months.",
        "The supplier stands behind its work for {} months from delivery.",
        "For {} months after acceptance the goods shall be free of faults.",
    )),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """A question; `kind` says what to do with the term's values in the contracts `names`."""

    text: str
    term: Term
    kind: str
    names: tuple[str, ...] = NAMES


@dataclass(frozen=True, slots=True)
class Workload:
    """The contracts, the value and sentence of each term in each of them (`stated`), and the questions."""

    documents: tuple[Document, ...]
    stated: dict[tuple[str, str], tuple[int, str]]
    questions: tuple[Question, ...]

    def answer(self, question: Question) -> str:
        """Return the right answer, without markers."""
        values = {name: self.stated[name, question.term.name][0] for name in question.names}
        return _answer(question, values)


def workload(seed: int = 7) -> Workload:
    """Create the workload; the same seed gives the same one."""
    chance = random.Random(seed)
    documents, stated = [], {}
    for name in NAMES:
        parts = [f"Agreement with {name} Works Ltd. "]
        for term in TERMS:
            value = chance.choice(term.values)
            sentence = chance.choice(term.wordings).format(value)
            stated[name, term.name] = value, sentence
            parts += [*chance.choices(FILLER, k=8), f"{sentence} "]
        text = "".join([*parts, *chance.choices(FILLER, k=8)])
        documents.append(Document(DocumentId(name.lower()), text, title=f"{name} contract", uri=f"x:{name}"))
    questions = list(_questions())
    chance.shuffle(questions)
    return Workload(tuple(documents), stated, tuple(questions))


def _questions() -> Iterator[Question]:
    for number, term in enumerate(TERMS):
        one, other = NAMES[number], NAMES[-1 - number]
        yield Question(f"Which contract has the longest or highest {term.name}?", term, "most")
        yield Question(f"How is the {term.name} spread over all contracts?", term, "spread")
        yield Question(f"List every contract with its {term.name}.", term, "list")
        yield Question(f"What is the {term.name} of the {one} contract?", term, "one", (one,))
        yield Question(
            f"Compare the {term.name} of the {one} and the {other} contract.", term, "list", (one, other)
        )


def _answer(question: Question, values: dict[str, int]) -> str:
    """Compute the answer with the same lines that the root's program ends with."""
    scope: dict[str, object] = {"values": values, "unit": question.term.unit}
    exec(_ENDINGS[question.kind], scope)  # noqa: S102 - three lines of this file
    return str(scope["said"])


_ENDINGS = {
    "most": "top = max(values.values())\n"
    "said = ', '.join(n for n in values if values[n] == top) + f': {top} {unit}'",
    "spread": "said = '; '.join(f'{v} {unit}: {list(values.values()).count(v)}' "
    "for v in sorted(set(values.values())))",
    "list": "said = '; '.join(f'{n}: {values[n]} {unit}' for n in values)",
    "one": "said = '; '.join(f'{n}: {values[n]} {unit}' for n in values)",
}
_PROGRAM = """```python
names, unit, term = {names!r}, {unit!r}, {term!r}
found = {known!r}
for name in names:
    if name in found: continue
    for fact in recall(term + " " + name + " contract", k=5):
        if fact["id"] == name.lower() and fact["kind"] == "sub-call" and term in fact["asked"]:
            said = fact["value"]
            if said["quote"] in read(fact["id"]):
                found[name] = said
                break
missing = [name for name in names if name not in found]
form = {{"type": "object", "properties": {{"value": {{"type": "integer"}}, "quote": {{"type": "string"}}}},
    "required": ["value", "quote"], "additionalProperties": False}}
texts = [d["text"] for name in missing for d in context if d["id"] == name.lower()]
results = llm_query_batched([{asked!r}] * len(missing), texts, form) if missing else []
for name, result in zip(missing, results): found[name] = result["value"]
values = {{name: found[name]["value"] for name in names}}
{ending}
submit(said + " " + " ".join(cite(name.lower(), quote=found[name]["quote"]) for name in names))
```"""
_FACT = re.compile(r"(?P<value>\{.*?\}) \(asked: '(?P<asked>.*?)'; '(?P<id>\w+)', \d+, \d+\)")


@dataclass
class Root:
    """The root model; the `wording` of its sub-calls is `OWN` or `SAME`."""

    workload: Workload
    wording: str = OWN
    name: str = "root"
    endpoint: str = "workload"
    calls: int = 0

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        """Return the program for the question in the first message."""
        del options
        self.calls += 1
        opening = request.messages[1].content
        [(_, text)] = fenced("question", opening)
        [question] = [each for each in self.workload.questions if each.text == text]
        term = question.term
        asked = f"State the {term.name} in {term.unit}, and quote the sentence that says so."
        program = _PROGRAM.format(
            names=question.names,
            unit=term.unit,
            term=term.name,
            known=dict(_known_facts(opening, question)),
            asked=asked if self.wording == SAME else f"{question.text} {asked}",
            ending=_ENDINGS[question.kind],
        )
        return _completion(request, program, self.name)

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def _known_facts(opening: str, question: Question) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the facts in the first message that state the term for one of the contracts asked about."""
    for _, known in fenced("known", opening):
        for fact in _FACT.finditer(known):
            name = fact["id"].capitalize()
            if question.term.name in fact["asked"] and name in question.names:
                yield name, ast.literal_eval(fact["value"])


@dataclass
class Sub:
    """The sub-model: reads one contract for one term."""

    workload: Workload
    name: str = "sub"
    endpoint: str = "workload"
    calls: int = 0
    prompts: list[str] = field(default_factory=list)

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        """Return the value and the sentence."""
        del options
        self.calls += 1
        prompt = request.messages[1].content
        self.prompts.append(prompt)
        [(_, text)] = fenced("text", prompt)
        asked = re.findall(r"State the ([a-z ]+) in ", prompt)[-1]
        for (name, term), (value, sentence) in self.workload.stated.items():
            if term == asked and f"Agreement with {name} " in text:
                return _completion(request, json.dumps({"value": value, "quote": sentence}), self.name)
        raise AssertionError(f"no contract says this: {prompt[:200]}")

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def _completion(request: Request, text: str, model: str) -> Completion:
    size = sum(len(message.content) for message in request.messages)
    return Completion(text, model, -(-size // 4), -(-len(text) // 4))
