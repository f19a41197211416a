"""A trace file read back as a tree; knows the event schema, not what drew it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from funnel.errors import BadTrace
from funnel.trace.folding import unfold


@dataclass(slots=True)
class Node:
    """A thing that happened in a run, with what happened inside it. `wall_s` is None for a point."""

    id: int
    kind: str
    at_s: float
    data: dict[str, Any]
    ended: bool
    wall_s: float | None = None
    children: list[Node] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The tree as JSON types."""
        return {
            "id": self.id, "kind": self.kind, "at_s": self.at_s, "wall_s": self.wall_s, "ended": self.ended,
            "data": self.data, "children": [child.as_dict() for child in self.children],
        }  # fmt: skip


def read_trace(path: Path) -> Node:
    """The run in that file; a run that was killed has nodes that never ended.

    Wherever a kill cut the file, the whole events before the cut are read.

    Raises: `BadTrace` when it does not exist or is no trace.
    """
    try:
        # Not by characters: a text may hold other line separators, and the last line may end inside one.
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


def _take(nodes: dict[int, Node], texts: dict[str, str], line: dict[str, Any]) -> None:
    """Put one event into the tree, or one text among those that events refer to."""
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
