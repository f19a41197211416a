"""Search engines over analysed terms, one file each, and the registry of their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from indexes.errors import UnknownName
from indexes.lexical.base import LexicalEngine


def _tantivy(directory: Path) -> LexicalEngine:
    from indexes.lexical.tantivy import TantivyEngine  # noqa: PLC0415  # loaded only where it is used

    return TantivyEngine(directory)


def _rank_bm25(directory: Path) -> LexicalEngine:
    from indexes.lexical.rank_bm25 import RankBM25Engine  # noqa: PLC0415  # loaded only where it is used

    return RankBM25Engine(directory)


LEXICAL_ENGINES: dict[str, Callable[[Path], LexicalEngine]] = {"tantivy": _tantivy, "rank-bm25": _rank_bm25}
"""Name to engine over the files in a directory."""


def lexical_engine(name: str) -> Callable[[Path], LexicalEngine]:
    """The engine of this name. Raises: `UnknownName`."""
    if name not in LEXICAL_ENGINES:
        raise UnknownName("lexical engine", name, LEXICAL_ENGINES)
    return LEXICAL_ENGINES[name]
