"""The files of a tantivy index as they lie on the disk: which belong to it, whether they are whole.

tantivy writes a CRC-32 at the end of each segment file and never looks at it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from indexes.storage.files import crc32

META = "meta.json"
_MAGIC = 1337
_TAIL_BYTES = 8
"""Length of the footer, then the magic number, four bytes each, little-endian; the footer stands before."""


def is_whole(directory: Path, meta: bytes, known: set[tuple[str, int]]) -> bool:
    """Whether every file of the segments that `meta` names carries its own checksum.

    A file does not change once it is written: those in `known` (name, size) are not read, others are added.
    """
    try:
        found = json.loads(meta)
        names = {segment["segment_id"].replace("-", "") for segment in found["segments"]}
        for path in sorted(directory.iterdir()):
            if path.name.partition(".")[0] not in names:
                continue
            seen = (path.name, path.stat().st_size)
            if seen not in known:
                if not _carries_its_checksum(path, seen[1]):
                    return False
                known.add(seen)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
    return True


def stored_fields(directory: Path) -> list[str]:
    """The fields whose text the index keeps as it was given. Raises: `OSError`, `ValueError`."""
    schema = json.loads((directory / META).read_bytes())["schema"]
    return [field["name"] for field in schema if field["options"]["stored"]]


def known_terms(directory: Path, terms: Iterable[str]) -> tuple[set[str], set[str]]:
    """Those of the terms that the dictionary of the index has, and those that a document in it has.

    Raises: `OSError`, `ValueError`.
    """
    import tantivy  # noqa: PLC0415  # loaded only where it is used

    index = tantivy.Index.open(str(directory))
    searcher = index.searcher()
    known = {term for term in terms if searcher.doc_freq("terms", term)}
    return known, {term for term in known if searcher.search(_query(index, term), 1).hits}


def _query(index: Any, term: str) -> Any:
    from tantivy import Query  # noqa: PLC0415  # likewise

    return Query.term_query(index.schema, "terms", term, "freq")


def _carries_its_checksum(path: Path, size: int) -> bool:
    with path.open("rb") as file:
        file.seek(max(size - _TAIL_BYTES, 0))
        tail = file.read()
        length = int.from_bytes(tail[:4], "little")
        body = size - _TAIL_BYTES - length
        if int.from_bytes(tail[4:], "little") != _MAGIC or body < 0:
            return False
        file.seek(body)
        footer = json.loads(file.read(length))
    return bool(footer["crc"] == crc32(path, stop=body))
