"""Stretches of documents: what belongs to a passage that was found, and what stands beside it.

A passage that ends with a colon or before a table is not complete without what follows, rows are not without
the header of their table, and a method is not without its class. Reads from the asker's view only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from funnel.text.citations import CitableText
from funnel.text.enclosing import CODE_CHARS, LINE_CHARS, enclosing
from funnel.text.tables import Table, header_at, tables
from indexes.chunking import chunk
from indexes.code.languages import language_of
from indexes.source import Documents
from indexes.types import Document, DocumentId, DocumentInfo, Passage

BEHIND_CHARS, AHEAD_CHARS = 20_000, 4_000
"""How far before a passage the header of its table is looked for, and how far after it what belongs to it."""
NEXT_CHARS = 1_000
"""How much of what follows a colon is added."""
MAX_ROWS_CHARS = 2_000
"""How much of a table that follows is added."""
NEIGHBOUR_CHARS = 2_000
_NEAR_CHARS = 300
"""If no more than this stands between a header and its rows, both are one stretch."""
_COLONS = (":", "：")
_FOLLOWED = 2
"""How often something is added to a passage because of how it ends."""


def stretch_of(view: Documents, info: DocumentInfo, passage: Passage) -> CitableText:
    """Return a passage with what belongs to it.

    If the document has changed since the passage was found, it is the passage alone.
    """
    source = CitableText(info.id, info.title, info.uri, passage.start, passage.text)
    first = max(0, passage.start - BEHIND_CHARS)
    window = view.read(info.id, first, passage.stop + AHEAD_CHARS) or ""
    start, stop = passage.start - first, passage.stop - first
    if window[start:stop] != passage.text:
        return source
    if (around := _around(view, source)) is not None:
        stop = _with_space(window, stop)
        return replace(source, text=window[start:stop], header=around)
    found = tables(window, is_cut=first > 0)
    stop = _completed(window, stop, found)
    header = header_at(found, start + len(passage.text) - len(passage.text.lstrip()))
    shown = ""
    if header is not None and start - header[1] <= _NEAR_CHARS:
        start = header[0]
    elif header is not None:
        shown = window[slice(*header)].strip()
    stop = _with_space(window, stop)
    return replace(source, start=first + start, text=window[start:stop], header=shown)


def neighbours(view: Documents, source: CitableText) -> Iterator[CitableText]:
    """Yield what stands after a stretch in its document, and what stands before it."""
    bare = replace(source, header="", known=())
    after = view.read(source.document_id, source.stop, source.stop + 2 * NEIGHBOUR_CHARS) or ""
    if after.strip():
        stop = _with_space(after, _first_piece(after, NEIGHBOUR_CHARS))
        yield _placed(view, replace(bare, start=source.stop, text=after[:stop]))
    first = max(0, source.start - NEIGHBOUR_CHARS)
    before = view.read(source.document_id, first, source.start) or ""
    if before.strip():
        # It begins with a line, if one begins there.
        cut = before.find("\n") + 1 if first else 0
        yield _placed(view, replace(bare, start=first + cut, text=before[cut:]))


def _placed(view: Documents, source: CitableText) -> CitableText:
    """Return a passage with the definitions around it, if it is source code, or the header of its table."""
    around = _around(view, source)
    return _with_header(view, source) if around is None else replace(source, header=around)


def _around(view: Documents, source: CitableText) -> str | None:
    """Return the lines of the definitions in which a passage begins; None if it is no source code."""
    language = language_of(source.uri, source.title, source.document_id)
    if language is None:
        return None
    first = max(0, source.start - CODE_CHARS)
    text = view.read(source.document_id, first, source.start + LINE_CHARS) or ""
    return enclosing(text, source.start - first, language.name)


def _with_header(view: Documents, source: CitableText) -> CitableText:
    """Return a stretch with the header of its table, if it begins inside one."""
    first = max(0, source.start - BEHIND_CHARS)
    window = view.read(source.document_id, first, source.stop) or ""
    begins = source.start - first + len(source.text) - len(source.text.lstrip())
    header = header_at(tables(window, is_cut=first > 0), begins)
    return source if header is None else replace(source, header=window[slice(*header)].strip())


def _with_space(text: str, stop: int) -> int:
    """Return the end of the white space after a stretch: with it, the stretch meets the next one."""
    return stop + len(text[stop:]) - len(text[stop:].lstrip())


def _completed(window: str, stop: int, found: list[Table]) -> int:
    """Return where a passage that ends at `stop` is complete."""
    for _ in range(_FOLLOWED):
        rest = window[stop:]
        begins = stop + len(rest) - len(rest.lstrip())
        inside = next((t for t in found if t.start <= begins < t.stop), None)
        if not rest.strip():
            break
        if inside is not None:
            stop = _end_of_rows(inside, begins)
        elif window[:stop].rstrip().endswith(_COLONS):
            stop += _first_piece(rest, NEXT_CHARS)
        else:
            break
    return stop


def _end_of_rows(table: Table, begins: int) -> int:
    """Return the end of the last row that is still near enough to `begins`; of the first one at least."""
    ends = [stop for _, stop in table.lines if stop > begins]
    return max((stop for stop in ends if stop - begins <= MAX_ROWS_CHARS), default=ends[0])


def _first_piece(text: str, max_chars: int) -> int:
    """Return where the first passage of a text ends."""
    beginning = Document(DocumentId(""), text[: 2 * max_chars])
    return chunk(beginning, max_chars=max_chars)[0].stop
