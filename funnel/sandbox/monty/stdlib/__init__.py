"""Replacements for standard modules that the Monty engine lacks, written in its Python; knows no session.

They run inside the sandbox, under its limits, and may call host functions (`ThreadPoolExecutor.map` does).
Only the functions that model-written code uses are included. Each source defines `_make()`, which returns one
object whose attributes are the module's functions.
"""

from __future__ import annotations

from funnel.sandbox.monty.stdlib import control, data, text

SOURCES: dict[str, str] = {
    "concurrent": control.CONCURRENT,
    "concurrent.futures": control.FUTURES,
    "contextlib": control.CONTEXTLIB,
    "difflib": text.DIFFLIB,
    "heapq": data.HEAPQ,
    "html": text.HTML,
    "io": text.IO,
    "operator": data.OPERATOR,
    "pprint": text.PPRINT,
    "statistics": data.STATISTICS,
    "string": text.STRING,
    "textwrap": text.TEXTWRAP,
}
"""Source code by module name."""

_NEEDS = {"concurrent": ("concurrent.futures",)}
_BASE = "class _Std:\n    pass\n"


def shim_name(module: str) -> str:
    """Return the name of the variable that holds the module inside the sandbox."""
    return "_std_" + module.replace(".", "_")


def module_source(module: str) -> str:
    """Return a cell that defines `module` inside the sandbox as `shim_name(module)`."""
    needed = "".join(module_source(other) for other in _NEEDS.get(module, ()))
    return f"{needed}{_BASE}{SOURCES[module]}{shim_name(module)} = _make()\n"
