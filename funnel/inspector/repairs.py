"""Says what to write next to a model whose reply held no code, or whose cell led nowhere; runs nothing.

Every message ends with a cell that can be copied as it stands, made of the words of this very question.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass

from funnel.inspector.replies import MAX_PARSED_CHARS, Malformed
from funnel.prompts import fence
from indexes.retrieval.analysis import STOP_WORDS

MAX_TERMS = 12
MAX_TERM_CHARS = 60
SEARCHED_WORDS = 3
"""How many words of a question without names the second search of an example has: its longest ones."""
SEARCH_WORDS = 4
"""An answer that is all the words of a question, at least so many, is a search that was copied."""
MAX_ANSWER_CHARS = 300
"""A longer text is not offered as the answer that was meant."""
ECHO_CHARS = 60
"""So many characters of a message, sent back at the beginning of a reply, are no coincidence."""
_WORD = re.compile(r"[^\W_](?:[\w'’.-]*\w)?")
_UNFILLED = re.compile(
    r"submit\(\s*[rf]?(['\"])\s*(?:<[^>\n]{0,80}>|\.{3}|…|(?:(?:the|your|final|my) ){0,2}answer)[.\s]*\1",
    re.IGNORECASE,
)
_SUBMITTED = re.compile(r"submit\(\s*['\"]([^'\"\n]+)['\"]")
_TAG = re.compile(r"\s*<[a-z]+ [a-z]{3,60}(?=[ >])[^>\n]*>\n")


def terms(question: str) -> list[str]:
    """Return the words of a question that a search needs, as they are written there."""
    words = (word for word in _WORD.findall(question) if word.casefold() not in STOP_WORDS)
    found = list(dict.fromkeys(word[:MAX_TERM_CHARS] for word in words))[:MAX_TERMS]
    return found or [question.strip()[:MAX_TERM_CHARS]]


def example(question: str, number: int = 0) -> str:
    """Return a cell that looks for this question, another one for each number."""
    if number % 3 == 2:  # noqa: PLR2004 - every third example greps
        words = terms(question)
        word = max(_names(words) or words, key=len)
        found = f'grep({json.dumps(word, ensure_ascii=False)}, docs="all")[:20]'
        return f'for m in {found}: print(m["id"], m["line"])'
    searches = _searches(question)
    asked = json.dumps(searches[min(number % 3, len(searches) - 1)], ensure_ascii=False)
    k = 5 if number == 0 else 10
    return f'hits = search({asked}, k={k})\nfor h in hits: print(h["id"], h["text"])'


def _searches(question: str) -> list[str]:
    words = terms(question)
    return list(dict.fromkeys([" ".join(words), " ".join(_names(words) or _longest(words))]))


def _longest(words: list[str]) -> list[str]:
    long = sorted(words, key=len)[-SEARCHED_WORDS:]
    return [word for word in words if word in long]


def _names(words: list[str]) -> list[str]:
    return [word for word in words if word[0].isupper() or word[0].isdigit()]


def block(source: str) -> str:
    """Return a cell as it is written in a reply."""
    return f"```python\n{source}\n```"


def submitting(answer: str) -> str:
    """Return the cell that submits an answer."""
    return block(f"submit({json.dumps(answer, ensure_ascii=False)})")


def echoes(reply: str, *messages: str) -> bool:
    """Whether a reply begins as one of these messages does, or as anything in them between tags of ours."""
    said = " ".join(reply[: 4 * ECHO_CHARS].split())[:ECHO_CHARS]
    if _TAG.match(reply) is not None:
        return True
    return len(said) == ECHO_CHARS and any(" ".join(each.split()).startswith(said) for each in messages)


def echo() -> Malformed:
    """Return what is wrong with a reply that is the message to it."""
    return Malformed("Your reply is the message itself, sent back, so nothing was run.", "echo")


def repair(wrong: Malformed, question: str, *, times: int, detail: str = "") -> str:
    """Return what a model is told of a reply without code. `times`: how many such replies came in a row."""
    reason = f"{wrong.reason} ({detail}.)" if detail else wrong.reason
    if times > 1:
        reason += f" This was reply {times} in a row without code."
    parts = [reason]
    answer = wrong.answer[:MAX_ANSWER_CHARS]
    if answer:
        parts.append(f"If that was your answer, submit it:\n{fence('cell', submitting(answer))}")
    parts.append("Reply with this block, or a better one, and nothing else:")
    parts.append(block(example(question, times - 1)))
    return "\n".join(parts)


def unfilled(source: str, question: str) -> str:
    """Return what a cell submits instead of an answer, the placeholder or the search of an example; or ""."""
    if _UNFILLED.search(source) is not None:
        return "the placeholder of the example"
    said = {" ".join(text.split()) for text in _SUBMITTED.findall(source)}
    asked = terms(question)
    return (
        "the words that were searched for" if len(asked) >= SEARCH_WORDS and " ".join(asked) in said else ""
    )


def unfilled_reason(submitted: str) -> str:
    """Return what a model is told of a cell that was not run. `submitted`: see `unfilled`."""
    return (
        f"Nothing was run: the cell submits {submitted}. Put the answer itself between the quotes, as the "
        "texts above give it; if none gives it, look further:"
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell was and gave: its form without comments and spaces, and all that it showed."""

    form: str
    shown: str


def cell_of(source: str, shown: str) -> Cell:
    """Return a cell in a form that two cells share if only their comments and layout differ."""
    tree = _tree(source)
    return Cell(" ".join(source.split()) if tree is None else ast.dump(tree), shown)


def does_nothing(source: str) -> str:
    """Return in words why a cell can do nothing: "only comments" and the like; "" if it may do something."""
    tree = _tree(source)
    if tree is None:
        return ""
    if not tree.body:
        return "only comments"
    if all(isinstance(node, ast.Pass) or _is_text(node) for node in tree.body):
        return "only `pass` or text"
    if all(isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)) for node in tree.body):
        return "only imports"
    if all(
        isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)) or _is_text(node) or _is_constant(node)
        for node in tree.body
    ):
        return "only constants"
    return ""


def printed_answer(source: str, stdout: str) -> str:
    """Return the text that a cell printed as it stands in its code, as an answer would be; "" if none."""
    tree = _tree(source)
    text = stdout.strip()
    if tree is None or not 0 < len(text) <= MAX_ANSWER_CHARS:
        return ""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if len(calls) != 1 or not isinstance(calls[0].func, ast.Name) or calls[0].func.id != "print":
        return ""
    said = calls[0].args[0] if len(calls[0].args) == 1 else None
    own = isinstance(said, ast.Constant) and isinstance(said.value, str)
    return text if own and any(char.isalpha() for char in text) else ""


def next_step(question: str, number: int) -> str:
    """Return what to write next: the answer if it was shown, else another search."""
    known = 'If the answer stands in what you were shown, submit("<answer>") with it. Otherwise look further:'
    return f"{known}\n{block(example(question, number))}"


def reminder(answer: str) -> str:
    """Return what a model is told that printed its answer, if that is what it was."""
    return f"Printing is not submitting. If that was your answer:\n{fence('cell', submitting(answer))}"


def _tree(source: str) -> ast.Module | None:
    if len(source) > MAX_PARSED_CHARS:
        return None
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_constant(node: ast.stmt) -> bool:
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
        return False
    return not any(
        isinstance(part, (ast.Call, ast.Name, ast.Await, ast.Lambda)) for part in ast.walk(node.value)
    )
