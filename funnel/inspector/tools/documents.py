"""The tools with which the model's code finds and reads documents; asks no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from funnel.errors import BadPattern
from funnel.findings.provenance import TextSpan
from funnel.inspector.opening import TITLE_CHARS
from funnel.inspector.shared import Shared
from funnel.inspector.tools.arguments import (
    as_list,
    as_pattern,
    require_integers,
    require_numbers,
    require_text,
)
from funnel.inspector.tools.bounds import DOCUMENT, DOCUMENTS, Bounds
from funnel.inspector.tools.declaration import Arguments, Exposes, always, tool
from funnel.sandbox.base import HostError
from funnel.workspace.documents import ReadableDocuments
from funnel.workspace.naming import MAX_LIKE_CHARS
from funnel.workspace.values import GrepResult
from indexes.errors import IndexesError
from indexes.types import DocumentHit, DocumentInfo

MAX_MATCHES = 200
MAX_CONTEXT = 2_000
MAX_RESULTS = 500
MAX_RECALLED = 100
MAX_LISTED = 1_000
MAX_NAMED = 10
"""Documents that a remark on a grep names."""
MAX_ALL = 20_000
MAX_QUERY_CHARS = 100_000
MAX_RECALL_CHARS = 10_000
"""What is recalled is short: a longer query, such as a page, matches nothing better."""
SECOND_LOOK_CHARS = 20_000_000
"""If a pattern matches nothing in at most this much text, it is tried again ignoring case."""


def _record_read(shared: Shared, arguments: Arguments, text: str) -> None:
    name = shared.run.documents.id_of(arguments["doc"])
    shared.coverage.opened(name)
    shared.recorder.read(name, arguments.get("start", 0), arguments.get("stop"), text)


def _record_hits(shared: Shared, arguments: Arguments, hits: Sequence[Arguments]) -> None:
    shared.recorder.texts(TextSpan(hit["id"], hit["start"], hit["text"]) for hit in hits)
    shared.coverage.found(hits, arguments["query"], arguments.get("docs"))


def _record_recalled(shared: Shared, _arguments: Arguments, found: Sequence[Arguments]) -> None:
    shared.coverage.recalled(found)


def _record_matches(shared: Shared, arguments: Arguments, matches: Sequence[Arguments]) -> None:
    shared.coverage.grepped(arguments["pattern"], arguments.get("docs"), matches)
    shared.recorder.texts(
        TextSpan(
            match["id"],
            match["start"] - len(match["before"]),
            match["before"] + match["text"] + match["after"],
        )
        for match in matches
    )


def _over_everything(arguments: Arguments) -> bool:
    """Whether the collection, which may change before a resume, is searched as a whole."""
    return bool(arguments.get("docs") == "all")


@dataclass
class DocumentTools:
    """The tools of one inspector. `mine`: what it was given and what it found, which it greps by default.

    `remarks`: remarks to the model besides the results.
    """

    shared: Shared
    mine: dict[str, None]
    remarks: list[str] = field(default_factory=list)

    @property
    def _documents(self) -> ReadableDocuments:
        """The documents of the run."""
        return self.shared.run.documents

    def _add_found(self, _arguments: Arguments, hits: Sequence[Arguments]) -> None:
        self.mine |= dict.fromkeys(hit["doc"] for hit in hits)

    @tool(
        prompt="- `search(query, k=10, docs=None)` -> dicts id, title, n_chars, score, start, stop, text: "
        "best passages of ALL documents, or of these.",
        replayed=always,
        exposes=Exposes.RECORDED,
        records=_record_hits,
        then=_add_found,
        bounds=DOCUMENTS,
    )
    async def search(self, query: str, k: int = 10, docs: Any = None) -> list[dict[str, Any]]:
        """Return the best documents of the whole collection, each with its best passage.

        In some documents, the best passages, several of one if they are the best.
        """
        require_text(query=query)
        require_numbers(k=k)
        if len(query) > MAX_QUERY_CHARS:
            raise HostError(
                f"search() was passed more than {MAX_QUERY_CHARS:,} characters of text: pass a slice of it"
            )
        if k > MAX_RESULTS:
            self.remarks.append(f"search() returns at most {MAX_RESULTS} documents, not {k}.")
        if docs is not None and docs != "all":
            return await self._search_in(query, max(1, min(k, MAX_RESULTS)), docs)
        try:
            hits = await self._documents.search(query, max(1, min(k, MAX_RESULTS)))
        except IndexesError as error:
            raise HostError(f"search failed: {error}") from error
        self.remarks += hits.notes
        return [_found(hit) for hit in hits]

    @tool(
        prompt="- `documents(start=0, limit=1000, like=None)` -> id, title, n_chars of all, or of those with "
        "`like` in title, id or metadata.",
        replayed=always,
        exposes=Exposes.RECORDED,
    )
    async def documents(
        self, start: int = 0, limit: int = MAX_LISTED, like: str | None = None
    ) -> list[dict[str, Any]]:
        """Return every document of the collection that the asker may read, by id, in pages.

        With `like`, those that are called so, best first.
        """
        require_numbers(start=start, limit=limit)
        start, limit = max(0, start), max(1, min(limit, MAX_LISTED))
        if like is None:
            listed, total = await self._documents.listed(start, limit), await self._documents.count()
        else:
            listed, total = await self._like(like, start, limit)
        if start + len(listed) < total and listed:
            self.remarks.append(_cut(len(listed), total, start + len(listed), like))
        return [
            {"id": info.id, "title": info.title[:TITLE_CHARS], "n_chars": info.n_chars} for info in listed
        ]

    @tool(
        prompt="- `read(doc, start=0, stop=None)` -> str, 200,000 characters or an error; doc: an id, a "
        "title or any of these dicts.",
        exposes=Exposes.RECORDED,
        records=_record_read,
        bounds=DOCUMENT,
    )
    async def read(self, doc: Any, start: int = 0, stop: int | None = None) -> str:
        """Return the characters [start, stop) of a document."""
        require_integers(start=start, stop=stop)
        return await self._documents.read(doc, start, stop)

    @tool(
        prompt="- `grep(pattern, docs=None, context=80, ignore_case=False, start=0)` -> dicts id, title, "
        "start, stop, text, before, after, line (print this), n_matches (in its document), 200 at most (a "
        'remark tells of more); a space is any white space; docs: ids, "all", None (context and what search '
        "found).",
        replayed=_over_everything,
        exposes=Exposes.RECORDED,
        records=_record_matches,
        bounds=DOCUMENTS,
    )
    async def grep(
        self,
        pattern: str,
        docs: Any = None,
        context: int = 80,
        ignore_case: Any = False,  # noqa: FBT002 - the model's code passes it by place or by name
        start: int = 0,
    ) -> list[dict[str, Any]]:
        """Return the matches of a regular expression with their spans."""
        require_text(pattern=pattern)
        require_numbers(context=context, start=start)
        pattern = as_pattern(pattern)
        ids = await self.scope(docs)
        try:
            found = await self._documents.grep(
                pattern,
                ids,
                context=max(0, min(context, MAX_CONTEXT)),
                limit=MAX_MATCHES,
                ignore_case=bool(ignore_case),
                start=max(0, start),
            )
        except BadPattern as error:
            raise HostError(str(error)) from error
        if not found.total and ids:
            self.remarks.append(await self._nothing(pattern, ids, ignore_case=bool(ignore_case)))
        if found.total > len(found.matches):
            self.remarks.append(self._more(pattern, found, len(ids), max(0, start)))
        return [
            {
                "id": match.document_id,
                "doc": match.document_id,
                "title": self._documents.info(match.document_id).title[:TITLE_CHARS],
                "start": match.start,
                "stop": match.stop,
                "text": match.text,
                "before": match.before,
                "after": match.after,
                "line": " ".join(f"{match.before}>>{match.text}<<{match.after}".split()),
                "n_matches": found.counts[match.document_id],
            }
            for match in found.matches
        ]

    @tool(
        prompt="- `recall(query, k=10)` -> dicts text, asked, id, start, stop of what earlier runs found; "
        "check, then cite() one.",
        replayed=always,
        exposes=Exposes.RECORDED,
        records=_record_recalled,
        bounds=Bounds(chars=MAX_RECALL_CHARS),
    )
    async def recall(self, query: str, k: int = 10) -> list[dict[str, Any]]:
        """Return what earlier runs found about documents as they are now, best first, each with its place."""
        require_text(query=query)
        require_numbers(k=k)
        return await self.shared.recall.recall(query, max(0, min(k, MAX_RECALLED)))

    async def _search_in(self, query: str, k: int, docs: Any) -> list[dict[str, Any]]:
        """Return the best passages of some documents."""
        ids = await self.scope(docs)
        hits = await self._documents.search_in(query, ids, k)
        infos = {name: self._documents.info(name) for hit in hits if (name := hit.document_id) is not None}
        return [
            {
                "id": info.id,
                "doc": info.id,
                "title": info.title[:TITLE_CHARS],
                "n_chars": info.n_chars,
                "score": round(hit.score, 4),
                "start": hit.start,
                "stop": hit.stop,
                "text": hit.text,
            }
            for hit in hits
            if hit.document_id is not None and (info := infos[hit.document_id])
        ]

    async def _like(self, like: str, start: int, limit: int) -> tuple[list[DocumentInfo], int]:
        """Return some of the documents that are called so, and how many there are."""
        require_text(like=like)
        if len(like) > MAX_LIKE_CHARS:
            raise HostError(f"like has at most {MAX_LIKE_CHARS} characters: use search(query) for a text")
        listed, total = await self._documents.like(like, start, limit)
        if not total:
            count = await self._documents.count()
            self.remarks.append(
                f"documents(like={like[:100]!r}): none of {count:,} has that in title, id, address or "
                "metadata; for what documents say: search(query) or grep(pattern, docs='all')."
            )
        return listed, total

    def _more(self, pattern: str, found: GrepResult, n_documents: int, start: int) -> str:
        """Return what a model should know of the matches that were not returned."""
        what = f"grep({pattern[:100]!r}) found {found.total:,} matches"
        following = start + len(found.matches)
        rest = f" The next: start={following}." if following < found.total else ""
        if len(found.counts) < 2:  # noqa: PLR2004 - then they are not spread
            first = f"the first {len(found.matches)} were" if not start else f"{len(found.matches)} were"
            return f"{what}; {first} returned.{rest}"
        shown = {match.document_id for match in found.matches}
        away = {name: n for name, n in found.counts.items() if name not in shown}
        text = (
            f"{what} in {len(found.counts):,} of {n_documents:,} documents; {len(found.matches)} were "
            f"returned, of {len(shown):,} documents, as many of each as there is room for.{rest}"
        )
        if not away or start:
            return text
        most = sorted(away, key=lambda name: -away[name])[:MAX_NAMED]
        self._documents.expose(most)
        listed = ", ".join(f"{name[:80]!r} ({away[name]:,})" for name in most)
        return f"{text} Not among them: {len(away):,} documents, such as {listed}."

    async def _nothing(self, pattern: str, ids: Sequence[str], *, ignore_case: bool) -> str:
        """Return what a model should know before it takes "no match" for an answer."""
        total, n_chars = 0, self._documents.n_chars(ids)
        if n_chars <= SECOND_LOOK_CHARS and not ignore_case:
            other = await self._documents.grep(pattern, ids, context=0, limit=0, ignore_case=True)
            total = other.total
        titles = self._documents.titles_with(pattern, ids, at_most=3)
        parts = [f"grep({pattern[:100]!r}) found nothing in {len(ids):,} documents"]
        parts += [f"{total:,} matches with ignore_case=True"] if total else []
        parts += [f"titles that hold it: {', '.join(title[:80] for title in titles)}"] if titles else []
        return f"{'; '.join(parts)}. Searched: {n_chars:,} characters."

    async def scope(self, docs: Any) -> Sequence[str]:
        """Return the ids that `docs` means: None is what was given and found here, "all" the collection."""
        if docs is None:
            return list(self.mine)
        if docs != "all":
            return [await self._documents.find(doc) for doc in as_list(docs, at_most=MAX_ALL)]
        everything = await self._documents.add_everything(MAX_ALL)
        if everything is None:
            raise HostError(
                f"the collection has more than {MAX_ALL:,} documents, too many to grep them all: "
                "pass docs=[hit['id'] for hit in search(query, k=500)]"
            )
        return everything


def _cut(n_listed: int, total: int, following: int, like: str | None) -> str:
    """Return the remark for a list that does not have all documents."""
    asked = "" if like is None else f", like={like[:100]!r}"
    narrower = "; by title, id or metadata: documents(like=...)" if like is None else ""
    more = f"documents(start={following}{asked}){narrower}"
    return f"documents() returned {n_listed:,} of {total:,} documents. The next: {more}."


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
