"""Proves that erased documents are gone, by searching every byte of a directory; knows files and texts.

It searches for what only these documents contained. It cannot see copies elsewhere, or blocks that the file
system has freed.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from indexes.catalog.text import encode
from indexes.lexical import segments
from indexes.lexical.visible.storage import known_terms
from indexes.retrieval.analysis import analyse
from indexes.retrieval.base import ProgressCallback
from indexes.retrieval.names import names_of
from indexes.types import Document, DocumentId

MAX_SEQUENCES = 120
MAX_TERMS = 2000

_SEQUENCE_WORDS = 6
_MIN_BYTES = 6
"""Shorter strings occur by chance in arbitrary bytes."""

_BLOCK_BYTES = 1 << 23
_SHOWN_CHARS = 60
_WORD = re.compile(r"\S+")
_LOCK_FILES = frozenset({"write.lock", "writer"})
_SPACE_SUFFIX = ".npz"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The strings that would reveal erased documents: word sequences, names, metadata and search terms."""

    ids: tuple[DocumentId, ...]
    sequences: tuple[str, ...]
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of searching for evidence of erased documents.

    `shared` counts sequences that also occur in remaining documents, so that finding them proves nothing.
    `traces` is empty if the documents are gone; otherwise each names a file, a place and the text found.
    """

    ids: tuple[DocumentId, ...]
    sequences: int
    shared: int
    terms: int
    files: int
    size_bytes: int
    traces: tuple[str, ...]


def empty(directory: Path) -> None:
    """Remove every file in `directory` and below, except lock files."""
    for path in directory.rglob("*") if directory.is_dir() else ():
        if path.is_file() and path.name not in _LOCK_FILES:
            path.unlink(missing_ok=True)


def evidence(documents: Iterable[Document]) -> Evidence:
    """Return what to search for after erasing these documents: names, and up to `MAX_SEQUENCES` sequences.

    The sequences are spread evenly over the texts.
    """
    ids: list[DocumentId] = []
    names: set[str] = set()
    runs: list[str] = []
    terms: set[str] = set()
    for document in documents:
        ids.append(document.id)
        names |= {document.id, document.title, document.uri, *_strings(document.metadata)}
        names |= {section.title for section in document.sections}
        runs += _runs(document.text)
        terms |= {*analyse(document.title), *analyse(document.text)}
        terms |= {*names_of(document.title, document.id)}
    step = max(1, -(-len(runs) // MAX_SEQUENCES))
    wanted = {sequence for sequence in (*names, *runs[::step]) if len(encode(sequence)) >= _MIN_BYTES}
    longest = sorted(terms, key=lambda term: (-len(term), term))[:MAX_TERMS]
    return Evidence(tuple(ids), tuple(sorted(wanted)), tuple(longest))


def prove(
    directory: Path, sought: Evidence, remaining: Iterable[Document], progress: ProgressCallback
) -> Proof:
    """Search every byte of every file of the collection in `directory` for the evidence.

    A match counts as a trace unless a document of `remaining` contains it too. A fitted latent space is
    searched both packed and unpacked. tantivy's dictionary is checked for each term, and its schema for
    stored text. Raises: `OSError` if a file cannot be read.
    """
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    total = sum(path.stat().st_size for path in files)
    needles = {form: sequence for sequence in sought.sequences for form in _forms(sequence)}
    found: dict[str, str] = {}
    done = 0
    for path in files:
        name = path.relative_to(directory).as_posix()
        for place, sequence in _matches(path, needles):
            found.setdefault(sequence, f"{name}{place}")
        done += path.stat().st_size
        progress("scanning", done, total)
    unexplained = _unexplained(found, remaining)
    traces = [f"{found[sequence]}: {_shown(sequence)}" for sequence in sorted(unexplained)]
    traces += _dead_terms(directory, sought.terms)
    return Proof(
        sought.ids,
        len(sought.sequences),
        len(found) - len(unexplained),
        len(sought.terms),
        len(files),
        total,
        tuple(traces),
    )


def _runs(text: str) -> list[str]:
    words = [match.span() for match in _WORD.finditer(text)]
    last = max(len(words) - _SEQUENCE_WORDS, 0)
    ends = (min(at + _SEQUENCE_WORDS, len(words)) - 1 for at in range(0, last + 1, _SEQUENCE_WORDS))
    starts = range(0, last + 1, _SEQUENCE_WORDS)
    return [text[words[at][0] : words[end][1]] for at, end in zip(starts, ends, strict=True)] if words else []


def _strings(metadata: object) -> Iterator[str]:
    if isinstance(metadata, str):
        yield metadata
    elif isinstance(metadata, dict):
        for value in metadata.values():
            yield from _strings(value)
    elif isinstance(metadata, list):
        for value in metadata:
            yield from _strings(value)


def _forms(sequence: str) -> set[bytes]:
    """Return a sequence's bytes as stored text and as JSON."""
    return {encode(sequence), json.dumps(sequence)[1:-1].encode()}


def _matches(path: Path, needles: dict[bytes, str]) -> Iterator[tuple[str, str]]:
    """Yield (place, sequence) for each sequence in the file, once each."""
    missing = dict(needles)
    for start, block in _blocks(path, max(map(len, needles), default=1)):
        for needle in [needle for needle in missing if needle in block]:
            yield f", byte {start + block.find(needle)}", missing.pop(needle)
    if path.suffix == _SPACE_SUFFIX:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                data = archive.read(member)
                for needle in [needle for needle in missing if needle in data]:
                    yield f", member {member}", missing.pop(needle)


def _blocks(path: Path, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, bytes) of the whole file; each block starts with the last bytes of the one before."""
    start, overlap_bytes = 0, b""
    with path.open("rb") as file:
        while data := file.read(_BLOCK_BYTES):
            block = overlap_bytes + data
            yield start, block
            overlap_bytes = block[-overlap:]
            start += len(block) - len(overlap_bytes)


def _unexplained(found: Iterable[str], remaining: Iterable[Document]) -> set[str]:
    """Return the sequences that no remaining document contains."""
    unexplained = set(found)
    for document in remaining if unexplained else ():
        named = (document.id, document.title, document.uri, *_strings(dict(document.metadata)))
        text = "\n".join((*named, *(section.title for section in document.sections), document.text))
        unexplained -= {sequence for sequence in unexplained if sequence in text}
        if not unexplained:
            break
    return unexplained


def _dead_terms(directory: Path, terms: Iterable[str]) -> Iterator[str]:
    """Yield a line for each term in an index or a fitted space that no document in it contains."""
    lexical = directory / "lexical"
    if not (lexical / segments.META).is_file():
        return  # an in-memory engine, which leaves no files
    for field in segments.stored_fields(lexical):
        yield f"lexical: the field {field} is stored as text"
    known, alive = segments.known_terms(lexical, terms)
    for term in sorted(known - alive):
        yield f"lexical: its dictionary has {_shown(term)}, which no document has"
    dead = [term for term in terms if term not in alive]
    for term in sorted(known_terms(directory / "visible", dead)):
        yield f"visible: its postings have {_shown(term)}, which no document has"
    for path in sorted(directory.rglob(f"*{_SPACE_SUFFIX}")):
        with zipfile.ZipFile(path) as archive:
            data = b"".join(map(archive.read, archive.namelist()))
        for term in dead:
            if json.dumps(term).encode() in data:
                yield f"{path.relative_to(directory).as_posix()}: its vocabulary has {_shown(term)}"


def _shown(sequence: str) -> str:
    return repr(sequence if len(sequence) <= _SHOWN_CHARS else f"{sequence[:_SHOWN_CHARS]}…")
