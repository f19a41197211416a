"""What every embedder must do. Inherit, and give an `embedder` fixture that is ready to embed `TEXTS`."""

from __future__ import annotations

import numpy as np

TEXTS = [
    "The cat sat on the mat and looked at another cat.",
    "Dogs bark at cats, and cats run from dogs.",
    "Interest rates rose, so the central bank sold bonds.",
    "The bank bought bonds when rates of interest fell.",
    "Rain fell on the mountains; snow followed the rain.",
]


class EmbedderContract:
    def test_vectors_are_float32_of_the_stated_shape(self, embedder):
        vectors = embedder.embed_documents(TEXTS)
        assert vectors.shape == (len(TEXTS), embedder.dimension)
        assert vectors.dtype == np.float32

    def test_rows_have_length_one(self, embedder):
        assert np.allclose(np.linalg.norm(embedder.embed_documents(TEXTS), axis=1), 1, atol=1e-5)

    def test_an_empty_text_is_the_zero_row_among_others(self, embedder):
        vectors = embedder.embed_documents([TEXTS[0], "", " \n", TEXTS[1]])
        assert np.linalg.norm(vectors, axis=1).round(4).tolist() == [1, 0, 0, 1]

    def test_no_texts_are_no_rows(self, embedder):
        assert embedder.embed_documents([]).shape == (0, embedder.dimension)

    def test_the_same_text_gives_the_same_vector(self, embedder):
        assert np.array_equal(embedder.embed_documents(TEXTS), embedder.embed_documents(TEXTS))

    def test_the_neighbours_in_a_batch_do_not_matter(self, embedder):
        alone = embedder.embed_documents(TEXTS[:1])[0]
        assert np.allclose(embedder.embed_documents(TEXTS)[0], alone, atol=1e-5)

    def test_a_query_is_one_vector_of_length_one(self, embedder):
        vector = embedder.embed_query(TEXTS[0])
        assert vector.shape == (embedder.dimension,)
        assert vector.dtype == np.float32
        assert np.isclose(np.linalg.norm(vector), 1, atol=1e-5)

    def test_an_empty_query_is_zero(self, embedder):
        assert not embedder.embed_query("").any()

    def test_a_text_is_its_own_nearest_neighbour(self, embedder):
        vectors = embedder.embed_documents(TEXTS)
        assert [int((vectors @ embedder.embed_query(text)).argmax()) for text in TEXTS] == list(
            range(len(TEXTS))
        )

    def test_half_a_surrogate_pair_is_embedded(self, embedder):
        assert embedder.embed_documents([f"{TEXTS[0]} \udc80"]).any()

    def test_it_has_a_name(self, embedder):
        assert embedder.name
