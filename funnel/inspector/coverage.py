"""What an inspector has seen of its documents: searched, matched, read and judged. Asks no model.

Only what reached a model counts as read or judged: text of documents is looked for in what the model was
shown, and in what sub-models were given. It is known from the texts that the run was handed out.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from funnel.findings.provenance import Provenance
from funnel.inspector.coverage_looks import Look
from funnel.journal import Journal
from funnel.seen import Spans, joined, length, most_seen
from funnel.stored import Stored
from funnel.text.overlap import stretches
from funnel.types import DocumentCoverage
from funnel.workspace.documents import ReadableDocuments

MAX_PATTERNS = 3
"""Patterns that are told of each document, the latest."""
MAX_LOOKS = 40
"""Patterns and queries that are remembered of each document, the latest."""
MAX_RETURNED = 200
"""A result that holds so many documents may lack others that match."""
MAX_PENDING_CHARS = 2_000_000
"""So many characters of outputs wait until text of documents is looked for in them."""
PIECE_CHARS = 400_000
"""So many are looked through at a time."""
MAX_MATCHES = 5_000
"""Matches that are looked for beside the names of their documents, the latest."""
MAX_NAMES = 200
"""Documents whose names are looked for at a time."""
NAME_CHARS, MIN_TEXT_CHARS, END_CHARS = 30, 3, 40
"""So much of a title names a document, and so much of a match or of one of its ends is recognised there."""
_KEPT = "coverage "


@dataclass(slots=True)
class Seen:
    """What was seen of one document; spans are in order and apart."""

    searched: int = 0
    matched: int = 0
    read: Spans = field(default_factory=list)
    judged: Spans = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)

    @property
    def patterns(self) -> list[str]:
        """The latest patterns that it was grepped for."""
        return [look.words for look in self.looks if not look.is_query][-MAX_PATTERNS:]

    def looked(self, look: Look) -> None:
        """Remember a look at the document."""
        for i, each in enumerate(self.looks):
            if each.words == look.words:
                self.looks[i] = each.and_also(look)
                return
        self.looks.append(look)
        del self.looks[:-MAX_LOOKS]

    @property
    def by_model(self) -> Spans:
        """The spans that any model has seen."""
        return joined([*self.read, *self.judged])


_STORED: Stored[dict[str, tuple[int, int, Spans]]] = Stored(dict[str, tuple[int, int, Spans]])
"""What a child saw of each document: searched, matched, and the spans that it or its parts read."""


class Coverage:
    """The coverage of one inspector, whose children add theirs. `path`: its path in the tree of the run.

    `given`: the documents that it was given. `provenance`: the texts that the run was handed out.
    """

    def __init__(
        self,
        documents: ReadableDocuments,
        provenance: Provenance,
        journal: Journal,
        path: tuple[int, ...] = (),
    ) -> None:
        self._documents = documents
        self._provenance = provenance
        self._journal = journal
        self._path = path
        self.given: dict[str, None] = {}
        self._seen: dict[str, Seen] = {}
        self._children = dict(_of_earlier(journal, path))
        self._pending: list[tuple[str, bool]] = []
        self._pending_chars = 0
        self._matches: dict[tuple[str, int], str] = {}

    def child(self, path: tuple[int, ...]) -> Coverage:
        """Return the coverage of a child, which knows what its own children saw in earlier attempts."""
        return Coverage(self._documents, self._provenance, self._journal, path)

    async def add_child(self, child: Coverage) -> None:
        """Count what a child has seen as judged, and keep it for a resumed run."""
        await child.settle()
        seen = {name: (each.searched, each.matched, each.by_model) for name, each in child.all_seen().items()}
        key = _key(child._path)
        self._children[key] = seen
        self._journal.set_value(key, {name: [*counts, spans] for name, (*counts, spans) in seen.items()})

    # what happens

    def begin(self, given: Iterable[str], opening: str) -> None:
        """Take note of the documents and of the first message of this inspector."""
        self.given |= dict.fromkeys(given)
        for name in self.given:
            self._of(name)
        self._wait(opening, by_sub_model=False)

    def found(self, hits: Sequence[Mapping[str, Any]], query: object = "", docs: object = None) -> None:
        """Count passages that a search returned. `docs`: the documents that were searched; None for all."""
        for hit in hits:
            self.given[hit["id"]] = None
            self._of(hit["id"]).matched += 1
        if docs is None or docs == "all":
            return
        spans = _spans_of(hits)
        for name in self._scope(docs):
            at = spans.get(name, ())
            self._of(name).looked(Look(str(query), len(at), at, is_query=True))

    def grepped(self, pattern: object, docs: object, matches: Sequence[Mapping[str, Any]]) -> None:
        """Count a pattern for the documents that it was looked for in, and its matches."""
        spans = _spans_of(matches)
        # All matches of a document count, also those that did not fit into the result.
        counts = {match["id"]: match.get("n_matches", 1) for match in matches}
        # Where more match than are returned, it is not known that the rest do not.
        nothing = Look(str(pattern), n=int(len(spans) >= MAX_RETURNED))
        for name in self._scope(docs):
            seen = self._of(name)
            seen.searched += 1
            n = counts.get(name, 0)
            seen.looked(Look(str(pattern), n, spans[name]) if n else nothing)
        for name, n in counts.items():
            self._of(name).matched += n
        for match in matches:
            self._matches[match["id"], match["start"]] = match["text"]
        for key in list(self._matches)[:-MAX_MATCHES]:
            del self._matches[key]

    def opened(self, name: str) -> None:
        """Take note of a document that the program of this inspector has read."""
        self._of(name)

    async def shown(self, text: str) -> None:
        """Take note of a text that the model of this inspector gets to see."""
        self._wait(text, by_sub_model=False)
        if self._provenance.is_crowded:
            await self.settle()

    def judged(self, prompt: object, text: object) -> None:
        """Take note of a prompt and a text, or None, about which a sub-model has answered."""
        if isinstance(text, str) and (place := self._provenance.find(text)) is not None:
            name, start = place
            self._add(name, (start, start + len(text)), by_sub_model=True)
        elif isinstance(text, str):
            self._wait(text, by_sub_model=True)
        elif isinstance(prompt, str):
            self._wait(prompt, by_sub_model=True)

    def recalled(self, findings: Iterable[Mapping[str, Any]]) -> None:
        """Count the rows of recalled tables, which a sub-model judged in an earlier run."""
        for found in findings:
            if rows := found.get("rows"):
                seen = self._of(found["id"])
                seen.judged = joined([*seen.judged, *((row["start"], row["stop"]) for row in rows)])

    # what was seen

    @property
    def is_root(self) -> bool:
        """Whether this is the coverage of the run's first inspector."""
        return not self._path

    async def settle(self) -> None:
        """Look for text of documents in all that models were shown meanwhile."""
        pending, self._pending, self._pending_chars = self._pending, [], 0
        every = self._provenance.known()
        known = [each for each in every if self.is_root or each.document_id in self._seen]
        texts = [each.text for each in known]
        for by_sub_model in (False, True):
            shown = "\n".join(text for text, by in pending if by == by_sub_model)
            for first in range(0, len(shown) if known else 0, PIECE_CHARS):
                piece = shown[first : first + PIECE_CHARS]
                for number, start, stop in await asyncio.to_thread(stretches, piece, texts):
                    at = known[number].start
                    self._add(known[number].document_id, (at + start, at + stop), by_sub_model=by_sub_model)
        if self._matches:
            await asyncio.to_thread(self._find_named, [text for text, by in pending if not by])

    def _find_named(self, shown: Iterable[str]) -> None:
        """Look for matches in the lines that name their documents.

        What several documents say alike, and a match of a few words, is not found otherwise.
        """
        lines = [line for text in shown for line in text.splitlines()]
        for name in list(dict.fromkeys(name for name, _ in reversed(self._matches)))[:MAX_NAMES]:
            info = self._documents.known(name)
            title = info.title[:NAME_CHARS] if info is not None else ""
            about = " ".join(line for line in lines if name in line or (title and title in line))
            if not about:
                continue
            about = " ".join(about.split())
            counted: Counter[str] = Counter()
            for key in [key for key in self._matches if key[0] == name]:
                text, at = self._matches[key], key[1]
                for start, stop in ((0, len(text)), (0, END_CHARS), (len(text) - END_CHARS, len(text))):
                    part = " ".join(text[max(0, start) : stop].split())
                    # As many matches as it stands there, since one may be printed of several that are alike.
                    if len(part) >= MIN_TEXT_CHARS and counted[part] < about.count(part):
                        counted[part] += 1
                        self._add(name, (at + max(0, start), at + min(stop, len(text))), by_sub_model=False)
                        del self._matches[key]
                        break

    async def shown_of(self, name: str) -> Spans:
        """Return the spans of a document that the run was given: first those that this model was shown.

        Then those that other models were shown, and those that programs took, the short ones first.
        """
        await self.settle()
        seen = self.all_seen().get(name, Seen())
        every = self._provenance.known()
        taken = [(each.start, each.start + len(each.text)) for each in every if each.document_id == name]
        return [*seen.read, *seen.judged, *sorted(taken, key=lambda span: span[1] - span[0])]

    def all_seen(self) -> dict[str, Seen]:
        """Return what was seen of each document, by this inspector and its children."""
        every = {
            name: Seen(each.searched, each.matched, list(each.read), list(each.judged), each.looks)
            for name, each in self._seen.items()
        }
        for of_child in self._children.values():
            for name, (searched, matched, spans) in of_child.items():
                seen = every.setdefault(name, Seen())
                seen.searched += searched
                seen.matched += matched
                seen.judged = joined([*seen.judged, *spans])
        return every

    def report(self) -> tuple[DocumentCoverage, ...]:
        """Return the coverage of the documents of which most was seen."""
        every = self.all_seen()
        infos = {name: self._documents.known(name) for name in every}
        return most_seen(
            DocumentCoverage(
                info.id,
                info.title,
                info.n_chars,
                every[name].searched,
                every[name].matched,
                length(every[name].read),
                length(every[name].judged),
            )
            for name, info in infos.items()
            if info is not None
        )

    def _of(self, name: str) -> Seen:
        return self._seen.setdefault(name, Seen())

    def _add(self, name: str, span: tuple[int, int], *, by_sub_model: bool) -> None:
        seen = self._of(name)
        if by_sub_model:
            seen.judged = joined([*seen.judged, span])
        else:
            seen.read = joined([*seen.read, span])

    def _wait(self, text: str, *, by_sub_model: bool) -> None:
        """Keep a text until its documents are looked for; of too many only the latest."""
        text = text[:MAX_PENDING_CHARS]
        self._pending.append((text, by_sub_model))
        self._pending_chars += len(text)
        while self._pending_chars > MAX_PENDING_CHARS:
            self._pending_chars -= len(self._pending.pop(0)[0])

    def _scope(self, docs: object) -> Collection[str]:
        """Return the documents that the argument `docs` of `grep` meant."""
        if docs is None:
            return list(self.given)
        if docs == "all":
            return self._documents.ids
        return [self._documents.id_of(each) for each in (docs if isinstance(docs, (list, tuple)) else [docs])]


def _spans_of(found: Iterable[Mapping[str, Any]]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Return where what was found stands in each document."""
    spans: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for each in found:
        spans[each["id"]].append((each["start"], each["stop"]))
    return {name: tuple(some) for name, some in spans.items()}


def _key(path: tuple[int, ...]) -> str:
    return _KEPT + ".".join(map(str, path))


def _of_earlier(
    journal: Journal, path: tuple[int, ...]
) -> Iterator[tuple[str, dict[str, tuple[int, int, Spans]]]]:
    """Yield what the children of this path saw in earlier attempts of the run; theirs is in it."""
    inside = f"{_key(path)}." if path else _KEPT
    taken: list[str] = []
    for name in sorted(journal.values_under(inside), key=len):
        if not any(name.startswith(f"{each}.") for each in taken):
            taken.append(name)
            if (seen := journal.value_of(name, _STORED)) is not None:
                yield name, seen
