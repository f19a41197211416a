"""Makes iterators of what the Monty engine makes lists of, where it can be told apart; knows no session.

In the engine `map`, `zip`, `enumerate`, `filter`, `reversed` and generator expressions give lists. A list
that is assigned or returned could be gone through twice, which an iterator cannot.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from funnel.sandbox.monty.edits import Edit, Text

_LISTED = frozenset({"map", "zip", "enumerate", "filter", "reversed"})
ENDLESS = frozenset({"count", "cycle"})


def iterator_edits(text: Text, node: ast.AST, own: Collection[str]) -> Iterator[Edit]:
    """Wrap what is assigned, returned or passed to `next` in `iter(...)`."""
    match node:
        case (
            ast.Assign(value=ast.expr() as value)
            | ast.AnnAssign(value=ast.expr() as value)
            | ast.NamedExpr(value=value)
            | ast.Return(value=ast.expr() as value)
        ):
            parts = value.elts if isinstance(value, ast.Tuple) else [value]
            for part in parts:
                yield from _wrapped(text, part, own)
        case ast.Call(func=ast.Name(id="next"), args=[first, *_]) if "next" not in own:
            if isinstance(first, ast.GeneratorExp):
                yield from _next(text, node, first)
            else:
                yield from _wrapped(text, first, own)
        case _:
            pass


def _wrapped(text: Text, node: ast.expr, own: Collection[str]) -> Iterator[Edit]:
    if is_listed(node, own):
        yield from text.around(node, "iter(", ")")


def is_listed(node: ast.expr, own: Collection[str]) -> bool:
    """Return whether the engine makes a list of what is an iterator in CPython."""
    match node:
        case ast.GeneratorExp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _LISTED and name not in own
        case _:
            return False


def _next(text: Text, node: ast.Call, generator: ast.GeneratorExp) -> Iterator[Edit]:
    """Wrap the argument of `next(x for x in xs)`: in the engine it is a list, which `next` refuses."""
    start, stop = text.span(generator)
    shared = stop == text.span(node)[1]
    yield Edit(start, start + 1, "(iter([" if shared else "iter([")
    yield Edit(stop - 1, stop, "]))" if shared else "])")


def endless(tree: ast.Module, own: Collection[str]) -> ast.expr | None:
    """Return an expression that the engine would evaluate without end, as over `count()`; None if none is."""
    for node in ast.walk(tree):
        match node:
            case ast.GeneratorExp(generators=[first, *_]) | ast.ListComp(generators=[first, *_]):
                if _is_endless(first.iter) and isinstance(node, ast.GeneratorExp):
                    return node
            case ast.Call(func=ast.Name(id=("map" | "enumerate" | "filter") as name), args=[*_, last]):
                if name not in own and _is_endless(last):
                    return node
            case _:
                pass
    return None


def _is_endless(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="itertools"), attr=name)):
            return name in ENDLESS
        case ast.Call(func=ast.Name(id=name)):
            return name in ENDLESS
        case _:
            return False
