"""Extracts the visible text and headings of HTML; knows elements, no files."""

from __future__ import annotations

import re
import warnings

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PreformattedString
from bs4.exceptions import ParserRejectedMarkup

from indexes.loaders.outline import Heading

_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_INVISIBLE = frozenset(
    {"head", "title", "script", "style", "template", "noscript", "svg", "iframe", "object"}
)
_PARAGRAPHS = _HEADINGS | {
    "address", "article", "aside", "blockquote", "body", "details", "dl", "fieldset", "figure", "footer",
    "form", "header", "hr", "main", "nav", "ol", "p", "pre", "section", "table", "ul",
}  # fmt: skip
_LINES = frozenset(
    {"br", "caption", "dd", "div", "dt", "figcaption", "legend", "li", "option", "summary", "tr"}
)
_CELLS = frozenset({"td", "th"})
_SPACE = re.compile(r"[ \t\n\f\r]+")
_SPACES = " \t\n\f\r"
_BREAKS = ("", " ", "\t", "\n", "\n\n")
"""Breaks from weak to strong. If several meet, the strongest is written."""


def read_html(source: str) -> tuple[str, str, list[Heading]]:
    """Return the visible text, the title (`<title>`, else the first heading, else empty) and the headings.

    Block elements are on lines of their own, and paragraphs are separated by an empty line. `<pre>` keeps its
    white space.
    Raises: `ValueError` if the parser rejects the markup.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bs4 warns of input that looks like a path or XML
        try:
            soup = BeautifulSoup(source, "html.parser")
        except (ParserRejectedMarkup, AssertionError) as exc:
            raise ValueError(f"malformed HTML ({exc})") from exc
    writer = _Writer()
    _walk(soup, writer)
    text = writer.text()
    named = soup.title.get_text() if soup.title else ""
    title = " ".join(named.split()) or next((h.title for h in writer.headings if h.title), "")
    return text, title, writer.headings


def _walk(soup: BeautifulSoup, writer: _Writer) -> None:
    # An explicit stack, because real pages nest more deeply than Python recurses. Each tag is visited twice,
    # the second time to close it.
    pending: list[tuple[Tag | NavigableString, bool]] = [(soup, False)]
    while pending:
        node, closing = pending.pop()
        if not isinstance(node, Tag):
            if not isinstance(node, PreformattedString):  # comments, doctypes, processing instructions
                writer.words(str(node))
        elif closing:
            writer.close(node)
        elif node.name not in _INVISIBLE and not node.has_attr("hidden"):
            writer.open(node)
            pending.append((node, True))
            pending.extend(
                (child, False)
                for child in reversed(node.contents)
                if isinstance(child, (Tag, NavigableString))
            )


class _Writer:
    """Builds the text. A break is written only when words follow, so that there is none at either end."""

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self._parts: list[str] = []
        self._length = 0
        self._break = ""
        self._pre = 0
        self._open_heading: tuple[int, int, int] | None = None

    def text(self) -> str:
        return "".join(self._parts)

    def open(self, tag: Tag) -> None:
        self._boundary(tag.name)
        if tag.name == "pre":
            self._pre += 1
        if tag.name in _HEADINGS and self._open_heading is None:
            self._open_heading = (self._length, len(self._parts), tag.sourceline or 1)

    def close(self, tag: Tag) -> None:
        if tag.name == "pre":
            self._pre -= 1
        if tag.name in _HEADINGS and self._open_heading is not None:
            start, part, line = self._open_heading
            self._open_heading = None
            words = "".join(self._parts[part:])
            if words.strip():
                start += len(words) - len(words.lstrip())
                self.headings.append(Heading(start, " ".join(words.split()), line))
        self._boundary(tag.name)

    def words(self, text: str) -> None:
        if self._pre:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            if text:
                self._write(text)
            return
        collapsed = _SPACE.sub(" ", text)
        if collapsed[:1] == " ":
            self._break = self._break or " "
        if inner := collapsed.strip(_SPACES):
            self._write(inner)
            self._break = " " if collapsed[-1] == " " else ""

    def _write(self, text: str) -> None:
        if self._break and self._parts:
            self._add(self._break)
        self._break = ""
        self._add(text)

    def _add(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def _boundary(self, name: str) -> None:
        wanted = "\n\n" if name in _PARAGRAPHS else "\n" if name in _LINES else "\t" if name in _CELLS else ""
        self._break = max(self._break, wanted, key=_BREAKS.index)
