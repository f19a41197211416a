"""The process that runs regular expressions, started by path; knows pieces of text, nothing of funnel.

A frame is four bytes of length and a body, in both directions. Requests are `P` and JSON (a pattern), `N` (a
new document), and `T` or `L`, the number of matches to return and UTF-8 (the next or last piece of its text).
The answer to each is one frame of JSON.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import warnings
from dataclasses import dataclass, field
from typing import Any

_MEMORY_BYTES = 1 << 30
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Scanner:
    """Finds in pieces of a document what `re.finditer` finds in the whole.

    A match is reported once `reach` and `context` characters after its start have arrived. So a pattern that
    looks at no more than `reach` characters before and after a match's start finds it exactly. A longer
    match is truncated to `reach` characters, or to less at the end of a piece, or missed.
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

    def feed(self, piece: str, *, last: bool, limit: int) -> dict[str, Any]:
        """Return how many matches the next piece completes, and the first `limit` of them."""
        self.text += piece
        frontier = len(self.text) + 1 if last else len(self.text) - self.reach - self.context
        count = 0
        found: list[tuple[int, int, str, str, str]] = []
        if frontier > self.at:
            resume = frontier
            for match in self.pattern.finditer(self.text, self.at):
                start, stop = match.span()
                if start >= frontier:
                    break
                count += 1
                resume = max(frontier, stop)
                if len(found) < limit:
                    found.append(self._found(start, min(stop, start + self.reach)))
            # The text that the next match may look back at is kept, one character at least: without any, \A
            # and ^ would match here.
            keep = max(0, resume - max(self.reach, self.context, 1))
            self.text, self.base, self.at = self.text[keep:], self.base + keep, resume - keep
        return {"count": count, "found": found}

    def _found(self, start: int, stop: int) -> tuple[int, int, str, str, str]:
        before = self.text[max(0, start - self.context) : start]
        after = self.text[stop : stop + self.context]
        return self.base + start, self.base + stop, self.text[start:stop], before, after


def _answer(request: bytes, scanner: Scanner | None) -> tuple[dict[str, Any], Scanner | None]:
    kind, body = request[:1], request[1:]
    if kind == b"P":
        asked = json.loads(body)
        try:
            pattern = re.compile(asked["pattern"], re.IGNORECASE if asked["ignore_case"] else 0)
        except re.error as error:
            return {"error": error.msg, "position": error.pos}, None
        except (OverflowError, RecursionError, ValueError) as error:
            return {"error": str(error)}, None
        return {}, Scanner(pattern, asked["reach"], asked["context"], asked["late_s"])
    assert scanner is not None, "text came before a pattern"  # noqa: S101 - of the parent, which is our own
    if kind == b"N":
        scanner.start()
        return {}, scanner
    limit = int.from_bytes(body[:4], "big")
    text = body[4:].decode("utf-8", "surrogatepass")
    return scanner.feed(text, last=kind == b"L", limit=limit), scanner


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
