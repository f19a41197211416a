"""Stores findings about versions of documents, with the spans that they rest on; reads no document.

Findings are stored separately for each tenant, set of rights and document version. Whoever reads one must
check that the asker may still read its documents, and that its spans have not changed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import unquote

from funnel.asker import Asker
from funnel.errors import MemoryFailed
from funnel.findings import payloads
from funnel.findings.absences import sound
from funnel.findings.finding import (
    FINDINGS,
    MAX_ASKED_CHARS,
    MAX_CHARS,
    MAX_SOURCES,
    MAX_TITLE_CHARS,
    Finding,
    FindingKind,
    SupportingSpan,
    load,
    supporting_span,
)
from funnel.findings.gathered import Gathering
from funnel.findings.tables import Version
from funnel.memory import layout, terms, text_search
from funnel.memory.base import TERMS, Memory, Namespace
from funnel.stored import Stored
from funnel.text.citations import markers_in, renumber
from funnel.text.sentences import statements
from funnel.types import Citation

MAX_FINDINGS = 200
"""Maximum number kept about one document version; the oldest are dropped."""
MAX_TABLES = 20
"""The same for tables and noted values."""
MAX_VERSIONS = 1_000
"""Maximum number of document versions whose findings are searched."""
MAX_FOUND = 200
MAX_QUERY_CHARS, MAX_QUERY_TERMS = 10_000, 64
"""What of a query is searched for: a finding has 2,000 characters at most."""
MAX_EXPOSED = 500
"""Findings of a run that saw text of more documents are not stored."""
_FINDING, _TABLE, _OPENING = "fact/", "table/", "opening/"
_KEPT = {_FINDING: MAX_FINDINGS, _TABLE: MAX_TABLES}
"""The beginnings of the keys of findings, and how many of each are kept about a version."""
_READ = 16
_AT_ONCE = 16
_LISTED = 1_000
_LOG = logging.getLogger(__name__)


class FindingStore:
    """Findings of all askers with these rights. New ones wait until the run has its answer.

    `ttl_s`: how long a finding is kept after it was last found. `steady`: whether a question that is asked
    again over the same versions gets the same findings in its first message, so that its calls hit the cache.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        asker: Asker,
        ttl_s: float | None = None,
        steady: bool = False,
    ) -> None:
        self._memory = memory
        self._asker = asker
        self._here = layout.findings(asker)
        self._ttl_s = ttl_s
        self._steady = steady
        self._pending: dict[str, Finding] = {}
        self.gathering = Gathering()
        """The tables and noted values of this run."""

    def add(self, kind: FindingKind, asked: str, text: str, sources: Iterable[SupportingSpan]) -> None:
        """Add a finding; it is dropped if it has no text or span, too long a text or too many spans."""
        spans = tuple(dict.fromkeys(sources))
        self._pend(Finding(kind, asked.strip()[:MAX_ASKED_CHARS], text.strip(), spans))

    def _pend(self, finding: Finding) -> None:
        if 0 < len(finding.sources) <= MAX_SOURCES and 0 < len(finding.text) <= MAX_CHARS:
            self._pending[finding.digest] = finding

    def add_answer(
        self, question: str, text: str, citations: Sequence[Citation], versions: Mapping[str, str]
    ) -> None:
        """Add the statements of a complete answer, each with its citations.

        A text without markers, such as data, counts as one statement with all citations.

        `versions`: the versions of the cited documents, by id.
        """
        spans = statements(text) if markers_in(text) else [(0, len(text))]
        for start, stop in spans:
            said = text[start:stop]
            numbers = markers_in(said) if markers_in(text) else range(1, len(citations) + 1)
            cited = [citations[n - 1] for n in numbers if 0 < n <= len(citations)]
            if any(each.document_id not in versions for each in cited):
                continue  # gone since the answer was checked
            sources = [supporting_span(each, versions[each.document_id]) for each in cited]
            quotes = [each.quote for each in cited]
            self.add("answer", question, renumber(sound(said, partial(_these, quotes)), {})[0], sources)

    async def keep(self, exposed: Collection[str], *, question: str = "") -> None:
        """Store what was added. If the memory fails, that is lost, and the run goes on.

        `exposed`: every document whose text the run saw or may have seen. `question`: that of the run.
        """
        by_version: dict[Version, list[Finding]] = defaultdict(list)
        stored: dict[str, bytes] = {}
        for gathered in self.gathering.drain(question):
            self._pend(gathered.finding)
            stored |= {gathered.finding.digest: gathered.payload} if gathered.payload else {}
        findings, self._pending = self._pending, {}
        for pending in findings.values():
            finding = replace(pending, exposed=tuple(exposed))
            for version in finding.versions:
                by_version[version].append(finding)
        now = time.time()
        try:
            await asyncio.gather(
                *(self._write(version, some, stored, now) for version, some in by_version.items())
            )
        except MemoryFailed as error:
            _LOG.warning("the findings of a run are not stored: %s", error)

    async def versions(self) -> list[Version]:
        """Return the document versions with findings, at most `MAX_VERSIONS`. Raises: `MemoryFailed`."""
        found: list[Version] = []
        after: str = f"{self._here}/"
        while len(found) < MAX_VERSIONS and (
            page := await self._memory.namespaces(after=after, limit=_LISTED)
        ):
            inside = [where for where in page if where.startswith(f"{self._here}/")]
            found += [_version(where.removeprefix(f"{self._here}/")) for where in inside]
            if len(inside) < len(page):
                break
            after = page[-1]
        return found[:MAX_VERSIONS]

    async def find(self, query: str, versions: Collection[Version]) -> AsyncIterator[Finding]:
        """Yield the findings about these versions that match the first words of a query, best first.

        Raises: `MemoryFailed`.
        """
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def count(where: Namespace) -> tuple[Namespace, int]:
            async with at_once:
                return where, sum([len(await self._keys(where, prefix)) for prefix in _KEPT])

        spaces = [self._where(version) for version in sorted(set(versions))]
        counts = {where: n for where, n in await asyncio.gather(*map(count, spaces)) if n}
        ranked = await text_search.search(
            self._memory, counts, query[:MAX_QUERY_CHARS], k=MAX_FOUND, max_terms=MAX_QUERY_TERMS
        )
        seen: set[str] = set()
        for first in range(0, len(ranked), _READ):
            some = ranked[first : first + _READ]
            read = (self._memory.get_many(text.where, [text.key]) for text in some)
            for text, found in zip(some, await asyncio.gather(*read), strict=True):
                finding = load(found.get(text.key))
                # A finding about several documents is stored with each of them.
                if finding is not None and finding.digest not in seen:
                    seen.add(finding.digest)
                    yield finding

    async def opening(self, key: str) -> tuple[str, list[str]] | None:
        """Return the text that `keep_opening` stored, with the documents that it may come from.

        Returns None if there is no such text, or if the store is not steady. Raises: `MemoryFailed`.
        """
        if not self._steady:
            return None
        found = (await self._memory.get_many(self._here, [_OPENING + key])).get(_OPENING + key)
        try:
            return None if found is None else OPENINGS.load(found)
        except ValueError:
            return None  # a later version's: it is replaced

    async def keep_opening(self, key: str, text: str, exposed: Iterable[str]) -> None:
        """Store the findings as the first message shows them, for the next run. Raises: `MemoryFailed`."""
        stored = {_OPENING + key: OPENINGS.dump((text, list(exposed)))}
        await self._memory.put_many(self._here, stored, ttl_s=self._ttl_s)

    async def payload(self, finding: Finding) -> Any:
        """Return the value stored beside a finding; None if it is gone. Raises: `MemoryFailed`."""
        first = finding.sources[0]
        where = self._where((first.document_id, first.version))
        return await payloads.load(self._memory, where, finding.digest)

    async def _write(
        self, version: Version, findings: Sequence[Finding], stored: Mapping[str, bytes], now: float
    ) -> None:
        """Store findings about one version; one that was found again counts as new."""
        for prefix, at_most in _KEPT.items():
            some = [each for each in findings if bool(each.payload) == (prefix == _TABLE)]
            await self._write_some(version, prefix, some[:at_most], stored, now)

    async def _write_some(
        self,
        version: Version,
        prefix: str,
        findings: Sequence[Finding],
        stored: Mapping[str, bytes],
        now: float,
    ) -> None:
        """Store findings of one kind, with the values beside them; the oldest make room for them."""
        if not findings:
            return
        where = self._where(version)
        old = {_digest(key): key for key in await self._keys(where, prefix)}
        new = {f"{prefix}{int(now * 1000):015d}-{finding.digest}": finding for finding in findings}
        items = {key: FINDINGS.dump(replace(finding, found_at=now)) for key, finding in new.items()}
        items |= {TERMS + key: terms.record(finding.searched) for key, finding in new.items()}
        for finding in findings:
            first = finding.sources[0]
            if finding.digest in stored and (first.document_id, first.version) == version:
                items |= payloads.parts(finding.digest, stored[finding.digest])
        await self._memory.put_many(where, items, ttl_s=self._ttl_s)
        found_again = {_digest(key) for key in new}
        rest = sorted(key for digest, key in old.items() if digest not in found_again)
        too_many = rest[: max(0, len(rest) + len(new) - _KEPT[prefix])]
        gone = {*too_many, *(old[digest] for digest in found_again & old.keys())} - new.keys()
        removed = [part for key in sorted(gone) for part in (key, TERMS + key)]
        if prefix == _TABLE:
            removed += await payloads.keys_of(self._memory, where, map(_digest, too_many))
        await self._memory.delete_many(where, removed)

    async def _keys(self, where: Namespace, prefix: str) -> list[str]:
        return await self._memory.scan(where, prefix, limit=2 * MAX_FINDINGS)

    def _where(self, version: Version) -> Namespace:
        return layout.findings(self._asker, *version)


def _these(quotes: Sequence[str], _statement: str) -> Sequence[str]:
    return quotes


def _version(rest: str) -> Version:
    document_id, _, version = rest.partition("/")
    return unquote(document_id, errors="surrogatepass"), unquote(version, errors="surrogatepass")


def _digest(key: str) -> str:
    return key.rpartition("-")[2]


OPENINGS: Stored[tuple[str, list[str]]] = Stored(tuple[str, list[str]])
"""What a first message told of findings, and the documents that it may come from."""

__all__ = [
    "MAX_CHARS",
    "MAX_TITLE_CHARS",
    "OPENINGS",
    "Finding",
    "FindingKind",
    "FindingStore",
    "SupportingSpan",
    "Version",
    "supporting_span",
]
