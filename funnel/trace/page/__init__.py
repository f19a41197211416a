"""A run as one page for a browser: the tree of a trace in, HTML out; knows the nodes, not what they mean.

`page.html` is the frame, `page.css` its looks; the scripts draw everything from one block of JSON. Foreign
text stands in that block only, and the page's policy lets nothing run but these scripts and nothing load.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

from funnel.trace.folding import Texts
from funnel.trace.private import create_private
from funnel.trace.reading import Node

_SCRIPTS = ("text", "run", "answer", "time_line", "tree", "detail", "cost", "search", "page")
"""One script of the page, in this order."""
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def write_page(root: Node, path: Path, *, name: str) -> None:
    """Write the page to `path`, readable by its owner only.

    Raises: `OSError`.
    """
    with create_private(path) as file:
        file.write(render_page(root, name=name))


def render_page(root: Node, *, name: str) -> str:
    """One HTML document that needs nothing else; `name` is what the run is called on it.

    It may hold lone surrogates, where the trace does: encode it with `errors="backslashreplace"`.
    """
    style = _file("page.css")
    script = "\n".join(_file(f"{name}.js") for name in _SCRIPTS)
    parts = {
        "policy": (
            f"default-src 'none'; style-src '{_source(style)}'; script-src '{_source(script)}'; "
            "base-uri 'none'; form-action 'none'"
        ),
        "style": style,
        "script": script,
        "data": _data(root, name),
    }
    # In one pass: what a document or a model wrote is never looked at for places.
    return _PLACE.sub(lambda place: parts[place[1]], _file("page.html"))


def _data(root: Node, name: str) -> str:
    """Every node after its parent, long texts once; nothing in it can end the block that it stands in."""
    texts = Texts()
    known: dict[str, str] = {}
    nodes: list[list[Any]] = []
    for node, parent in _walk(root):
        data, new = texts.fold(_finite(node.data))
        known |= new
        nodes.append([node.id, parent, node.kind, node.at_s, node.wall_s, node.ended, data])
    shown = json.dumps(
        {"name": name, "texts": known, "nodes": nodes},
        ensure_ascii=False, allow_nan=False, separators=(",", ":"),
    )  # fmt: skip
    return shown.replace("<", "\\u003c")


def _walk(root: Node) -> Iterator[tuple[Node, int | None]]:
    """Each node with its parent's id, parents first, children in order; without recursion."""
    waiting: list[tuple[Node, int | None]] = [(root, None)]
    while waiting:
        node, parent = waiting.pop()
        yield node, parent
        waiting += ((child, node.id) for child in reversed(node.children))


def _finite(value: Any) -> Any:
    """The value with nan and inf, which JSON lacks, as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _source(content: str) -> str:
    """How a policy names inline content: by its hash."""
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"
