"""Refuses constructs before a cell runs: what the Monty engine lacks, and what it gets wrong unseen.

Each refusal says what to write instead, with the names of the code where that helps.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from funnel.sandbox.monty.iterators import endless

_UNSEEN = {
    "__bool__": "is_empty",
    "__len__": "size",
    "__format__": "shown",
    "__ne__": "differs",
    "__new__": "make",
    "__setattr__": "set",
    "__delattr__": "drop",
    "__getattribute__": "get",
    "__getattr__": "get",
}
"""Methods of classes that the engine never calls, and a name for an ordinary method instead."""
_MAX_PATTERN = 500


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is refused: its line, what is wrong, what to write instead."""

    line: int
    message: str
    hint: str


def refusal(nodes: Sequence[ast.AST], own: Collection[str]) -> Refusal | None:
    """Return the first thing in a cell's source that must not run; None if there is nothing."""
    found = next(_refusals(nodes), None)
    if found is None and (forever := endless(nodes, own)) is not None:
        return Refusal(
            forever.lineno,
            "an endless iterator would be gone through to its end here",
            "Loop instead: for n in itertools.count(1): ... if done: break; or go through range(limit).",
        )
    return found


def _refusals(nodes: Sequence[ast.AST]) -> Iterator[Refusal]:
    if any(getattr(node, "id", getattr(node, "attr", "")) == "OrderedDict" for node in nodes):
        yield from _of_ordered(nodes)
    for node in nodes:
        match node:
            case ast.ClassDef():
                yield from _of_class(node)
            case ast.Dict():
                yield from _of_dict(node)
            case ast.Call():
                yield from _of_pattern(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from _of_deleted(node)
            case ast.ListComp(elt=ast.GeneratorExp() as inner) | ast.SetComp(elt=ast.GeneratorExp() as inner):
                yield Refusal(
                    inner.lineno,
                    "a generator inside of a comprehension is evaluated at once here",
                    "Write a list of lists: [[x for x in xs] for xs in rows].",
                )
            case _:
                pass


def _of_class(node: ast.ClassDef) -> Iterator[Refusal]:
    if node.bases or node.keywords:
        yield Refusal(node.lineno, "class inheritance is missing in this Python", _without_bases(node))
        return
    for method in node.body:
        if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) and method.name in _UNSEEN:
            yield Refusal(
                method.lineno,
                f"the method {method.name} would never be called here",
                f"Write an ordinary method, such as {_UNSEEN[method.name]}(self), and call it by name.",
            )
    for each in node.decorator_list:
        ordered = isinstance(each, ast.Call) and any(
            word.arg == "order" and not (isinstance(word.value, ast.Constant) and word.value.value is False)
            for word in each.keywords
        )
        if ordered:
            first, *rest = _fields(node) or ["name"]
            key = f"({', '.join(f'x.{name}' for name in [first, *rest])})" if rest else f"x.{first}"
            yield Refusal(
                each.lineno,
                "objects of own classes cannot be compared by < here",
                f"Leave out order=True, and sort by a key: sorted(items, key=lambda x: {key}); "
                "max and min take key= too.",
            )


def _fields(node: ast.ClassDef) -> list[str]:
    return [
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]


def _without_bases(node: ast.ClassDef) -> str:
    """Return what to write instead of a class with this base."""
    base = ast.unparse(node.bases[0]).rpartition(".")[2] if node.bases else "metaclass"
    name, listed = node.name, " ".join(_fields(node)) or "a b"
    if base.endswith(("Exception", "Error", "Warning")):
        return "Own exception classes are missing: raise ValueError or RuntimeError with a message."
    if base.endswith(("Enum", "Flag")):
        return f'Enums are missing: use a dict, {name} = {{"A": 1, "B": 2}}, or values of a plain class.'
    known = {
        "NamedTuple": f'Write {name} = collections.namedtuple("{name}", "{listed}"), or a @dataclass.',
        "TypedDict": "Use a plain dict; leave the class and its annotations out.",
        **dict.fromkeys(
            ("Protocol", "ABC", "object"),
            f"Write class {name}: without a base (a plain class; abstract methods are not checked).",
        ),
        **dict.fromkeys(
            ("dict", "list", "str", "Counter", "defaultdict", "OrderedDict"),
            f"Inheritance is missing: keep a {base} in an attribute of a plain class, or use functions.",
        ),
    }
    return known.get(base, "Inheritance is missing: use a plain class, a @dataclass, a dict or functions.")


def _of_deleted(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Refusal]:
    """Refuse to use a name of a function after `del`, which only makes it None here."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    for deleted in (node for node in names if isinstance(node.ctx, ast.Del)):
        later = [node for node in names if node.id == deleted.id and node.lineno > deleted.lineno]
        if later and not any(isinstance(node.ctx, ast.Store) for node in later):
            yield Refusal(
                later[0].lineno,
                f"the name {deleted.id} is used after its del",
                f"Leave out del {deleted.id}.",
            )


def _of_dict(node: ast.Dict) -> Iterator[Refusal]:
    """Refuse a dict of True beside 1: of two equal keys the engine keeps the second, CPython the first."""
    kinds: dict[object, type] = {}
    keys = [key for key in node.keys if isinstance(key, ast.Constant)]
    for key in keys:
        value = key.value
        if isinstance(value, (bool, int, float)) and kinds.setdefault(value, type(value)) is not type(value):
            yield Refusal(
                key.lineno,
                "1, 1.0 and True are one key, and which of them is kept differs here",
                'Use text as keys: {"1": ..., "true": ...}.',
            )


def _of_pattern(node: ast.Call) -> Iterator[Refusal]:
    """Refuse patterns that may match nothing beside something, whose empty matches differ in the engine."""
    match node:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Name(id="re"), attr=("findall" | "finditer" | "sub" | "split") as name
            ),
            args=[ast.Constant(value=str(pattern)), *rest],
        ) if _may_be_empty(pattern):
            removes = name == "sub" and rest and isinstance(rest[0], ast.Constant) and rest[0].value == ""
            if not removes:
                yield Refusal(
                    node.lineno,
                    f"the pattern {pattern[:60]!r} also matches nothing, and such matches are counted "
                    "differently here",
                    "Write + instead of * (or ? around all), so that each match has a character.",
                )
        case _:
            pass


def _may_be_empty(pattern: str) -> bool:
    """Return whether a pattern matches an empty text at one place and more at another."""
    if len(pattern) > _MAX_PATTERN or not re.search(r"[*?]|\{0?,|\|\)|\(\||\A\||\|\Z", pattern):
        return False
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return compiled.match("") is not None and _has_width(pattern)


def _has_width(pattern: str) -> bool:
    """Return whether a pattern can match a character: it holds more than anchors and lookarounds."""
    return bool(re.sub(r"\(\?<?[=!](?:[^()\\]|\\.)*\)|\\[bBAZ]|[\^$]|\(\?[a-z]+\)|[|()]", "", pattern))


def _of_ordered(nodes: Sequence[ast.AST]) -> Iterator[Refusal]:
    """Refuse to show an OrderedDict, which is a dict in the engine and would be shown as one."""
    names = {
        target.id
        for node in nodes
        if isinstance(node, ast.Assign) and _is_ordered(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name(id=("print" | "repr" | "str")), args=shown):
                pass
            case ast.FormattedValue(value=value):
                shown = [value]
            case _:
                continue
        if any(_is_ordered(each, names) for each in shown):
            yield Refusal(
                shown[0].lineno,
                "an OrderedDict is a plain dict here and would be shown as one",
                "A dict keeps its order: write {...}, or print(list(d.items())).",
            )


def _is_ordered(node: ast.expr, names: Collection[str]) -> bool:
    match node:
        case ast.Name(id=name):
            return name in names
        case ast.Call(func=ast.Name(id="OrderedDict") | ast.Attribute(attr="OrderedDict")):
            return True
        case _:
            return False
