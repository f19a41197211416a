"""The process that runs regular expressions, started by path; knows pieces of text, nothing of funnel.

A frame is four bytes of length and a body, in both directions. Requests are `P` and JSON (a pattern), `N` (a
new document), `T` or `L`, two numbers and UTF-8 (the next or last piece of its text), and `B`, a number, JSON
(for each of several whole documents its size in bytes, and how many of its matches to leave out and return)
and UTF-8 (their texts). The numbers are of four bytes: how many matches to return, and how many to leave out
before. The answer to each is one frame of JSON.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

_MEMORY_BYTES = 1 << 30
_PR_SET_PDEATHSIG = 1

_DIVIDED = re.compile(
    r"(?:\u00ad(?<=[^\W\d_].)[ \t]*(?:\r?\n[ \t]*)?|[-\u2010](?<=[^\W\d_].)[ \t]*\r?\n[ \t]*)(?=[^\W\d_])"
)
"""Where a word is divided: at a soft hyphen, or at a hyphen that ends a line. The hyphen comes first, before
the look at the letter in front of it: `re` looks for known characters faster."""
_HYPHEN_AT_END = re.compile(r"-[ \t]*\r?\n")
"""The common case of `_DIVIDED`; it begins with a character, for which `re` looks ten times faster."""
_ODD_HYPHENS = ("\u00ad", "\u2010")

Span = tuple[int, int]
Found = tuple[int, int, str, str, str]


@dataclass(slots=True)
class Scanner:
    """Finds in pieces of a document what `re.finditer` finds in the whole, and in words that are divided.

    A match is reported once `reach` and `context` characters after its start have arrived. So a pattern that
    looks at no more than `reach` characters before and after a match's start finds it exactly. A longer
    match is truncated to `reach` characters, or to less at the end of a piece, or missed.

    Text in which words are divided is also searched with the words put together. What is found only there,
    across such a place, is a match too, with its span in the text as it is.
    """

    pattern: re.Pattern[str]
    reach: int
    context: int
    late_s: int = 0
    text: str = field(default="", init=False)
    base: int = field(default=0, init=False)  # where `text` begins in the document
    at: int = field(default=0, init=False)  # where the search goes on, in `text`

    def start(self) -> None:
        """Begin another document."""
        self.text, self.base, self.at = "", 0, 0

    def feed(self, piece: str, *, last: bool, limit: int, skip: int = 0) -> dict[str, Any]:
        """Return how many matches the next piece completes, and `limit` of them after the first `skip`."""
        self.text += piece
        frontier = len(self.text) + 1 if last else len(self.text) - self.reach - self.context
        count = 0
        found: list[Found] = []
        if frontier > self.at:
            resume = frontier
            for start, stop in self._spans(frontier):
                count += 1
                resume = max(resume, stop)
                if count > skip and len(found) < limit:
                    found.append(self._found(start, min(stop, start + self.reach)))
            # The text that the next match may look back at is kept, one character at least: without any, \A
            # and ^ would match here.
            keep = max(0, resume - max(self.reach, self.context, 1))
            self.text, self.base, self.at = self.text[keep:], self.base + keep, resume - keep
        return {"count": count, "found": found}

    def _spans(self, frontier: int) -> Iterator[Span]:
        """Yield the spans of the matches that start before `frontier`, in order."""
        plain = self._of(self.text, self.at, frontier)
        divided = _divided(self.text)
        if not divided:
            yield from plain
            return
        spans = list(plain)
        for keep_hyphen in (False, True):
            joined = _Joined(self.text, divided, keep_hyphen=keep_hyphen)
            more = [
                span
                for found in self._of(joined.text, joined.place(self.at), joined.place(frontier))
                if (span := joined.span(found)) is not None and _free(span, spans)
            ]
            spans = sorted([*spans, *more])
        yield from spans

    def _of(self, text: str, at: int, frontier: int) -> Iterator[Span]:
        for match in self.pattern.finditer(text, at):
            if match.start() >= frontier:
                break
            yield match.span()

    def _found(self, start: int, stop: int) -> Found:
        before = self.text[max(0, start - self.context) : start]
        after = self.text[stop : stop + self.context]
        return self.base + start, self.base + stop, self.text[start:stop], before, after


def _divided(text: str) -> list[Span]:
    """Return where words are divided."""
    if not (_HYPHEN_AT_END.search(text) or any(odd in text for odd in _ODD_HYPHENS)):
        return []
    return [match.span() for match in _DIVIDED.finditer(text)]


class _Joined:
    """A text in which divided words are put together, and the way back to the text as it is."""

    def __init__(self, text: str, divided: Sequence[Span], *, keep_hyphen: bool) -> None:
        self._cuts: list[Span] = []
        """What was left out."""
        self._at: list[int] = []
        """Where in the joined text that was."""
        parts: list[str] = []
        end = length = 0
        for start, stop in divided:
            cut = start + (keep_hyphen and text[start] != "\u00ad")
            parts.append(text[end:cut])
            length += cut - end
            self._cuts.append((cut, stop))
            self._at.append(length)
            end = stop
        self.text = "".join([*parts, text[end:]])

    def place(self, at: int) -> int:
        """Return where a place of the text is in the joined text."""
        left = 0
        for start, stop in self._cuts[: bisect_left(self._cuts, (at, 0))]:
            left += min(stop, at) - start
        return at - left

    def span(self, found: Span) -> Span | None:
        """Return the span in the text, or None if nothing was left out within it."""
        start, stop = found
        first, last = bisect_right(self._at, start), bisect_left(self._at, stop)
        if first >= last:
            return None
        return self._back(start, first), self._back(stop, last)

    def _back(self, at: int, n_cuts: int) -> int:
        if not n_cuts:
            return at
        return self._cuts[n_cuts - 1][1] + at - self._at[n_cuts - 1]


def _free(span: Span, others: Sequence[Span]) -> bool:
    """Return whether a span touches none of the others, which are in order and do not overlap."""
    after = bisect_left(others, (span[1], 0))
    return all(stop <= span[0] and start < span[0] for start, stop in others[max(0, after - 1) : after])


def _batch(scanner: Scanner, body: bytes) -> dict[str, Any]:
    """Search whole documents. Returns `counts`, by place, and `found`: of each match its place and itself."""
    limit = int.from_bytes(body[:4], "big")
    size = int.from_bytes(body[4:8], "big")
    documents: list[tuple[int, int, int]] = json.loads(body[8 : 8 + size])
    texts = memoryview(body)[8 + size :]
    counts: list[tuple[int, int]] = []
    found: list[tuple[int, Found]] = []
    at = 0
    for place, (length, skip, take) in enumerate(documents):
        data = bytes(texts[at : at + length])
        at += length
        scanner.start()
        answer = scanner.feed(
            data.decode("utf-8", "surrogatepass"), last=True, limit=min(take, limit - len(found)), skip=skip
        )
        counts += [(place, answer["count"])] if answer["count"] else []
        found += [(place, each) for each in answer["found"]]
    return {"counts": counts, "found": found}


def _prepared(asked: dict[str, Any]) -> tuple[dict[str, Any], Scanner | None]:
    """Compile a pattern as it was written, whose errors are those of its author, then as it is searched."""
    flags = re.MULTILINE | (re.IGNORECASE if asked["ignore_case"] else 0)
    try:
        pattern = re.compile(asked["pattern"], flags)
    except re.error as error:
        return {"error": error.msg, "position": error.pos}, None
    except RecursionError:
        return {"error": "maximum recursion depth exceeded"}, None
    except (OverflowError, ValueError) as error:
        return {"error": str(error)}, None
    # What compiles only as it was written is searched so, such as some look-behinds.
    with contextlib.suppress(re.error, OverflowError, RecursionError, ValueError):
        pattern = re.compile(asked["spaced"], flags)
    return {}, Scanner(pattern, asked["reach"], asked["context"], asked["late_s"])


def _answer(request: bytes, scanner: Scanner | None) -> tuple[dict[str, Any], Scanner | None]:
    kind, body = request[:1], request[1:]
    if kind == b"P":
        return _prepared(json.loads(body))
    assert scanner is not None, "text came before a pattern"  # noqa: S101 - of the parent, which is our own
    if kind == b"N":
        scanner.start()
        return {}, scanner
    if kind == b"B":
        return _batch(scanner, body), scanner
    limit = int.from_bytes(body[:4], "big")
    skip = int.from_bytes(body[4:8], "big")
    text = body[8:].decode("utf-8", "surrogatepass")
    return scanner.feed(text, last=kind == b"L", limit=limit, skip=skip), scanner


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    _limit_memory()
    _die_with_parent()
    # `[[` and the like may mean something else in a later Python; nobody reads this process's stderr.
    warnings.simplefilter("ignore")
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    scanner: Scanner | None = None
    while len(head := source.read(4)) == 4:  # noqa: PLR2004 - the frame's length
        request = source.read(int.from_bytes(head, "big"))
        # A search that exceeds every time limit of the parent has no parent any more.
        _set_alarm(scanner.late_s if scanner else 0)
        try:
            answer, scanner = _answer(request, scanner)
        except MemoryError:
            answer = {"error": "it needs too much memory"}
        _set_alarm(0)
        body = json.dumps(answer).encode()
        sink.write(len(body).to_bytes(4, "big") + body)
        sink.flush()


def _set_alarm(seconds: int) -> None:
    """End this process after so many seconds; 0 cancels that."""
    if hasattr(signal, "alarm"):  # not on Windows
        signal.alarm(seconds)


def _die_with_parent() -> None:
    """Make the kernel kill this process when its parent dies; a search that computes would not notice."""
    if sys.platform != "linux":
        return  # the alarm still ends it
    import ctypes  # noqa: PLC0415 - for Linux only

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _limit_memory() -> None:
    try:
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    except (ImportError, OSError, ValueError):
        return  # not on this system; the time limit still holds


if __name__ == "__main__":
    main()
