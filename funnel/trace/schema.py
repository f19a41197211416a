"""The JSON Schema of an event, made from the classes of `funnel.trace.kinds`, and its place in the docs.

`python -m funnel.trace.schema` writes it into docs/events.md; with `--check` it only checks that the document
is up to date.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from funnel.trace.kinds import ALL, EventData, fields_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"
BEGIN, END = "<!-- schema: written by `python -m funnel.trace.schema` -->\n", "<!-- end of the schema -->"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ENVELOPE = {
    "run": {"type": "string"},
    "id": {"type": "integer", "minimum": 1},
    "parent": {"type": ["integer", "null"]},
    "at_s": {"type": "number"},
}


def event_schema() -> dict[str, Any]:
    """Return the JSON Schema of a line of a trace file that holds an event, once its texts are unfolded."""
    shared: dict[str, Any] = {}
    kinds = [_one(data, shared) for data in sorted(ALL.values(), key=lambda data: (data.kind, data.phase))]
    return {
        "$schema": _DIALECT,
        "title": "An event of a run",
        "type": "object",
        "properties": _ENVELOPE,
        "required": [*_ENVELOPE, "kind", "phase", "data"],
        "oneOf": kinds,
        "$defs": dict(sorted(shared.items())),
    }


def _one(data: type[EventData], shared: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an event of one kind and phase; common definitions go into `shared`."""
    schema = TypeAdapter(data).json_schema(mode="serialization")
    shared |= {name: _plain(of) for name, of in schema.pop("$defs", {}).items()}
    properties = _plain(schema)["properties"]
    required = [name for name, spec in fields_of(data).items() if "omitted" not in spec.metadata]
    inner = {"type": "object", "properties": {name: properties[name] for name in fields_of(data)}}
    inner["required"] = required
    about = " ".join((data.__doc__ or "").split())
    says = {"kind": {"const": data.kind}, "phase": {"const": data.phase}, "data": inner}
    return {"title": data.__name__, "description": about, "properties": says}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object without the titles and defaults of its fields, which add nothing."""
    found = {name: value for name, value in schema.items() if name != "title"}
    if "properties" in schema:
        found["properties"] = {
            name: {key: value for key, value in of.items() if key not in {"title", "default"}}
            for name, of in schema["properties"].items()
        }
    return found


def documented() -> str:
    """Return the generated part of the documentation, between its two marks."""
    return f"{BEGIN}\n```json\n{_lines(event_schema())}\n```\n\n{END}"


def _lines(schema: dict[str, Any]) -> str:
    """Return the schema as JSON with a line for each kind and each definition."""
    kinds = ",\n".join(f"    {json.dumps(kind)}" for kind in schema["oneOf"])
    definitions = ",\n".join(
        f"    {json.dumps(name)}: {json.dumps(of)}" for name, of in schema["$defs"].items()
    )
    rest = {name: value for name, value in schema.items() if name not in {"oneOf", "$defs"}}
    head = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in rest.items())
    return f'{{\n{head},\n  "oneOf": [\n{kinds}\n  ],\n  "$defs": {{\n{definitions}\n  }}\n}}'


def write(document: Path, *, check: bool = False) -> bool:
    """Write the schema into the document. Returns: whether it was up to date. `check`: write nothing."""
    text = document.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{documented()}{after}"
    if not check:
        document.write_text(wanted, "utf-8")
    return text == wanted


if __name__ == "__main__":
    only_check = "--check" in sys.argv[1:]
    if not write(DOCUMENT, check=only_check) and only_check:
        sys.exit(f"{DOCUMENT} is not what the classes say. Write it: python -m funnel.trace.schema")
