"""Rewrites a cell's source for the Monty engine without moving a line; runs nothing and knows no session.

The rewriting fills gaps of the engine: modules and functions that `stdlib` implements inside the sandbox,
`del`, iterators. It also prints the value of a last expression, as a REPL does. No edit changes a line
number. Source that CPython cannot parse is passed on unchanged, and the engine reports what is wrong.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from funnel.sandbox.monty.awaiting import awaited_calls, parsed
from funnel.sandbox.monty.edits import Edit, Text
from funnel.sandbox.monty.gaps import Gaps, dataclass_fields
from funnel.sandbox.monty.imports import KNOWN, aliases, import_edits, import_from_edits
from funnel.sandbox.monty.iterators import is_listed, iterator_edits
from funnel.sandbox.monty.names import taken
from funnel.sandbox.monty.refusals import Refusal, refusal
from funnel.sandbox.monty.stdlib import added, shim_name

_LAST_VALUE = "_"
_PRINTING = frozenset({"print", "sys.stdout.write", "sys.stderr.write"})
_UNBOUND = "exec('try:\\n raise ValueError\\nexcept ValueError as {name}:\\n pass')"
"""The engine lacks `del`, but unbinds the name of a caught error."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What earlier cells of a session did: the names that mean a module, and the names that they bound.

    `functions`: the names of the host's functions, which are never unbound.
    """

    aliases: Mapping[str, str] = field(default_factory=lambda: KNOWN)
    bound: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's source after rewriting (`text`) and as written (`original`), and the shim modules it needs.

    `awaited` holds the byte offsets in `text` of calls whose result the code awaits. `bound`: the names that
    the code binds or deletes. `aliases`: the names that mean a module after it. `refused`: why none of it
    may run.
    """

    text: str
    original: str
    modules: tuple[str, ...] = ()
    awaited: frozenset[int] = frozenset()
    bound: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=lambda: KNOWN)
    refused: Refusal | None = None

    def line(self, number: int | None) -> str:
        """Return a line, counted from 1, as the author wrote it; "" if there is no such line."""
        lines = self.original.split("\n")
        return lines[number - 1].strip() if number is not None and 0 < number <= len(lines) else ""


def prepare(code: str, seen: Seen | None = None) -> Cell:
    """Rewrite a cell's source into the form that the engine gets."""
    code, seen = normalised(code), seen or Seen()
    tree = parsed(code)
    if tree is None:
        return Cell(code, code, aliases=seen.aliases)
    nodes, parents = _walked(tree)
    text, bound = Text(code), taken(nodes)
    mine = bound.union(node.arg for node in nodes if isinstance(node, ast.arg))
    own = seen.bound | mine
    if (refused := refusal(nodes, own)) is not None:
        return Cell(code, code, aliases=seen.aliases, refused=refused)
    modules: set[str] = set()
    known = aliases(nodes, seen.aliases, mine)
    gaps = Gaps(text, known, own, code, modules)
    edits = _echo(text, tree)
    deletes = any(isinstance(node, ast.Delete) for node in nodes)
    top = frozenset(id(node) for node in _top_level(tree.body)) if deletes else frozenset()
    for node in nodes:
        if isinstance(node, ast.Import):
            edits += import_edits(text, node, modules)
        elif isinstance(node, ast.ImportFrom):
            edits += import_from_edits(text, node, modules)
        elif isinstance(node, ast.Delete):
            edits += _delete(text, node, seen.functions if id(node) in top else None)
        elif isinstance(node, ast.ClassDef):
            edits += dataclass_fields(text, node)
        elif isinstance(node, ast.AsyncWith):
            edits += _async_with(text, node, modules)
        else:
            edits += gaps.edits(node)
            if isinstance(node, (ast.Call, ast.GeneratorExp)) and is_listed(node, own):
                edits += iterator_edits(text, node, parents[id(node)], own, seen.functions)
    ready = text.edited(edits) if edits else code
    calls = awaited_calls(ready)
    return Cell(ready, code, tuple(sorted(modules)), frozenset(start for start, _ in calls), bound, known)


def normalised(code: str) -> str:
    """Return the source as valid UTF-8 text with one kind of line ending."""
    return code.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")


def _walked(tree: ast.Module) -> tuple[list[ast.AST], dict[int, ast.AST]]:
    """Return all nodes, from the outside in, and the parents of calls and generators by their `id`.

    The tree is walked once, since that takes most of the time of a rewriting.
    """
    nodes: list[ast.AST] = [tree]
    parents: dict[int, ast.AST] = {}
    for node in nodes:
        for child in ast.iter_child_nodes(node):
            nodes.append(child)
            if isinstance(child, (ast.Call, ast.GeneratorExp)):
                parents[id(child)] = node
    return nodes, parents


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements outside of functions and classes."""
    for statement in body:
        yield statement
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for _, value in ast.iter_fields(statement):
                if isinstance(value, list):
                    yield from _top_level([each for each in value if isinstance(each, ast.stmt)])
                    for each in value:
                        if isinstance(each, (ast.ExceptHandler, ast.match_case)):
                            yield from _top_level(each.body)


def _delete(text: Text, node: ast.Delete, kept: Collection[str] | None) -> Iterator[Edit]:
    """Unbind names but those to be `kept`; inside a function, where `kept` is None, they become None."""
    parts: list[str] = []
    for target in node.targets:
        if isinstance(target, ast.Name):
            unbind = kept is not None and target.id not in kept and not hasattr(builtins, target.id)
            parts.append(_UNBOUND.format(name=target.id) if unbind else f"{target.id} = None")
        elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            parts.append(f"{text.of(target.value)}.pop({text.of(target.slice)})")
        elif isinstance(target, ast.Subscript) and _is_plain_slice(target.slice):
            parts.append(f"{text.of(target)} = []")
        else:
            return
    if "\n" not in text.of(node):
        yield text.statement(node, "; ".join(parts))


def _is_plain_slice(node: ast.expr) -> bool:
    return isinstance(node, ast.Slice) and node.step is None


def _async_with(text: Text, node: ast.AsyncWith, modules: set[str]) -> Iterator[Edit]:
    """Replace `async with semaphore:` by a condition: host calls run one after the other, or are gathered."""
    (start, _), first = text.span(node), node.items[0]
    if len(node.items) == 1 and first.optional_vars is None:
        modules.add(unit := added("asyncio"))
        begin, end = text.span(first.context_expr)
        yield Edit(start, begin, f"if {shim_name(unit)}.entered(")
        yield Edit(end, end, ")", 1)


def _echo(text: Text, tree: ast.Module) -> list[Edit]:
    """Print the value of a last expression inside the sandbox, so that only text has to leave it."""
    if not tree.body or not isinstance(last := tree.body[-1], ast.Expr):
        return []
    if isinstance(last.value, ast.Call) and ast.unparse(last.value.func) in _PRINTING:
        return []
    start, stop = text.span(last.value)
    return [
        Edit(start, start, f"print(repr({_LAST_VALUE})) if ({_LAST_VALUE} := (", -stop - 1),
        Edit(stop, stop, ")) is not None else None", 1),
    ]
