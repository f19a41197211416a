"""Finds what source code defines, and where a name occurs in it; pure, but for the grammars that it loads.

Hostile code can keep a parser busy for minutes or take gigabytes, so callers run this in a process of its
own. Broken code is read as far as its parts can be told.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise

from tree_sitter import Node, Parser, Query, QueryCursor, Tree

from indexes.code.languages import LOOP, SPACES, Language, by_name, grammar

_NAMES = frozenset({"identifier", "name", "constant", "word"})
_MEMBERS = frozenset({"property", "attribute", "field", "method", "name"})
"""Fields of a node in which the last part of a dotted name stands."""
_IMPORT_DEPTH = 4
"""How far above a name the statement that imports it may be."""
MAX_NAME_CHARS = 200
ANONYMOUS = "(anonymous)"


@dataclass(frozen=True, slots=True)
class Definition:
    """A class, a function, a loop or another named part: `text[start:stop]`.

    `name` is qualified by what contains it, as in `Shop.total`; a loop has the name of its function. `level`
    starts at 1. `named_at`: the offset of its own name, or of its start if it has none.
    """

    kind: str
    name: str
    level: int
    start: int
    stop: int
    named_at: int


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A place where a name stands as a name: `kind` is "definition", "call", "import" or "use".

    `within`: the qualified name of the innermost class or function around it, or "".
    """

    kind: str
    start: int
    stop: int
    within: str


@dataclass(frozen=True, slots=True)
class _Found:
    """A definition by its node, before offsets are counted in characters."""

    kind: str
    name: str
    start: int
    stop: int
    named_at: int


class Source:
    """The text of one file, parsed. Offsets are characters of the text."""

    def __init__(self, text: str, language: str) -> None:
        self._language = by_name(language)
        self._data = text.encode("utf-8", "surrogatepass")
        self._ascii = len(self._data) == len(text)
        # The tree refers to the parser's source; both live as long as this.
        self._tree: Tree = Parser(grammar(language)).parse(self._data)

    def definitions(self, *, loops: bool = False) -> list[Definition]:
        """Return classes, functions and other definitions, with loops if asked for, in order."""
        found = sorted(self._found(loops=loops), key=lambda each: (each.start, -each.stop))
        chars = self._chars(offset for each in found for offset in (each.start, each.stop, each.named_at))
        around: list[tuple[_Found, str]] = []
        definitions = []
        for each in found:
            while around and around[-1][0].stop <= each.start:
                around.pop()
            name = _qualified(each, [(outer, name) for outer, name in around if outer.kind != LOOP])
            start, stop, at = chars[each.start], chars[each.stop], chars[each.named_at]
            is_method = "." in each.name or _in_a_class(around)
            kind = "method" if each.kind == "function" and is_method else each.kind
            definitions.append(Definition(kind, name, len(around) + 1, start, stop, at))
            around.append((each, name))
        return definitions

    def occurrences(self, name: str) -> list[Occurrence]:
        """Return the places where a name stands as an identifier, not in a string or a comment."""
        wanted = name.encode("utf-8", "surrogatepass")
        if not wanted:
            return []
        nodes = [
            node for at in _places(self._data, wanted) if (node := self._name_at(at, wanted)) is not None
        ]
        chars = self._chars(offset for node in nodes for offset in (node.start_byte, node.end_byte))
        definitions = self.definitions()
        own = {each.named_at for each in definitions}
        starts = [each.start for each in definitions]
        found = []
        for node in nodes:
            start, stop = chars[node.start_byte], chars[node.end_byte]
            is_own = start in own
            within = _around(definitions, starts, start, strictly=is_own)
            found.append(Occurrence("definition" if is_own else _use(node), start, stop, within))
        return found

    def _found(self, *, loops: bool) -> Iterator[_Found]:
        captures = QueryCursor(_query(self._language.name)).captures(self._tree.root_node)
        for kind, nodes in captures.items():
            if kind == LOOP and not loops:
                continue
            for node in nodes:
                if (each := self._read(kind, node)) is not None:
                    yield each

    def _read(self, kind: str, node: Node) -> _Found | None:
        """Return a captured node as a definition; None if it is only a mention, such as `struct a *b`."""
        if node.type.endswith("_specifier") and node.child_by_field_name("body") is None:
            return None
        outer, named = node, None
        if node.type in self._language.functions_as_values:
            holder = node.parent
            if holder is None or (named := _assigned(holder)) is None:
                return None
            kind = "class" if node.type == "class" else "function"
            outer = holder
        elif kind != LOOP:
            named = _name(node)
            if named is None and kind in {"struct", "enum"}:
                return None  # of a typedef, which has the name
        while outer.parent is not None and outer.parent.type in (self._language.wrappers | _STATEMENTS):
            outer = outer.parent
        if named is None:
            return _Found(
                kind, "" if kind == LOOP else ANONYMOUS, outer.start_byte, outer.end_byte, outer.start_byte
            )
        name = " ".join(self._data[named.start_byte : named.end_byte].decode("utf-8", "replace").split())
        if receiver := _receiver(node):
            name = f"{receiver}.{name}"
        shown = name.replace("::", ".")[:MAX_NAME_CHARS]
        return _Found(kind, shown, outer.start_byte, outer.end_byte, _last_part(named).start_byte)

    def _name_at(self, at: int, wanted: bytes) -> Node | None:
        """Return the identifier that is exactly this name at a byte offset."""
        node = self._tree.root_node.descendant_for_byte_range(at, at + len(wanted))
        if node is None or node.child_count or node.start_byte != at or node.end_byte != at + len(wanted):
            return None
        is_name = node.is_named and (node.type in _NAMES or node.type.endswith("identifier"))
        return node if is_name else None

    def _chars(self, offsets: Iterable[int]) -> dict[int, int]:
        """Return byte offsets as offsets in characters."""
        if self._ascii:
            return {offset: offset for offset in offsets}
        ordered = sorted({0, *offsets})
        chars, n = {0: 0}, 0
        for begin, end in pairwise(ordered):
            n += len(self._data[begin:end].decode("utf-8", "surrogatepass"))
            chars[end] = n
        return chars


_STATEMENTS = frozenset({"lexical_declaration", "variable_declaration", "type_declaration"})


@cache
def _query(language: str) -> Query:
    described: Language = by_name(language)
    patterns = [f"({type_}) @{kind}" for kind, types in described.kinds.items() for type_ in types]
    patterns += [f"({type_}) @function" for type_ in described.functions_as_values]
    return Query(grammar(language), "\n".join(patterns))


def _name(node: Node) -> Node | None:
    """Return the node of a definition's name."""
    if (name := node.child_by_field_name("name")) is not None:
        return name
    declared = node.child_by_field_name("declarator")
    while declared is not None:
        inner = declared.child_by_field_name("declarator")
        if inner is None:
            # `T &operator=(…)` in C++: the declarator is the one named child that is left.
            rest = [child for child in declared.named_children if child.type.endswith("declarator")]
            if not rest:
                return declared
            inner = rest[0]
        declared = inner
    if node.type == "impl_item" and (type_ := node.child_by_field_name("type")) is not None:
        return type_.child_by_field_name("type") or type_
    return None


def _last_part(name: Node) -> Node:
    """Return the last identifier of a qualified name such as `Shop::total`."""
    while (inner := name.child_by_field_name("name")) is not None:
        name = inner
    return name


def _assigned(holder: Node) -> Node | None:
    """Return the name that a value gets: of a variable, a field, a member or a key."""
    for field in ("name", "property", "key"):
        if (named := holder.child_by_field_name(field)) is not None:
            return named
    left = holder.child_by_field_name("left")
    if left is None or holder.type != "assignment_expression":
        return None
    return left.child_by_field_name("property") or left


def _receiver(node: Node) -> str:
    """Return the type to which a method of Go belongs, or ""."""
    receiver = node.child_by_field_name("receiver")
    if receiver is None or node.type != "method_declaration":
        return ""
    held: list[Node] = [receiver]
    while held:
        each = held.pop(0)
        if each.type == "type_identifier":
            return (each.text or b"").decode("utf-8", "replace")
        held += each.named_children
    return ""


def _qualified(each: _Found, around: Sequence[tuple[_Found, str]]) -> str:
    if each.kind == LOOP:
        return around[-1][1] if around else ""
    return f"{around[-1][1]}.{each.name}" if around else each.name


def _in_a_class(around: Sequence[tuple[_Found, str]]) -> bool:
    return bool(around) and around[-1][0].kind in SPACES - {"module", "namespace"}


def _around(definitions: Sequence[Definition], starts: Sequence[int], at: int, *, strictly: bool) -> str:
    """Return the name of the innermost definition around an offset, or around the one named there."""
    for index in range(bisect_right(starts, at) - 1, -1, -1):
        each = definitions[index]
        if each.stop > at and not (strictly and each.named_at == at):
            return each.name
        if each.level == 1:
            break
    return ""


def _use(node: Node) -> str:
    """Return what a name is used for."""
    called, parent = node, node.parent
    while parent is not None and any(parent.child_by_field_name(field) == called for field in _MEMBERS):
        if _calls(parent):
            return "call"
        called, parent = parent, parent.parent
    if parent is not None and _calls(parent):
        held = map(parent.child_by_field_name, ("function", "constructor", "macro"))
        if any(function == called for function in held if function is not None):
            return "call"
    return "import" if any(map(_imports, islice(_above(node), _IMPORT_DEPTH))) else "use"


def _calls(node: Node) -> bool:
    return any(part in node.type for part in ("call", "invocation", "new_expression"))


def _imports(node: Node) -> bool:
    return "import" in node.type or node.type in {"use_declaration", "using_directive"}


def _above(node: Node) -> Iterator[Node]:
    while (parent := node.parent) is not None:
        yield parent
        node = parent


def _places(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + len(wanted))
