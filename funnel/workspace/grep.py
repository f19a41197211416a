r"""Regular expressions over pages of text, in a process that can be killed; knows no memory and no document.

The pattern comes from a language model or a stranger, and `re` blocks the interpreter while it backtracks:
`(a+)+$` on forty characters stops every task of the host. Two libraries were considered. google-re2 never
backtracks, but its `\d` and `\w` are ASCII and it has no lookaround, so patterns that are right in Python
fail or find less. `regex` has a timeout and lets other threads run, but `(?:a{9999}){9999}` takes gigabytes
before it starts, and its `\w` and `{e}` mean other things. A worker process with a memory limit, killed when
it is late, runs `re` itself and costs about 30 ms once a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from funnel.errors import BadPattern, MemoryFailed
from funnel.workspace.patterns import Pattern, understood
from funnel.workspace.patterns.literals import Needed

_WORKER = Path(__file__).with_name("grep_worker.py")
_START_S = 30.0
_GRACE_S = 30
"""How much later than this process the worker itself gives up, in case this process is gone."""
_MAX_PATTERN_CHARS = 100_000
_MAX_NUMBER = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Match:
    """One match: `read(document_id, start, stop) == text`, between `before` and `after`."""

    document_id: str
    start: int
    stop: int
    text: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Search:
    """A pattern and how to search for it. `reach`: characters of the longest match that is found exactly.

    A space in the pattern matches any white space, and a word also where it is divided by a hyphen.
    """

    pattern: str
    ignore_case: bool
    reach: int
    context: int


class Grepper:
    """One worker process, started when it is first needed and kept until `close`; one search at a time.

    `piece_s`: how long a pattern may take on one piece of text before it counts as too slow.
    """

    def __init__(self, *, piece_s: float = 3.0) -> None:
        self._piece_s = piece_s
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def search(self, search: Search) -> AsyncIterator[Scan]:
        """Begin a scan with this pattern; the worker is killed if the scan fails or is cancelled.

        Raises: `BadPattern` if it is no regular expression, or is too long, too slow or too large.
        """
        if len(search.pattern) > _MAX_PATTERN_CHARS:
            reason = f"it has {len(search.pattern)} characters, of at most {_MAX_PATTERN_CHARS}"
            raise BadPattern(search.pattern, reason, advice="Search for its parts one by one.")
        async with self._turn:
            try:
                process = await self._started()
                pattern = await asyncio.to_thread(understood, search.pattern, ignore_case=search.ignore_case)
                scan = Scan(process, search, pattern, self._piece_s)
                await scan.prepare()
                yield scan
            except BaseException:
                await self._kill()
                raise

    async def close(self) -> None:
        """End the worker; a later search starts another."""
        async with self._turn:
            await self._kill()

    async def _started(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            # Started by path and isolated: it imports neither this package nor site-packages.
            command = (sys.executable, "-I", "-S", str(_WORKER))
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
            )
        return self._process

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        # This reads the rest of the output and closes both pipes.
        await process.communicate()


class Scan:
    """Applies one pattern to documents, a piece at a time."""

    def __init__(self, process: Process, search: Search, pattern: Pattern, piece_s: float) -> None:
        self._process = process
        self._search = search
        self._pattern = pattern
        self._piece_s = piece_s

    async def prepare(self) -> None:
        """Compile the pattern. Raises: `BadPattern`."""
        search = self._search
        asked = {
            "pattern": search.pattern, "ignore_case": search.ignore_case, "spaced": self._pattern.spaced,
            "reach": search.reach, "context": search.context, "late_s": math.ceil(self._piece_s) + _GRACE_S,
        }  # fmt: skip
        # The worker may just have been started, on a busy machine.
        await self._ask(b"P" + json.dumps(asked).encode(), timeout_s=_START_S)

    @property
    def needed(self) -> Needed:
        """What a text must hold to be worth a search."""
        return self._pattern.needed

    async def document(self) -> None:
        """Begin another document."""
        await self._ask(b"N", timeout_s=_START_S)

    async def feed(
        self, document_id: str, piece: bytes, *, last: bool, limit: int, skip: int = 0
    ) -> tuple[int, list[Match]]:
        """Return how many matches the next piece (UTF-8) completes, and `limit` of them after `skip`."""
        request = (b"L" if last else b"T") + _number(limit) + _number(skip) + piece
        answer = await self._ask(request, timeout_s=self._piece_s)
        return answer["count"], [Match(document_id, *found) for found in answer["found"]]

    async def batch(
        self, documents: Sequence[tuple[str, bytes, int, int]], *, limit: int
    ) -> tuple[dict[str, int], list[Match]]:
        """Search whole documents (id, UTF-8, how many matches to leave out and to take) as one piece.

        Returns: the number of matches in each document that has any, and at most `limit` matches.
        """
        sizes = json.dumps([(len(text), skip, take) for _, text, skip, take in documents]).encode()
        texts = (text for _, text, *_ in documents)
        request = b"".join([b"B", _number(limit), _number(len(sizes)), sizes, *texts])
        answer = await self._ask(request, timeout_s=self._piece_s)
        counts = {documents[place][0]: count for place, count in answer["counts"]}
        return counts, [Match(documents[place][0], *found) for place, found in answer["found"]]

    async def _ask(self, request: bytes, *, timeout_s: float) -> dict[str, Any]:
        pattern = self._search.pattern
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise MemoryFailed("grep", "its process was started without pipes.")
        try:
            async with asyncio.timeout(timeout_s):
                stdin.write(len(request).to_bytes(4, "big") + request)
                await stdin.drain()
                length = int.from_bytes(await stdout.readexactly(4), "big")
                answer: dict[str, Any] = json.loads(await stdout.readexactly(length))
        except TimeoutError:
            reason = f"it took more than {timeout_s:g} s on one piece of text"
            advice = (
                "Nested repeats like (a+)+ do that: write it without them, or search for its literal part."
            )
            raise BadPattern(pattern, reason, advice=advice) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            advice = "Write a simpler pattern, or search for its literal part."
            raise BadPattern(pattern, "it broke the process that ran it", advice=advice) from None
        if "error" in answer:
            advice = "To find it as plain text, put a backslash before each of \\ . ^ $ * + ? { } [ ] | ( )"
            raise BadPattern(
                pattern, answer["error"], advice=f"{advice} (re.escape).", position=answer.get("position")
            )
        return answer


def _number(value: int) -> bytes:
    """Return a number as the worker reads it, or the largest that it can read."""
    return min(value, _MAX_NUMBER).to_bytes(4, "big")
