"""What the worker process does that parses source code: one file a request, and the answer as JSON."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from indexes.code.definitions import Source
from indexes.isolation.serving import serve


def main() -> None:
    """Answer requests until stdin ends."""
    serve(_answer)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    source = Source(request["text"], request["language"])
    if "name" in request:
        return {"found": [astuple(each) for each in source.occurrences(request["name"])]}
    return {"found": [astuple(each) for each in source.definitions(loops=request["loops"])]}
