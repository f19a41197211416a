"""Rewrites calls and attributes that the Monty engine lacks, or gets wrong, into calls of our own functions.

Which ones is data: the tables below. A call is rewritten only if it needs to be, so that what the engine does
itself stays as fast as it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from funnel.sandbox.monty.edits import Edit, Text
from funnel.sandbox.monty.stdlib import ADDED, BOUND_TYPES, SOURCES, added, bound_method, shim_name

_NATIVE_ENCODINGS = {"utf-8", "utf8", "ascii", "us-ascii", "utf-16", "utf-16-le", "utf-16-be"}
_PLAIN_TEMPLATE = re.compile(r"(?:[^\\]|\\[1-9]|\\g<|\\\\)*", re.DOTALL)
_POSITION = 2
"""From so many arguments on, a method of a pattern is told where to search."""


def _always(_call: ast.Call) -> bool:
    return True


def _has_position(call: ast.Call) -> bool:
    return len(call.args) >= _POSITION or bool(call.keywords)


def _is_named(call: ast.Call) -> bool:
    """Return whether the argument is a text: the name of a group."""
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)


def _other_encoding(call: ast.Call) -> bool:
    names = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "encoding")]
    return any(not (isinstance(n, ast.Constant) and str(n.value).lower() in _NATIVE_ENCODINGS) for n in names)


def _not_one(call: ast.Call) -> bool:
    return len(call.args) != 1 or isinstance(call.args[0], ast.Starred)


def _has_keyword(call: ast.Call) -> bool:
    return bool(call.keywords)


def _has_argument(call: ast.Call) -> bool:
    return bool(call.args or call.keywords)


def _replaces_by_code(call: ast.Call, at: int = 0) -> bool:
    """Return whether a replacement is, or may be, other than a text that the engine takes as it is."""
    named = [word.value for word in call.keywords if word.arg == "repl"]
    given = [*call.args[at : at + 1], *named]
    return any(
        not (isinstance(node, ast.Constant) and _PLAIN_TEMPLATE.fullmatch(str(node.value))) for node in given
    )


_METHODS: Mapping[str, tuple[str, Callable[[ast.Call], bool]]] = {
    "translate": ("+text", _always),
    "format_map": ("+text", _always),
    "encode": ("+text", _other_encoding),
    "decode": ("+text", _other_encoding),
    "bit_length": ("+number", _always),
    "bit_count": ("+number", _always),
    "to_bytes": ("+number", _always),
    "is_integer": ("+number", _always),
    "as_integer_ratio": ("+number", _always),
    "search": ("+pattern", _has_position),
    "match": ("+pattern", _has_position),
    "fullmatch": ("+pattern", _has_position),
    "findall": ("+pattern", _has_position),
    "finditer": ("+pattern", _has_position),
    "sub": ("+pattern", _replaces_by_code),
    "subn": ("+pattern", _always),
    "start": ("+pattern", _is_named),
    "end": ("+pattern", _is_named),
    "span": ("+pattern", _is_named),
    "groups": ("+pattern", _has_argument),
    "expand": ("+pattern", _always),
    "union": ("+set", _not_one),
    "intersection": ("+set", _not_one),
    "difference": ("+set", _not_one),
    "difference_update": ("+set", _always),
    "intersection_update": ("+set", _always),
    "symmetric_difference_update": ("+set", _always),
    "isocalendar": ("+date", _always),
    "toordinal": ("+date", _always),
    "move_to_end": ("+dict", _always),
    "popitem": ("+dict", _has_keyword),
}
"""By the name of a method: the unit that has it, and whether a call needs it."""
_ATTRIBUTES: Mapping[str, tuple[str, str]] = {
    "lastindex": ("+pattern", "lastindex"),
    "lastgroup": ("+pattern", "lastgroup"),
    "pos": ("+pattern", "pos"),
    "endpos": ("+pattern", "endpos"),
    "regs": ("+pattern", "regs"),
    "groups": ("+pattern", "groups"),
    "groupindex": ("+pattern", "groupindex"),
    "__class__": ("+object", "kind"),
    "__name__": ("+object", "name"),
}
_OF_TYPES: Mapping[tuple[str, str], str] = {
    ("str", "maketrans"): "+text",
    ("int", "from_bytes"): "+number",
    ("set", "union"): "+set",
    ("set", "intersection"): "+set",
}
_TYPES = frozenset({"str", "int", "float", "dict", "list", "set", "tuple", "bytes", "frozenset"})
_OF_CLASSES = frozenset({"fromkeys", "fromhex", "maketrans", "from_bytes"})
_BUILT_IN: Mapping[str, str] = {
    "callable": "+object",
    "ascii": "+text",
}
"""Built-in functions that the engine lacks, by the unit that has them."""
_COMPARED = frozenset({"sorted", "min", "max"})
_OF_BUILT_IN: Mapping[str, str] = {
    **dict.fromkeys(("round", "pow", "bytes"), "+number"),
    **dict.fromkeys(("getattr", "hasattr"), "+bound"),
    **dict.fromkeys(_COMPARED, "+compare"),
    "print": "+sys",
}
"""Built-in functions that the engine has with fewer arguments, by the unit that has ours."""
_RE_FLAGS: Mapping[str, int] = {
    "compile": 1, "search": 2, "match": 2, "fullmatch": 2, "findall": 2, "finditer": 2, "split": 3, "sub": 4,
}  # fmt: skip
"""Functions of `re`, by the place of their argument `flags`."""
_STREAMS = frozenset({"stdout", "stderr"})


@dataclass
class Gaps:
    """Collects the edits of one cell, and the units of our functions that it needs.

    `aliases`: names of modules. `own`: names that the code binds itself, now or in an earlier cell.
    """

    text: Text
    aliases: Mapping[str, str]
    own: Collection[str]
    code: str
    modules: set[str]
    _called: set[int] = field(default_factory=set)

    def edits(self, node: ast.AST) -> list[Edit]:
        """Return the edits of one node. Nodes come from the outside in."""
        match node:
            case ast.Call():
                self._called.add(id(node.func))
                return self._call(node)
            case ast.Attribute(ctx=ast.Load()):
                return self._attribute(node)
            case ast.Name(ctx=ast.Load()):
                return self._name(node)
            case _:
                return []

    def _use(self, unit: str, name: str) -> str:
        self.modules.add(unit)
        return f"{shim_name(unit)}.{name}"

    def _module(self, node: ast.expr) -> str | None:
        """Return the module of the engine that an expression names; None if it is something else."""
        return self.aliases.get(node.id) if isinstance(node, ast.Name) else None

    def _call(self, call: ast.Call) -> list[Edit]:
        match call.func:
            case ast.Attribute() as attribute:
                return self._method(call, attribute)
            case ast.Name(id=name) if name not in self.own:
                return self._function(call, call.func, name)
            case _:
                return []

    def _function(self, call: ast.Call, func: ast.Name, name: str) -> list[Edit]:
        """Rewrite a call of a built-in function that needs it."""
        n_args = len(call.args)
        needed = {
            "round": n_args > 1 or bool(call.keywords),
            "pow": n_args > 2,  # noqa: PLR2004 - pow(base, exponent, modulus)
            "bytes": n_args == 1 and not isinstance(call.args[0], ast.Constant),
            "getattr": n_args > 1,
            "hasattr": n_args > 1,
            "print": any(word.arg == "file" and not self._is_stream(word.value) for word in call.keywords),
            **dict.fromkeys(_COMPARED, "cmp_to_key" in self.code),
        }
        return self.text.name(func, self._use(_OF_BUILT_IN[name], name)) if needed.get(name) else []

    def _method(self, call: ast.Call, attribute: ast.Attribute) -> list[Edit]:
        name, owner = attribute.attr, attribute.value
        if (module := self._module(owner)) is not None:
            return self._of_module(call, attribute, module)
        if name in {"write", "flush", "writelines"} and self._is_stream(owner):
            unit = self._use("+sys", name)
            return [Edit(*self.text.span(attribute), unit)]
        if name == "sort" and "cmp_to_key" in self.code:
            return self.text.method(call, attribute, self._use("+compare", name))
        if isinstance(owner, ast.Name) and owner.id in _TYPES:
            return []  # `_attribute` sees it
        unit, needs = _METHODS.get(name, ("", None))
        if needs is None or not needs(call):
            return []
        self._called.add(id(attribute))
        return self.text.method(call, attribute, self._use(unit, name))

    def _is_stream(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Attribute) and node.attr in _STREAMS and self._module(node.value) == "sys"

    def _of_module(self, call: ast.Call, attribute: ast.Attribute, module: str) -> list[Edit]:
        """Rewrite a call of a function of a module that needs it for these arguments."""
        name = attribute.attr
        keywords = {word.arg for word in call.keywords}
        needed = (
            (module == "re" and self._needs_our_re(call, name))
            or (module == "json" and name in {"dumps", "dump"} and "default" in keywords)
            or (module == "asyncio" and name == "gather" and "return_exceptions" in keywords)
        )
        if not needed:
            return []
        return self._of_added(attribute, module)

    def _of_added(self, attribute: ast.Attribute, module: str) -> list[Edit]:
        self._called.add(id(attribute))
        start, stop = self.text.span(attribute)
        unit = self._use(added(module), attribute.attr)
        breaks = self.text.data[start:stop].count(b"\n")
        return [] if breaks else [Edit(start, stop, unit)]

    def _needs_our_re(self, call: ast.Call, name: str) -> bool:
        place = _RE_FLAGS.get(name)
        if place is None:
            return False
        flags = [*call.args[place : place + 1], *(w.value for w in call.keywords if w.arg == "flags")]
        verbose = any(not self._is_plain_flag(each) for each in flags)
        return verbose or (name == "sub" and _replaces_by_code(call, 1))

    def _is_plain_flag(self, node: ast.expr) -> bool:
        """Return whether flags are surely without VERBOSE, which the engine would ignore."""
        match node:
            case ast.Attribute(attr=name):
                return name not in {"VERBOSE", "X"}
            case ast.BinOp(left=left, right=right):
                return self._is_plain_flag(left) and self._is_plain_flag(right)
            case ast.Constant(value=value):
                return value == 0
            case _:
                return False

    def _attribute(self, node: ast.Attribute) -> list[Edit]:
        called = id(node) in self._called
        name, owner = node.attr, node.value
        if isinstance(owner, ast.Name) and owner.id in _TYPES and owner.id not in self.own:
            return self._of_type(node, owner.id)
        if served := self._served(node):
            return served
        if (module := self._module(owner)) is not None:
            return self._of_added(node, module) if name in ADDED.get(module, ()) else []
        # The engine has type(x).__name__.
        if called or (name == "__name__" and isinstance(owner, ast.Call)):
            return []
        ours = _ATTRIBUTES.get(name)
        if ours is None and name in BOUND_TYPES:
            ours = (bound_method(name), "of")
        return [] if ours is None else self.text.attribute(node, self._use(*ours))

    def _served(self, node: ast.Attribute) -> list[Edit]:
        """Replace `urllib.parse` by what is served under that whole name."""
        dotted = f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else ""
        if dotted not in SOURCES or "." not in dotted or dotted.partition(".")[0] in SOURCES:
            return []
        self.modules.add(dotted)
        return [Edit(*self.text.span(node), shim_name(dotted))]

    def _of_type(self, node: ast.Attribute, kind: str) -> list[Edit]:
        """Replace `str.lower`, as in `key=str.lower`, by a function: the engine's types have no methods."""
        unit = _OF_TYPES.get((kind, node.attr)) or _METHODS.get(node.attr, ("", None))[0]
        span = self.text.span(node)
        if unit:
            return [Edit(*span, self._use(unit, node.attr))]
        if node.attr in BOUND_TYPES and node.attr not in _OF_CLASSES:
            return [Edit(*span, f"(lambda s, *rest: s.{node.attr}(*rest))")]
        return []

    def _name(self, node: ast.Name) -> list[Edit]:
        if node.id in self.own:
            return []
        if (unit := _BUILT_IN.get(node.id)) is not None:
            return self.text.name(node, self._use(unit, node.id))
        if node.id == "round" and id(node) not in self._called:
            return self.text.name(node, self._use("+number", "round"))
        return []


def dataclass_fields(text: Text, node: ast.ClassDef) -> Iterator[Edit]:
    """Write the names of a dataclass's fields into its body, where `asdict` finds them."""
    if not any("dataclass" in ast.dump(each) for each in node.decorator_list):
        return
    fields = [each for each in node.body if isinstance(each, ast.AnnAssign) and _is_field(each)]
    if fields:
        names = "".join(f"'{field.target.id}', " for field in fields if isinstance(field.target, ast.Name))
        start, _ = text.span(fields[0])
        yield Edit(start, start, f"_std_fields = ({names}); ", -1)


def _is_field(node: ast.AnnAssign) -> bool:
    written: Any = node.annotation
    return isinstance(node.target, ast.Name) and "ClassVar" not in ast.dump(written)
