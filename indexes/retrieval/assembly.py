"""Builds a collection's retrievers from names: the only place where its engines are looked up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from indexes.catalog.catalog import Catalog
from indexes.catalog.reader import CatalogReader
from indexes.dense.base import Embedder
from indexes.dense.engines import VECTOR_ENGINES
from indexes.errors import CollectionMismatch
from indexes.lexical import LEXICAL_ENGINES
from indexes.lexical.retriever import LexicalRetriever
from indexes.retrieval import analysis
from indexes.retrieval.retrievers import Retrievers

DEFAULT_EMBEDDER = "latent"
DEFAULT_LEXICAL = "tantivy"
DEFAULT_DENSE = "faiss"


def recorded_names(reader: CatalogReader) -> dict[str, str]:
    """Return the embedder and the engines that a collection was built with, by kind."""
    return {
        "embedder": reader.setting("embedder") or "",
        "lexical": reader.setting("lexical") or "",
        # Collections created before there was a choice have none recorded.
        "dense": reader.setting("dense") or DEFAULT_DENSE,
    }


def check_names(path: Path, built: Mapping[str, str], asked: Mapping[str, str | None]) -> None:
    """Check the requested names against those that the collection was built with; any will do if None.

    Raises: `CollectionMismatch` if one of them differs.
    """
    for kind, name in asked.items():
        if name not in {None, built[kind]}:
            raise CollectionMismatch(path, kind, built[kind], str(name))


def check_engines(lexical: str, dense: str) -> None:
    """Look the engines up. Raises: `UnknownName`, `MissingExtra`, `PlugInFailed`."""
    LEXICAL_ENGINES.get(lexical)
    VECTOR_ENGINES.get(dense)


def assemble(catalog: Catalog, embedder: Embedder, names: Mapping[str, str]) -> Retrievers:
    """Return the retrievers of a collection, with the engines of these names."""
    from indexes.dense.pretrained import dense_retriever  # noqa: PLC0415  # SciPy takes a while to import

    path = catalog.path.parent
    engine = LEXICAL_ENGINES.get(names["lexical"])(path / "lexical")
    dense = dense_retriever(path / "dense", embedder, catalog, VECTOR_ENGINES.get(names["dense"]))
    return Retrievers(catalog, LexicalRetriever(engine, analysis.analyse), dense)
