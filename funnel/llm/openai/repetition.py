"""Notices that a reply has begun to say the same thing over and over; knows no model and does no I/O."""

from __future__ import annotations

CHECK_CHARS = 256
"""How much more of a reply must have come before it is looked at again."""
WINDOW = 13_000
_PROBE = 32
_PLACES = 8
_TIMES = 8
_WORDS = 4
_DATA = frozenset('"{}[]<>|\\\t=')
_LIST = frozenset(",:;()")
BLANK_CHARS, PROSE_CHARS, PLAIN_CHARS, STRUCTURED_CHARS = 1_500, 2_400, 6_000, 12_000
"""How much of the same is too much: white space or one sign, a sentence, short words, data.

A list of a thousand equal labels is an honest answer, a sentence said fifty times is not.
"""


class Repetition:
    """Watches one text as it grows."""

    def __init__(self) -> None:
        self._recent = ""
        self._new: list[str] = []
        self._new_chars = 0

    def add(self, words: str) -> str:
        """Return what the text says over and over by now, else ""."""
        self._new.append(words)
        self._new_chars += len(words)
        if self._new_chars < CHECK_CHARS:
            return ""
        self._recent = (self._recent + "".join(self._new))[-WINDOW:]
        self._new, self._new_chars = [], 0
        return repeated(self._recent)


def repeated(text: str) -> str:
    """Return the unit that the text ends with over and over, else ""."""
    if len(text) < BLANK_CHARS:
        return ""
    probe, end = text[-_PROBE:], len(text) - 1
    for _ in range(_PLACES):
        at = text.rfind(probe, 0, end)
        if at < 0:
            return ""
        period = len(text) - _PROBE - at
        unit = text[-period:]
        needed = max(_too_much(unit), _TIMES * period)
        if len(text) >= needed and text[-needed:-period] == text[-needed + period :]:
            return unit
        end = at + _PROBE - 1
    return ""


def _too_much(unit: str) -> int:
    """Return how many characters of such a unit are more than anyone means to say."""
    if not unit.strip() or (len(set(unit)) == 1 and not unit[0].isalnum()):
        return BLANK_CHARS
    if not _DATA.isdisjoint(unit):
        return STRUCTURED_CHARS
    if len(unit.split()) >= _WORDS:
        return PROSE_CHARS
    return PLAIN_CHARS if _LIST.isdisjoint(unit) else STRUCTURED_CHARS
