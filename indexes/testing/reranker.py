"""The contract of a reranker, as a test class to inherit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from indexes.rerank.base import Reranker

QUERY = "when does the lease end"
TEXTS = [
    "The lease ends in May.",
    "Interest rates rose, so the central bank sold bonds.",
    "A lease may be ended by either side.",
    "",
    "Half a pair of surrogates \udc80 and a long tail " + "of words " * 2_000,
]


class RerankerContract:
    """Tests that every `indexes.rerank.base.Reranker` must pass.

        class TestMine(RerankerContract):
            @pytest.fixture
            def reranker(self):
                return MyReranker("my-model")

    Tests may share `reranker`. The quality of its ranking is not tested here.
    """

    def test_each_text_has_a_score_between_0_and_1(self, reranker: Reranker) -> None:
        scores = reranker.scores(QUERY, TEXTS)
        assert scores.shape == (len(TEXTS),)
        assert scores.dtype == np.float32
        assert ((scores >= 0) & (scores <= 1)).all()

    def test_no_texts_give_no_scores(self, reranker: Reranker) -> None:
        scores = reranker.scores(QUERY, [])
        assert scores.shape == (0,)
        assert scores.dtype == np.float32

    def test_a_score_does_not_depend_on_the_texts_beside_it(self, reranker: Reranker) -> None:
        alone = [float(reranker.scores(QUERY, [text])[0]) for text in TEXTS]
        assert np.allclose(reranker.scores(QUERY, TEXTS), alone, atol=1e-4)
        assert np.allclose(reranker.scores(QUERY, TEXTS[::-1]), alone[::-1], atol=1e-4)

    def test_the_texts_do_not_all_have_the_same_score(self, reranker: Reranker) -> None:
        assert len(set(reranker.scores(QUERY, TEXTS).tolist())) > 1

    def test_scores_depend_on_the_query(self, reranker: Reranker) -> None:
        other = reranker.scores("who sold the bonds", TEXTS)
        assert not np.allclose(reranker.scores(QUERY, TEXTS), other, atol=1e-6)

    def test_many_threads_may_call_it_at_once(self, reranker: Reranker) -> None:
        expected = reranker.scores(QUERY, TEXTS)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: reranker.scores(QUERY, TEXTS), range(8)))
        assert all(np.allclose(scores, expected, atol=1e-4) for scores in found)

    def test_it_has_a_name(self, reranker: Reranker) -> None:
        assert reranker.name
