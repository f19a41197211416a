"""Builds a document's text and sections block by block; knows offsets, no file format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from indexes.loaders.decoding import with_newlines
from indexes.types import Metadata, Scalar, Section

_UNSTORABLE = re.compile("[\ud800-\udfff]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff]+")


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed file: canonical text, its sections in order, and the file's own metadata.

    `title` is empty if the file has none.
    """

    text: str
    title: str = ""
    sections: tuple[Section, ...] = ()
    metadata: Metadata = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON types, for `from_json`."""
        sections = [[s.start, s.stop, s.title, s.page, s.line] for s in self.sections]
        return {"text": self.text, "title": self.title, "sections": sections, "metadata": dict(self.metadata)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Parsed:
        """Restore a parsed file from the result of `as_json`."""
        sections = tuple(Section(*fields) for fields in value["sections"])
        return cls(value["text"], value["title"], sections, value["metadata"])


class Unreadable(ValueError):
    """The file itself is at fault and cannot be read; the message completes "FILE: …"."""


class Assembly:
    """Builds a `Parsed`: each block becomes a section, with an empty line between blocks.

    Blocks without words are dropped, so that an empty page adds no text. Newlines become line feeds,
    control characters are removed and lone surrogates replaced, so that exactly the stored text can be cited.
    """

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self._parts: list[str] = []
        self._length = 0

    def add(
        self,
        text: str,
        *,
        title: str = "",
        page: int | None = None,
        line: int | None = None,
        gap: str = "\n\n",
    ) -> None:
        """Append a block after `gap`; `page` and `line` start at 1."""
        block = clean(text).strip("\n \t\f").removeprefix("\ufeff")
        if not block.strip():
            return
        if self._parts:
            self._append(gap)
        start = self._length
        self._append(block)
        self.sections.append(Section(start, self._length, " ".join(clean(title).split()), page, line))

    def add_parsed(self, parsed: Parsed, *, title: str) -> None:
        """Append a whole document; the titles of its sections are prefixed with `title`."""
        position = 0
        for section in parsed.sections:
            self.add(parsed.text[position : section.start], title=title)
            body = parsed.text[section.start : section.stop]
            within = f"{title}: {section.title}" if section.title else title
            self.add(body, title=within, page=section.page, line=section.line)
            position = section.stop
        self.add(parsed.text[position:], title=title)

    def parsed(self, *, title: str = "", metadata: Mapping[str, Scalar | list[str]] | None = None) -> Parsed:
        """Return the result, without metadata fields that have no value."""
        stated = {
            key: _cleaned(value) for key, value in (metadata or {}).items() if value not in ("", None, [])
        }
        return Parsed("".join(self._parts), " ".join(clean(title).split()), tuple(self.sections), stated)

    def _append(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)


def _cleaned(value: Scalar | list[str]) -> Scalar | list[str]:
    if isinstance(value, list):
        return [clean(item) for item in value]
    return clean(value) if isinstance(value, str) else value


def clean(text: str) -> str:
    """Remove control characters, replace lone surrogates, and turn every newline into a line feed."""
    return _CONTROLS.sub("", _UNSTORABLE.sub("\ufffd", with_newlines(text.replace("\v", "\n"))))
