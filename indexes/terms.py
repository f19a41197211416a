"""The terms of passages that were analysed lately: both legs ask for the same ones, one after the other."""

from __future__ import annotations

from functools import lru_cache

from indexes.analysis import analyse

KEPT = 20_000


@lru_cache(KEPT)
def terms(text: str) -> tuple[str, ...]:
    """As `analyse`, remembered for the `KEPT` latest texts."""
    return tuple(analyse(text))


def forget() -> None:
    """Give the memory back, once a write is over."""
    terms.cache_clear()
