"""A reranker behind a collection's search: what it scores, what it leaves as it was, what it never sees."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from indexes import Access, Collection, Document, RawDocuments
from indexes.errors import BadQuery, MissingExtra, RerankerFailed
from indexes.rerank import Reranked, reranker
from indexes.testing import WordReranker
from indexes.testing.reranker import RerankerContract


class Wanted:
    """Scores a text by its first word: `best` 0.9, `good` 0.5, any other 0.1."""

    name = "wanted"

    def __init__(self):
        self.seen = []

    def scores(self, query, texts):
        self.seen.append((query, list(texts)))
        return np.array([{"best": 0.9, "good": 0.5}.get(t.split()[0], 0.1) for t in texts], np.float32)


EVERYONE = frozenset({"public"})
DOCUMENTS = [
    Document("a", "plain cats cats cats cats", readers=EVERYONE),
    Document("b", "good cats and cats and more words", readers=EVERYONE),
    Document("c", "best cats among so many other words that have to do with dogs", readers=EVERYONE),
    Document("d", "secret cats cats cats cats cats"),
]


@pytest.fixture(params=["collection", "raw"])
def source(request, tmp_path):
    if request.param == "raw":
        yield RawDocuments(DOCUMENTS)
        return
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert(DOCUMENTS)
        yield kb


def ids(hits):
    return [hit.document.id for hit in hits]


def test_the_reranker_decides_the_order(source):
    assert ids(Reranked(source, Wanted()).as_owner().search("cats", 3))[:2] == ["c", "b"]


def test_a_hit_keeps_its_legs_and_gains_the_rerankers(source):
    before = {hit.document.id: hit for hit in source.as_owner().search("cats")}
    for hit in Reranked(source, Wanted()).as_owner().search("cats", 2):
        retrievers = dict(before[hit.document.id].passages[0].retrievers)
        gained = hit.retrievers["rerank"]
        assert hit.retrievers == {**retrievers, "rerank": gained}
        assert (gained.rank, gained.score) == (hit.rank, hit.score)
        assert hit.passages[0].retrievers == hit.retrievers


def test_only_so_many_passages_as_the_depth_are_scored_and_the_rest_follows_in_its_order(source):
    wanted = Wanted()
    before = ids(source.as_owner().search("cats"))
    hits = Reranked(source, wanted, depth=2).as_owner().search("cats")
    [(query, texts)] = wanted.seen
    assert (query, len(texts)) == ("cats", 2)
    assert ids(hits)[2:] == before[2:]
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert ["rerank" in hit.retrievers for hit in hits] == [True, True, False, False]


def test_a_document_beyond_k_is_found_by_a_deeper_look(source):
    assert ids(Reranked(source, Wanted()).as_owner().search("cats", 1)) == ["c"]


def test_the_reranker_never_sees_what_the_asker_may_not_read(source):
    wanted = Wanted()
    found = Reranked(source, wanted).for_asker(Access.of("alice")).search("cats")
    assert sorted(ids(found)) == ["a", "b", "c"]
    assert not any("secret" in text for _, texts in wanted.seen for text in texts)


def test_the_title_is_read_with_the_passage(tmp_path):
    wanted = Wanted()
    Reranked(RawDocuments([Document("a", "cats", title="On pets")]), wanted).as_owner().search("cats")
    assert wanted.seen == [("cats", ["On pets\ncats"])]


def test_ties_break_by_id(tmp_path):
    documents = [Document(name, "same words") for name in "cab"]
    assert ids(Reranked(RawDocuments(documents), Wanted()).as_owner().search("words")) == ["a", "b", "c"]


def test_nothing_found_asks_no_reranker(tmp_path):
    wanted = Wanted()
    with Collection.create(tmp_path / "kb") as kb:
        assert Reranked(kb, wanted).as_owner().search("cats") == []
    assert wanted.seen == []


def test_all_else_is_passed_through(source):
    alice = Access.of("alice")
    reranked = Reranked(source, Wanted())
    assert (len(reranked), reranked.for_asker(alice).count()) == (4, 3)
    assert reranked.for_asker(alice).ids() == ["a", "b", "c"]
    assert reranked.for_asker(alice).document("d") is None
    assert reranked.for_asker(alice).document("a").text == DOCUMENTS[0].text
    assert reranked.for_asker(alice).info("a").n_chars == len(DOCUMENTS[0].text)
    assert reranked.for_asker(alice).read("a", 0, 5) == "plain"


def test_an_empty_query_is_refused_as_before(tmp_path):
    with Collection.create(tmp_path / "kb") as kb, pytest.raises(BadQuery):
        Reranked(kb, Wanted()).as_owner().search(" ")


def test_a_depth_of_nothing_is_refused():
    with pytest.raises(ValueError, match="reranks nothing"):
        Reranked(RawDocuments([]), Wanted(), depth=0)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"The reranker 'm' needs .*funnel-rlm\[transformers\]"):
        reranker("m")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A cross-encoder of a few kilobytes with random weights: it runs as any other does."""
    return made(tmp_path_factory.mktemp("model"), labels=1)


@pytest.fixture(scope="session")
def cross_encoder(tiny_model):
    return reranker(str(tiny_model))


def made(path, *, labels):
    import torch  # noqa: PLC0415  # seconds to import
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: PLC0415
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast  # noqa: PLC0415

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = {
        word: i
        for i, word in enumerate([*special, *["cats", "dogs", "best", "good", "plain", "and", "more"]])
    }
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]", model_max_length=64,
    ).save_pretrained(path)  # fmt: skip
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, num_labels=labels, initializer_range=1.0,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(path)
    return path


class TestWordReranker(RerankerContract):
    @pytest.fixture
    def reranker(self):
        return WordReranker()


@pytest.mark.skipif(find_spec("sentence_transformers") is None, reason="the extra `transformers` is missing")
class TestCrossEncoder(RerankerContract):
    @pytest.fixture
    def reranker(self, cross_encoder):
        return cross_encoder

    def test_each_text_has_a_score_between_0_and_1_whatever_stands_beside_it(self, tiny_model):
        model = reranker(str(tiny_model))
        texts = ["best cats", "plain dogs and more dogs", "\ud800 lone surrogate", ""]
        together = model.scores("cats", texts)
        assert together.dtype == np.float32
        assert ((together > 0) & (together < 1)).all()
        alone = np.concatenate([model.scores("cats", [text]) for text in texts])
        assert np.allclose(together, alone, atol=1e-5)
        assert len(set(together.tolist())) > 1

    def test_the_query_is_read_with_the_text(self, tiny_model):
        model = reranker(str(tiny_model))
        assert model.scores("cats", ["best cats"]) != model.scores("dogs", ["best cats"])

    def test_no_text_loads_no_model(self):
        assert len(reranker("no such model").scores("cats", [])) == 0

    def test_a_search_runs_through_it(self, tiny_model, source):
        hits = Reranked(source, reranker(str(tiny_model))).as_owner().search("cats", 3)
        assert [hit.retrievers["rerank"].rank for hit in hits] == [1, 2, 3]

    def test_what_is_no_cross_encoder_is_refused_in_one_line(self, tmp_path):
        with pytest.raises(RerankerFailed, match="no cross-encoder to load") as caught:
            reranker(str(tmp_path)).scores("cats", ["cats"])
        assert "\n" not in str(caught.value)

    def test_a_classifier_of_several_labels_is_refused(self, tmp_path):
        with pytest.raises(RerankerFailed, match="gives 3 outputs per pair"):
            reranker(str(made(tmp_path, labels=3))).scores("cats", ["cats"])
