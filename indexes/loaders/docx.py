"""Parses DOCX with python-docx; knows paragraphs, headings, tables and notes, no files.

Extracts the visible text of the body, including tables, text boxes, content controls and insertions not yet
accepted, but not deletions, field codes, headers and footers. Footnotes and endnotes follow at the end.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import docx
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml

from indexes.loaders.archive import check_archive
from indexes.loaders.assembly import Assembly, Parsed

if TYPE_CHECKING:
    from docx.document import Document as DocxDocument
    from lxml.etree import _Element as Element

_PARAGRAPH, _TABLE, _ROW, _CELL = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc")
_TEXT, _STYLE, _LEVEL, _VALUE = qn("w:t"), qn("w:pStyle"), qn("w:outlineLvl"), qn("w:val")
_CHARACTERS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_INVISIBLE = {
    qn("w:del"), qn("w:moveFrom"), qn("w:pPr"), qn("w:rPr"), qn("w:sdtPr"), qn("w:tblPr"), qn("w:trPr"),
    qn("w:tcPr"), "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",
}  # fmt: skip
_NOTES = ("footnotes", "endnotes")
_BODY_LEVEL = 9


def read(data: bytes) -> Parsed:
    """Parse a file into text with a section for each heading. Raises: `Unreadable` with the reason."""
    check_archive(data)
    document = docx.Document(io.BytesIO(data))
    headings = _heading_styles(document)
    assembly = Assembly()
    heading = title = ""
    block: list[str] = []
    for element in _blocks(document.element.body):
        text = _line(element)
        if element.tag == _PARAGRAPH and text.strip() and _is_heading(element, headings):
            assembly.add("\n".join(block), title=heading)
            block, heading = [], text
            title = title or text
        block.append(text)
    assembly.add("\n".join(block), title=heading)
    for kind, notes in _notes(document):
        assembly.add(notes, title=kind)
    properties = document.core_properties
    return assembly.parsed(title=title or properties.title, metadata={"author": properties.author})


def _blocks(body: Element) -> Iterator[Element]:
    """Yield the outermost paragraphs and table rows, in order."""
    # An explicit stack, because a file may nest more deeply than Python recurses.
    pending = list(reversed(body))
    while pending:
        element = pending.pop()
        if element.tag in {_PARAGRAPH, _ROW}:
            yield element
        elif element.tag not in _INVISIBLE:
            pending.extend(reversed(element))


def _line(element: Element) -> str:
    """Return the visible text of a paragraph, or of a table row with tabs between its cells."""
    parts: list[str] = []
    n_cells = 0
    pending = [element]
    while pending:
        node = pending.pop()
        if node.tag in _INVISIBLE or not isinstance(node.tag, str):
            continue
        if node.tag == _TEXT:
            parts.append(node.text or "")
        elif node.tag in _CHARACTERS:
            parts.append(_CHARACTERS[node.tag])
        elif node.tag == _CELL:
            parts.append("\t" if n_cells else "")
            n_cells += 1
        elif (
            node.tag in {_PARAGRAPH, _ROW}
            and node is not element
            and parts
            and parts[-1] not in {"\t", "\n", ""}
        ):
            # A paragraph in a cell or a text box.
            parts.append(" " if n_cells else "\n")
        pending.extend(reversed(node))
    return "".join(parts).rstrip()


def _heading_styles(document: DocxDocument) -> set[str]:
    """Return the ids of the styles that make a paragraph a heading, whatever the document's language."""
    found: set[str] = set()
    for style in document.styles.element.findall(qn("w:style")):
        name = style.find(qn("w:name"))
        called = (name.get(_VALUE) or "").lower() if name is not None else ""
        if called.startswith("heading ") or called == "title" or _has_level(style):
            found.add(style.get(qn("w:styleId")) or "")
    return found


def _is_heading(paragraph: Element, headings: set[str]) -> bool:
    properties = paragraph.find(qn("w:pPr"))
    if properties is None:
        return False
    style = properties.find(_STYLE)
    return (style is not None and style.get(_VALUE) in headings) or _has_level(paragraph)


def _has_level(element: Element) -> bool:
    level = element.find(f"{qn('w:pPr')}/{_LEVEL}")
    return (
        level is not None and (level.get(_VALUE) or "").isdecimal() and int(level.get(_VALUE)) < _BODY_LEVEL
    )


def _notes(document: DocxDocument) -> Iterator[tuple[str, str]]:
    for relation in document.part.rels.values():
        kind = relation.reltype.rpartition("/")[2]
        if kind in _NOTES and not relation.is_external:
            notes = parse_xml(relation.target_part.blob)
            yield kind.capitalize(), "\n".join(_line(element) for element in _blocks(notes))
