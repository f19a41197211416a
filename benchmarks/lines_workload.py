"""A thousand lines in one document, two questions that need the label of every line, and scripted models.

The root takes three turns: it looks at the document, gets the labels, and counts them. It pays for the labels
in batches of fifty lines, in the words of its question, unless its first message names a table of them.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass

from funnel.llm.base import CallOptions, Completion, Request
from funnel.prompts import fenced
from indexes.types import Document, DocumentId

N_LINES, BATCH = 1_000, 50
LABELS = {"place": "Where does the river {} rise?", "person": "Who painted {}?", "year": "When was {} built?"}
QUESTIONS = (
    "How many of the questions ask for a place, by their labels?",
    "Which label do most of the questions have, and which the fewest?",
)
_LOOK = "```python\nprint(context[0]['n_chars'], read('lines', 0, 300))\n```"
_PAY = """```python
lines = read("lines").splitlines()
parts = [lines[i:i + {batch}] for i in range(0, len(lines), {batch})]
texts = ["\\n".join(f"{{n}}. {{line}}" for n, line in enumerate(part, start=1)) for part in parts]
form = {{"type": "array", "items": {{"enum": {labels}}}}}
results = llm_query_batched({asked!r}, texts, form)
labels = [label for result in results for label in result["value"]]
print(len(labels))
```"""
_TAKE = """```python
labels = [row["value"] for row in recall({name!r})[0]["rows"]]
print(len(labels))
```"""
_COUNT = """```python
counts = {label: labels.count(label) for label in sorted(set(labels))}
submit(str(counts), citations=[])
```"""


@dataclass(frozen=True, slots=True)
class Lines:
    """The document, and the counts that both questions end in."""

    document: Document
    counts: dict[str, int]


def lines(seed: int = 11) -> Lines:
    """Create the workload; the same seed gives the same one."""
    chance = random.Random(seed)
    labels = [chance.choice(sorted(LABELS)) for _ in range(N_LINES)]
    text = "\n".join(LABELS[label].format(f"no. {n}") for n, label in enumerate(labels))
    document = Document(DocumentId("lines"), text, title="Questions", uri="x:lines")
    return Lines(document, {label: labels.count(label) for label in sorted(LABELS)})


@dataclass
class LineRoot:
    """The root model."""

    name: str = "root"
    endpoint: str = "workload"
    calls: int = 0

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        """Return the next turn of the program."""
        del options
        self.calls += 1
        opening = request.messages[1].content
        turn = len(request.messages) // 2
        table = re.search(r'recall\("(t\w+)"\)\[0\]', opening)
        [(_, question)] = fenced("question", opening)
        asked = f"{question} Label each question."
        pay = _PAY.format(batch=BATCH, labels=json.dumps(sorted(LABELS)), asked=asked)
        second = pay if table is None else _TAKE.format(name=table[1])
        return _completion(request, (_LOOK, second, _COUNT)[min(turn, 3) - 1], self.name)

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


@dataclass
class LineSub:
    """The sub-model: labels the lines of one batch."""

    name: str = "sub"
    endpoint: str = "workload"
    calls: int = 0

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        """Return a label for each line."""
        del options
        self.calls += 1
        [(_, text)] = fenced("text", request.messages[1].content)
        kinds = {pattern.split()[0]: label for label, pattern in LABELS.items()}
        said = [kinds[line.split(". ", 1)[1].split()[0]] for line in text.splitlines()]
        return _completion(request, json.dumps(said), self.name)

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def _completion(request: Request, text: str, model: str) -> Completion:
    size = sum(len(message.content) for message in request.messages)
    return Completion(text, model, -(-size // 4), -(-len(text) // 4))
