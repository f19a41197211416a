"""A trace file read back as a tree; knows the event schema, not what drew it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from funnel.errors import BadTrace


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

    Raises: `BadTrace` when it does not exist or is no trace.
    """
    try:
        # Not by characters: a text may hold other line separators, and the last line may end inside one.
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        raise BadTrace(str(path), "there is no such file") from None
    except OSError as error:
        raise BadTrace(str(path), f"it cannot be read ({error})") from error
    nodes: dict[int, Node] = {}
    for number, line in enumerate(lines, start=1):
        try:
            _take(nodes, json.loads(line.decode("utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            if number == len(lines) and nodes:
                break  # the last line of a killed run
            raise BadTrace(str(path), f"line {number} holds no event") from None
    if not nodes:
        raise BadTrace(str(path), "it is empty")
    return next(iter(nodes.values()))


def _take(nodes: dict[int, Node], event: dict[str, Any]) -> None:
    """Put one event into the tree."""
    if event["phase"] == "end":
        node = nodes[event["id"]]
        node.ended = True
        node.wall_s = event["data"].pop("wall_s")
        node.data.update(event["data"])
        return
    node = Node(
        event["id"], event["kind"], event["at_s"], dict(event["data"]), ended=event["phase"] == "point"
    )
    if event["parent"] is not None:
        nodes[event["parent"]].children.append(node)
    nodes[node.id] = node
