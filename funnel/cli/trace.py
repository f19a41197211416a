"""`funnel trace`: the events of a run as a tree, or as a page for a browser."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from funnel.cli import show
from funnel.cli.errors import one_line
from funnel.errors import BadSetting
from funnel.trace.kinds import (
    AnswerGiven,
    AnswerSubmitted,
    BatchEnded,
    BatchStarted,
    CacheHit,
    CallRetried,
    CallWaits,
    CellEnded,
    CellStarted,
    Ended,
    EventData,
    HostCallStarted,
    ModelCallEnded,
    ModelCallStarted,
    NoteWritten,
    ReplyRejected,
    RetrieveEnded,
    RetrieveStarted,
    RouteDecided,
    RunStarted,
    Started,
    TurnStarted,
    WorkStopped,
)
from funnel.trace.reading import Node, attempts, read_run
from funnel.types import EndReason
from indexes.counting import counted

EPILOG = """Examples:

funnel trace 20261122-150142-1f3c9a

funnel trace 20261122-150142-1f3c9a --last

funnel trace run.jsonl --full

funnel trace run.jsonl --html run.html --open"""
SIBLINGS = 4
CODE_LINES = 6
ANSWER_LINES = 12
OUTPUT_LINES = 4
NOTE_CHARS = 120


def trace(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|RUN",
            help="A trace file, or a run whose traces are in FUNNEL_TRACE_DIR; RUN.1 is its first resume.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Argument(metavar="OUT", help="With --html: the file to write.", show_default="FILE with .html"),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Write one page for a browser; it needs nothing else.")
    ] = False,
    open_it: Annotated[bool, typer.Option("--open", help="Write the page and open it.")] = False,
    last: Annotated[bool, typer.Option("--last", help="Only the last attempt of a resumed run.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Show all code, all output and all calls, unabridged.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tree as JSON.")] = False,
) -> None:
    """Show how an answer came to be: the recursion tree of its run, every attempt of it."""
    with one_line():
        if out is not None and not (html or open_it):
            raise BadSetting("OUT", f"{out} would be written with --html only.")
        files = _found(run)
        root = read_run(files[-1:] if last else files)
        if html or open_it:
            _page(root, files, out or files[0].with_suffix(".html"), open_it=open_it)
            return
        if as_json:
            show.print_json(root.as_dict())
            return
        tree = Tree(_label(root, full=full))
        _grow(tree, root, full=full)
        show.tree(tree)


def _found(run: Path) -> list[Path]:
    """Return the file of that name if it exists, else the traces of that run, one for each attempt."""
    if run.exists() or run.name != str(run):
        return [run]
    from funnel.settings import Settings

    return attempts(Settings().trace_dir / f"{run}.jsonl") or [run]


def _page(root: Node, files: Sequence[Path], out: Path, *, open_it: bool) -> None:
    """Write the page and say where; it is named after the run."""
    from funnel.trace.page import write_page

    if out.resolve() in {file.resolve() for file in files}:
        raise BadSetting("OUT", f"{out} is the trace itself; name another file.")
    write_page(root, out, name=files[0].stem)
    show.OUT.print(str(out), markup=False)
    if open_it and not webbrowser.open(out.resolve().as_uri()):
        raise BadSetting("--open", f"no browser was found here. Open {out} in one.")


def _grow(tree: Tree, node: Node, *, full: bool) -> None:
    """Add the children; of many siblings of one kind, only the first few unless `full`."""
    shown: dict[str, int] = {}
    for child in node.children:
        shown[child.kind] = shown.get(child.kind, 0) + 1
        if not full and shown[child.kind] > SIBLINGS and child.kind in {"model_call", "host_call", "note"}:
            continue
        _grow(tree.add(_label(child, full=full)), child, full=full)
    for kind, count in shown.items():
        if not full and count > SIBLINGS and kind in {"model_call", "host_call", "note"}:
            tree.add(f"[dim]… {count - SIBLINGS} more {kind.replace('_', ' ')}s; --full shows them[/]")


def _label(node: Node, *, full: bool) -> str:
    """Return a node's line; for a cell, its code and output below."""
    parts = [f"[bold]{node.kind.replace('_', ' ')}[/]", escape(_headline(node))]
    if node.wall_s is not None:
        parts.append(f"[dim]{node.wall_s:.2f} s[/]")
    if not node.ended:
        parts.append("[yellow]never ended[/]")
    lines = [" ".join(part for part in parts if part)]
    begun, ending = node.begun, node.ending
    if isinstance(begun, CellStarted):
        lines += [f"[green]{escape(line)}[/]" for line in _cut(begun.code, CODE_LINES, full=full)]
    if isinstance(ending, CellEnded):
        printed = _cut(ending.stdout or "", OUTPUT_LINES, full=full)
        lines += ["[dim]printed:[/]", *(f"[dim]  {escape(line)}[/]" for line in printed)] if printed else []
    if isinstance(begun, AnswerGiven):
        lines += [f"  {escape(line)}" for line in _cut(begun.text, ANSWER_LINES, full=full)]
    if node.error:
        lines.append(f"[red]{escape(node.error)}[/]")
    return "\n".join(lines)


def _headline(node: Node) -> str:
    """Return in a few words what happened; for an event unknown to this version, all of its data."""
    begun = node.begun
    if begun is None:
        return ", ".join(f"{name} {value}" for name, value in node.data.items() if name != "error")
    if isinstance(begun, RunStarted):
        return _run(node, begun)
    return _lasting(begun, node.ending) if isinstance(begun, Started) else _happened(begun)


def _lasting(begun: Started, ending: Ended | None) -> str:
    said = ""
    match begun, ending:
        case RetrieveStarted(query=query), ending:
            found = ending.documents or () if isinstance(ending, RetrieveEnded) else ()
            said = f"{counted(len(found), 'document')} for {query!r}"
        case TurnStarted(number=number, depth=depth), _:
            said = f"{number} at depth {depth}" if depth else f"{number}"
        case HostCallStarted(name=name, arguments=arguments), _:
            said = f"{name}({', '.join(arguments)})"
        case ModelCallStarted(purpose=purpose, model=model), ending:
            said = f"{purpose} {model}{_booked(ending)}"
        case CallWaits(reason=reason), _:
            said = reason
        case BatchStarted(n=n), ending:
            failed = ending.failed if isinstance(ending, BatchEnded) else None
            said = f"{n} at once, {failed or 0} failed"
    return said


def _happened(data: EventData) -> str:
    said = ""
    match data:
        case RouteDecided() as decided:
            said = f"{decided.route} (p = {decided.probability:.2f}) {'; '.join(decided.reasons)}"
        case AnswerGiven() as answer:
            said = f"{answer.status}, {answer.end_reason}, {counted(len(answer.citations), 'citation')}"
        case AnswerSubmitted(answer=text, citations=citations):
            said = f"{len(text)} characters, citations {list(citations)}"
        case CacheHit(source=source, purpose=purpose, model=model):
            said = f"{source}: {purpose} {model}"
        case NoteWritten(key=key, text=text):
            said = f"{key}: {text[:NOTE_CHARS]}"
        case WorkStopped(reason=reason, end_reason=EndReason() as end_reason):
            said = f"{end_reason}: {reason}"
        case WorkStopped(reason=reason) | CallRetried(reason=reason) | ReplyRejected(reason=reason):
            said = reason
    return said


def _run(node: Node, run: RunStarted) -> str:
    said = f"{run.question!r} model {run.model} sandbox {run.sandbox}"
    if (n := node.data.get("attempts")) is not None:
        return f"{said}, {n} attempts"
    return f"attempt {run.life + 1} {said}" if run.life else said


def _booked(ending: object) -> str:
    if not isinstance(ending, ModelCallEnded):
        return ""
    price = "" if ending.cost_usd is None else f", {show.dollars(ending.cost_usd)}"
    tier = f" ({ending.tier})" if ending.tier else ""
    return f": {show.tokens_in(ending)} + {ending.output_tokens:,} out{price}{tier}"


def _cut(text: str, lines: int, *, full: bool) -> list[str]:
    every = text.rstrip().splitlines()
    if full or len(every) <= lines:
        return every
    return [*every[:lines], f"… {len(every) - lines} more lines"]
