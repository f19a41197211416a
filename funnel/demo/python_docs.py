"""The docstrings of the running Python's standard library as Documents; reads source files, knows no index.

Modules written in Python are parsed, never imported. Modules written in C have no source to parse and are
imported, but only names in the interpreter's own list of standard modules. What a public module re-exports
from a private one (`concurrent.futures.Future` from `concurrent.futures._base`) gets its public name.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import sys
import sysconfig
import tokenize
import warnings
from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from types import ModuleType

from indexes.loaders.markup import rst_headings
from indexes.loaders.outline import sections
from indexes.loaders.python import parse
from indexes.types import Document, DocumentId

OnModuleRead = Callable[[int, int], None]
"""Called with the number of modules read so far and the number of all modules."""

_EXCLUDED = frozenset({
    "__hello__", "__main__", "__phello__", "dist-packages", "idlelib", "lib2to3", "pydoc_data",
    "site-packages", "test", "tests", "turtledemo",
})  # fmt: skip
# `posix` and `nt` are documented as `os`; `readline` and `_tkinter` touch the terminal or the display.
_NOT_IMPORTED = frozenset({"posix", "nt", "readline", "_tkinter", "xxsubtype"})
_DOCUMENTED_THOUGH_PRIVATE = frozenset({"_thread"})
_IMPLICIT = re.compile(r"^\(\$(?:(?:module|type)(?:, /)?(?:, )?)?")


@dataclass(frozen=True, slots=True)
class _Item:
    """One docstring. `name` is qualified within the module; it is empty for the module itself."""

    name: str
    kind: str
    signature: str
    doc: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class _ReExport:
    """`from origin import name as public_name`; both are `*` for a wildcard import."""

    origin: str
    name: str
    public_name: str


@dataclass(frozen=True, slots=True)
class _Module:
    """A module's docstrings, the names that it re-exports, and its `__all__` if it is a literal list."""

    items: tuple[_Item, ...] = ()
    re_exports: tuple[_ReExport, ...] = ()
    uri: str = ""
    exported: frozenset[str] | None = None


def documents(progress: OnModuleRead | None = None) -> Iterator[Document]:
    """Yield the docstring of every public module, class, function and method, then the language topics.

    The id is the qualified name, `threading.Event.wait` or `topics/assert`. The text is the signature and the
    docstring. Metadata holds `kind` (module, class, function, method, topic) and `module`. The documents and
    their order are always the same in one Python version.
    """
    library = _Library(Path(sysconfig.get_path("stdlib")))
    names = library.names()
    yielded: set[str] = set()
    for done, name in enumerate(names, start=1):
        for document in library.documents(name):
            if document.id not in yielded:
                yielded.add(document.id)
                yield document
        if progress:
            progress(done, len(names))
    yield from _topics(library.root / "pydoc_data" / "topics.py")


class _Library:
    """The modules of the standard library by name; each is read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files = dict(_source_files(root)) if root.is_dir() else {}
        # `collections` puts this alias of a private module into `sys.modules`, which parsing does not reveal.
        if "_collections_abc" in self._files:
            self._files["collections.abc"] = self._files["_collections_abc"]
        self._read: dict[str, _Module] = {}

    def names(self) -> list[str]:
        """Return the names of the public modules, those with source first."""
        compiled = (
            n for n in sys.stdlib_module_names | set(sys.builtin_module_names) if n not in self._files
        )
        return [
            *sorted(name for name in self._files if _is_public(name)),
            *sorted(
                name
                for name in compiled
                if name not in _NOT_IMPORTED and (_is_public(name) or name in _DOCUMENTED_THOUGH_PRIVATE)
            ),
        ]

    def documents(self, name: str) -> Iterator[Document]:
        module = self._module(name)
        for item in module.items:
            yield _document(name, item, module.uri)
        for re_export in module.re_exports:
            # A wildcard import counts even if `__all__` lacks it: `os` computes its `__all__` from them.
            public = re_export.public_name
            if public == "*" or module.exported is None or public in module.exported:
                yield from self._re_exported(name, re_export)

    def _re_exported(self, name: str, re_export: _ReExport) -> Iterator[Document]:
        source = self._module(re_export.origin)
        for item in source.items:
            top, dot, rest = item.name.partition(".")
            if not top or re_export.name not in {"*", top}:
                continue
            public = top if re_export.public_name == "*" else re_export.public_name
            if not public.startswith("_"):
                yield _document(name, replace(item, name=public + dot + rest), source.uri)

    def _module(self, name: str) -> _Module:
        if name not in self._read:
            file = self._files.get(name)
            self._read[name] = _from_source(name, file) if file else _from_import(name)
        return self._read[name]


def _source_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield (dotted name, file) of every module with source, including private ones."""
    pending = [(root, "")]
    while pending:
        folder, package = pending.pop()
        for path in sorted(folder.iterdir()):
            if path.stem in _EXCLUDED or not path.stem.isidentifier():
                continue
            # Distributions and sites put modules of their own beside those of the standard library.
            if not package and path.stem not in sys.stdlib_module_names:
                continue
            name = f"{package}.{path.stem}" if package else path.stem
            if path.suffix == ".py" and path.stem != "__init__":
                yield name, path
            elif not path.suffix and (path / "__init__.py").is_file():
                yield name, path / "__init__.py"
                pending.append((path, name))


def _is_public(name: str) -> bool:
    return not any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def _document(module: str, item: _Item, uri: str) -> Document:
    name = f"{module}.{item.name}" if item.name else module
    title = name + item.signature
    return Document(
        id=DocumentId(name),
        text=f"{title}\n\n{item.doc}",
        title=title,
        uri=f"{uri}#L{item.line}" if uri and item.line else uri,
        metadata={"kind": item.kind, "module": module},
    )


def _from_source(name: str, file: Path) -> _Module:
    try:
        with tokenize.open(file) as source:
            tree = parse(source.read())
    except (OSError, SyntaxError, UnicodeDecodeError):
        tree = None
    if tree is None:
        return _Module()
    items = tuple(_items(tree))
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    return _Module(items, tuple(_imports(tree, package)), file.as_uri(), _all(tree))


def _items(tree: ast.Module) -> Iterator[_Item]:
    if doc := ast.get_docstring(tree):
        yield _Item("", "module", "", doc, 1)
    yield from _members(tree.body, "")


def _members(body: Iterable[ast.stmt], owner: str) -> Iterator[_Item]:
    for node in _statements(body):
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or not _is_public(
            node.name
        ):
            continue
        name = f"{owner}.{node.name}" if owner else node.name
        doc = ast.get_docstring(node)
        if isinstance(node, ast.ClassDef):
            if doc:
                yield _Item(name, "class", _constructor(node), doc, node.lineno)
            yield from _members(node.body, name)
        elif doc:
            yield _Item(name, "method" if owner else "function", _signature(node), doc, node.lineno)


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a body and of its branches, because much is defined under `if` or `try`."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            yield from _statements(node.body)
            yield from _statements(getattr(node, "orelse", []))
            for handler in getattr(node, "handlers", []):
                yield from _statements(handler.body)


def _constructor(node: ast.ClassDef) -> str:
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            arguments = copy(inner.args)
            if arguments.posonlyargs:
                arguments.posonlyargs = arguments.posonlyargs[1:]
            else:
                arguments.args = arguments.args[1:]
            return f"({ast.unparse(arguments)})"
    return ""


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    if any("property" in ast.unparse(decorator) for decorator in node.decorator_list):
        return ""
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(node.args)}){returns}"


def _imports(tree: ast.Module, package: str) -> Iterator[_ReExport]:
    """Yield the names imported from private modules, and wildcard imports from modules in C."""
    for node in _statements(tree.body):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = package.rsplit(".", node.level - 1)[0] if node.level else ""
        origin = ".".join(filter(None, [base, node.module]))
        wholesale = node.names[0].name == "*" and origin in sys.builtin_module_names
        if wholesale or not _is_public(origin):
            for alias in node.names:
                yield _ReExport(origin, alias.name, alias.asname or alias.name)


def _all(tree: ast.Module) -> frozenset[str] | None:
    """Return `__all__` if it is a single literal list; None if it is computed or absent."""
    values = [
        node
        for node in _statements(tree.body)
        if isinstance(node, (ast.Assign, ast.AugAssign))
        and any(
            isinstance(target, ast.Name) and target.id == "__all__"
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        )
    ]
    if len(values) != 1 or not isinstance(values[0].value, (ast.List, ast.Tuple)):
        return None
    return frozenset(str(e.value) for e in values[0].value.elts if isinstance(e, ast.Constant))


def _from_import(name: str) -> _Module:
    """Import a module written in C; returns an empty module if this interpreter has none of that name."""
    if name not in sys.builtin_module_names and not _is_extension(name):
        return _Module()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            module = importlib.import_module(name)
        except ImportError:
            return _Module()
    file = getattr(module, "__file__", None)
    return _Module(tuple(_live_items(module)), uri=Path(file).as_uri() if file else "")


def _is_extension(name: str) -> bool:
    if name not in sys.stdlib_module_names or name in _NOT_IMPORTED:
        return False
    spec = importlib.util.find_spec(name)
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)


def _live_items(module: ModuleType) -> Iterator[_Item]:
    if doc := _doc(module):
        yield _Item("", "module", "", doc)
    for name, value in sorted(vars(module).items()):
        if name.startswith("_"):
            continue
        if inspect.isbuiltin(value) and (doc := _doc(value)):
            yield _Item(name, "function", _live_signature(value), doc)
        # An alias of another module's class (`select.error` is OSError) is documented there, not here.
        elif isinstance(value, type) and _is_documented_here(module, name, value):
            if doc := _doc(value):
                yield _Item(name, "class", _live_signature(value), doc)
            for inner, member in sorted(vars(value).items()):
                if not inner.startswith("_") and (doc := _doc(member)) and not isinstance(member, type):
                    yield _Item(f"{name}.{inner}", "method", _live_signature(member), doc)


def _is_documented_here(module: ModuleType, name: str, value: type) -> bool:
    """Return whether a class is documented in this module and under this name, not another one."""
    if value.__name__ != name and value.__name__ in vars(module):
        return False
    return value.__module__ != "builtins" or module.__name__ == "builtins"


def _doc(value: object) -> str:
    own = getattr(value, "__doc__", None)
    # A constant has the docstring of its type.
    if not isinstance(own, str) or own == type(value).__doc__:
        return ""
    return inspect.cleandoc(own)


def _live_signature(value: object) -> str:
    # Not `inspect.signature`, which evaluates the defaults; that fails in some modules.
    signature = getattr(value, "__text_signature__", None)
    return _IMPLICIT.sub("(", signature) if isinstance(signature, str) else ""


def _topics(file: Path) -> Iterator[Document]:
    if not file.is_file():
        return
    tree = parse(file.read_text(encoding="utf-8"))
    for node in tree.body if tree else ():
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Dict):
            continue
        for key, value in zip(node.value.keys, node.value.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                name = str(key.value)
                text = str(value.value).strip("\n")
                headings = rst_headings(text)
                yield Document(
                    id=DocumentId(f"topics/{name}"),
                    text=text,
                    title=headings[0].title if headings else name,
                    uri=f"{file.as_uri()}#L{key.lineno}",
                    metadata={"kind": "topic", "module": "topics"},
                    sections=sections(text, headings),
                )
