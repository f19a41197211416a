"""Rewrites a cell's source for the Monty engine without moving a line; runs nothing and knows no session.

The rewriting fills small gaps of the engine: imports of modules that `stdlib` implements inside the sandbox,
`del`, `next(generator)`, `str.lower`. It also prints the value of a last expression, as a REPL does. No edit
changes a line number. Source that CPython cannot parse is passed on unchanged, and the engine reports what is
wrong.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from funnel.sandbox.monty.names import taken
from funnel.sandbox.monty.stdlib import SOURCES, shim_name

_AWAITING_FUNCTIONS = frozenset(
    {"gather", "create_task", "ensure_future", "wait_for", "wait", "as_completed", "run"}
)
_STR_METHODS = frozenset(name for name in dir(str) if not name.startswith("_") and name != "maketrans")
_MAX_PARSED_CHARACTERS = 200_000
_LAST_VALUE = "_"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's source after rewriting (`text`) and as written (`original`), and the shim modules it needs.

    `awaited` holds the byte offsets in `text` of calls whose result the code awaits. `bound`: the names that
    the code binds or deletes.
    """

    text: str
    original: str
    modules: tuple[str, ...] = ()
    awaited: frozenset[int] = frozenset()
    bound: frozenset[str] = frozenset()

    def line(self, number: int | None) -> str:
        """Return a line, counted from 1, as the author wrote it; "" if there is no such line."""
        lines = self.original.split("\n")
        return lines[number - 1].strip() if number is not None and 0 < number <= len(lines) else ""


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    stop: int
    text: str


class _Text:
    """The source in UTF-8; converts the parser's (line, column) positions to byte offsets."""

    def __init__(self, source: str) -> None:
        self.data = source.encode()
        self._starts = [0]
        for line in self.data.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        last = node.lineno if node.end_lineno is None else node.end_lineno
        stop = node.col_offset if node.end_col_offset is None else node.end_col_offset
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[last - 1] + stop

    def of(self, node: ast.expr | ast.stmt) -> str:
        start, stop = self.span(node)
        return self.data[start:stop].decode()

    def edited(self, edits: list[_Edit]) -> str:
        parts: list[bytes] = []
        at = 0
        for edit in sorted(edits, key=lambda e: (e.start, e.stop)):
            if edit.start < at:
                continue  # it is inside a statement that is replaced as a whole
            parts += [self.data[at : edit.start], edit.text.encode()]
            at = edit.stop
        return b"".join([*parts, self.data[at:]]).decode()


def prepare(code: str) -> Cell:
    """Rewrite a cell's source into the form that the engine gets."""
    code = normalised(code)
    tree = _parse(code)
    if tree is None:
        return Cell(code, code)
    text = _Text(code)
    modules: set[str] = set()
    edits: list[_Edit] = []
    own_str = _binds(tree, "str")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            edits += _import(text, node, modules)
        elif isinstance(node, ast.ImportFrom):
            edits += _import_from(text, node, modules)
        elif isinstance(node, ast.Delete):
            edits += _delete(text, node)
        elif isinstance(node, ast.Call):
            edits += _next(text, node)
        elif isinstance(node, ast.Attribute) and not own_str:
            edits += _unbound(text, node)
    edits += _echo(text, tree)
    ready = text.edited(edits) if edits else code
    awaited = _awaited(ready, _parse(ready) if edits else tree)
    return Cell(ready, code, tuple(sorted(modules)), frozenset(start for start, _ in awaited), taken(tree))


def normalised(code: str) -> str:
    """Return the source as valid UTF-8 text with one kind of line ending."""
    return code.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")


def awaited_calls(code: str) -> frozenset[tuple[int, int]]:
    """Return the (start, end) byte offsets of the calls whose result the code awaits.

    `code` must be `normalised`; the offsets are in its UTF-8.
    """
    return _awaited(code, _parse(code))


def _parse(code: str) -> ast.Module | None:
    if len(code) > _MAX_PARSED_CHARACTERS:
        return None
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _statement(text: _Text, node: ast.stmt, replacement: str) -> _Edit:
    """Replace a statement; empty parentheses after it keep the number of lines."""
    start, stop = text.span(node)
    breaks = text.data[start:stop].count(b"\n")
    return _Edit(start, stop, f"{replacement}; ({chr(10) * breaks})" if breaks else replacement)


def _import(text: _Text, node: ast.Import, modules: set[str]) -> Iterator[_Edit]:
    if not any(alias.name in SOURCES for alias in node.names):
        return
    parts: list[str] = []
    for alias in node.names:
        if alias.name not in SOURCES:
            parts.append(f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else ""))
            continue
        modules.add(alias.name)
        if alias.asname or "." not in alias.name:
            parts.append(f"{alias.asname or alias.name} = {shim_name(alias.name)}")
        else:
            modules.add(package := alias.name.partition(".")[0])
            parts.append(f"{package} = {shim_name(package)}")
    yield _statement(text, node, "; ".join(parts))


def _import_from(text: _Text, node: ast.ImportFrom, modules: set[str]) -> Iterator[_Edit]:
    if node.level or node.module not in SOURCES or any(alias.name == "*" for alias in node.names):
        return
    modules.add(node.module)
    owner = shim_name(node.module)
    parts = [f"{alias.asname or alias.name} = {owner}.{alias.name}" for alias in node.names]
    yield _statement(text, node, "; ".join(parts))


def _delete(text: _Text, node: ast.Delete) -> Iterator[_Edit]:
    parts: list[str] = []
    for target in node.targets:
        if isinstance(target, ast.Name):
            parts.append(f"{target.id} = None")
        elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            parts.append(f"{text.of(target.value)}.pop({text.of(target.slice)})")
        else:
            return
    if "\n" not in text.of(node):
        yield _statement(text, node, "; ".join(parts))


def _next(text: _Text, node: ast.Call) -> Iterator[_Edit]:
    """Wrap the argument of `next(x for x in xs)`: in the engine it is a list, which `next` refuses."""
    if not (isinstance(node.func, ast.Name) and node.func.id == "next" and node.args):
        return
    if isinstance(generator := node.args[0], ast.GeneratorExp):
        start, stop = text.span(generator)
        shared = stop == text.span(node)[1]
        yield _Edit(start, start + 1, "(iter([" if shared else "iter([")
        yield _Edit(stop - 1, stop, "]))" if shared else "])")


def _binds(tree: ast.Module, name: str) -> bool:
    return any(
        (isinstance(node, ast.arg) and node.arg == name)
        or (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store))
        for node in ast.walk(tree)
    )


def _unbound(text: _Text, node: ast.Attribute) -> Iterator[_Edit]:
    """Replace `str.lower`, as in `key=str.lower`, by a lambda: the engine's class `str` has no methods."""
    if isinstance(node.value, ast.Name) and node.value.id == "str" and node.attr in _STR_METHODS:
        start, stop = text.span(node)
        yield _Edit(start, stop, f"(lambda s, *rest: s.{node.attr}(*rest))")


def _echo(text: _Text, tree: ast.Module) -> Iterator[_Edit]:
    """Print the value of a last expression inside the sandbox, so that only text has to leave it."""
    if not tree.body or not isinstance(last := tree.body[-1], ast.Expr):
        return
    if (
        isinstance(last.value, ast.Call)
        and isinstance(last.value.func, ast.Name)
        and last.value.func.id == "print"
    ):
        return
    start, stop = text.span(last.value)
    yield _Edit(start, start, f"print(repr({_LAST_VALUE})) if ({_LAST_VALUE} := (")
    yield _Edit(stop, stop, ")) is not None else None")


def _awaited(code: str, tree: ast.Module | None) -> frozenset[tuple[int, int]]:
    if tree is None or not re.search(r"\bawait\b|\basyncio\b", code):
        return frozenset()
    text = _Text(code)
    gathered = {name for node in ast.walk(tree) for name in _gathered_names(node)}
    return frozenset(
        text.span(call)
        for node in ast.walk(tree)
        for expression in _awaited_expressions(node, gathered)
        for call in _outer_calls(expression)
    )


def _is_awaiting_call(node: ast.AST) -> bool:
    """Return whether a node is a call such as `asyncio.gather(...)`, which awaits its arguments."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in _AWAITING_FUNCTIONS


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    for argument in call.args:
        yield argument.value if isinstance(argument, ast.Starred) else argument


def _gathered_names(node: ast.AST) -> Iterator[str]:
    """Yield the names of variables that are awaited: `tasks` of `gather(*tasks)`, `task` of `await task`."""
    if isinstance(node, ast.Call) and _is_awaiting_call(node):
        yield from (argument.id for argument in _arguments(node) if isinstance(argument, ast.Name))
    elif isinstance(node, ast.Await) and isinstance(node.value, ast.Name):
        yield node.value.id


def _awaited_expressions(node: ast.AST, gathered: set[str]) -> Iterator[ast.expr]:
    match node:
        case ast.Await(value=value):
            yield value
        case ast.Assign(targets=targets, value=value):
            if any(isinstance(target, ast.Name) and target.id in gathered for target in targets):
                yield value
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[item]) if (
            name in gathered
        ):
            yield item
        case ast.Call() if _is_awaiting_call(node):
            yield from _arguments(node)
        case _:
            pass


def _outer_calls(node: ast.expr) -> Iterator[ast.Call]:
    """Yield the outermost calls of an awaited expression: of `f(g(x))` only `f` is awaited."""
    match node:
        case ast.Call():
            yield node
        case ast.ListComp(elt=item) | ast.GeneratorExp(elt=item) | ast.SetComp(elt=item):
            yield from _outer_calls(item)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            for item in items:
                yield from _outer_calls(item)
        case _:
            pass
