"""What a model is told before an absence is accepted: how much was seen, and how to see more."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from funnel.inspector.coverage import Coverage, Seen
from funnel.inspector.coverage_claims import Claim
from funnel.inspector.coverage_looks import Subject, subject_of
from funnel.run.named import capitalised, is_called
from funnel.seen import gaps, is_whole, length
from funnel.text.absence import Wording
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
MAX_DOCS = 5
"""Documents that a suggested search names; if there are more, it is one of all."""
MAX_PATTERN_CHARS = 200
NEXT_TURNS = 2.0
"""There is time for one more turn if this many turns like those before would fit."""


@dataclass(frozen=True, slots=True)
class _Rest:
    """The documents of which too little was seen for a claim, of `total`; what was seen of all of these.

    `left`: what is left of the limits. `subject`: what the claim is about.
    """

    unseen: Sequence[DocumentInfo]
    seen: Mapping[str, Seen]
    total: int
    left: Mapping[str, Any]
    subject: Subject

    def of(self, info: DocumentInfo) -> Seen:
        return self.seen.get(info.id, Seen())


class Doubts:
    """Says once to each inspector how little an absence that it claims rests on.

    `briefly`: in few words and with one line of code, for a small model. `cited`: the documents that the
    answer cites.
    """

    def __init__(
        self,
        documents: ReadableDocuments,
        coverage: Coverage,
        question: str,
        *,
        briefly: bool = False,
        cited: Collection[str] = (),
    ) -> None:
        self._documents = documents
        self._briefly = briefly
        self._coverage = coverage
        self._question = question
        self._cited = frozenset(cited)

    async def about(self, claims: Sequence[Claim], left: Mapping[str, Any]) -> str | None:
        """Return what to tell the model of the first claim that rests on too little; None if none does."""
        await self._coverage.settle()
        seen = self._coverage.all_seen()
        mine = list(self._coverage.given) if not self._coverage.is_root else list(self._documents.ids)
        infos = [info for info in map(self._documents.known, mine) if info is not None]
        total = await self._documents.count() if self._coverage.is_root else len(infos)
        titles = [title for info in infos[:MAX_NAMED_AMONG] for title in (info.title, info.id)]
        for claim in claims:
            if claim.is_shown_below:
                continue
            scope, expected = self._scope(claim, infos, total)
            wording = Wording.of(self._question, claim.text)
            subject = subject_of(claim.text, self._question, titles, wording)
            unseen = [info for info in scope if not _is_enough(claim, subject, info, seen)]
            if not unseen and len(scope) >= expected:
                continue
            # First those whose matches were not shown, then those that were never grepped.
            unseen.sort(key=lambda info: _urgency(subject, info, seen), reverse=True)
            of_scope: dict[str, Seen] = {info.id: seen[info.id] for info in scope if info.id in seen}
            return self._told(claim, _Rest(unseen, of_scope, expected, left, subject))
        return None

    def _scope(self, claim: Claim, infos: list[DocumentInfo], total: int) -> tuple[list[DocumentInfo], int]:
        """Return the documents that a claim is about, and how many these should be.

        They are those that it names, or else the question; if none is named, all that a child was given, or
        the whole collection, of which some may not have been found. What the answer cites there is what was
        found, and not what was not.
        """
        for where in filter(None, (claim.text, claim.around, self._question)):
            names = capitalised(where)
            if named := [info for info in infos[:MAX_NAMED_AMONG] if _is_named(info, where, names)]:
                return named, len(named)
        others = [info for info in infos if info.id not in self._cited]
        return (others, total - (len(infos) - len(others))) if others else (infos, total)

    def _told(self, claim: Claim, rest: _Rest) -> str:
        shown = rest.unseen[: 1 if self._briefly else SHOWN]
        self._documents.expose([info.id for info in shown])
        lines = [f"{_cut(claim.text)!r} claims that nothing else is there, and no span can show that."]
        lines += [_of_one(info, rest.of(info)) for info in shown]
        if self._briefly:
            first = self._look(rest).partition("\n")[0]
            return "\n".join([*lines, f"Look first: {first}", "Then submit again."])
        if rest.total > len(shown):
            opened = sum(bool(each.by_model) for each in rest.seen.values())
            searched = sum(bool(each.searched) for each in rest.seen.values())
            lines.append(
                f"Of {rest.total:,} documents, {opened:,} were read from or judged and {searched:,} grepped."
            )
        lines.append(f"Look first, such as: {self._look(rest)}")
        lines.append(
            "Then submit what you find, with its marker. To insist, submit the same again: the answer's "
            "`coverage` will say how much was seen."
        )
        return "\n".join(lines)

    def _look(self, rest: _Rest) -> str:
        """Return code that sees more: the rest of a document, what matched, other words, or all of it."""
        one = rest.unseen[0] if len(rest.unseen) == rest.total == 1 else None
        if one is not None:
            left_out = gaps(rest.of(one).by_model, one.n_chars)
            if length(left_out) <= SHORT_CHARS:
                return "; ".join(f"print(read({one.id!r}, {a}, {b}))" for a, b in left_out[:MAX_GAPS])
        docs = '"all"'
        if (
            rest.unseen
            and len(rest.unseen) <= MAX_DOCS
            and all(len(info.id) <= SHOWN_CHARS for info in rest.unseen)
        ):
            ids = [info.id for info in rest.unseen]
            docs = repr(ids[0] if len(ids) == 1 else ids)
        looks = [_grepping(rest, docs), _judging(rest)]
        if not looks[0]:
            words = " ".join((rest.subject.words or rest.subject.asked)[:MAX_WORDS]) or self._question
            docs = "" if docs == '"all"' else f", docs={docs}"
            looks[0] = f'for p in search({words!r}{docs}): print(p["id"], p["text"])'
        return "\n".join(filter(None, looks))


def _is_enough(claim: Claim, subject: Subject, info: DocumentInfo, seen: Mapping[str, Seen]) -> bool:
    """Return whether enough was seen of a document for a claim."""
    each = seen.get(info.id, Seen())
    by_model = each.by_model
    if is_whole(by_model, info.n_chars) and info.id in seen:
        return True
    if claim.counts:
        return bool(each.searched)
    return subject.is_settled(each.looks, by_model, length(by_model) / max(1, info.n_chars))


def _urgency(subject: Subject, info: DocumentInfo, seen: Mapping[str, Seen]) -> tuple[bool, bool]:
    each = seen.get(info.id, Seen())
    return subject.unseen(each.looks, each.by_model) is not None, not each.looks


def _grepping(rest: _Rest, docs: str) -> str:
    """Return code that prints what matched and was not shown, or greps other words; "" if there is none."""
    for info in rest.unseen[:SHOWN]:
        each = rest.of(info)
        if (look := rest.subject.unseen(each.looks, each.by_model)) and len(look.words) <= MAX_PATTERN_CHARS:
            pattern, docs = f"{look.words!r}", repr(info.id)
            break
    else:
        looks = [look for info in rest.unseen for look in rest.of(info).looks]
        words = [_stem(word) for word in rest.subject.untried(looks)[:MAX_WORDS]]
        if not words:
            return ""
        pattern = f'r"{"|".join(map(re.escape, dict.fromkeys(words)))}"'
    return f'for m in grep({pattern}, docs={docs}, ignore_case=True)[:40]: print(m["id"], m["line"])'


def _judging(rest: _Rest) -> str:
    """Return code that lets sub-models read documents in parts; "" if there are not enough calls for that."""
    n_parts = sum(-(-info.n_chars // PART_CHARS) for info in rest.unseen)
    calls = rest.left.get("calls_left")
    if (
        not rest.unseen
        or len(rest.unseen) > SHOWN
        or n_parts > MAX_PARTS
        or (calls is not None and calls <= n_parts)
    ):
        return ""
    lengths = {info.id: info.n_chars for info in rest.unseen}
    words = " ".join(rest.subject.words[:MAX_WORDS])
    asked = (
        repr(f"What does this say of: {words}? Quote it, or NONE.")
        if words
        else ('question + " Quote it, or NONE."')
    )
    return (
        f"parts = [read(d, i, i + {PART_CHARS}) for d, n in {lengths!r}.items() "
        f"for i in range(0, n, {PART_CHARS})]\n"
        f"print(llm_query_batched([{asked}] * len(parts), parts))"
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


def _is_named(info: DocumentInfo, text: str, names: Sequence[str]) -> bool:
    """Return whether a text names a document: by its id, or by its title or the beginning of that.

    `names`: what may be a name in the text.
    """
    if any(
        len(name) >= MIN_NAME_CHARS and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
        for name in (info.id, info.title)
        if name in text
    ):
        return True
    known = info.title.casefold()
    return any(
        known.startswith(name.split()[0].casefold()) and is_called(name, info.title, info.id)
        for name in names
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
