"""The contract of an embedder, as test classes to inherit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from indexes.dense.base import Embedder, FittedEmbedder
from indexes.errors import EmbedderFailed

TEXTS = [
    "The cat sat on the mat and looked at another cat.",
    "Dogs bark at cats, and cats run from dogs.",
    "Interest rates rose, so the central bank sold bonds.",
    "The bank bought bonds when rates of interest fell.",
    "Rain fell on the mountains; snow followed the rain.",
]


class EmbedderContract:
    """Tests that every `indexes.dense.base.Embedder` must pass.

        class TestMine(EmbedderContract):
            @pytest.fixture
            def embedder(self):
                return MyEmbedder("my-model")

    `embedder` must be ready to embed `TEXTS`; a fitted one must have been fitted to them. Tests may share it.
    """

    def test_vectors_are_float32_of_the_stated_shape(self, embedder: Embedder) -> None:
        vectors = embedder.embed_documents(TEXTS)
        assert vectors.shape == (len(TEXTS), embedder.dimension)
        assert vectors.dtype == np.float32

    def test_rows_have_length_one(self, embedder: Embedder) -> None:
        assert np.allclose(np.linalg.norm(embedder.embed_documents(TEXTS), axis=1), 1, atol=1e-5)

    def test_an_empty_text_is_a_zero_row_among_others(self, embedder: Embedder) -> None:
        vectors = embedder.embed_documents([TEXTS[0], "", " \n", TEXTS[1]])
        assert np.linalg.norm(vectors, axis=1).round(4).tolist() == [1, 0, 0, 1]

    def test_no_texts_give_no_rows(self, embedder: Embedder) -> None:
        assert embedder.embed_documents([]).shape == (0, embedder.dimension)

    def test_the_same_text_gives_the_same_vector(self, embedder: Embedder) -> None:
        assert np.array_equal(embedder.embed_documents(TEXTS), embedder.embed_documents(TEXTS))

    def test_a_vector_does_not_depend_on_the_rest_of_its_batch(self, embedder: Embedder) -> None:
        alone = embedder.embed_documents(TEXTS[:1])[0]
        assert np.allclose(embedder.embed_documents(TEXTS)[0], alone, atol=1e-5)

    def test_a_query_is_one_vector_of_length_one(self, embedder: Embedder) -> None:
        vector = embedder.embed_query(TEXTS[0])
        assert vector.shape == (embedder.dimension,)
        assert vector.dtype == np.float32
        assert np.isclose(np.linalg.norm(vector), 1, atol=1e-5)

    def test_an_empty_query_is_zero(self, embedder: Embedder) -> None:
        assert not embedder.embed_query("").any()

    def test_a_text_is_its_own_nearest_neighbour(self, embedder: Embedder) -> None:
        vectors = embedder.embed_documents(TEXTS)
        assert [int((vectors @ embedder.embed_query(text)).argmax()) for text in TEXTS] == list(
            range(len(TEXTS))
        )

    def test_a_text_with_a_lone_surrogate_is_embedded(self, embedder: Embedder) -> None:
        assert embedder.embed_documents([f"{TEXTS[0]} \udc80"]).any()

    def test_it_has_a_name(self, embedder: Embedder) -> None:
        assert embedder.name


class FittedEmbedderContract(EmbedderContract):
    """Tests that every `indexes.dense.base.FittedEmbedder` must also pass.

        class TestMine(FittedEmbedderContract):
            @pytest.fixture
            def make(self):
                return MyFittedEmbedder

    `make` returns an embedder that has not been fitted yet.
    """

    @pytest.fixture
    def embedder(self, make: Callable[[], FittedEmbedder]) -> FittedEmbedder:
        """An embedder fitted to `TEXTS`."""
        embedder = make()
        embedder.fit(TEXTS)
        return embedder

    def test_it_says_whether_it_is_fitted(self, make: Callable[[], FittedEmbedder]) -> None:
        embedder = make()
        assert not embedder.fitted
        embedder.fit(TEXTS)
        assert embedder.fitted

    def test_it_is_recognised_as_a_fitted_embedder(self, embedder: FittedEmbedder) -> None:
        assert isinstance(embedder, FittedEmbedder)

    def test_two_fits_of_the_same_texts_are_exactly_equal(
        self, embedder: FittedEmbedder, make: Callable[[], FittedEmbedder]
    ) -> None:
        other = make()
        other.fit(TEXTS)
        assert np.array_equal(embedder.embed_documents(TEXTS), other.embed_documents(TEXTS))

    def test_what_was_saved_is_loaded(
        self, embedder: FittedEmbedder, make: Callable[[], FittedEmbedder], tmp_path: Path
    ) -> None:
        embedder.save(tmp_path / "space.npz")
        other = make()
        other.load(tmp_path / "space.npz")
        assert np.array_equal(embedder.embed_documents(TEXTS), other.embed_documents(TEXTS))

    def test_a_truncated_file_is_refused(
        self, embedder: FittedEmbedder, make: Callable[[], FittedEmbedder], tmp_path: Path
    ) -> None:
        path = tmp_path / "space.npz"
        embedder.save(path)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(EmbedderFailed):
            make().load(path)
