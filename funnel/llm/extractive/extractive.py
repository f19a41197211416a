"""The stand-in as an `LLM`: replies to each kind of prompt in the format it asks for; calls no model."""

from __future__ import annotations

import asyncio
import json

from funnel.llm.base import CallOptions, Completion, Request
from funnel.llm.extractive.programs import DISCLAIMER, KEY_WORDS, NONE, UNTYPED, decline, program
from funnel.llm.extractive.question import read_question
from funnel.llm.extractive.support import rank_sentences
from funnel.prompts import fenced
from indexes.retrieval.analysis import analyse

NAME = "extractive"
CHARS_PER_TOKEN = 4
QUOTES = 3
NEAR_CHARS = 200
MIN_COVERED = 0.3
MIN_SHARE_OF_BEST = 0.7


class Extractive:
    """Replies by term statistics over the prompt's sentences, with no model. Deterministic; costs nothing."""

    @property
    def name(self) -> str:
        """The name, `extractive`."""
        return NAME

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        """Reply to the prompt of a reader, an inspector's turn, a sub-call, an extraction or a follow-up."""
        del options  # no timeout or retries are needed
        reply = {
            "read": _read,
            "turn": _turn,
            "query": _query,
            "extract": _extract,
            "follow_up": _question_of,
        }[request.purpose]
        text = await asyncio.to_thread(reply, request)
        size = sum(len(message.content) for message in request.messages)
        return Completion(text, NAME, size // CHARS_PER_TOKEN, len(text) // CHARS_PER_TOKEN)

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def _question_of(request: Request) -> str:
    """Return the question as it was asked: without a model, none is written anew."""
    return _question(request.messages[-1].content)


def _read(request: Request) -> str:
    """Return the reader's JSON, with the best-supported sentences as quotes."""
    prompt = request.messages[1].content
    if fenced("schema", prompt):
        return json.dumps({"found": False, "answer": UNTYPED, "quotes": [], "value": None})
    question = _question(prompt)
    passages = fenced("passage", prompt)
    texts = [text for _, text in passages]
    titles = [attributes.get("title", "") for attributes, _ in passages]
    ranked = rank_sentences(analyse(question), texts, titles)
    best = [
        s
        for s in ranked[:QUOTES]
        if s.covered >= MIN_COVERED and s.score >= MIN_SHARE_OF_BEST * ranked[0].score
    ]
    if not best:
        n_passages = len(passages)
        missing = (
            f"{DISCLAIMER}. None of the {n_passages} passages found contains enough of the question's words."
        )
        return json.dumps({"found": False, "answer": missing, "quotes": []}, ensure_ascii=False)
    quotes = [(s.text + 1, texts[s.text][s.start : s.stop]) for s in best]
    lines = [f'- {titles[number - 1]}: "{" ".join(quote.split())}" [{number}]' for number, quote in quotes]
    answer = "\n".join([f"{DISCLAIMER}:", *lines])
    listed = [{"passage": number, "quote": quote} for number, quote in quotes]
    return json.dumps({"found": True, "answer": answer, "quotes": listed}, ensure_ascii=False)


def _turn(request: Request) -> str:
    """Return the program for this turn, which is counted from the assistant messages so far."""
    if fenced("schema", request.messages[1].content):
        return f"```python\n{decline(UNTYPED)}\n```"
    turn = 1 + sum(message.role == "assistant" for message in request.messages)
    failed = turn > 1 and "\nError: " in f"\n{_without_output(request.messages[-1].content)}"
    question = read_question(_question(request.messages[1].content))
    return f"```python\n{program(question, turn, failed=failed)}\n```"


def _query(request: Request) -> str:
    """Return the sentences of the text that are relevant to the key words, best first, one per line; or NONE.

    A sentence is relevant if it contains two of them, or if it contains one and the lines around it another:
    for example, a signature with a timeout above a sentence about waiting.
    """
    prompt = request.messages[-1].content
    texts = [text for _, text in fenced("text", prompt)]
    asked = prompt.split("\n<text ", 1)[0]
    _, _, listed = asked.partition(KEY_WORDS)
    wanted = set(analyse(listed or asked))
    least = min(2, len(wanted))
    found = []
    for supported in rank_sentences(sorted(wanted), texts, [""] * len(texts)):
        text = texts[supported.text]
        matched = wanted.intersection(analyse(text[supported.start : supported.stop]))
        around = text[max(0, supported.start - NEAR_CHARS) : supported.stop + NEAR_CHARS]
        if len(matched) >= least or (matched and len(wanted.intersection(analyse(around))) >= least):
            found.append(" ".join(text[supported.start : supported.stop].split()))
    return "\n".join(found[:QUOTES]) or NONE


def _extract(request: Request) -> str:
    """Return the notes of the work unchanged."""
    work = "\n".join(text for _, text in fenced("work", request.messages[-1].content))
    notes = [line for line in work.splitlines() if line.startswith("note ")]
    return "\n".join([f"{DISCLAIMER}:", *notes]) if notes else "NOT FOUND"


def _question(prompt: str) -> str:
    found = fenced("question", prompt)
    return found[0][1] if found else prompt


def _without_output(feedback: str) -> str:
    """Return the feedback without the output of cells, which may itself contain "Error:"."""
    for kind in ("output", "remarks"):
        for _, text in fenced(kind, feedback):
            feedback = feedback.replace(text, "", 1)
    return feedback
