"""Test kits for whoever adds a part: contract suites to inherit, and doubles to test one's own code with.

The suites need pytest and hypothesis: the extra `testing`.

    indexes.testing.source            SourceContract
    indexes.testing.lexical_engine    LexicalEngineContract
    indexes.testing.vector_engine     VectorEngineContract
    indexes.testing.embedder          EmbedderContract, FittedEmbedderContract
    indexes.testing.loader            LoaderContract
    indexes.testing.reranker          RerankerContract

The doubles need nothing: `WordEmbedder` and `WordReranker`, which know no language, and `only`, a scope of
some passage keys.
"""

from __future__ import annotations

import sys

from indexes.testing.doubles import WordEmbedder, WordReranker
from indexes.testing.scopes import only, open_to

__all__ = ["WordEmbedder", "WordReranker", "only", "open_to"]

if "pytest" in sys.modules:
    import pytest

    # Before the suites are imported, so that a failed assertion in them shows its values.
    pytest.register_assert_rewrite(
        *(
            f"{__name__}.{suite}"
            for suite in ("source", "lexical_engine", "vector_engine", "embedder", "loader", "reranker")
        )
    )
