"""Inspects the files of a tantivy index on disk: their checksums, stored fields and terms.

tantivy writes a CRC-32 at the end of each segment file and never checks it.
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
"""The length of the footer and the magic number, four bytes each, little-endian, after the footer."""


def is_whole(directory: Path, meta: bytes, known: set[tuple[str, int]]) -> bool:
    """Return whether every file of the segments named in `meta` matches the checksum in its footer.

    Files never change once written: files in `known`, by name and size, are not read again, and files that
    match are added to it.
    """
    try:
        found = json.loads(meta)
        names = {segment["segment_id"].replace("-", "") for segment in found["segments"]}
        for path in sorted(directory.iterdir()):
            if path.name.partition(".")[0] not in names:
                continue
            seen = (path.name, path.stat().st_size)
            if seen not in known:
                if not _matches_its_checksum(path, seen[1]):
                    return False
                known.add(seen)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
    return True


def stored_fields(directory: Path) -> list[str]:
    """Return the fields whose original text the index stores. Raises: `OSError`, `ValueError`."""
    schema = json.loads((directory / META).read_bytes())["schema"]
    return [field["name"] for field in schema if field["options"]["stored"]]


def known_terms(directory: Path, terms: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return which of the terms are in the index's dictionary, and which of them are in a document.

    Raises: `OSError`, `ValueError`.
    """
    import tantivy  # noqa: PLC0415  # loaded only where it is used

    index = tantivy.Index.open(str(directory))
    searcher = index.searcher()
    known = {term for term in terms if searcher.doc_freq("terms", term)}
    return known, {term for term in known if searcher.search(_query(index, term), 1).hits}


def _query(index: Any, term: str) -> Any:
    from tantivy import Query  # noqa: PLC0415  # loaded only where it is used

    return Query.term_query(index.schema, "terms", term, "freq")


def _matches_its_checksum(path: Path, size: int) -> bool:
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
