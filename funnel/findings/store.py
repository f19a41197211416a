"""What runs learnt about versions of documents, with the spans that it rests on; knows no model and no text.

Facts lie apart for every asker's rights, and by document version: those of another are never looked at.
Whoever reads one back makes sure that the asker may read every source of it now, and that it stands there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal
from urllib.parse import unquote

from funnel.asker import Asker
from funnel.errors import MemoryFailed
from funnel.memory import layout, terms, text_search
from funnel.memory.base import TERMS, Memory, Namespace
from funnel.text.citations import markers_in, renumber
from funnel.text.sentences import statements
from funnel.types import Citation
from indexes.fingerprint import fingerprint

FindingKind = Literal["note", "sub-call", "child", "answer"]

MAX_FACTS = 200
"""Of one version; the oldest go."""
MAX_CHARS = 2_000
MAX_ASKED_CHARS = 500
MAX_TITLE_CHARS = 200
MAX_SOURCES = 20
MAX_VERSIONS = 1_000
"""So many that something was learnt about are looked through."""
MAX_FOUND = 200
MAX_GIVEN = 500
"""A run that had text of more documents teaches nothing: it could not be told who may hear of it."""
_FACT, _OPENING = "fact/", "opening/"
_READ = 16
_AT_ONCE = 16
_LISTED = 1_000
_LOG = logging.getLogger(__name__)

Version = tuple[str, str]
"""A document's id, and the version of its text."""


@dataclass(frozen=True, slots=True)
class SupportingSpan:
    """A span of a document version; `check` tells whether a text is the one that stood there.

    `title`: the document's, since many a fact does not say what it is about.
    """

    document_id: str
    version: str
    start: int
    stop: int
    check: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found when `asked`, and where; `at` in seconds since 1970.

    `given`: every document of which the run had text when it wrote this, since a model may put into words
    what stands in another document than the one that it cites.
    """

    kind: FindingKind
    asked: str
    text: str
    sources: tuple[SupportingSpan, ...]
    at: float = 0.0
    given: tuple[str, ...] = ()

    @property
    def versions(self) -> frozenset[Version]:
        """The documents that it rests on."""
        return frozenset((source.document_id, source.version) for source in self.sources)

    @property
    def searched(self) -> str:
        """By whose terms it is found: titles, what was asked, what was found."""
        titles = dict.fromkeys(source.title for source in self.sources)
        return "\n".join([*titles, self.asked, self.text])

    @property
    def digest(self) -> str:
        """The same for what was learnt again."""
        parts = [
            self.kind,
            self.asked,
            self.text,
            *(list(asdict(source).values()) for source in self.sources),
        ]
        return fingerprint(json.dumps(parts))


class FindingStore:
    """The facts of askers with these rights. What a run learns waits in it until the run has its answer.

    `ttl_s`: how long a fact is kept after it was last learnt. `steady`: a question that is asked again over
    the same versions begins as it did before, so that its calls are found in the cache.
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
        self._given: dict[str, None] = {}

    def gave(self, ids: Iterable[str]) -> None:
        """The run was given text of these documents."""
        self._given |= dict.fromkeys(ids)

    def add(self, kind: FindingKind, asked: str, text: str, sources: Iterable[SupportingSpan]) -> None:
        """Something was learnt; without a source, or too long, it is none."""
        fact = Finding(kind, asked.strip()[:MAX_ASKED_CHARS], text.strip(), tuple(dict.fromkeys(sources)))
        if 0 < len(fact.sources) <= MAX_SOURCES and 0 < len(fact.text) <= MAX_CHARS:
            self._pending[fact.digest] = fact

    def add_answer(
        self, question: str, text: str, citations: Sequence[Citation], versions: Mapping[str, str]
    ) -> None:
        """What a complete answer states, each statement with its citations; data as a whole with all of them.

        `versions`: those of the cited documents, by id.
        """
        spans = statements(text) if markers_in(text) else [(0, len(text))]
        for start, stop in spans:
            said = text[start:stop]
            numbers = markers_in(said) if markers_in(text) else range(1, len(citations) + 1)
            cited = [citations[n - 1] for n in numbers if 0 < n <= len(citations)]
            if any(each.document_id not in versions for each in cited):
                continue  # gone since the answer was checked
            sources = [supporting_span(each, versions[each.document_id]) for each in cited]
            self.add("answer", question, renumber(said, {})[0], sources)

    async def keep(self) -> None:
        """Write what was added. A memory that fails loses it, and nothing else."""
        by_version: dict[Version, list[Finding]] = defaultdict(list)
        facts, self._pending = self._pending, {}
        if len(self._given) > MAX_GIVEN:
            return
        for learnt in facts.values():
            fact = replace(learnt, given=tuple(self._given))
            for version in fact.versions:
                by_version[version].append(fact)
        now = time.time()
        try:
            await asyncio.gather(*(self._write(version, facts, now) for version, facts in by_version.items()))
        except MemoryFailed as error:
            _LOG.warning("what was learnt is not kept: %s", error)

    async def versions(self) -> list[Version]:
        """Of which document versions anything is known, `MAX_VERSIONS` at most. Raises: `MemoryFailed`."""
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
        """What was learnt about these versions and fits the query, best first. Raises: `MemoryFailed`."""
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def count(where: Namespace) -> tuple[Namespace, int]:
            async with at_once:
                return where, len(await self._keys(where))

        spaces = [self._where(version) for version in sorted(set(versions))]
        counts = {where: n for where, n in await asyncio.gather(*map(count, spaces)) if n}
        ranked = await text_search.search(self._memory, counts, query, k=MAX_FOUND)
        seen: set[str] = set()
        for first in range(0, len(ranked), _READ):
            some = ranked[first : first + _READ]
            read = (self._memory.get_many(text.where, [text.key]) for text in some)
            for text, found in zip(some, await asyncio.gather(*read), strict=True):
                fact = _load(found.get(text.key))
                # One of several sources is stored with each of them.
                if fact is not None and fact.digest not in seen:
                    seen.add(fact.digest)
                    yield fact

    async def opening(self, key: str) -> tuple[str, list[str]] | None:
        """What was said to be known when the same was begun before, where it is to begin alike.

        Returns: the words, and the documents that they may come from. Raises: `MemoryFailed`.
        """
        if not self._steady:
            return None
        found = (await self._memory.get_many(self._here, [_OPENING + key])).get(_OPENING + key)
        if found is None:
            return None
        text, given = json.loads(found)
        return text, given

    async def keep_opening(self, key: str, text: str, given: Iterable[str]) -> None:
        """Keep what is said to be known at that beginning. Raises: `MemoryFailed`."""
        stored = {_OPENING + key: json.dumps([text, list(given)]).encode()}
        await self._memory.put_many(self._here, stored, ttl_s=self._ttl_s)

    async def _write(self, version: Version, facts: Iterable[Finding], now: float) -> None:
        """What is learnt again is as new as what is learnt for the first time."""
        where = self._where(version)
        old = {_digest(key): key for key in await self._keys(where)}
        new = {f"{_FACT}{int(now * 1000):015d}-{fact.digest}": fact for fact in facts}
        new = dict(sorted(new.items())[:MAX_FACTS])
        items = {key: _dump(fact, now) for key, fact in new.items()}
        items |= {TERMS + key: terms.record(fact.searched) for key, fact in new.items()}
        await self._memory.put_many(where, items, ttl_s=self._ttl_s)
        learnt_again = {_digest(key) for key in new}
        rest = sorted(key for digest, key in old.items() if digest not in learnt_again)
        too_many = rest[: max(0, len(rest) + len(new) - MAX_FACTS)]
        gone = {*too_many, *(old[digest] for digest in learnt_again & old.keys())} - new.keys()
        await self._memory.delete_many(where, [part for key in sorted(gone) for part in (key, TERMS + key)])

    async def _keys(self, where: Namespace) -> list[str]:
        return await self._memory.scan(where, _FACT, limit=2 * MAX_FACTS)

    def _where(self, version: Version) -> Namespace:
        return layout.findings(self._asker, *version)


def supporting_span(citation: Citation, version: str) -> SupportingSpan:
    """What a citation rests on."""
    check = fingerprint(citation.quote)
    title = citation.title[:MAX_TITLE_CHARS]
    return SupportingSpan(citation.document_id, version, citation.start, citation.stop, check, title)


def _version(rest: str) -> Version:
    document_id, _, version = rest.partition("/")
    return unquote(document_id, errors="surrogatepass"), unquote(version, errors="surrogatepass")


def _digest(key: str) -> str:
    return key.rpartition("-")[2]


def _dump(fact: Finding, now: float) -> bytes:
    return json.dumps({**asdict(fact), "at": now}).encode()


def _load(stored: bytes | None) -> Finding | None:
    """None for what has gone meanwhile, or is a later version's."""
    try:
        found = json.loads(stored or b"{}")
        sources = tuple(SupportingSpan(**source) for source in found.pop("sources"))
        return Finding(**{**found, "given": tuple(found["given"])}, sources=sources)
    except (ValueError, TypeError, KeyError):
        return None
