"""Lexical engines, one module each, the registry of their names, and a retriever for any of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from indexes.lexical.base import LexicalEngine
from indexes.plugins import BuiltIn, Registry

LEXICAL_ENGINES: Registry[Callable[[Path], LexicalEngine]] = Registry(
    "lexical engine",
    group="indexes.lexical_engine",
    built_in={
        "tantivy": BuiltIn("indexes.lexical.tantivy:TantivyEngine"),
        "rank-bm25": BuiltIn("indexes.lexical.rank_bm25:RankBM25Engine"),
    },
)
"""Maps a name to a class or function that opens the engine in a directory."""
