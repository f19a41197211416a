"""The tools with which the model's code asks other models; read no text of documents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from funnel.inspector.shared import Shared
from funnel.inspector.tools.arguments import as_list, require_text
from funnel.inspector.tools.bounds import DOCUMENTS, Bounds
from funnel.inspector.tools.declaration import Arguments, Exposes, always, tool
from funnel.inspector.tools.recording import NOTHING, record_answers
from funnel.inspector.tools.sub_calls import (
    FOUND_NOTHING,
    CallSite,
    SubCallResult,
    sub_ask,
    sub_call,
)
from funnel.inspector.tools.typed import SubForms
from funnel.run.context import Run
from funnel.sandbox.base import HostError
from funnel.trace.kinds import BatchEnded, BatchStarted
from indexes.fingerprint import joint_fingerprint

MAX_BATCH = 500
MAX_CHILDREN = 200
MAX_BATCH_CHARS = 16_000_000
MAX_SCHEMA_PARTS = 20_000
"""Values in a schema, one for each of the most characters that it may have."""
MAX_QUESTION_CHARS = 200_000
MAX_GIVEN = 20_000
"""Documents that a child may be given."""

Recurse = Callable[[str, Sequence[str], CallSite], Awaitable[str]]
"""(question, document ids, call site) → the child's answer."""


LOST = "lost"
"""The code of an error that means that a model was asked, and gave no answer."""
CHILD_LOST = "the recursive call"
"""How the words of such an error begin if it was a child."""


def _asked(arguments: Arguments) -> list[tuple[Any, Any]]:
    """Return what each call asks, and over which text or documents."""
    if "prompts" in arguments:
        return paired(arguments["prompts"], arguments.get("texts"))
    if "questions" in arguments:
        asked = as_list(arguments["questions"])
        over = arguments.get("documents")
        return list(zip(asked, [None] * len(asked) if over is None else as_list(over), strict=True))
    asks = arguments.get("prompt", arguments.get("question"))
    return [(asks, arguments.get("text", arguments.get("documents")))]


def paired(prompts: object, texts: object) -> list[tuple[Any, Any]]:
    """Return the prompt and the text of each sub-call; a single prompt goes with every text, and the reverse.

    Raises: `HostError` if both are lists of different lengths.
    """
    asked = as_list(prompts)
    if texts is None:
        return [(prompt, None) for prompt in asked]
    if isinstance(texts, str):
        return [(prompt, texts) for prompt in asked]
    given = as_list(texts)
    if isinstance(prompts, str):
        return [(prompts, text) for text in given]
    if len(given) != len(asked):
        raise HostError(
            f"{len(asked)} prompts but {len(given)} texts; give one text for each prompt, or a single prompt "
            'for all texts: llm_query_batched("the prompt", texts)'
        )
    return list(zip(asked, given, strict=True))


def _key(asked: object, over: object) -> str:
    """Return the same for two calls that ask the same, whatever the code passed."""
    return joint_fingerprint(*(part if isinstance(part, str) else repr(part) for part in (asked, over)))


def _as_text(text: object) -> object:
    """Return a list of lines as the text that they are."""
    return "\n".join(map(str, text)) if isinstance(text, (list, tuple)) else text


def _record_answer(shared: Shared, arguments: Arguments, value: Any) -> None:
    record_answers(shared.recorder, _asked(arguments), [value], arguments.get("schema"))
    shared.coverage.judged(arguments["prompt"], _as_text(arguments.get("text")))


def _record_answers(shared: Shared, arguments: Arguments, results: Sequence[SubCallResult]) -> None:
    values = [result["value"] if result["ok"] else NOTHING for result in results]
    record_answers(shared.recorder, _asked(arguments), values, arguments.get("schema"))
    for (prompt, text), result in zip(_asked(arguments), results, strict=True):
        if _why_lost(result) is None:
            shared.coverage.judged(prompt, _as_text(text))


def _record_child(shared: Shared, arguments: Arguments, answer: str) -> None:
    shared.recorder.words("child", arguments["question"], answer, shared.cited_in(answer))


def _record_children(shared: Shared, arguments: Arguments, results: Sequence[SubCallResult]) -> None:
    for (question, _), result in zip(_asked(arguments), results, strict=True):
        if result["ok"]:
            answer = result["value"]
            shared.recorder.words("child", question, answer, shared.cited_in(answer))


def _why_lost(result: SubCallResult) -> str | None:
    """Return why a sub-call brought no answer; that the text holds nothing is one."""
    return None if result["ok"] or result["error"] == FOUND_NOTHING else str(result["error"])


def _why_child_lost(result: SubCallResult) -> str | None:
    """Return why a child brought no answer; one that the code could not ask so was not lost."""
    error = str(result["error"])
    return error if not result["ok"] and error.startswith(CHILD_LOST) else None


@dataclass(frozen=True)
class ModelTools:
    """The tools of one inspector. `given`: the documents that a child gets if none are named.

    `remarks`: what the model is told after the cell.
    """

    shared: Shared
    recurse: Recurse | None
    given: tuple[str, ...]
    remarks: list[str]

    @property
    def run(self) -> Run:
        """The run that all inspectors share."""
        return self.shared.run

    def begin(self) -> None:
        """Begin a cell: the model has been told what the one before lost."""
        self.shared.lost.tell(self)

    def _count_answer(self, arguments: Arguments, _result: Any) -> None:
        self._count(arguments, [None])

    def _count_lost(self, arguments: Arguments, error: HostError) -> None:
        """Count a call that brought no answer; one that was not made was a mistake of the code."""
        if error.code == LOST:
            self._count(arguments, [str(error)])
        elif FOUND_NOTHING in str(error):
            self.shared.coverage.judged(arguments["prompt"], _as_text(arguments.get("text")))

    def _count_answers(self, arguments: Arguments, results: Sequence[SubCallResult]) -> None:
        self._count(arguments, list(map(_why_lost, results)))

    def _count_children(self, arguments: Arguments, results: Sequence[SubCallResult]) -> None:
        self._count(arguments, list(map(_why_child_lost, results)))

    def _count(self, arguments: Arguments, why_lost: Sequence[str | None]) -> None:
        keys = (_key(*asked) for asked in _asked(arguments))
        self.shared.lost.add(zip(keys, why_lost, strict=True), by=self)

    @tool(
        prompt="- `llm_query(prompt, text=None, schema=None)` -> answer of a sub-model that sees only this; "
        "with a JSON Schema a parsed value.",
        exposes=Exposes.NOTHING,
        records=_record_answer,
        then=_count_answer,
        refused=_count_lost,
        bounds=Bounds(chars=1_000_000, parts=MAX_SCHEMA_PARTS),
    )
    async def llm_query(self, prompt: str, text: Any = None, schema: Any = None, *, site: CallSite) -> Any:
        """Return a sub-model's answer: text, or with a schema a value that meets it.

        A failed call raises, so that no error text passes for an answer.
        """
        ask = await sub_ask(self.run, prompt, text, await SubForms.of(schema))
        result = await sub_call(self.run, ask, site.part(0))
        if not result["ok"]:
            code = None if result["error"] == FOUND_NOTHING else LOST
            raise HostError(f"llm_query failed, and nothing was answered: {result['error']}", code=code)
        return result["value"]

    @tool(
        prompt="`llm_query_batched(prompts, texts=None, schema=None)`: at once, one prompt may serve all "
        "texts -> dicts ok, value, error.",
        exposes=Exposes.NOTHING,
        records=_record_answers,
        then=_count_answers,
        bounds=Bounds(chars=MAX_BATCH_CHARS, parts=MAX_SCHEMA_PARTS + 4 * MAX_BATCH),
    )
    async def llm_query_batched(
        self, prompts: Any, texts: Any = None, schema: Any = None, *, site: CallSite
    ) -> list[SubCallResult]:
        """Make many sub-calls at once and return their results in order, each with ok, value and error."""
        pairs = paired(prompts, texts)
        if len(pairs) > MAX_BATCH:
            raise HostError(f"at most {MAX_BATCH} prompts a call, not {len(pairs)}; split the list")
        forms = await SubForms.of(schema)
        asks = [await sub_ask(self.run, prompt, text, forms) for prompt, text in pairs]
        works = [partial(sub_call, self.run, ask, site.part(i)) for i, ask in enumerate(asks)]
        # Twice as many, so that some look into the cache meanwhile; further tasks would only wait.
        return await self._batch("prompts", site, works, at_once=2 * self.run.sub.at_once)

    async def _batch(
        self,
        what: str,
        site: CallSite,
        works: Sequence[Callable[[], Awaitable[SubCallResult]]],
        *,
        at_once: int,
        why_lost: Callable[[SubCallResult], str | None] = _why_lost,
    ) -> list[SubCallResult]:
        """Return the results of all, `at_once` at a time, in order."""
        left = self.run.ledger.remaining_calls()
        if left is not None and len(works) > left and not self.run.journal.entered(site.path):
            raise HostError(f"{len(works)} {what}, but only {left} calls are left; put several into one")
        with self.run.events.open(BatchStarted(n=len(works)), parent=site.event) as batch:
            results = await _together(works, at_once)
            batch.end_with(BatchEnded(failed=sum(not result["ok"] for result in results)))
            self._remark_lost(what, list(map(why_lost, results)))
            return results

    def _remark_lost(self, what: str, reasons: Sequence[str | None]) -> None:
        lost = [reason for reason in reasons if reason is not None]
        if lost:
            self.remarks.append(
                f"{len(lost)} of {len(reasons)} {what} got no answer, and ok is False there (the first: "
                f"{lost[0][:300]}). They can be asked again: only those, in the same words."
            )

    @tool(
        prompt="- `rlm_query(question, documents)`,",
        replayed=always,
        exposes=Exposes.RECORDED,
        records=_record_child,
        then=_count_answer,
        refused=_count_lost,
        bounds=DOCUMENTS,
    )
    async def rlm_query(self, question: str, documents: Any = None, *, site: CallSite) -> str:
        """Return a child inspector's answer over some documents; its markers are markers of this run."""
        return await self._child(question, documents, site.part(0))

    @tool(
        prompt="`rlm_query_batched(questions, documents)` (a list for each -> dicts ok, value, error): "
        "copies of you with their own REPL, for parts of several steps; costly. Their [n] hold here.",
        replayed=always,
        exposes=Exposes.RECORDED,
        records=_record_children,
        then=_count_children,
        bounds=DOCUMENTS,
    )
    async def rlm_query_batched(
        self, questions: Any, documents: Any = None, *, site: CallSite
    ) -> list[SubCallResult]:
        """Ask many children at once and return their results in order; `documents`: a list for each child."""
        asked = as_list(questions)
        given = [None] * len(asked) if documents is None else as_list(documents)
        if len(given) != len(asked):
            raise HostError(
                f"{len(asked)} questions but {len(given)} lists of documents; give one list for each question"
            )
        if len(asked) > MAX_CHILDREN:
            raise HostError(f"at most {MAX_CHILDREN} questions a call, not {len(asked)}; split the list")
        pairs = zip(asked, given, strict=True)
        works = [partial(self._child_result, *pair, site.part(i)) for i, pair in enumerate(pairs)]
        return await self._batch("questions", site, works, at_once=MAX_CHILDREN, why_lost=_why_child_lost)

    async def _child_result(self, question: str, documents: Any, site: CallSite) -> SubCallResult:
        try:
            return {"ok": True, "value": await self._child(question, documents, site), "error": None}
        except HostError as error:
            return {"ok": False, "value": None, "error": str(error)}

    async def _child(self, question: str, documents: Any, site: CallSite) -> str:
        require_text(question=question)
        if len(question) > MAX_QUESTION_CHARS:
            raise HostError(
                f"the question has {len(question):,} characters, of at most {MAX_QUESTION_CHARS:,}; "
                "give texts as documents, or to llm_query(prompt, text)"
            )
        if self.recurse is None:
            raise HostError(
                "the deepest level is reached: read the documents here, or use llm_query(prompt, text)"
            )
        named = self.given if documents is None else as_list(documents, at_most=MAX_GIVEN)
        ids = [await self.run.documents.find(document) for document in named]
        if not ids:
            raise HostError("rlm_query needs at least one document: a list of ids or of elements of context")
        return await self.recurse(question, ids, site)


async def _together(
    works: Sequence[Callable[[], Awaitable[SubCallResult]]], at_once: int
) -> list[SubCallResult]:
    """Return all results in order. If one raises, since the run cannot go on, the others are cancelled."""
    results: dict[int, SubCallResult] = {}
    left = iter(enumerate(works))

    async def work() -> None:
        for number, each in left:
            results[number] = await each()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(works))):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [results[number] for number in range(len(works))]
