"""A pretrained model behind a collection that answers: nothing is paid for twice, nothing waits for it."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing

import numpy as np
import pytest

from indexes import Collection, Document
from indexes.dense.backlog import BATCH
from indexes.dense.pretrained import AT_ONCE
from indexes.errors import AlreadyEmbedding, EmbedderFailed
from indexes.retrieval import fusion

MANY = 2 * BATCH + 44


class Letters:
    """A pretrained embedder that remembers what it embeds: a text is the counts of some letters."""

    name = "letters"

    def __init__(self, letters="abcdefghijklmnopqrstuvwxyz0123456789"):
        self.letters = letters
        self.batches = []
        self.queries = []
        self.before = lambda _batch: None

    @property
    def dimension(self):
        return len(self.letters)

    @property
    def embedded(self):
        return [text for batch in self.batches for text in batch]

    def embed_documents(self, texts):
        self.before(len(self.batches) + 1)
        self.batches.append(list(texts))
        return self.vectors(texts)

    def embed_query(self, text):
        self.queries.append(text)
        return self.vectors([text])[0]

    def vectors(self, texts):
        counts = np.array([[text.count(c) for c in self.letters] for text in texts], np.float32)
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


def documents(n, start=0):
    return [Document(f"d{i:04}", f"text number n{i} of cats") for i in range(start, start + n)]


def standing(kb):
    status = kb.status()
    return status.serving, status.embedded, status.passages


@pytest.fixture
def model():
    return Letters()


@pytest.fixture
def kb(tmp_path, model):
    with Collection.create(tmp_path / "kb", embedder=model) as collection:
        yield collection


@pytest.fixture
def full(kb):
    kb.upsert(documents(MANY))
    kb.embed()
    return kb


def test_a_write_returns_before_anything_is_embedded(kb, model):
    kb.upsert(documents(MANY))
    assert (model.embedded, standing(kb)) == ([], ("latent", 0, MANY))
    assert kb.as_owner().search("n7", 1)[0].document.id == "d0007"
    assert model.queries == []


def test_a_collection_that_is_partly_covered_is_in_order(kb):
    kb.upsert(documents(MANY))
    assert kb.verify() == []


def test_the_model_serves_once_it_covers_everything(full, model):
    assert standing(full) == ("letters", MANY, MANY)
    assert len(set(model.embedded)) == len(model.embedded) == MANY
    full.as_owner().search("n7")
    assert model.queries == ["n7"]
    assert full.verify() == []


def test_the_weights_follow_what_serves(kb):
    kb.upsert(documents(MANY))
    assert kb._searcher.plan("n7")[0] is fusion.noisy_or
    kb.embed()
    assert kb._searcher.plan("n7") == (fusion.convex, {"lexical": 0.4, "dense": 0.6})


def test_weights_that_were_set_stay(kb):
    kb.weights = {"lexical": 0.9, "dense": 0.1}
    kb.upsert(documents(MANY))
    kb.embed()
    assert kb.weights == {"lexical": 0.9, "dense": 0.1}


def test_few_new_texts_are_embedded_in_the_write(full, model):
    full.upsert(documents(AT_ONCE, start=MANY))
    assert standing(full) == ("letters", MANY + AT_ONCE, MANY + AT_ONCE)
    assert len(model.batches[-1]) == AT_ONCE


def test_many_new_texts_wait_while_the_fitted_space_serves(full):
    full.upsert(documents(AT_ONCE + 1, start=MANY))
    assert standing(full) == ("latent", MANY, MANY + AT_ONCE + 1)
    assert full.as_owner().search(f"n{MANY}", 1)[0].document.id == f"d{MANY:04}"
    assert full.verify() == []
    full.embed()
    assert standing(full) == ("letters", MANY + AT_ONCE + 1, MANY + AT_ONCE + 1)
    assert full.verify() == []


def test_an_interrupted_run_goes_on_where_it_stopped(kb, model):
    kb.upsert(documents(MANY))
    model.before = interrupt_at(3)
    with pytest.raises(KeyboardInterrupt):
        kb.embed()
    assert standing(kb) == ("latent", 2 * BATCH, MANY)
    model.before = lambda _: None
    told = []
    kb.embed(progress=lambda *told_: told.append(told_))
    assert told[0] == ("embedding", 2 * BATCH, MANY)
    assert told[-1] == ("embedding", MANY, MANY)
    assert [len(batch) for batch in model.batches] == [BATCH, BATCH, 44]


KILLED = textwrap.dedent(
    """
    import sys
    sys.path.insert(0, sys.argv[2])
    from test_pretrained import Letters
    from indexes import Collection
    model = Letters()
    def before(batch):
        if batch == 3:
            print("third", flush=True)
            sys.stdin.read()
    model.before = before
    Collection.open(sys.argv[1], embedder=model).embed()
    """
)


def test_a_killed_run_is_paid_for_once(kb, model, request):
    kb.upsert(documents(MANY))
    command = [sys.executable, "-c", KILLED, str(kb.path), str(request.path.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout.readline() == "third\n"
        said = f"Process {worker.pid} .* is already embedding the passages"
        with pytest.raises(AlreadyEmbedding, match=said):
            kb.embed()
        worker.send_signal(signal.SIGKILL)
    assert standing(kb) == ("latent", 2 * BATCH, MANY)
    kb.embed()
    assert len(model.embedded) == 44
    assert kb.verify() == []


def test_what_comes_and_goes_meanwhile_is_handled(kb, model):
    kb.upsert(documents(MANY))

    def meanwhile(batch):
        if batch == 2:
            kb.delete([f"d{i:04}" for i in range(BATCH, BATCH + 10)])
            kb.upsert([Document("d0200", "changed to dogs"), *documents(50, start=MANY)])

    model.before = meanwhile
    kb.embed()
    assert standing(kb) == ("letters", MANY + 40, MANY + 40)
    assert kb.verify() == []
    assert kb.as_owner().search("dogs", 1)[0].document.id == "d0200"
    # Ten texts went while they were being embedded, one was replaced: none of them is kept.
    assert kept(kb.path) == MANY + 40


def test_a_run_that_fails_keeps_what_it_embedded(kb, model):
    kb.upsert(documents(MANY))
    model.before = refuse_at(2)
    with pytest.raises(EmbedderFailed, match="is down"):
        kb.embed()
    assert standing(kb) == ("latent", BATCH, MANY)
    assert kb.verify() == []


def test_a_model_that_refuses_holds_up_no_small_write(full, model, caplog):
    model.before = refuse_at(len(model.batches) + 1)
    full.upsert(documents(1, start=MANY))
    assert standing(full) == ("latent", MANY, MANY + 1)
    assert "is down. Until `funnel embed` runs, latent is used." in caplog.text
    assert full.as_owner().search(f"n{MANY}", 1)[0].document.id == f"d{MANY:04}"
    model.before = lambda _: None
    full.upsert(documents(1, start=MANY + 1))
    assert standing(full) == ("letters", MANY + 2, MANY + 2)


def test_a_reader_that_was_open_before_sees_the_model_take_over(kb):
    kb.upsert(documents(MANY))
    other = Letters()
    with Collection.open(kb.path, embedder=other) as reader:
        reader.as_owner().search("n1")
        assert other.queries == []
        kb.embed()
        reader.as_owner().search("n1")
        assert other.queries == ["n1"]


def test_an_empty_collection_asks_no_model(tmp_path):
    model = Letters()
    with Collection.create(tmp_path / "kb", embedder=model) as kb:
        kb.embed()
        assert kb.as_owner().search("cats") == []
        assert kb.verify() == []
    assert (model.embedded, model.queries) == ([], [])


def test_a_fitted_collection_has_nothing_to_embed(tmp_path):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert(documents(3))
        kb.embed()
        assert standing(kb) == ("latent", 3, 3)


@pytest.mark.parametrize("what", ["dense/manifest.json", "dense/*.faiss", "dense/stand-in/manifest.json"])
def test_damaged_vectors_are_made_good_from_the_cache(full, model, what):
    full.close()
    for path in full.path.glob(what):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Collection.open(full.path, embedder=model) as kb:
        assert standing(kb) == ("letters", MANY, MANY)
        assert kb.verify() == []
    assert len(model.embedded) == MANY


def test_a_lost_cache_falls_back_to_the_fitted_space(full, model):
    full.close()
    for path in [*full.path.glob("vectors.sqlite*"), *full.path.glob("dense/*.json")]:
        path.unlink()
    with Collection.open(full.path, embedder=model) as kb:
        assert standing(kb) == ("latent", 0, MANY)
        assert kb.verify() == []


def test_erasing_takes_the_vector_and_pays_for_no_other_again(full, model):
    full.erase(["d0007"])
    assert standing(full) == ("letters", MANY - 1, MANY - 1)
    assert (kept(full.path), len(model.embedded)) == (MANY - 1, MANY)
    assert full.verify() == []


def test_a_query_that_comes_again_is_embedded_once(full, model):
    for _ in range(3):
        full.as_owner().search("cats and dogs")
    assert model.queries == ["cats and dogs"]


def test_a_model_with_vectors_of_another_length_is_told(full):
    full.close()
    with Collection.open(full.path, embedder=Letters("abcd")) as kb:
        with pytest.raises(
            EmbedderFailed, match="now gives vectors of 4 numbers, but those of the collection have 36"
        ):
            kb.as_owner().search("cats")
        kb.upsert(documents(AT_ONCE + 1, start=MANY))
        with pytest.raises(
            EmbedderFailed, match="now gives vectors of 4 numbers, but the stored ones have 36"
        ):
            kb.embed()
        assert kb.as_owner().search(f"n{MANY}", 1)[0].document.id == f"d{MANY:04}"


def kept(path) -> int:
    with closing(sqlite3.connect(path / "vectors.sqlite")) as db:
        return db.execute("SELECT count(*) FROM vectors").fetchone()[0]


def interrupt_at(stop):
    def before(batch):
        if batch == stop:
            raise KeyboardInterrupt

    return before


def refuse_at(stop):
    def before(batch):
        if batch == stop:
            raise EmbedderFailed("letters", "is down.")

    return before
