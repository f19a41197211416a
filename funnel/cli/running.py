"""One run from the command line: its source, progress on stderr, and how to resume it; prints no answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile, gettempdir, mkdtemp
from typing import TYPE_CHECKING

from rich.markup import escape

from funnel.cli import show
from funnel.errors import BadSetting
from funnel.trace.kinds import (
    AnswerDelta,
    AnswerRetracted,
    CacheHit,
    CallRetried,
    CallWaited,
    CallWaits,
    ModelCallEnded,
    ModelCallStarted,
    RouteDecided,
    RunStarted,
    TurnStarted,
)

if TYPE_CHECKING:
    from funnel.asker import Asker
    from funnel.pipeline import Funnel, Options
    from funnel.run.options import ResumeOptions
    from funnel.settings import Settings
    from funnel.trace.events import Event, Sink
    from funnel.types import Answer
    from indexes import Collection, Documents, RawDocuments, Source

IN_PROCESS = "memory://"
"""The memory that ends with its process."""
LOOK_UP_S = 3.0
"""How long a memory may take to say whether it holds a run that has ended."""
MAX_REASON_CHARS = 60
"""How much of the reason for a wait is on the progress line."""


NEEDED_BYTES = 1 << 18
"""What a short run writes, about: its trace and its journal."""
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - private folders in it, as mkdtemp makes them
"""Linux's disk in memory."""


@contextmanager
def source(kb: Path | None, docs: Path | None) -> Iterator[Collection | RawDocuments]:
    """Open the collection or the files that the options name; exactly one of the two must be given."""
    from indexes import Collection, RawDocuments

    if (kb is None) == (docs is None):
        raise BadSetting(
            "--kb or --docs", "name exactly one: a collection (--kb DIR), or files (--docs PATH)."
        )
    if kb is not None:
        with Collection.open(kb) as collection:
            yield collection
    elif docs is not None:
        from indexes.loaders import load

        loading = load([docs])
        documents = RawDocuments(loading)
        for problem in loading.problems:
            show.ERR.print(f"[yellow]Skipped:[/] {escape(str(problem))}")
        yield documents


def with_writable_state(settings: Settings) -> Settings:
    """Return the settings; if nothing can be written to the state directory, settings that do not need it.

    A question is then answered although nothing can be kept; one line says what is lost.
    """
    from funnel.settings import state_dir

    if {"memory", "trace_dir"} <= settings.model_fields_set:
        return settings
    try:
        state_dir().mkdir(parents=True, exist_ok=True)
        _check_room(state_dir())
    except OSError as error:
        traces = _temporary_folder()
        what = "Traces are" if "memory" in settings.model_fields_set else "Runs are"
        show.ERR.print(
            f"[yellow]{what} not kept:[/] "
            + escape(f"{state_dir()} cannot be written ({error.strerror}). This trace is in {traces}. ")
            + "Set XDG_STATE_HOME to a folder that can be written, so that runs can be resumed."
        )
        return settings.without_state(traces)
    return settings


def _check_room(folder: Path) -> None:
    """Write to the disk of a folder. An empty file alone says nothing: a full disk takes it, too.

    Raises: `OSError`.
    """
    with TemporaryFile(dir=folder, buffering=0) as file:
        file.write(bytes(NEEDED_BYTES))
        os.fsync(file.fileno())


def _temporary_folder() -> Path:
    """Return a new private folder for temporary files that has room; the disk of most may be full.

    Raises: `OSError` if none has.
    """
    try:
        _check_room(Path(gettempdir()))
    except OSError:
        if not IN_MEMORY.is_dir():
            raise
        _check_room(IN_MEMORY)
        return Path(mkdtemp(prefix="funnel-", dir=IN_MEMORY))
    return Path(mkdtemp(prefix="funnel-"))


async def run(
    documents: Source | Documents, settings: Settings, question: str, options: Options, *, words: bool = False
) -> Answer:
    """Answer a question, with a progress line on stderr. `words`: and the answer's words as they come."""
    return await _run_with_status(
        documents,
        settings,
        lambda funnel, sink: funnel.ask(question, options, on_event=sink),
        asker=options.asker,
        words=words,
    )


async def resume(
    source: Source, settings: Settings, name: str, again: ResumeOptions, *, words: bool = False
) -> Answer:
    """Resume a run, with a progress line on stderr. `words`: and the answer's words as they come."""
    return await _run_with_status(
        source.as_owner(),
        settings,
        lambda funnel, sink: funnel.resume(name, again, on_event=sink),
        asker=again.asker,
        words=words,
    )


async def _run_with_status(
    documents: Source | Documents,
    settings: Settings,
    work: Callable[[Funnel, Sink], Awaitable[Answer]],
    *,
    asker: Asker | None,
    words: bool,
) -> Answer:
    from funnel.factory import build

    async with build(documents, settings) as funnel:
        # The status goes away when the answer is there: the words in it are provisional.
        with show.ERR.status("retrieving") as line:
            progress = ProgressLine(
                lambda text, said: line.update(show.with_tail(text, said)),
                with_words=words and show.is_watched(),
            )
            answer, stopped = None, False
            try:
                answer = await work(funnel, progress)
            except asyncio.CancelledError:
                stopped = True
                raise
            finally:
                # Even if the run was stopped or failed, what it paid for is kept. A run that was stopped in
                # its first call may have paid, too; one that failed in it has nothing to go on from.
                began = progress.calls or (stopped and progress.asked)
                unended = answer is None or not answer.end_reason.is_final
                if began and unended and await _can_go_on(funnel, progress.run, settings, asker):
                    line.stop()
                    show.ERR.print(
                        f"[dim]To continue where it stopped: funnel ask --resume {escape(progress.run)}"
                        f"{_memory_option(settings)}[/]"
                    )
            return answer


async def _can_go_on(funnel: Funnel, run: str, settings: Settings, asker: Asker | None) -> bool:
    """Whether a later process may find the run: a memory that does not answer now may still have it."""
    from funnel.errors import MemoryFailed

    if settings.memory == IN_PROCESS:
        return False
    try:
        async with asyncio.timeout(LOOK_UP_S):
            return await funnel.holds(run, asker=asker)
    except (MemoryFailed, TimeoutError):
        return True


def _memory_option(settings: Settings) -> str:
    """Return the option that names the memory, if it is not the default one."""
    from funnel.settings import Settings as Defaults

    return "" if settings.memory == Defaults().memory else " --memory URL (the same as now)"


@dataclass
class ProgressLine:
    """Turns the stream of events into one progress line, and the words of the answer so far below it."""

    show: Callable[[str, str], None]
    with_words: bool = False
    run: str = ""
    asked: bool = False
    calls: int = 0
    tokens: int = 0
    cached: int = 0
    stage: str = "retrieving"
    open_calls: set[int] = field(default_factory=set)
    waits: dict[int, str] = field(default_factory=dict)
    words: str = ""

    def __call__(self, event: Event) -> None:
        """Update the line with an event."""
        match event.data:
            case RunStarted():
                self.run = event.run
            case RouteDecided(route=route):
                self.stage = "reading" if route == "lookup" else "inspecting"
            case TurnStarted(number=number):
                self.stage = f"inspecting, turn {number}"
            case CallRetried(reason=reason, wait_s=wait_s):
                self.show(f"{reason}; trying again in {wait_s:.0f} s", "")
                return
            case AnswerDelta(text=text):
                self.words += text if self.with_words else ""
            case AnswerRetracted():
                self.words = ""
            case _:
                self._count(event)
        self.show(self.line, self.words)

    def _count(self, event: Event) -> None:
        """Count the calls that are made, wait or have ended."""
        match event.data:
            case CallWaits(reason=reason):
                self.waits[event.id] = reason
            case CallWaited():
                self.waits.pop(event.id, None)
            case CacheHit():
                self.cached += 1
            case ModelCallStarted():
                self.asked = True
                self.open_calls.add(event.id)
            case ModelCallEnded() as call:
                self.open_calls.discard(event.id)
                self.calls += call.error is None
                self.tokens += call.input_tokens + call.output_tokens

    @property
    def line(self) -> str:
        """The progress line. It includes the run's name, so that it is on the screen if the run is killed."""
        parts = [self.stage, f"{self.calls} calls", f"{len(self.open_calls) - len(self.waits)} in flight"]
        if self.waits:
            why = next(reversed(self.waits.values()))[:MAX_REASON_CHARS]
            parts.append(f"{len(self.waits)} waiting for the endpoint's rate ({why})")
        parts += [f"{self.cached} not paid again"] if self.cached else []
        return " · ".join([*parts, f"{self.tokens:,} tokens", f"run {self.run}"])
