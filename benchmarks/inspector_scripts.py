"""The scripted root: one program per task, in the dialect of each system; knows no HTTP.

The steps are the same for all systems; only the names of functions, the type of `context` and the format of a
reply differ. A question names its task as [[task:NAME:N:RUN]]. Every prompt contains the number of the run,
so that no cache answers instead of the model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

PART = "Run RUN: name the colour in this text."
PART_ANSWER = "Blue, as the second sentence says."
THOUGHT = "I look at what is there and keep what I need."
SHOWN_CHARS = 2_000
THREADS = 64
CHILD_PARTS = 8
SYSTEMS = ("funnel", "rlms", "dspy")

_TASK = re.compile(r"\[\[task:(\w+):(\d+):(\d+)\]\]")
_ITERATION = re.compile(r"\[\[ ## iteration ## \]\]\n(\d+)/")

_REPLY = {
    "funnel": "{thought}\n```python\n{code}\n```",
    "rlms": "{thought}\n```repl\n{code}\n```",
    "dspy": "[[ ## reasoning ## ]]\n{thought}\n\n[[ ## code ## ]]\n```python\n{code}\n```\n\n"
    "[[ ## completed ## ]]",
}
_SUBMIT = {
    # An answer without a citation would be sent back once.
    "funnel": "submit({answer}, citations=[cite(context[0], 0, 40)])",
    "rlms": 'answer["content"] = {answer}\nanswer["ready"] = True',
    "dspy": "SUBMIT({answer})",
}
_BATCH = {
    "funnel": f"answers = llm_query_batched([{PART!r}] * len(texts), texts)",
    "rlms": f"answers = llm_query_batched([{PART!r} + '\\n\\n' + text for text in texts])",
    "dspy": f"answers = llm_query_batched([{PART!r} + '\\n\\n' + text for text in texts])",
}
_IN_THREADS = (
    "from concurrent.futures import ThreadPoolExecutor\n"
    f"with ThreadPoolExecutor({THREADS}) as pool:\n"
    f"    answers = list(pool.map(llm_query, [{PART!r} + '\\n\\n' + text for text in texts]))"
)
"""A peer's root may also write this if the peer's own batches run fewer calls at once."""
_TEXTS = {
    "funnel": 'texts = [d["text"] for d in context]',
    "rlms": "texts = context",
    "dspy": "texts = context",
}
_CHILD = "[[task:child:8:RUN]] Which colours are named in this text?"
_CHILDREN = {
    "funnel": f"answers = rlm_query_batched([{_CHILD!r}] * len(context), [[d] for d in context])",
    # The child sees only the length of the prompt; the prompt itself is the child's `context`.
    "rlms": "answers = rlm_query_batched(context)",
    "dspy": (
        "import dspy\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "child = dspy.RLM('question, text -> answer')\n"
        "with ThreadPoolExecutor(len(context)) as pool:\n"
        f"    answers = list(pool.map(lambda d: child(question={_CHILD!r}, text=d).answer, context))"
    ),
}
_CHILDREN_IN_TURN = (
    "import dspy\nchild = dspy.RLM('question, text -> answer')\n"
    f"answers = [child(question={_CHILD!r}, text=d).answer for d in context]"
)
"""As the peer's prompt shows it. The prompt does not say that sub-agents can be called from threads."""
_CHILD_TEXT = {"funnel": 'text = context[0]["text"]', "rlms": "text = context", "dspy": ""}
_SPLIT = (
    f"size = len(text) // {CHILD_PARTS}\n"
    f"texts = [text[i * size:(i + 1) * size] for i in range({CHILD_PARTS})]"
)
_COUNTED = 'str(len(answers)) + " answers"'
_SHOW = "print(len(answers), answers[0])"


def question(task: str, n: int, run: int) -> str:
    """Return the question for a system, by which the scripted root knows its task.

    It asks for one thing: a program that reads a part would not be believed that it found all.
    """
    return f"[[task:{task}:{n}:{run}]] Which colour is named in the first document?"


def cells(system: str, task: str, n: int, run: int) -> list[str]:
    """Return the program of a task, one cell per turn; the last submits. Raises: `KeyError` if unknown."""
    submit = _SUBMIT[system].format(answer=_COUNTED)
    batch = f"{_BATCH[system]}\n{_SHOW}"
    many = f"texts = ['text ' + str(i) for i in range({n})]"
    one_by_one = f"for i in range({n}):\n    answers = [llm_query({PART!r} + ' ' + str(i))]"
    looks = [f"{_TEXTS[system]}\nprint(texts[{i}][:{SHOWN_CHARS}])\nanswers = texts" for i in range(n)]
    programs = {
        "map": [f"{_TEXTS[system]}\n{batch}"],
        "map_threads": [f"{_TEXTS[system]}\n{_IN_THREADS}\n{_SHOW}"],
        "tree": [f"{_CHILDREN[system]}\n{_SHOW}"],
        "tree_in_turn": [f"{_CHILDREN_IN_TURN}\n{_SHOW}"],
        "child": [f"{_CHILD_TEXT[system]}\n{_SPLIT}\n{batch}"],
        # A cell or an output that comes again may be left out of later prompts.
        "transcript": looks,
        "turns": [f"answers = [{i}]\nprint({i})" for i in range(n)],
        "fan": [f"{many}\n{batch}"],
        "chain": [f"{one_by_one}\n{_SHOW}"],
        "memory": [
            'found = grep(r"needle-\\d+", context=40)\nprint(len(context), len(found))',
            f"texts = [read(d, 0, {SHOWN_CHARS}) for d in context[:{n}]]\n{batch}",
        ],
    }
    return [cell.replace("RUN", str(run)) for cell in [*programs[task], submit]]


def reply(system: str, messages: Sequence[Mapping[str, Any]]) -> tuple[str, int]:
    """Return the scripted reply to a chat and the number of its turn, which is 0 for a sub-call."""
    texts = [_text(message["content"]) for message in messages]
    found = next(filter(None, map(_TASK.search, texts)), None)
    if found is None and not (system == "rlms" and messages[0]["role"] == "system"):
        return PART_ANSWER, 0
    task, n, run = (found[1], int(found[2]), int(found[3])) if found else ("child", CHILD_PARTS, 0)
    program = cells(system, task, n, run)
    turn = 1 + sum(message["role"] == "assistant" for message in messages)
    if system == "dspy" and (iteration := _ITERATION.search(texts[-1])):
        turn = int(iteration[1])
    code = program[min(turn, len(program)) - 1]
    return _REPLY[system].format(thought=THOUGHT, code=code), turn


def prompt_texts(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the texts of a prompt whose size counts."""
    return [_text(message["content"]) for message in messages]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or ())
