"""The one rule for output: spells out characters that cannot be seen or that steer what shows them.

Text of documents and models may contain them by accident or to deceive: control characters change a terminal,
direction marks reorder what is read, and characters without width hide words from a reader that a program
still sees (Unicode Technical Report 36, "Unicode Security Considerations"). The page of a trace takes its
table from here, too.
"""

from __future__ import annotations

import re
from itertools import chain

RANGES = (
    (0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F),  # controls, but not tab and line feed
    (0xAD, 0xAD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180E, 0x180E),
    (0x200B, 0x200B), (0x200E, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164),
    (0xFE00, 0xFE0D), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF),
    (0xD800, 0xDFFF), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""Inclusive ranges: controls, line separators, lone surrogates, and what Unicode lets a font ignore."""
JOINERS = ((0x200C, 0x200D), (0xFE0E, 0xFE0F))
"""Persian, Indic scripts and emoji need these between or after their characters; nothing else does."""


def _class(*ranges: tuple[int, int]) -> str:
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


_JOINED = r"[^\x00-\xa0\u2000-\u206f\ufe00-\ufe0f]"
"""What a joiner may stand beside. A pattern looks one character back, so of several in a row one is kept."""
_UNSEEN = re.compile(
    f"[{_class(*RANGES)}]"
    f"|(?<!{_JOINED})(?<!{_JOINED}[\\ufe0e\\ufe0f])[\\u200c\\u200d]|[\\u200c\\u200d](?!{_JOINED})"
    f"|(?<!{_JOINED})(?<![#*0-9])[\\ufe0e\\ufe0f]"
)
_ANY = re.compile(f"[{_class(*chain(RANGES, JOINERS))}]")


def visible(text: str) -> str:
    r"""Return the text with each unseen character spelled as in Python source (`\u200b`)."""
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub(_spelled, text)


def visible_json(text: str) -> str:
    """Return a JSON document with each unseen character escaped; it means the same.

    Outside strings JSON has no such characters. Joiners are escaped wherever they stand, since nothing is
    lost by it.
    """
    return _ANY.sub(_escaped, text)


def _spelled(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - the basic plane


def _escaped(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
