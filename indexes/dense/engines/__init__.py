"""Vector engines, one module each, and the registry of their names."""

from __future__ import annotations

from indexes.dense.base import VectorEngineFactory
from indexes.plugins import BuiltIn, Registry

VECTOR_ENGINES: Registry[VectorEngineFactory] = Registry(
    "vector engine",
    group="indexes.vector_engine",
    built_in={
        "faiss": BuiltIn("indexes.dense.engines.faiss.engine:FaissEngine"),
        "exact": BuiltIn("indexes.dense.engines.exact:ExactEngine"),
    },
)
