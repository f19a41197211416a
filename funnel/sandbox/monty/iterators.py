"""Makes iterators of what the Monty engine makes lists of, where it can be told apart; knows no session.

In the engine `map`, `zip`, `enumerate`, `filter`, `reversed` and generator expressions give lists. A list
that is assigned or returned could be gone through twice, which an iterator cannot.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterable, Iterator

from funnel.sandbox.monty.edits import Edit, Text

_LISTED = frozenset({"map", "zip", "enumerate", "filter", "reversed"})
ENDLESS = frozenset({"count", "cycle"})


def iterator_edits(
    text: Text, node: ast.expr, parent: ast.AST, own: Collection[str], host: Collection[str]
) -> Iterator[Edit]:
    """Wrap an expression that `is_listed` in `iter(...)`, where it is kept or passed on.

    Left as it is where it is gone through at once: by a loop, a built-in function, a method, or a function of
    the `host`, which takes lists only.
    """
    match parent:
        case ast.Call(func=ast.Name(id="next"), args=[first, *_]) if first is node and "next" not in own:
            if isinstance(node, ast.GeneratorExp):
                yield from _next(text, parent, node)
            else:
                yield from _wrapped(text, node)
        case ast.Call(func=ast.Name(id=name)):
            if name not in host and (name in own or not hasattr(builtins, name)):
                yield from _wrapped(text, node, alone=len(parent.args) + len(parent.keywords) == 1)
        case (
            ast.Call()
            | ast.For()
            | ast.AsyncFor()
            | ast.comprehension()
            | ast.Starred()
            | ast.Compare()
            | ast.Expr()
            | ast.FormattedValue()
            | ast.YieldFrom()
            | ast.keyword()
        ):
            pass
        case _:
            yield from _wrapped(text, node)


def _wrapped(text: Text, node: ast.expr, *, alone: bool = False) -> Iterator[Edit]:
    """Wrap an expression. `alone`: the parentheses of a generator may be those of the call around it."""
    inner = alone and isinstance(node, ast.GeneratorExp)
    yield from text.around(node, "(iter(" if inner else "iter(", "))" if inner else ")")


def is_listed(node: ast.AST, own: Collection[str]) -> bool:
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


def endless(nodes: Iterable[ast.AST], own: Collection[str]) -> ast.expr | None:
    """Return an expression that the engine would evaluate without end, as over `count()`; None if none is."""
    for node in nodes:
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
