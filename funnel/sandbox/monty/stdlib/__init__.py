"""Standard modules that the Monty engine lacks, written in the Python that it has; knows no session.

They run inside the sandbox, under its limits, and call host functions freely (`ThreadPoolExecutor.map`). Only
what model-written code uses is here. Each source defines `_make()`, which gives one object whose attributes
are the module's functions.
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
"""Module name → its source."""

_NEEDS = {"concurrent": ("concurrent.futures",)}
_BASE = "class _Std:\n    pass\n"


def shim_name(module: str) -> str:
    """The variable inside the sandbox that holds the module."""
    return "_std_" + module.replace(".", "_")


def module_source(module: str) -> str:
    """The cell that puts `module` into the sandbox under `shim_name(module)`."""
    needed = "".join(module_source(other) for other in _NEEDS.get(module, ()))
    return f"{needed}{_BASE}{SOURCES[module]}{shim_name(module)} = _make()\n"
