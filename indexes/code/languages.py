"""The languages whose source code is read, and what their grammars call a class, a function or a loop.

A new language is one entry here and one dependency. The grammars are tree-sitter's, a package each.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePosixPath

from tree_sitter import Language as Grammar


@dataclass(frozen=True, slots=True)
class Language:
    """A language: the package of its grammar, the function there, and its node types by kind.

    `wrappers`: nodes around a definition that belong to it, such as decorators. `functions_as_values`: node
    types of a function that has its name from what it is assigned to.
    """

    name: str
    suffixes: tuple[str, ...]
    package: str
    kinds: Mapping[str, tuple[str, ...]]
    function: str = "language"
    wrappers: frozenset[str] = frozenset()
    functions_as_values: tuple[str, ...] = field(default=())


LOOP = "loop"
SPACES = frozenset(
    {"module", "namespace", "class", "struct", "interface", "trait", "impl", "enum", "record", "type"}
)
"""Kinds whose name stands before the names of what they contain."""

_JAVASCRIPT = {
    "class": ("class_declaration",),
    "function": ("function_declaration", "generator_function_declaration", "method_definition"),
    LOOP: ("for_statement", "for_in_statement", "while_statement", "do_statement"),
}
_TYPESCRIPT = _JAVASCRIPT | {
    "class": ("class_declaration", "abstract_class_declaration"),
    "interface": ("interface_declaration",),
    "namespace": ("internal_module", "module"),
    "enum": ("enum_declaration",),
    "type": ("type_alias_declaration",),
    "function": (
        *_JAVASCRIPT["function"], "function_signature", "method_signature", "abstract_method_signature",
    ),
}  # fmt: skip
_VALUES = ("arrow_function", "function_expression", "generator_function", "class")
_EXPORTS = frozenset({"export_statement"})
_C = {
    "struct": ("struct_specifier", "union_specifier"),
    "enum": ("enum_specifier",),
    "type": ("type_definition",),
    "macro": ("preproc_function_def", "preproc_def"),
    "function": ("function_definition",),
    LOOP: ("for_statement", "while_statement", "do_statement"),
}

LANGUAGES: tuple[Language, ...] = (
    Language(
        "python", (".py", ".pyi", ".pyw"), "tree_sitter_python",
        {
            "class": ("class_definition",),
            "function": ("function_definition",),
            LOOP: ("for_statement", "while_statement"),
        },
        wrappers=frozenset({"decorated_definition"}),
    ),
    Language(
        "javascript", (".js", ".jsx", ".mjs", ".cjs"), "tree_sitter_javascript",
        _JAVASCRIPT,
        wrappers=_EXPORTS, functions_as_values=_VALUES,
    ),
    Language(
        "typescript", (".ts", ".mts", ".cts"), "tree_sitter_typescript", _TYPESCRIPT,
        function="language_typescript", wrappers=_EXPORTS, functions_as_values=_VALUES,
    ),
    Language(
        "tsx", (".tsx",), "tree_sitter_typescript", _TYPESCRIPT,
        function="language_tsx", wrappers=_EXPORTS, functions_as_values=_VALUES,
    ),
    Language(
        "go", (".go",), "tree_sitter_go",
        {
            "type": ("type_spec", "type_alias"),
            "function": ("function_declaration", "method_declaration", "method_elem"),
            LOOP: ("for_statement",),
        },
    ),
    Language(
        "java", (".java",), "tree_sitter_java",
        {
            "class": ("class_declaration",),
            "interface": ("interface_declaration", "annotation_type_declaration"),
            "enum": ("enum_declaration",),
            "record": ("record_declaration",),
            "function": ("method_declaration", "constructor_declaration", "compact_constructor_declaration"),
            LOOP: ("for_statement", "enhanced_for_statement", "while_statement", "do_statement"),
        },
    ),
    Language("c", (".c", ".h"), "tree_sitter_c", _C),
    Language(
        "c++", (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx"), "tree_sitter_cpp",
        _C | {
            "namespace": ("namespace_definition",),
            "class": ("class_specifier",),
            "type": ("type_definition", "alias_declaration"),
            LOOP: ("for_statement", "while_statement", "do_statement", "for_range_loop"),
        },
        wrappers=frozenset({"template_declaration"}),
    ),
    Language(
        "rust", (".rs",), "tree_sitter_rust",
        {
            "module": ("mod_item",),
            "struct": ("struct_item", "union_item"),
            "enum": ("enum_item",),
            "trait": ("trait_item",),
            "impl": ("impl_item",),
            "type": ("type_item",),
            "macro": ("macro_definition",),
            "function": ("function_item", "function_signature_item"),
            LOOP: ("for_expression", "while_expression", "loop_expression"),
        },
    ),
    Language(
        "c#", (".cs",), "tree_sitter_c_sharp",
        {
            "namespace": ("namespace_declaration", "file_scoped_namespace_declaration"),
            "class": ("class_declaration",),
            "struct": ("struct_declaration",),
            "interface": ("interface_declaration",),
            "enum": ("enum_declaration",),
            "record": ("record_declaration",),
            "function": (
                "method_declaration", "constructor_declaration", "local_function_statement",
                "property_declaration",
            ),
            LOOP: ("for_statement", "foreach_statement", "while_statement", "do_statement"),
        },
    ),
    Language(
        "ruby", (".rb", ".rake"), "tree_sitter_ruby",
        {
            "module": ("module",),
            "class": ("class",),
            "function": ("method", "singleton_method"),
            LOOP: ("for", "while", "until"),
        },
    ),
    Language(
        "php", (".php",), "tree_sitter_php",
        {
            "namespace": ("namespace_definition",),
            "class": ("class_declaration",),
            "interface": ("interface_declaration",),
            "trait": ("trait_declaration",),
            "enum": ("enum_declaration",),
            "function": ("function_definition", "method_declaration"),
            LOOP: ("for_statement", "foreach_statement", "while_statement", "do_statement"),
        },
        function="language_php",
    ),
)  # fmt: skip

_BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}
_BY_NAME = {language.name: language for language in LANGUAGES}


def language_of(*names: str) -> Language | None:
    """Return the language of a file by its names (a URI, a title, an id), the first that tells it."""
    for name in names:
        path = name.partition("#")[0].partition("?")[0]
        if found := _BY_SUFFIX.get(PurePosixPath(path.replace("\\", "/")).suffix.lower()):
            return found
    return None


def by_name(name: str) -> Language:
    """Return the language of a name. Raises: `KeyError`."""
    return _BY_NAME[name]


@cache
def grammar(language: str) -> Grammar:
    """Return the grammar of a language, loaded once."""
    found = by_name(language)
    return Grammar(getattr(importlib.import_module(found.package), found.function)())
