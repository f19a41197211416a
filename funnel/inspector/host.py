"""The functions that the model's code calls: each checks its arguments and says what was wrong with them."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from funnel.citations import answer_text, markers_in
from funnel.errors import BadAnswer, BadPattern
from funnel.inspector.arguments import (
    as_list,
    brief,
    markers,
    require_integers,
    require_numbers,
    require_text,
)
from funnel.inspector.known import Known
from funnel.inspector.opening import TITLE_CHARS
from funnel.inspector.shelf import Shelf
from funnel.inspector.sub_calls import Result, Site, sub_call, sub_request, sub_schema
from funnel.journal.journal import Kept, check_of
from funnel.llm.base import Place
from funnel.run import Run
from funnel.sandbox.base import EndCell, HostError, HostFunction
from funnel.schema import AnswerSchema
from indexes.errors import IndexesError
from indexes.types import DocumentHit

NAMES = (
    "read", "grep", "search", "llm_query", "llm_query_batched", "rlm_query", "rlm_query_batched",
    "recall", "note", "notes", "cite", "documents", "budget", "last_output", "submit",
)  # fmt: skip
"""The host functions, by the names under which the model's code knows them."""

MAX_MATCHES = 200
MAX_CONTEXT = 2_000
MAX_RESULTS = 500
MAX_RECALLED = 100
MAX_LISTED = 1_000
MAX_ALL = 20_000
MAX_BATCH = 500
MAX_CHILDREN = 200
MAX_ANSWER_CHARS = 100_000
CITES_NOTHING = (
    "the answer cites nothing. Put the markers that cite() returns into the text, "
    "or submit(answer, citations=[]) if nothing can be cited"
)
"""Said once; whoever submits the same again is taken at their word."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What `submit` was given, checked."""

    answer: Any
    text: str
    numbers: tuple[int, ...]
    found: bool


Recurse = Callable[[str, Sequence[str], Site], Awaitable[str]]
"""(question, document ids, where) → the child's answer."""


@dataclass
class Host:
    """The host functions of one inspector; `parent` is the event under which their events belong.

    `schema`: what `submit` takes for an answer; None is anything.
    """

    run: Run
    shelf: Shelf
    known: Known
    recurse: Recurse | None
    given: tuple[str, ...]
    status: Callable[[], dict[str, Any]]
    schema: AnswerSchema | None = None
    parent: int = 0
    path: tuple[int, ...] = ()
    output: str = ""
    remarks: list[str] = field(default_factory=list)
    submission: Submission | None = None
    _made: int = 0
    _uncited: bool = False
    _mine: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What this inspector was given is what it greps when it names nothing."""
        self._mine = dict.fromkeys(self.given)

    def begin(self, path: tuple[int, ...], parent: int) -> None:
        """A cell begins, at that path of the run and under that event."""
        self.path, self.parent = path, parent
        self._made = 0
        self.remarks.clear()

    def functions(self) -> dict[str, HostFunction]:
        """By the name under which the model's code knows them."""
        return {name: self._traced(name, getattr(self, name)) for name in NAMES}

    def _traced(self, name: str, function: HostFunction) -> HostFunction:
        """The function with an event around it, and wrong arguments told as the code's mistake."""

        async def call(*args: Any, **kwargs: Any) -> Any:
            shown = [brief(value) for value in args]
            shown += [f"{key}={brief(value)}" for key, value in kwargs.items()]
            self._made += 1
            path = (*self.path, self._made)
            with self.run.events.span("host_call", parent=self.parent, name=name, arguments=shown) as span:
                try:
                    bound = _SIGNATURES[name].bind(*args, **kwargs)
                except TypeError as error:
                    raise HostError(f"{name}(): {error}. Signature: {name}{_SIGNATURES[name]}") from None
                placed = {"at": Site(span.id, path)} if name in _PLACED else {}
                work = partial(function, *bound.args, **bound.kwargs, **placed)
                keeps = name in _KEPT or bound.arguments.get("docs") == "all"

                def place() -> Place:
                    return Place(path, check_of(name, json.dumps(bound.arguments)))

                try:
                    result = await self._remembered(place, work, keeps=keeps)
                except HostError as error:
                    self._uncited |= str(error) == CITES_NOTHING
                    raise
                await self.known.lessons.heard(name, bound.arguments, result)
                if name == "search":
                    self._mine |= dict.fromkeys(hit["doc"] for hit in result)
                span.data["result"] = brief(result)
            if self.submission is not None:
                raise EndCell
            return result

        return call

    async def _remembered(
        self, place: Callable[[], Place], work: Callable[[], Awaitable[Any]], *, keeps: bool
    ) -> Any:
        """What the call gave in an earlier life of the run, or gives now.

        Kept are what `keeps` says, and all failures: what the code was told, it is told again.
        """
        journal = self.run.journal
        if journal.resumed and (kept := journal.kept(place())) is not None:
            self.remarks += kept.remarks
            if kept.error is not None:
                raise HostError(kept.error)
            return kept.result
        before = len(self.remarks)
        try:
            result = await work()
        except HostError as error:
            journal.keep(place(), Kept(None, str(error), tuple(self.remarks[before:]), failed=True))
            raise
        failed = isinstance(result, list) and any(
            isinstance(r, dict) and not r.get("ok", True) for r in result
        )
        if keeps or failed:
            journal.keep(place(), Kept(result, None, tuple(self.remarks[before:]), failed))
        return result

    async def read(self, doc: Any, start: int = 0, stop: int | None = None) -> str:
        """Characters start to stop of a document."""
        require_integers(start=start, stop=stop)
        return await self.shelf.read(doc, start, stop)

    async def grep(
        self,
        pattern: str,
        docs: Any = None,
        context: int = 80,
        ignore_case: Any = False,  # noqa: FBT002 - the model's code passes it by place or by name
    ) -> list[dict[str, Any]]:
        """Matches of a regular expression with their spans."""
        require_text(pattern=pattern)
        require_numbers(context=context)
        ids = await self._scope(docs)
        try:
            found = await self.run.workspace.grep(
                pattern,
                ids,
                context=max(0, min(context, MAX_CONTEXT)),
                limit=MAX_MATCHES,
                ignore_case=bool(ignore_case),
            )
        except BadPattern as error:
            raise HostError(str(error)) from error
        if found.total > len(found.matches):
            self.remarks.append(
                f"grep({pattern[:100]!r}) found {found.total:,} matches; the first {MAX_MATCHES} were "
                "returned. Narrow the pattern or pass docs=[...] to see the rest."
            )
        return [
            {
                "id": match.document_id,
                "doc": match.document_id,
                "title": self.shelf.info(match.document_id).title[:TITLE_CHARS],
                "start": match.start,
                "stop": match.stop,
                "text": match.text,
                "before": match.before,
                "after": match.after,
                "line": " ".join(f"{match.before}>>{match.text}<<{match.after}".split()),
            }
            for match in found.matches
        ]

    async def _scope(self, docs: Any) -> list[str]:
        """The ids that `docs` means: None is what was given and found here, "all" the whole collection."""
        if docs is None:
            return list(self._mine)
        if docs != "all":
            return [str((await self.shelf.find(doc)).id) for doc in as_list(docs)]
        everything = await self.shelf.listed(0, MAX_ALL + 1)
        if len(everything) > MAX_ALL:
            raise HostError(
                f"the collection has more than {MAX_ALL:,} documents, too many to grep them all: "
                "pass docs=[hit['id'] for hit in search(query, k=500)]"
            )
        return list(await self.shelf.add(everything))

    async def search(self, query: str, k: int = 10) -> list[dict[str, Any]]:
        """The best documents of the whole collection, each with its best passage."""
        require_text(query=query)
        require_numbers(k=k)
        if k > MAX_RESULTS:
            self.remarks.append(f"search() returns at most {MAX_RESULTS} documents, not {k}.")
        try:
            hits = await self.shelf.search(query, max(1, min(k, MAX_RESULTS)))
        except IndexesError as error:
            raise HostError(f"search failed: {error}") from error
        return [_found(hit) for hit in hits]

    async def recall(self, query: str, k: int = 10) -> list[dict[str, Any]]:
        """What earlier runs learnt about documents as they are now, best first, each with its place."""
        require_text(query=query)
        require_numbers(k=k)
        return await self.known.recall(query, max(0, min(k, MAX_RECALLED)))

    async def documents(self, start: int = 0, limit: int = MAX_LISTED) -> list[dict[str, Any]]:
        """Every document of the collection that the asker may read, by id, in pages."""
        require_numbers(start=start, limit=limit)
        listed = await self.shelf.listed(max(0, start), max(1, min(limit, MAX_LISTED)))
        return [
            {"id": info.id, "title": info.title[:TITLE_CHARS], "n_chars": info.n_chars} for info in listed
        ]

    async def llm_query(self, prompt: str, text: str | None = None, schema: Any = None, *, at: Site) -> Any:
        """A sub-model's answer: text, or with a schema a value that meets it.

        A failed call raises, so that no error text is taken for an answer.
        """
        form = await sub_schema(schema)
        result = await sub_call(self.run, sub_request(self.run, prompt, text, form), at.part(0), form)
        if not result["ok"]:
            raise HostError(f"llm_query failed, and nothing was answered: {result['error']}")
        return result["value"]

    async def llm_query_batched(
        self, prompts: Any, texts: Any = None, schema: Any = None, *, at: Site
    ) -> list[Result]:
        """Many sub-calls at once, in order; each a result with ok, value and error."""
        asked = as_list(prompts)
        given = [None] * len(asked) if texts is None else as_list(texts)
        if len(given) != len(asked):
            raise HostError(f"{len(asked)} prompts but {len(given)} texts; give one text for each prompt")
        if len(asked) > MAX_BATCH:
            raise HostError(f"at most {MAX_BATCH} prompts a call, not {len(asked)}; split the list")
        form = await sub_schema(schema)
        pairs = zip(asked, given, strict=True)
        requests = [sub_request(self.run, prompt, text, form) for prompt, text in pairs]
        works = [partial(sub_call, self.run, asks, at.part(i), form) for i, asks in enumerate(requests)]
        return await self._batch("prompts", at, works)

    async def _batch(
        self, what: str, at: Site, works: Sequence[Callable[[], Awaitable[Result]]]
    ) -> list[Result]:
        """All of them at once, in order."""
        left = self.run.ledger.remaining_calls()
        if left is not None and len(works) > left and not self.run.journal.entered(at.path):
            raise HostError(f"{len(works)} {what}, but only {left} calls are left; put several into one")
        with self.run.events.span("batch", parent=at.span, n=len(works)) as span:
            results = await _together(works)
            span.data["failed"] = sum(not result["ok"] for result in results)
            return results

    async def rlm_query(self, question: str, documents: Any = None, *, at: Site) -> str:
        """A child inspector's answer over some of the documents; its markers are this run's markers."""
        return await self._child(question, documents, at.part(0))

    async def rlm_query_batched(self, questions: Any, documents: Any = None, *, at: Site) -> list[Result]:
        """Many children at once, in order; `documents` is a list of what each of them is to work on."""
        asked = as_list(questions)
        given = [None] * len(asked) if documents is None else as_list(documents)
        if len(given) != len(asked):
            raise HostError(
                f"{len(asked)} questions but {len(given)} lists of documents; give one list for each question"
            )
        if len(asked) > MAX_CHILDREN:
            raise HostError(f"at most {MAX_CHILDREN} questions a call, not {len(asked)}; split the list")
        works = zip(asked, given, strict=True)
        return await self._batch(
            "questions", at, [partial(self._child_result, *work, at.part(i)) for i, work in enumerate(works)]
        )

    async def _child_result(self, question: str, documents: Any, at: Site) -> Result:
        try:
            return {"ok": True, "value": await self._child(question, documents, at), "error": None}
        except HostError as error:
            return {"ok": False, "value": None, "error": str(error)}

    async def _child(self, question: str, documents: Any, at: Site) -> str:
        require_text(question=question)
        if self.recurse is None:
            raise HostError(
                "the deepest level is reached: read the documents here, or use llm_query(prompt, text)"
            )
        named = self.given if documents is None else as_list(documents)
        ids = [str((await self.shelf.find(document)).id) for document in named]
        if not ids:
            raise HostError("rlm_query needs at least one document: a list of ids or of elements of context")
        return await self.recurse(question, ids, at)

    async def note(self, key: str, text: str) -> None:
        """Keep something for later turns, and for the answer should the budget end."""
        require_text(key=key, text=text)
        await self.run.workspace.note(key, text)
        self.run.events.point("note", parent=self.parent, key=key, text=text)

    async def notes(self) -> dict[str, str]:
        """Everything noted in this run."""
        return await self.run.workspace.notes()

    async def cite(
        self, doc: Any, start: Any = None, stop: int | None = None, quote: str | None = None
    ) -> str:
        """A marker like "[3]" for a span or for a quote that stands in the document word for word."""
        if isinstance(start, str):
            start, quote = None, start
        elif isinstance(doc, dict) and start is None and quote is None and "start" in doc:
            require_integers(start=doc["start"], stop=doc.get("stop"))
            return await self.shelf.cite_sentence(doc, doc["start"], doc.get("stop"))
        if quote is not None:
            require_text(quote=quote)
            return await self.shelf.cite_quote(doc, quote)
        require_integers(start=start, stop=stop)
        if start is None or stop is None:
            raise HostError('cite(match), cite(doc, start, stop) or cite(doc, quote="exact words")')
        return await self.shelf.cite(doc, start, stop)

    async def budget(self) -> dict[str, Any]:
        """What is left: turns, calls, seconds, dollars, tokens; None where there is no limit."""
        return self.status()

    async def last_output(self) -> str:
        """All that the previous cell printed, however much was shown."""
        return self.output

    async def submit(self, answer: Any, citations: Any = None, *, found: bool = True) -> None:
        """End the run with this answer."""
        try:
            text = answer_text(answer)
        except ValueError:
            raise HostError(
                "the answer holds nan or inf, which JSON has not; submit None or text there"
            ) from None
        if answer is None or not text.strip():
            raise HostError(
                "the answer is empty; to say that there is none: submit('what is missing', found=False)"
            )
        if len(text) > MAX_ANSWER_CHARS:
            raise HostError(f"the answer has {len(text):,} characters; at most {MAX_ANSWER_CHARS:,}")
        if found and self.schema is not None:
            await self._check(answer, self.schema)
        numbers = markers_in(answer)
        for marker in as_list(citations if citations is not None else []):
            numbers += markers(marker)
        known = self.shelf.cited(numbers)
        if unknown := sorted(set(numbers) - set(known)):
            raise HostError(
                f"no citation {', '.join(f'[{n}]' for n in unknown)}: markers come from cite(). "
                "Do not invent them, and write other numbers without square brackets."
            )
        if found and not known and citations is None and not self._uncited:
            raise HostError(CITES_NOTHING)
        self.submission = Submission(answer, text, tuple(dict.fromkeys(numbers)), bool(found))
        self.run.events.point(
            "submit", parent=self.parent, answer=text, citations=list(known), found=bool(found)
        )

    async def _check(self, answer: Any, schema: AnswerSchema) -> None:
        try:
            await asyncio.to_thread(schema.check, answer)
        except BadAnswer as error:
            raise HostError(
                f"the answer does not meet the schema in the first message: {error}. Submit the "
                "corrected value itself; or, if the documents do not hold it, say so with found=False"
            ) from error


def _signature(name: str) -> inspect.Signature:
    """A function as the model's code sees it: without `self`, `at` and annotations."""
    signature = inspect.signature(getattr(Host, name))
    shown = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name not in {"self", "at"}
    ]
    return signature.replace(parameters=shown, return_annotation=inspect.Signature.empty)


_SIGNATURES = {name: _signature(name) for name in NAMES}
_PLACED = frozenset({"llm_query", "llm_query_batched", "rlm_query", "rlm_query_batched"})
_KEPT = frozenset(
    {"search", "recall", "documents", "note", "notes", "budget", "rlm_query", "rlm_query_batched"}
)
"""What may give or do something else in a later life of the run: that is answered from the journal then.

The calls of `llm_query` are in the journal by themselves; the texts of a run do not change. A note is not
written again: a child whose result is kept wrote its own after it, maybe under the same key.
"""


async def _together(works: Sequence[Callable[[], Awaitable[Result]]]) -> list[Result]:
    """What all of them give, in order. Where one raises, since the run cannot go on, none goes on."""

    async def begun(work: Callable[[], Awaitable[Result]]) -> Result:
        return await work()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(begun(work)) for work in works]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _found(hit: DocumentHit) -> dict[str, Any]:
    passage = hit.passages[0].passage
    return {
        "id": hit.document.id,
        "doc": hit.document.id,
        "title": hit.document.title[:TITLE_CHARS],
        "n_chars": hit.document.n_chars,
        "score": round(hit.score, 4),
        "start": passage.start,
        "stop": passage.stop,
        "text": passage.text,
    }
