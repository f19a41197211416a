"""What the worker process does that parses documents and may crash on one; knows the readers.

Answers `{"path": ..., "suffix": ...}` with the parsed document or `{"error": reason}`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from indexes.errors import PlugInFailed
from indexes.isolation.serving import serve
from indexes.loaders.assembly import Parsed, Unreadable
from indexes.loaders.decoding import read_text
from indexes.loaders.discovery import HTML
from indexes.loaders.documents import format_of
from indexes.loaders.texts import parse_text

MAX_FILE_BYTES = 1 << 30
MAX_TEXT_CHARS = 50_000_000


def main() -> None:
    """Answer requests until stdin ends."""
    serve(_answer)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return _parse(
            Path(os.fsdecode(request["path"].encode("utf-8", "surrogateescape"))), request["suffix"]
        )
    except MemoryError:
        raise
    except Unreadable as exc:
        return {"error": " ".join(str(exc).split())}
    except PlugInFailed as exc:
        return {"error": str(exc).removesuffix(".")}
    except OSError as exc:
        return {"error": f"it cannot be read ({exc.strerror or exc})"}
    except Exception as exc:  # noqa: BLE001  (a damaged file may fail anywhere in its parser)
        reason = " ".join(f"{type(exc).__name__}: {exc}".split())[:200]
        return {"error": f"it is damaged, or not of the type that its name says ({reason})"}


def _parse(path: Path, suffix: str) -> dict[str, Any]:
    reader = format_of(suffix)
    if reader is None and suffix in HTML:
        return _markup(path, suffix).as_json()
    if reader is None:
        raise Unreadable(f"nothing reads {suffix} files")
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
            raise Unreadable(f"it is larger than the limit of {MAX_FILE_BYTES >> 20:,} MiB")
        data = file.read()
    parsed = reader.read(data)
    if len(parsed.text) > MAX_TEXT_CHARS:
        raise Unreadable(f"its text is longer than the limit of {MAX_TEXT_CHARS:,} characters")
    return parsed.as_json()


def _markup(path: Path, suffix: str) -> Parsed:
    try:
        return parse_text(suffix, read_text(path))
    except ValueError as exc:
        raise Unreadable(str(exc)) from exc
