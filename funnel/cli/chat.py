"""`funnel chat`: a conversation, each question of which may refer to those before it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.markup import escape

from funnel.cli import running, scope, show
from funnel.cli.errors import one_line
from funnel.cli.options import Docs, Kb, Principals, RouteMode, SandboxName, Where
from funnel.errors import BudgetExceeded, FunnelError
from funnel.text.unseen import visible_json
from indexes.errors import IndexesError

if TYPE_CHECKING:
    from funnel.llm.budget import Limits
    from funnel.pipeline import Options
    from funnel.settings import Settings
    from funnel.sync import SyncFunnel
    from funnel.types import Mode

EPILOG = """Examples:

funnel chat --kb kb

funnel chat --kb kb --max-usd 1 --follows 20261129-101500-3f2a1c

printf 'Who signed the lease?\\nAnd when does it end?\\n' | funnel chat --kb kb --json"""

HELP = """Ask a question; the next may refer to it. Lines that begin with / are commands:
  /deep QUESTION     inspect the documents by a program
  /lookup QUESTION   read the best passages only
  /new               forget what was said
  /help, /quit       or Ctrl-D"""
PROMPT = "> "
MODES: Mapping[str, Mode] = {"/deep": "deep", "/lookup": "lookup"}


def chat(
    kb: Kb = None,
    docs: Docs = None,
    mode: RouteMode = "auto",
    k: Annotated[int, typer.Option("-k", help="How many documents stage one passes on.")] = 20,
    where: Where = None,
    principals: Principals = None,
    max_usd: Annotated[
        float | None, typer.Option(help="Spend at most this many US dollars on the whole conversation.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds until each answer is due.")] = None,
    memory: Annotated[
        str | None, typer.Option(help="Where runs keep what was said: sqlite:///FILE, memory://.")
    ] = None,
    follows: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with the conversation that a run belongs to.")
    ] = None,
    sandbox: SandboxName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each answer as one line of JSON.")] = False,
) -> None:
    """Ask one question after the other; each may refer to those before it."""
    with one_line():
        from funnel.factory import build_sync, limits
        from funnel.pipeline import Options
        from funnel.settings import Settings

        chosen: dict[str, Any] = {"memory": memory, "sandbox": sandbox}
        given = {name: value for name, value in chosen.items() if value is not None}
        settings = running.with_writable_state(Settings(**given))
        allowed = limits(settings)
        options = Options(
            mode=cast("Mode", mode),  # the pipeline checks it and lists the known modes
            k=k,
            limits=allowed if timeout is None else replace(allowed, timeout_s=timeout),
            asker=scope.asker(principals or ()),
            where=scope.where(where),
            follows=follows,
        )
        with running.source(kb, docs) as documents, build_sync(documents, settings) as funnel:
            talk = _Talk(funnel, options, max_usd, as_json=as_json)
            for line in _lines():
                if line == "/quit":
                    break
                talk.take(line)
            talk.end(settings)


class _Talk:
    """A conversation in a terminal, and what it has cost. `max_usd`: the most that it may cost in all."""

    def __init__(self, funnel: SyncFunnel, options: Options, max_usd: float | None, *, as_json: bool) -> None:
        self._funnel = funnel
        self._options = options
        self._max_usd = max_usd
        self._as_json = as_json
        self._usd = 0.0
        self._conversation = funnel.conversation(options)

    def take(self, line: str) -> None:
        """Do what a line says: answer it, unless it is a command."""
        word, _, rest = line.partition(" ")
        if not line.startswith("/"):
            self._answer(line, None)
        elif word in MODES and rest.strip():
            self._answer(rest.strip(), MODES[word])
        elif line == "/new":
            self._conversation = self._funnel.conversation(replace(self._options, follows=None))
            show.ERR.print("[dim]A new conversation.[/]")
        else:
            if line != "/help":
                show.ERR.print(f"[red]Error:[/] {escape(word)} is no command, or has no question after it.")
            show.ERR.print(HELP, markup=False)

    def _answer(self, question: str, mode: Mode | None) -> None:
        """Answer a question; an error or Ctrl-C ends the question, not the conversation."""
        try:
            with show.ERR.status("retrieving") as line:
                progress = running.ProgressLine(
                    lambda text, said: line.update(show.with_tail(text, said)),
                    with_words=not self._as_json and show.is_watched(),
                )
                answer = self._conversation.ask(question, mode=mode, limits=self._limits(), on_event=progress)
        except (FunnelError, IndexesError) as error:
            show.ERR.print(f"[red]Error:[/] {escape(' '.join(str(error).split()))}")
        except KeyboardInterrupt:
            show.ERR.print("Stopped.")
        else:
            self._usd += answer.usage.cost_usd or 0.0
            if self._as_json:
                print(visible_json(json.dumps(answer.as_dict(), ensure_ascii=False, default=str)), flush=True)  # noqa: T201 - for programs
            else:
                show.answer(answer)

    def _limits(self) -> Limits:
        """Return the limits of the next question. Raises: `BudgetExceeded` if nothing is left."""
        limits = self._options.limits
        if self._max_usd is None:
            return limits
        left = self._max_usd - self._usd
        if left <= 0:
            raise BudgetExceeded("max_usd", self._max_usd, self._usd)
        return replace(limits, max_usd=left if limits.max_usd is None else min(left, limits.max_usd))

    def end(self, settings: Settings) -> None:
        """Say how to go on with the conversation later."""
        run = self._conversation.run
        if run is not None and settings.memory != running.IN_PROCESS and not self._as_json:
            show.ERR.print(f"[dim]To go on with it: funnel chat --follows {escape(run)} …[/]")


def _lines() -> Iterator[str]:
    """Yield what is typed, or the lines of a pipe, until the end; without empty ones."""
    typed = sys.stdin.isatty()
    if typed:
        try:
            import readline  # noqa: F401 - gives input() a history and keys; not on Windows
        except ImportError:
            show.ERR.print("[dim]No line editing on this system.[/]")
        show.ERR.print("[dim]/help for help, Ctrl-D to end[/]")
    while True:
        try:
            line = input(PROMPT if typed else "").strip()
        except EOFError:
            return
        if line:
            yield line
