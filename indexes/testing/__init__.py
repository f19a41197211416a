"""Test kits for authors of plug-ins and sources: contract suites to inherit, and test doubles.

The suites need pytest and hypothesis: the extra `testing`.

    indexes.testing.source            SourceContract
    indexes.testing.lexical_engine    LexicalEngineContract
    indexes.testing.vector_engine     VectorEngineContract
    indexes.testing.embedder          EmbedderContract, FittedEmbedderContract
    indexes.testing.loader            LoaderContract
    indexes.testing.reranker          RerankerContract

The doubles need no extra: `WordEmbedder` and `WordReranker`, which compare words, and `only` and `open_to`,
which create scopes over given passages.
"""

from __future__ import annotations

import sys

from indexes.testing.doubles import WordEmbedder, WordReranker
from indexes.testing.scopes import only, open_to

__all__ = ["WordEmbedder", "WordReranker", "only", "open_to"]

if "pytest" in sys.modules:
    import pytest

    # Must run before the suites are imported, so that a failed assertion in them shows its values.
    pytest.register_assert_rewrite(
        *(
            f"{__name__}.{suite}"
            for suite in ("source", "lexical_engine", "vector_engine", "embedder", "loader", "reranker")
        )
    )
