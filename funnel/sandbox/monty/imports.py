"""Rewrites a cell's imports of modules that are served, and finds the names under which modules are known."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from funnel.sandbox.monty.edits import Edit, Text
from funnel.sandbox.monty.stdlib import ADDED, REPLACED, SOURCES, added, shim_name

KNOWN: Mapping[str, str] = {module: module for module in ADDED}
"""Names that mean a module until a cell says otherwise; some are imported before the first cell."""


def import_edits(text: Text, node: ast.Import, modules: set[str]) -> Iterator[Edit]:
    """Bind the served modules of an `import` statement."""
    if not any(alias.name in SOURCES for alias in node.names):
        return
    parts: list[str] = []
    for alias in node.names:
        if alias.name not in SOURCES:
            parts.append(f"import {alias.name}" + (f" as {alias.asname}" if alias.asname else ""))
            continue
        modules.add(alias.name)
        if alias.asname or "." not in alias.name:
            parts.append(f"{alias.asname or alias.name} = {shim_name(alias.name)}")
        elif (package := alias.name.partition(".")[0]) in SOURCES:
            modules.add(package)
            parts.append(f"{package} = {shim_name(package)}")
        else:
            parts.append(f"import {package}")  # what is served of it is found by its whole name
    yield text.statement(node, "; ".join(parts))


def import_from_edits(text: Text, node: ast.ImportFrom, modules: set[str]) -> Iterator[Edit]:
    """Bind what is imported from a served module, or is added to one of the engine's modules."""
    module = node.module or ""
    if node.level or any(alias.name == "*" for alias in node.names):
        return
    served = {alias.name: module for alias in node.names if module in SOURCES}
    if not served:
        ours = ADDED.get(module, frozenset()) | REPLACED.get(module, frozenset())
        served = {alias.name: added(module) for alias in node.names if alias.name in ours}
    if not served:
        return
    modules.update(served.values())
    parts = [
        f"{alias.asname or alias.name} = {shim_name(served[alias.name])}.{alias.name}"
        if alias.name in served
        else f"from {module} import {alias.name}" + (f" as {alias.asname}" if alias.asname else "")
        for alias in node.names
    ]
    yield text.statement(node, "; ".join(parts))


def aliases(nodes: Iterable[ast.AST], before: Mapping[str, str], bound: frozenset[str]) -> dict[str, str]:
    """Return the names that mean one of the engine's modules in a cell and after it.

    `bound`: what the cell binds; a name that it binds to anything else means no module.
    """
    found = {name: module for name, module in before.items() if name not in bound}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = alias.name if alias.asname else alias.name.partition(".")[0]
                if module in ADDED:
                    found[alias.asname or module] = module
    return found
