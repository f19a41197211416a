"""What to write after an ordinary error of a cell, in every engine's Python, from its message and its line.

Names and expressions in the advice are those of the code. What may hold text of documents, such as the keys
of a dict, belongs into the error's message, which is fenced, and never into the advice.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

MAX_KEYS: Final = 12
MAX_KEY: Final = 40
MAX_EXPRESSION: Final = 60
_MAX_LINE: Final = 500
_NAME_ERROR: Final = re.compile(r"name '(\w+)' is not defined")
_NO_ATTRIBUTE: Final = re.compile(r"'(\w+)' object has no attribute '(\w+)'")
_LISTS: Final = "list indices must be integers|tuple indices must be integers"
_Advise = Callable[[re.Match[str], Sequence[ast.expr]], str]


def advice(kind: str, message: str, source_line: str) -> str:
    """Return what to write instead of a line that raised an error; "" if there is nothing to say."""
    nodes = tuple(_expressions(source_line))
    for pattern, advise in _RULES:
        if found := re.search(pattern, f"{kind}: {message[:_MAX_LINE]}"):
            return advise(found, nodes)
    return ""


def nearest_name(kind: str, message: str, names: Collection[str]) -> str:
    """Return advice on a name that is not defined, from the names that are; "" if the error is another."""
    found = _NAME_ERROR.search(message)
    if kind != "NameError" or found is None:
        return ""
    known = [name for name in names if not name.startswith("_") and len(name) <= MAX_EXPRESSION]
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(found[1].lower(), list(folded), n=2, cutoff=0.6)
    if near:
        return f"Nearest names that are defined: {', '.join(folded[each] for each in near)}."
    return ""


def indexed_by(message: str, source_line: str) -> tuple[str, ...]:
    """Return the expressions of a line that may be the dict of a `KeyError`, such as `d` of `d["a"]`.

    Only those that can be evaluated again without effect: names, attributes, and items by a constant or name.
    """
    found = []
    for node in _expressions(source_line):
        match node:
            case ast.Subscript(value=value, slice=key) if _is_plain(value):
                if not isinstance(key, ast.Constant) or repr(key.value) == message.strip():
                    found.append(ast.unparse(value))
            case _:
                pass
    return tuple(dict.fromkeys(each for each in found if len(each) <= MAX_EXPRESSION))


def with_keys(message: str, keys: Sequence[str], count: int) -> str:
    """Return the message of a `KeyError` with the keys that there are, as their repr; `count` is how many."""
    shown = ", ".join(key[:MAX_KEY] for key in keys[:MAX_KEYS])
    more = f" and {count - MAX_KEYS:,} more" if count > MAX_KEYS else ""
    return f"{message} (the keys are {shown}{more})" if count else f"{message} (the dict is empty)"


def _expressions(source_line: str) -> Iterator[ast.expr]:
    """Yield the expressions of a line, the outer ones first; none if it cannot be parsed by itself."""
    line = re.sub(r"^(?:el)?(if\b)", r"\1", source_line.strip()[:_MAX_LINE])
    for text in (line, f"{line} pass", f"{line})", line.rstrip(",:"), f"async def f():\n {line}"):
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.expr))
        return


def _is_plain(node: ast.expr) -> bool:
    match node:
        case ast.Name():
            return True
        case ast.Attribute(value=value):
            return _is_plain(value)
        case ast.Subscript(value=value, slice=ast.Constant() | ast.Name()):
            return _is_plain(value)
        case _:
            return False


def _written(node: ast.expr) -> str:
    return ast.unparse(node)[:MAX_EXPRESSION]


def _of_attribute(found: re.Match[str], nodes: Sequence[ast.expr]) -> str:
    kind, name = found[1], found[2]
    owner = next((_written(n.value) for n in nodes if isinstance(n, ast.Attribute) and n.attr == name), "x")
    match kind:
        case "dict":
            return f'A dict has keys, not attributes: write {owner}["{name}"].'
        case "NoneType" if name in {"group", "groups", "start", "end", "span"}:
            return f"Nothing matched: m = re.search(...), then if m: m.{name}() (here {owner} is None)."
        case "NoneType":
            return f"{owner} is None here: test it first, if {owner} is not None: ..."
        case "list" | "tuple":
            return f"{owner} is a {kind}: take one item, {owner}[0], or go through it: [x for x in {owner}]."
        case "str" if name in {"get", "keys", "items", "values"}:
            return (
                f"{owner} is text: json.loads({owner}) if it holds JSON; going through a dict gives its keys."
            )
        case _:
            return ""


def _of_none(_found: re.Match[str], nodes: Sequence[ast.expr]) -> str:
    owners = [n.value for n in nodes if isinstance(n, ast.Subscript)]
    for owner in owners:
        match owner:
            case ast.Subscript(value=document, slice=ast.Constant(value="text")):
                return (
                    f"{_written(owner)} is None for a long document: read({_written(document)}, 0, 20_000) "
                    "gives its text, grep(...) what to read."
                )
            case _:
                pass
    owner_name = _written(owners[0]) if owners else "it"
    return f"{owner_name} is None here: test it first, if {owner_name} is not None: ..."


def _of_list(_found: re.Match[str], nodes: Sequence[ast.expr]) -> str:
    for node in nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            owner, key = _written(node.value), node.slice.value
            if isinstance(key, str):
                return f'{owner} is a list: {owner}[0]["{key}"], or [x["{key}"] for x in {owner}].'
    return "A list takes a number: xs[0]; for all of it: [x for x in xs]."


def _of_text(_found: re.Match[str], nodes: Sequence[ast.expr]) -> str:
    for node in nodes:
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            owner = _written(node.value)
            return (
                f"{owner} is text: going through a dict gives its keys (use d.values() or d.items()); "
                f"json.loads({owner}) if it holds JSON."
            )
    return "That is text: json.loads(text) if it holds JSON."


def _says(text: str) -> _Advise:
    return lambda _found, _nodes: text


_RULES: tuple[tuple[str, _Advise], ...] = (
    (rf"AttributeError: {_NO_ATTRIBUTE.pattern}", _of_attribute),
    (r"'NoneType' object is not (subscriptable|iterable)", _of_none),
    (r"argument of type 'NoneType' is not|object of type 'NoneType' has no len", _of_none),
    (_LISTS, _of_list),
    (r"string indices must be integers", _of_text),
    (r"can only concatenate (list|tuple)", _says("Write xs.extend(ys), or list(xs) + list(ys).")),
    (r"unhashable type: 'dict'", _says('Use what names it as key: d["id"]; or json.dumps(d).')),
    (r"unhashable type: '(list|set)'", _says("Use tuple(x) as key, or in a set.")),
    (
        r"can only concatenate str|unsupported operand type\(s\) for \+: '(int|float)' and 'str'",
        _says('Write an f-string: f"{a} {b}", or str(x).'),
    ),
    (
        r"'(str|list|dict|int|float|set|tuple|NoneType)' object is not callable",
        _says("The name means a value of yours: give that variable another name, and assign it anew."),
    ),
    (
        r"JSONDecodeError|Expecting value: line",
        _says("Print repr(text[:200]) first; llm_query(prompt, schema={...}) returns a parsed value."),
    ),
    (r"IndexError: (list|tuple|string) index out of range", _says("Test the length first: if xs: xs[0].")),
    (r"StopIteration", _says("Give next a default: next((x for x in xs if ...), None).")),
)
