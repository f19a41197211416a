"""Finds the calls in a cell's source whose result the code awaits, so that they can run side by side."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from funnel.sandbox.monty.edits import Text

_AWAITING_FUNCTIONS = frozenset(
    {"gather", "create_task", "ensure_future", "wait_for", "wait", "as_completed", "run"}
)
_MAX_PARSED_CHARACTERS = 200_000


def parsed(code: str) -> ast.Module | None:
    """Return the tree of a cell's source; None if CPython cannot parse it, or it is too long."""
    if len(code) > _MAX_PARSED_CHARACTERS:
        return None
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def compiles(code: str) -> bool:
    """Return whether a cell's source is Python, though this engine may lack parts of it."""
    try:
        compile(code, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def awaited_calls(code: str) -> frozenset[tuple[int, int]]:
    """Return the (start, end) byte offsets of the calls whose result the code awaits.

    `code` must be `normalised`; the offsets are in its UTF-8.
    """
    if not re.search(r"\bawait\b|\basyncio\b", code) or (tree := parsed(code)) is None:
        return frozenset()
    text, nodes = Text(code), list(ast.walk(tree))
    gathered = {name for node in nodes for name in _gathered_names(node)}
    return frozenset(
        text.span(call)
        for node in nodes
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
