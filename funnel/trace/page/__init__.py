"""Renders the tree of a trace as one HTML page; knows nodes, not what they mean.

`page.html` is the frame and `page.css` its style. The scripts draw everything from one block of JSON. Foreign
text stands in that block only, and the page's policy allows no other script to run and nothing to load.
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

from funnel.text.unseen import RANGES
from funnel.trace.folding import Texts
from funnel.trace.private import create_private
from funnel.trace.reading import Node

_SCRIPTS = ("text", "run", "answer", "time_line", "tree", "detail", "cost", "search", "page")
"""The files that are joined into the page's script, in this order."""
_UNSEEN = "".join(f"\\u{{{first:x}}}-\\u{{{last:x}}}" for first, last in RANGES)
"""The unseen characters as a class in a regular expression of JavaScript."""
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def write_page(root: Node, path: Path, *, name: str) -> None:
    """Write the page to `path`, readable by its owner only.

    Raises: `OSError`.
    """
    with create_private(path) as file:
        file.write(render_page(root, name=name))


def render_page(root: Node, *, name: str) -> str:
    """Return one HTML document that needs nothing else. `name` is what the page calls the run.

    It holds lone surrogates if the trace does, so encode it with `errors="backslashreplace"`.
    """
    style = _file("page.css")
    script = "\n".join(_file(f"{name}.js") for name in _SCRIPTS).replace("{{unseen}}", _UNSEEN)
    parts = {
        "policy": (
            f"default-src 'none'; style-src '{_source(style)}'; script-src '{_source(script)}'; "
            "base-uri 'none'; form-action 'none'"
        ),
        "style": style,
        "script": script,
        "data": _data(root, name),
    }
    # In one pass, so that text which a document or a model wrote is never searched for placeholders.
    return _PLACEHOLDER.sub(lambda found: parts[found[1]], _file("page.html"))


def _data(root: Node, name: str) -> str:
    """Return the nodes as JSON, each after its parent, long texts once, without any "<"."""
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
    """Yield each node with its parent's id: parents first, children in order, at any depth."""
    waiting: list[tuple[Node, int | None]] = [(root, None)]
    while waiting:
        node, parent = waiting.pop()
        yield node, parent
        waiting += ((child, node.id) for child in reversed(node.children))


def _finite(value: Any) -> Any:
    """Return the value with nan and inf as text, since JSON has neither."""
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
    """Return the name by which a policy allows this inline content: its hash."""
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"
