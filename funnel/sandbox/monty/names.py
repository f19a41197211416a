"""Gives the names of host and built-in functions back after a cell took them, as code for the Monty engine.

The engine cannot unbind a name, so a function is copied to a name of ours before the first cell that takes
its name runs. Knows no session.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from funnel.sandbox.advice import MAX_KEYS

_ALWAYS = "print"
"""The built-in function without which nothing can be seen."""
_BUILTINS = frozenset({
    "abs", "all", "any", "bool", "chr", "dict", "divmod", "enumerate", "filter", "float", "getattr",
    "hasattr", "hash", "int", "isinstance", "iter", "len", "list", "map", "max", "min", "next", "ord", "pow",
    "print", "range", "repr", "reversed", "round", "set", "sorted", "str", "sum", "tuple", "type", "zip",
})  # fmt: skip


def taken(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Return the names that code binds or deletes anywhere."""
    return frozenset(name for node in nodes for name in _bound(node))


def _bound(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=as_name):
            yield as_name or name.partition(".")[0]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case _:
            pass


@dataclass(frozen=True, slots=True)
class Names:
    """The names in a session that are not a cell's to take.

    `functions`: the host's. `token`: part of every name of ours, which no code can guess. `copied`: what was
    copied so far. `used`: every name that a cell has bound.
    """

    functions: frozenset[str]
    token: str
    copied: tuple[str, ...] = ()
    used: frozenset[str] = field(default=frozenset())

    def before(self, bound: Collection[str]) -> tuple[Names, str]:
        """Return the names with what a cell is about to bind, and the code to run before it, or ""."""
        mine = (self.functions | _BUILTINS).intersection(bound).difference(self.copied)
        new = tuple(sorted(mine))
        lines = [f"try:\n    {self._ours(name)} = {name}\nexcept NameError:\n    pass\n" for name in new]
        return Names(self.functions, self.token, (*self.copied, *new), self.used.union(bound)), "".join(lines)

    def after(self) -> str:
        """Return the code to run after each cell, whose value is a list of pairs; "" if no name is at risk.

        A pair is a name that was given back, and the name that its value has now, or "".
        """
        if not self.copied:
            return ""
        back = f"_back_{self.token}"
        return "\n".join([f"{back} = []", *(self._given_back(name, back) for name in self.copied), back])

    def listing(self, given: Iterable[str]) -> str:
        """Return code that lists [name, type, length or None] of the cells' variables and the `given`."""
        found = f"_found_{self.token}"
        kind, length = self._built_in("type"), self._built_in("len")
        names = sorted(name for name in self.used.union(given) if not name.startswith("_"))
        lines = [f"{found} = []"]
        for name in names:
            if name not in self.functions:
                put = f"{found}.append(['{name}', {kind}({name}).__name__, %s])"
                lines.append(
                    f"try:\n    {put % f'{length}({name})'}\n"
                    f"except NameError:\n    pass\nexcept TypeError:\n    {put % 'None'}"
                )
        return "\n".join([*lines, found])

    def keys(self, expression: str) -> str:
        """Return code that counts the keys of a dict and lists the first; None if it is no dict."""
        d = f"_dict_{self.token}"
        kept = self._built_in
        first = f"[{kept('repr')}(key) for key in {kept('list')}({d})[:{MAX_KEYS}]]"
        return (
            f"{d} = {expression}\n[{kept('len')}({d}), {first}] if {kept('isinstance')}({d}, dict) else None"
        )

    def lost(self) -> dict[str, str]:
        """Return the names under which built-in functions are kept whose own names a cell has bound."""
        return {name: self._ours(name) for name in self.copied if name in _BUILTINS}

    def _built_in(self, name: str) -> str:
        return self._ours(name) if name in self.copied else name

    def _given_back(self, name: str, back: str) -> str:
        ours, free = self._ours(name), f"{name}_"
        while free in self.used:
            free += "_"
        if name not in self.functions and name != _ALWAYS:
            return f'if {name} is None:\n    {name} = {ours}\n    {back}.append(["{name}", ""])'
        return (
            f"if {name} is not {ours}:\n"
            f'    {back}.append(["{name}", "" if {name} is None else "{free}"])\n'
            f"    if {name} is not None:\n        {free} = {name}\n"
            f"    {name} = {ours}"
        )

    def _ours(self, name: str) -> str:
        return f"_host_{self.token}_{name}"
