"""A fusion weight from labelled queries: metrics with the sum visible, folds, and what a collection keeps."""

from __future__ import annotations

import math

import pytest

from indexes import Collection, Document
from indexes.errors import BadFile, BadQuery, NothingToIndex, SourceNotFound, UnknownName
from indexes.evaluation.labelled_queries import (
    LabelledQuery,
    ndcg_at,
    p_value,
    read_labelled_queries,
    recall_at,
)
from indexes.evaluation.tuning import cross_validated, tune


def test_recall_is_the_share_of_relevant_documents_found():
    assert recall_at(["a", "x", "b"], {"a": 1, "b": 1, "c": 2}, 2) == 1 / 3


def test_ndcg_discounts_by_rank_and_divides_by_the_best():
    gained = 2 / math.log2(2) + 1 / math.log2(4)
    best = 2 / math.log2(2) + 1 / math.log2(3)
    assert ndcg_at(["a", "x", "b"], {"a": 2, "b": 1}, 10) == pytest.approx(gained / best)


def test_equal_rankings_differ_by_chance_alone():
    assert p_value([0.5, 0.7], [0.5, 0.7]) == 1.0


def test_ten_equal_gains_happen_twice_in_1024_flips():
    assert p_value([1.0] * 10, [0.0] * 10) == pytest.approx(2 / 1024, abs=0.002)


@pytest.fixture
def files(tmp_path):
    queries, qrels = tmp_path / "q.jsonl", tmp_path / "q.tsv"
    queries.write_text('{"_id": "1", "text": "one"}\n{"_id": "2", "text": "two"}\n')
    qrels.write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n1\tb\t0\n")
    return queries, qrels


def test_queries_without_a_relevant_document_are_left_out(files):
    assert read_labelled_queries(*files) == [LabelledQuery("1", "one", {"a": 1})]


def test_a_malformed_judgement_is_told_with_its_line(files):
    files[1].write_text("1\ta\t1\n2\tb\n")
    with pytest.raises(BadFile, match=r"q\.tsv, line 2: a line must be query id"):
        read_labelled_queries(*files)


def test_a_malformed_query_is_told_with_its_line(files):
    files[0].write_text('{"_id": "1"}\n')
    with pytest.raises(BadFile, match=r"q\.jsonl, line 1: a line must be"):
        read_labelled_queries(*files)


def test_a_missing_file_and_a_file_without_judged_queries_are_told(files, tmp_path):
    with pytest.raises(SourceNotFound):
        read_labelled_queries(tmp_path / "none", files[1])
    files[1].write_text("9\ta\t1\n")
    with pytest.raises(NothingToIndex, match="none of its queries"):
        read_labelled_queries(*files)


def test_a_weight_that_is_best_on_every_fold_is_held_out_at_its_own_value():
    tuned = cross_validated({None: [0.2] * 10, 0.5: [0.9] * 10, 1.0: [0.1] * 10})
    assert (tuned.weight, tuned.held_out, tuned.before) == (0.5, pytest.approx(0.9), pytest.approx(0.2))
    assert tuned.significant


def test_a_weight_that_wins_on_one_query_only_gains_nothing_held_out():
    # Query 0 alone prefers .5: fitted without its fold, the collection's own way stays.
    tuned = cross_validated({None: [0.0, *[0.5] * 9], 0.5: [1.0, *[0.49] * 9]})
    assert tuned.held_out <= tuned.before
    assert not tuned.significant


def test_of_equal_weights_the_collection_keeps_its_own_way():
    assert cross_validated({None: [0.5] * 10, 0.3: [0.5] * 10}).weight is None


@pytest.fixture
def kb(tmp_path):
    words = [f"w{i} common{i % 3} shared{i % 5}" for i in range(30)]
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert(Document(f"d{i}", text) for i, text in enumerate(words))
        yield kb


def test_a_tuned_weight_is_kept_over_opening_again(kb):
    judged = [LabelledQuery(str(i), f"w{i} common{i % 3}", {f"d{i}": 1}) for i in range(12)]
    tuned = tune(kb, judged, measure="ndcg", k=10)
    kb.keep_weight(0.4)
    assert kb._searcher.plan("w1")[1] == {"lexical": 1.0, "dense": 0.4}
    with Collection.open(kb.path) as again:
        assert again._searcher.plan("w1")[1] == {"lexical": 1.0, "dense": 0.4}
        again.keep_weight(None)
        assert again._searcher.plan("w1")[1] != {"lexical": 1.0, "dense": 0.4}
    assert tuned.n_queries == 12


def test_too_few_queries_and_unknown_measures_are_refused(kb):
    with pytest.raises(BadQuery, match="9 labelled queries are too few"):
        tune(kb, [LabelledQuery(str(i), "w1", {"d1": 1}) for i in range(9)])
    with pytest.raises(UnknownName, match=r"Known: ndcg, recall"):
        tune(kb, [], measure="map")
