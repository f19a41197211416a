"""Parses PDF page by page with PDFium; knows pages and bookmarks, no files.

Each page is a section with its number and the title of its bookmark. Encrypted files can be read if they need
no password for reading.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pypdfium2
from pypdfium2.raw import FPDF_ERR_PASSWORD

from indexes.loaders.assembly import Assembly, Parsed, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

_HYPHEN = re.compile("[\x02\ufffe](?:\r\n?|\n)?")
"""PDFium's mark for the hyphen of a word that continues on the next line."""

_JUNK_TITLE = re.compile(r"^(?:untitled\b|microsoft |slide 1$|.*\.\w{2,4}$)", re.IGNORECASE)
"""Titles that programs write by default: their own name, or the file's."""

_MAX_BOOKMARKS = 20_000


def read(data: bytes) -> Parsed:
    """Parse the text of every page. Raises: `Unreadable` with the reason."""
    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as exc:
        if exc.err_code == FPDF_ERR_PASSWORD:
            raise Unreadable("it is encrypted; save it without a password") from exc
        raise Unreadable(f"it is damaged, or not a PDF ({exc})") from exc
    with pdf:
        return _pages(pdf)


def _pages(pdf: pypdfium2.PdfDocument) -> Parsed:
    titles = _titles(pdf)
    assembly = Assembly()
    n_unread = 0
    for number in range(1, len(pdf) + 1):
        try:
            text = _page(pdf, number)
        except pypdfium2.PdfiumError:
            n_unread += 1
            continue
        assembly.add(text, page=number, title=titles.get(number, ""))
    if n_unread == len(pdf):
        raise Unreadable("it is damaged: none of its pages can be read")
    if not assembly.sections:
        raise Unreadable(
            f"none of its {len(pdf)} pages holds text; if they are scanned, run OCR on them first"
        )
    stated = pdf.get_metadata_dict(skip_empty=True)
    title = stated.get("Title", "").strip()
    return assembly.parsed(
        title="" if _JUNK_TITLE.match(title) else title, metadata={"author": stated.get("Author", "").strip()}
    )


def _page(pdf: pypdfium2.PdfDocument, number: int) -> str:
    page = pdf[number - 1]
    try:
        text = page.get_textpage()
        try:
            return _HYPHEN.sub("", text.get_text_bounded(errors="replace"))
        finally:
            text.close()
    finally:
        page.close()


def _titles(pdf: pypdfium2.PdfDocument) -> dict[int, str]:
    """Return a title for each page: the first bookmark on it, else the last one before it."""
    first: dict[int, str] = {}
    last: dict[int, str] = {}
    for page, title in _bookmarks(pdf):
        first.setdefault(page, title)
        last[page] = title
    titles, current = {}, ""
    for number in range(1, len(pdf) + 1):
        titles[number] = first.get(number, current)
        current = last.get(number, current)
    return titles


def _bookmarks(pdf: pypdfium2.PdfDocument) -> Iterator[tuple[int, str]]:
    for count, bookmark in enumerate(pdf.get_toc()):
        if count == _MAX_BOOKMARKS:
            return
        target = bookmark.get_dest()
        index = target.get_index() if target else None
        if index is not None:
            yield index + 1, bookmark.get_title()
