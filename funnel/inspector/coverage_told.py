"""What a model is told before an absence is accepted: how much was seen, and how to see more."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from funnel.inspector.coverage import Coverage, Seen
from funnel.inspector.coverage_claims import Claim
from funnel.seen import gaps, is_whole, length
from funnel.text.absence import content_words
from funnel.workspace.documents import ReadableDocuments
from indexes.types import DocumentInfo

MAX_NAMED_AMONG = 5_000
"""Documents whose names are looked for in an answer."""
MIN_NAME_CHARS = 3
SHOWN = 2
"""Documents whose coverage is told one by one."""
SHOWN_CHARS = 80
SHORT_CHARS = 4_000
"""What is left to read of one document is suggested to be printed if it is no longer."""
PART_CHARS, MAX_PARTS = 20_000, 20
"""Parts that are suggested for sub-models, and how many."""
MAX_GAPS = 3
MAX_WORDS, STEM_CHARS = 5, 4
NEXT_TURNS = 2.0
"""There is time for one more turn if this many turns like those before would fit."""


@dataclass(frozen=True, slots=True)
class _Rest:
    """What was not seen whole, of `total` documents; what was seen of each; what is left of the limits."""

    unseen: Sequence[DocumentInfo]
    seen: Mapping[str, Seen]
    total: int
    left: Mapping[str, Any]

    def of(self, info: DocumentInfo) -> Seen:
        return self.seen.get(info.id, Seen())


class Doubts:
    """Says once to each inspector how little an absence that it claims rests on.

    `briefly`: in few words and with one line of code, for a small model.
    """

    def __init__(
        self, documents: ReadableDocuments, coverage: Coverage, question: str, *, briefly: bool = False
    ) -> None:
        self._documents = documents
        self._briefly = briefly
        self._coverage = coverage
        self._question = question

    async def about(self, claims: Sequence[Claim], left: Mapping[str, Any]) -> str | None:
        """Return what to tell the model about these claims; None if all that they are about was seen."""
        await self._coverage.settle()
        seen = self._coverage.all_seen()
        infos, total = await self._scope(" ".join(claim.text for claim in claims))
        unseen = [info for info in infos if not _whole(info, seen)]
        if all(claim.counts for claim in claims):
            unseen = [info for info in unseen if not seen.get(info.id, Seen()).searched]
        if not unseen and len(infos) >= total:
            return None
        unseen.sort(key=lambda info: -seen.get(info.id, Seen()).matched)
        return self._told(claims[0], _Rest(unseen, seen, total, left))

    async def _scope(self, text: str) -> tuple[list[DocumentInfo], int]:
        """Return the documents that claims are about, and how many these should be.

        They are those that the claims name, or else the question; if none is named, all that a child was
        given, or the whole collection, of which some may not have been found.
        """
        mine = list(self._coverage.given) if not self._coverage.is_root else list(self._documents.ids)
        infos = [info for info in map(self._documents.known, mine) if info is not None]
        for where in (text, self._question):
            if named := [info for info in infos[:MAX_NAMED_AMONG] if _is_named(info, where)]:
                return named, len(named)
        return infos, len(infos) if not self._coverage.is_root else await self._documents.count()

    def _told(self, claim: Claim, rest: _Rest) -> str:
        shown = rest.unseen[: 1 if self._briefly else SHOWN]
        self._documents.expose([info.id for info in shown])
        lines = [f"{_cut(claim.text)!r} claims that nothing else is there, and no span can show that."]
        lines += [_of_one(info, rest.of(info)) for info in shown]
        if self._briefly:
            first = self._look(claim, rest).partition("\n")[0]
            return "\n".join([*lines, f"Look first: {first}", "Then submit again."])
        if rest.total > len(shown):
            opened = sum(bool(each.by_model) for each in rest.seen.values())
            searched = sum(bool(each.searched) for each in rest.seen.values())
            lines.append(
                f"Of {rest.total:,} documents, {opened:,} were read from or judged and {searched:,} grepped."
            )
        lines.append(f"Look first, such as: {self._look(claim, rest)}")
        lines.append(
            "Then submit what you find, with its marker. To insist, submit the same again: the answer will "
            "say how much was seen."
        )
        return "\n".join(lines)

    def _look(self, claim: Claim, rest: _Rest) -> str:
        """Return code that sees more: the rest of a document, words not yet looked for, or all of it."""
        one = rest.unseen[0] if len(rest.unseen) == rest.total == 1 else None
        if one is not None:
            left_out = gaps(rest.of(one).by_model, one.n_chars)
            if length(left_out) <= SHORT_CHARS:
                return "; ".join(f"print(read({one.id!r}, {a}, {b}))" for a, b in left_out[:MAX_GAPS])
        tried = " ".join(pattern for each in rest.seen.values() for pattern in each.patterns).lower()
        words = content_words(self._question) or content_words(claim.text)
        untried = [_stem(word) for word in words if word[:STEM_CHARS] not in tried]
        docs = '"all"' if one is None else repr(one.id)
        looks = [_judging(rest)] if rest.unseen else []
        if untried:
            pattern = "|".join(map(re.escape, dict.fromkeys(untried[:MAX_WORDS])))
            grep = f'grep(r"{pattern}", docs={docs}, ignore_case=True)'
            looks.insert(0, f'for m in {grep}[:40]: print(m["id"], m["line"])')
        return "\n".join(filter(None, looks)) or f"grep other words, with docs={docs}"


def _judging(rest: _Rest) -> str:
    """Return code that lets sub-models read documents in parts; "" if there are not enough calls for that."""
    n_parts = sum(-(-info.n_chars // PART_CHARS) for info in rest.unseen)
    calls = rest.left.get("calls_left")
    if len(rest.unseen) > SHOWN or n_parts > MAX_PARTS or (calls is not None and calls <= n_parts):
        return ""
    lengths = {info.id: info.n_chars for info in rest.unseen}
    return (
        f"parts = [read(d, i, i + {PART_CHARS}) for d, n in {lengths!r}.items() "
        f"for i in range(0, n, {PART_CHARS})]\n"
        'print(llm_query_batched([question + " Quote it, or NONE."] * len(parts), parts))'
    )


def may_go_on(left: Mapping[str, Any], *, turns: int, tokens: int, usd: float | None, seconds: float) -> bool:
    """Return whether what is left, as `budget()` tells it, is enough for another turn like those before."""
    if left["turns_left"] < 1 or left["calls_left"] == 0:
        return False
    so_far = {"tokens_left": tokens, "usd_left": usd or 0.0, "seconds_left": seconds}
    return all(
        left[name] is None or left[name] > NEXT_TURNS * spent / max(1, turns)
        for name, spent in so_far.items()
    )


def _whole(info: DocumentInfo, seen: Mapping[str, Seen]) -> bool:
    return info.id in seen and is_whole(seen[info.id].by_model, info.n_chars)


def _is_named(info: DocumentInfo, text: str) -> bool:
    """Return whether a text names a document by its id or title, as whole words and in the same case."""
    return any(
        len(name) >= MIN_NAME_CHARS and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
        for name in (info.id, info.title)
        if name in text
    )


def _of_one(info: DocumentInfo, seen: Seen) -> str:
    judged = f", sub-models {length(seen.judged):,}" if seen.judged else ""
    grepped = (
        f"grepped it for {', '.join(repr(_cut(each)) for each in seen.patterns)}"
        if seen.patterns
        else "not grepped it"
    )
    title = "" if info.title in info.id else f" ({_cut(info.title)})"
    return (
        f"You have read {length(seen.read):,} of {info.n_chars:,} characters of {_cut(info.id)!r}{title}"
        f"{judged}, and {grepped}."
    )


def _stem(word: str) -> str:
    """Return the beginning of a word, which its other forms share."""
    return word[: max(STEM_CHARS, len(word) - 2)] if word.isascii() else word


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else f"{line[:SHOWN_CHARS]}…"
