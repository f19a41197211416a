"""Formats counts of things, such as `3 files`; knows regular English nouns."""

from __future__ import annotations


def plural(number: int, noun: str) -> str:
    """Return the noun, with an s unless the number is one."""
    return noun if number == 1 else f"{noun}s"


def counted(number: int, noun: str) -> str:
    """Return the number and the noun that fits it: `1 file`, `12,345 files`."""
    return f"{number:,} {plural(number, noun)}"
