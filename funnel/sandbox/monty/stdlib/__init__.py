"""Replacements for standard modules that the Monty engine lacks, written in its Python; knows no session.

They run inside the sandbox, under its limits, and may call host functions (`ThreadPoolExecutor.map` does).
Only the functions that model-written code uses are included. Each source defines `_make()`, which returns one
object whose attributes are the module's functions. A source is loaded when a cell names something of it, and
gets the built-in functions and modules that it uses as arguments, since a cell may bind their names.

Beside whole modules there are units, whose names begin with "+": functions that are added to a module which
the engine has, and functions in place of methods and built-in functions.
"""

from __future__ import annotations

import ast
import builtins
import functools
from collections.abc import Iterable, Mapping

from funnel.sandbox.monty.stdlib import (
    additions,
    control,
    data,
    difference,
    modules,
    numbers,
    regex,
    text,
    values,
    wrapping,
)

SOURCES: dict[str, str] = {
    "ast": modules.AST,
    "calendar": modules.CALENDAR,
    "collections.abc": modules.ABC,
    "concurrent": control.CONCURRENT,
    "concurrent.futures": control.FUTURES,
    "contextlib": control.CONTEXTLIB,
    "difflib": difference.DIFFLIB,
    "fnmatch": modules.FNMATCH,
    "heapq": data.HEAPQ,
    "html": text.HTML,
    "io": text.IO,
    "operator": data.OPERATOR,
    "pprint": wrapping.PPRINT,
    "statistics": numbers.STATISTICS,
    "string": text.STRING,
    "textwrap": wrapping.TEXTWRAP,
    "urllib.parse": modules.URLLIB_PARSE,
    "warnings": modules.WARNINGS,
}
"""Source code by module name."""
UNITS: dict[str, str] = {
    "+asyncio": additions.ASYNCIO,
    "+collections": additions.COLLECTIONS,
    "+compare": values.COMPARE,
    "+dataclasses": additions.DATACLASSES,
    "+date": values.DATE,
    "+dict": values.DICT,
    "+functools": additions.FUNCTOOLS,
    "+json": additions.JSON,
    "+number": values.NUMBER,
    "+object": values.OBJECT,
    "+pathlib": additions.PATHLIB,
    "+pattern": regex.PATTERN,
    "+re": regex.RE,
    "+set": values.SET,
    "+sys": additions.SYS,
    "+text": values.TEXT,
    "+typing": additions.TYPING,
}
"""Source code of the units."""
_TASKS = "Semaphore BoundedSemaphore Lock create_task ensure_future wait_for as_completed to_thread"
ADDED: dict[str, frozenset[str]] = {
    "asyncio": frozenset(_TASKS.split()),
    "collections": frozenset({"OrderedDict"}),
    "dataclasses": frozenset({"asdict", "astuple", "replace", "fields"}),
    "functools": frozenset({"cmp_to_key", "wraps", "update_wrapper"}),
    "json": frozenset(),
    "pathlib": frozenset({"PurePath", "PurePosixPath"}),
    "re": frozenset({"subn", "VERBOSE", "X", "U", "UNICODE"}),
    "sys": frozenset({"setrecursionlimit"}),
    "typing": additions.TYPE_HINTS
    | {"TypeVar", "ParamSpec", "cast", "NewType", "overload", "final", "no_type_check"},
}
"""What is added to modules that the engine has."""
REPLACED: dict[str, frozenset[str]] = {
    "asyncio": frozenset({"gather"}),
    "json": frozenset({"dumps", "dump"}),
    "re": frozenset({"compile", "search", "match", "fullmatch", "findall", "finditer", "split", "sub"}),
}
"""Functions that the engine has with fewer arguments; ours are used where a call or an import needs them."""

_NEEDS = {"concurrent": ("concurrent.futures",), "operator": ("+bound",), "+re": ("+pattern",)}
_BASE = "class _Std:\n    pass\n"
_MODULES = frozenset({"asyncio", "collections", "datetime", "json", "math", "pathlib", "re", "typing"})
_TYPES = (str, bytes, list, tuple, dict, set, frozenset, int, float)
_BY_NAME = {
    "deque": "append appendleft extend extendleft pop popleft rotate remove clear count index copy",
    "Match": "group groups groupdict start end span",
    "Pattern": "search match fullmatch findall finditer split sub",
    "date": "isoformat strftime weekday isoweekday replace",
    "datetime": "isoformat strftime weekday isoweekday replace date time timestamp",
    "timedelta": "total_seconds",
}
_NOT_METHODS = frozenset({"real", "imag", "numerator", "denominator"})
BOUND_TYPES: Mapping[str, tuple[str, ...]] = {
    name: tuple(kind.__name__ for kind in _TYPES if hasattr(kind, name))
    for name in sorted(
        {name for kind in _TYPES for name in dir(kind) if not name.startswith("_")}.union(
            *(names.split() for names in _BY_NAME.values())
        )
        - _NOT_METHODS
    )
}
"""Names of methods, by the built-in types that have them."""


def added(module: str) -> str:
    """Return the unit of what is added to a module."""
    return f"+{module}"


def bound_method(name: str) -> str:
    """Return the unit whose `of(x)` gives the method of that name as a value: `d.get` in `key=d.get`."""
    return f"+bound.{name}"


def shim_name(module: str) -> str:
    """Return the name of the variable that holds a module or unit inside the sandbox."""
    return "_std_" + module.replace(".", "_").replace("+", "more_")


def module_source(module: str, lost: Mapping[str, str] | None = None) -> str:
    """Return a cell that defines a module or unit inside the sandbox as `shim_name(module)`.

    `lost`: names under which built-in functions are kept whose own names the code has bound.
    """
    source = _source(module)
    needed = "".join(module_source(other, lost) for other in _NEEDS.get(module, ()))
    used = _used(source)
    imports = "".join(f"import {name} as _std_of_{name}\n" for name in used if name in _MODULES)
    given = [f"_std_of_{name}" if name in _MODULES else (lost or {}).get(name, name) for name in used]
    begun = source.replace("def _make():", f"def _make({', '.join(used)}):", 1)
    return f"{needed}{_BASE}{imports}{begun}{shim_name(module)} = _make({', '.join(given)})\n"


def _source(module: str) -> str:
    if module == "+bound":
        return _all_bound()
    if module.startswith("+bound."):
        return _bound(module.removeprefix("+bound."))
    return SOURCES.get(module) or UNITS[module]


@functools.cache
def _used(source: str) -> tuple[str, ...]:
    """Return the built-in functions and the modules that a source uses."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    bound = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    loaded = {node.id for node in names} - bound - _defined(nodes)
    return tuple(sorted(name for name in loaded if name in _MODULES or _is_function(name)))


def _defined(nodes: Iterable[ast.AST]) -> set[str]:
    kinds = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
    return {node.name for node in nodes if isinstance(node, kinds)} | {
        node.arg for node in nodes if isinstance(node, ast.arg)
    }


def _is_function(name: str) -> bool:
    value = getattr(builtins, name, None)
    return callable(value) and not (isinstance(value, type) and issubclass(value, BaseException))


def _bound(name: str) -> str:
    """Return the source of a unit that gives one method as a value, of every type that has it."""
    made = f"    def of(o):\n{_method(name, 'o')}        return o.{name}\n"
    return f"def _make():\n    m = _Std()\n{made}    m.of = of\n    return m\n"


def _method(name: str, owner: str) -> str:
    lines = (
        f"        try:\n            return {owner}.{name}\n        except AttributeError:\n            pass\n"
    )
    return (
        lines
        + f"        if {_has(name, owner)}:\n            return lambda *a, **k: {owner}.{name}(*a, **k)\n"
    )


def _has(name: str, owner: str) -> str:
    """Return the condition that a value is of a type that has a method."""
    kinds, others = BOUND_TYPES[name], [kind for kind, names in _BY_NAME.items() if name in names.split()]
    tests = [f"isinstance({owner}, ({', '.join(kinds)},))"] if kinds else []
    tests += [f"type({owner}).__name__ in ({', '.join(map(repr, others))},)"] if others else []
    return " or ".join(tests)


@functools.cache
def _all_bound() -> str:
    """Return the source of `getattr` and `hasattr` for the methods of built-in types."""
    lines = [
        f"    t['{name}'] = (lambda o: {_has(name, 'o')}, lambda o: (lambda *a, **k: o.{name}(*a, **k)))"
        for name in BOUND_TYPES
    ]
    return "\n".join(["def _make():", "    m = _Std()", "    t = {}", *lines, _GETATTR, ""])


_GETATTR = """\
    def found(o, name):
        entry = t.get(name)
        return None if entry is None or not entry[0](o) else entry[1](o)
    def get(o, name, *default):
        try:
            return getattr(o, name)
        except AttributeError:
            bound = found(o, name)
        if bound is not None:
            return bound
        return getattr(o, name, *default)
    def has(o, name):
        return hasattr(o, name) or found(o, name) is not None
    m.getattr = get
    m.hasattr = has
    return m"""
