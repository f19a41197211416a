"""Parses PPTX slide by slide with python-pptx; knows shapes, tables and notes, no files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pptx
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.group import GroupShape

from indexes.loaders.archive import check_archive
from indexes.loaders.assembly import Assembly, Parsed

if TYPE_CHECKING:
    from pptx.shapes.base import BaseShape
    from pptx.slide import Slide


def read(data: bytes) -> Parsed:
    """Parse every slide with its notes into one section, whose `page` is the slide's number.

    Raises: `Unreadable` with the reason.
    """
    check_archive(data)
    presentation = pptx.Presentation(io.BytesIO(data))
    assembly = Assembly()
    first = ""
    for number, slide in enumerate(presentation.slides, start=1):
        title = _title(slide)
        first = first or title
        parts = [text for shape in _shapes(slide.shapes) for text in _texts(shape) if text.strip()]
        if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) and frame.text.strip():
            parts.append(f"Notes: {frame.text}")
        assembly.add("\n".join(parts), title=title, page=number)
    properties = presentation.core_properties
    return assembly.parsed(title=first or properties.title, metadata={"author": properties.author})


def _title(slide: Slide) -> str:
    shape = slide.shapes.title
    return " ".join(shape.text_frame.text.split()) if shape is not None else ""


def _shapes(shapes: Iterable[BaseShape]) -> Iterator[BaseShape]:
    """Yield every shape in order; a group is replaced by its members."""
    pending = list(reversed(list(shapes)))
    while pending:
        shape = pending.pop()
        if isinstance(shape, GroupShape):
            pending.extend(reversed(list(shape.shapes)))
        else:
            yield shape


def _texts(shape: BaseShape) -> Iterator[str]:
    if shape.has_text_frame:
        yield shape.text_frame.text  # type: ignore[attr-defined]  # has_text_frame guarantees it
    elif isinstance(shape, GraphicFrame) and shape.has_table:
        for row in shape.table.rows:
            yield "\t".join(" ".join(cell.text_frame.text.split()) for cell in row.cells).rstrip()
