"""Reads trace files as trees of what happened inside what, with every attempt of a run.

Kinds and fields that this version does not know are kept as data: a later version may have written them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from funnel.answers import with_end_reason
from funnel.errors import BadTrace
from funnel.trace.folding import unfold
from funnel.trace.kinds import ALL, Ended, EventData


@dataclass(slots=True)
class Node:
    """Something that happened in a run, and what happened inside it. `wall_s` is None for a point.

    `data` holds all that its events said, as JSON types. `begun` and `ending` give the same as typed fields.
    """

    id: int
    kind: str
    at_s: float
    data: dict[str, Any]
    ended: bool
    wall_s: float | None = None
    children: list[Node] = field(default_factory=list)

    @property
    def begun(self) -> EventData | None:
        """The typed fields of its first event, or None if this version does not know such an event."""
        return _parsed(self.kind, "start", self.data) or _parsed(self.kind, "point", self.data)

    @property
    def ending(self) -> Ended | None:
        """The typed fields of its end event, or None if there is none that this version knows."""
        known = _parsed(self.kind, "end", self.data) if self.wall_s is not None else None
        return known if isinstance(known, Ended) else None

    @property
    def error(self) -> str | None:
        """Why it failed, as `Class: message`, or None if it did not fail."""
        said = self.data.get("error")
        return None if said is None else str(said)

    def as_dict(self) -> dict[str, Any]:
        """Return the tree as JSON types."""
        return {
            "id": self.id, "kind": self.kind, "at_s": self.at_s, "wall_s": self.wall_s, "ended": self.ended,
            "data": self.data, "children": [child.as_dict() for child in self.children],
        }  # fmt: skip


def read_trace(path: Path) -> Node:
    """Return the tree of the trace in a file; a run that was killed has nodes that never ended.

    Wherever a kill cut the file, the whole events before the cut are read.

    Raises: `BadTrace` if the file does not exist or is not a trace.
    """
    try:
        # As bytes: a text may hold other line separators, and the last line may end inside a character.
        content = path.read_bytes()
    except FileNotFoundError:
        raise BadTrace(str(path), "there is no such file") from None
    except OSError as error:
        raise BadTrace(str(path), f"it cannot be read ({error})") from error
    lines = content.splitlines()
    nodes: dict[int, Node] = {}
    texts: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        try:
            _take(nodes, texts, json.loads(line.decode("utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            begun = nodes or texts or (line.startswith(b"{") and not content.endswith(b"\n"))
            if number == len(lines) and begun:
                break  # the last line of a killed run
            raise BadTrace(str(path), f"line {number} holds no event") from None
    if not nodes:
        raise BadTrace(str(path), "it was cut off before its first event" if lines else "it is empty")
    return next(iter(nodes.values()))


def attempts(path: Path) -> list[Path]:
    """Return the trace files of all attempts of the run whose first attempt is traced in `path`, in order.

    A resumed run has its first attempt in `RUN.jsonl`, the next in `RUN.1.jsonl`, and so on.
    """
    pattern = re.compile(rf"{re.escape(path.stem)}\.(\d+){re.escape(path.suffix)}")
    numbered = {}
    for file in path.parent.iterdir() if path.parent.is_dir() else ():
        if found := pattern.fullmatch(file.name):
            numbered[int(found[1])] = file
    first = [path] if path.exists() else []
    return [*first, *(numbered[number] for number in sorted(numbered))]


def read_run(files: Sequence[Path]) -> Node:
    """Return the tree of a run from the trace files of its attempts, in order.

    One file gives the tree that `read_trace` returns. Several give a node of kind `run` with the number of
    attempts in its data, and under it the tree of each attempt. The times of an attempt begin where those of
    the one before it end. An empty file, of a process that was killed before its first event, is passed over.

    Raises: `BadTrace` if a file does not exist or is not a trace.
    """
    written = [file for file in files if not file.exists() or file.stat().st_size] or files[:1]
    roots = [read_trace(file) for file in written]
    if len(roots) == 1:
        return roots[0]
    at_s, last_id = 0.0, 1
    for root in roots:
        nodes = list(_walk(root))
        began_s = root.at_s
        for node in nodes:
            node.id += last_id
            node.at_s += at_s - began_s
        at_s = max(node.at_s + (node.wall_s or 0.0) for node in nodes)
        last_id = max(node.id for node in nodes)
    first, last = roots[0], roots[-1]
    data = {name: value for name, value in first.data.items() if name not in {"life", "error", "error_type"}}
    data |= {name: last.data[name] for name in ("error", "error_type") if name in last.data}
    wall_s = at_s if last.ended else None
    return Node(1, first.kind, 0.0, {**data, "attempts": len(roots)}, last.ended, wall_s, roots)


def _walk(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.children


def _take(nodes: dict[int, Node], texts: dict[str, str], line: dict[str, Any]) -> None:
    """Add one event to the tree, or one text to those that events refer to."""
    if "text" in line:
        texts[line["text"]] = line["value"]
        return
    event = line
    data = unfold(dict(event["data"]), texts)
    if event["phase"] == "end":
        node = nodes[event["id"]]
        wall_s = data.pop("wall_s")
        node.ended, node.wall_s = True, wall_s
        node.data.update(data)
        return
    node = Node(event["id"], event["kind"], event["at_s"], data, ended=event["phase"] == "point")
    if event["parent"] is not None:
        nodes[event["parent"]].children.append(node)
    nodes[node.id] = node


def _parsed(kind: str, phase: str, data: Mapping[str, Any]) -> EventData | None:
    """Return the typed fields of an event, or None if this version does not know such an event."""
    known = ALL.get((kind, phase))
    if known is None:
        return None
    try:
        return _adapter(known).validate_python(with_end_reason(data) if kind == "answer" else data)
    except (ValidationError, KeyError, TypeError):
        return None


@cache
def _adapter(known: type[EventData]) -> TypeAdapter[EventData]:
    return TypeAdapter(known)
