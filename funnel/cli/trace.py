"""`funnel trace`: a run's events as a tree, or as a page for a browser."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.tree import Tree

from funnel.cli import show
from funnel.cli.errors import one_line
from funnel.errors import BadSetting
from funnel.trace.reading import Node, read_trace

EPILOG = """Examples:

funnel trace 20261122-150142-1f3c9a

funnel trace run.jsonl --full

funnel trace run.jsonl --html run.html --open"""
SIBLINGS = 4
CODE_LINES = 6
OUTPUT_LINES = 4


def trace(
    run: Annotated[
        Path,
        typer.Argument(metavar="FILE|RUN", help="The file that an answer names as its trace, or its run."),
    ],
    out: Annotated[
        Path | None,
        typer.Argument(metavar="OUT", help="With --html: the file to write.", show_default="FILE with .html"),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help="Write one page for a browser; it needs nothing else.")
    ] = False,
    open_it: Annotated[bool, typer.Option("--open", help="Write the page and open it.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="All code, all output, all calls, unabridged.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tree as JSON.")] = False,
) -> None:
    """Show how an answer came to be: the recursion tree of its run."""
    with one_line():
        if out is not None and not (html or open_it):
            raise BadSetting("OUT", f"{out} would be written with --html only.")
        file = _found(run)
        root = read_trace(file)
        if html or open_it:
            _page(root, file, out or file.with_suffix(".html"), open_it=open_it)
            return
        if as_json:
            show.print_json(root.as_dict())
            return
        tree = Tree(_label(root, full=full))
        _grow(tree, root, full=full)
        show.tree(tree)


def _found(run: Path) -> Path:
    """The file of that name, or else the trace of the run of that name."""
    if run.exists() or run.name != str(run):
        return run
    from funnel.settings import Settings

    named = Settings().trace_dir / f"{run}.jsonl"
    return named if named.exists() else run


def _page(root: Node, file: Path, out: Path, *, open_it: bool) -> None:
    """Write the page and say where; its name on screen is the run's."""
    from funnel.trace.page import write_page

    if out.resolve() == file.resolve():
        raise BadSetting("OUT", f"{out} is the trace itself; name another file.")
    write_page(root, out, name=file.stem)
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
    """One line for most kinds; code and output under a cell."""
    parts = [f"[bold]{node.kind.replace('_', ' ')}[/]", escape(_headline(node))]
    if node.wall_s is not None:
        parts.append(f"[dim]{node.wall_s:.2f} s[/]")
    if not node.ended:
        parts.append("[yellow]never ended[/]")
    lines = [" ".join(part for part in parts if part)]
    if node.kind == "cell":
        lines += [
            f"[green]{escape(line)}[/]" for line in _cut(node.data.get("code", ""), CODE_LINES, full=full)
        ]
        lines += [
            f"[dim]{escape(line)}[/]" for line in _cut(node.data.get("stdout", ""), OUTPUT_LINES, full=full)
        ]
    if error := node.data.get("error"):
        lines.append(f"[red]{escape(str(error))}[/]")
    return "\n".join(lines)


def _headline(node: Node) -> str:
    """What a node of that kind is about."""
    return _HEADLINES.get(node.kind, _reason)(node.data)


def _reason(data: dict[str, Any]) -> str:
    return str(data.get("reason", ""))


def _model_call(data: dict[str, Any]) -> str:
    cost = data.get("cost_usd")
    price = "" if cost is None else f", {show.dollars(cost)}"
    tokens = f"{data.get('input_tokens', 0):,} in + {data.get('output_tokens', 0):,} out{price}"
    return f"{data.get('purpose')} {data.get('model')}: {tokens}"


_HEADLINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "run": lambda d: f"{d.get('question', '')!r} model {d.get('model')} sandbox {d.get('sandbox')}",
    "retrieve": lambda d: f"{len(d.get('documents', []))} documents for {d.get('query', '')!r}",
    "route": lambda d: f"{d['route']} (p = {d['probability']:.2f}) {'; '.join(d['reasons'])}",
    "turn": lambda d: f"{d.get('number')}" + (f" at depth {d['depth']}" if d.get("depth") else ""),
    "host_call": lambda d: f"{d.get('name')}({', '.join(d.get('arguments', []))})",
    "model_call": _model_call,
    "answer": lambda d: f"{d.get('status')}, {len(d.get('citations', []))} citations",
    "submit": lambda d: f"{len(d.get('answer', ''))} characters, citations {d.get('citations')}",
    "batch": lambda d: f"{d.get('n')} at once, {d.get('failed', 0)} failed",
    "cache": lambda d: f"{d.get('source')}: {d.get('purpose')} {d.get('model')}",
    "note": lambda d: f"{d.get('key')}: {str(d.get('text'))[:120]}",
}


def _cut(text: str, lines: int, *, full: bool) -> list[str]:
    every = text.rstrip().splitlines()
    if full or len(every) <= lines:
        return every
    return [*every[:lines], f"… {len(every) - lines} more lines"]
