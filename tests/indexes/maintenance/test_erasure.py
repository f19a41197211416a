from __future__ import annotations

import numpy as np
import pytest
import tantivy

from indexes import Collection, Document
from indexes.dense.vector_cache import VectorCache
from indexes.errors import CollectionLocked, UnknownDocument
from indexes.maintenance import erasure, operations
from indexes.storage.lock import WriterLock

WORDS = "The zanzibarite vault opens with the phrase quixotic marmalade every Tuesday at nine sharp. "
SECRET = Document(
    "plans/xylograph-77.txt",
    WORDS * 40,
    title="Zanzibarite vault",
    uri="file:///plans/xylograph-77.txt",
    metadata={"author": "Wilhelmina Quartz"},
)
OTHERS = [Document(f"d{i}", f"Number n{i}: cats purr every Tuesday at nine sharp.") for i in range(30)]
NEEDLES = [b"zanzibarit", b"Zanzibarit", b"quixotic", b"marmalad", b"xylograph-77", b"Wilhelmina"]


class Hashed:
    name = "hashed"
    dimension = 4

    def embed_documents(self, texts):
        vectors = np.array([[text.count(c) + 0.5 for c in "acdn"] for text in texts], np.float32).reshape(
            -1, 4
        )
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def embed_query(self, text):
        return self.embed_documents([text])[0]


@pytest.fixture(params=["latent-faiss", "hashed-faiss", "latent-exact"])
def kb(tmp_path, request):
    name, dense = request.param.split("-")
    embedder = Hashed() if name == "hashed" else name
    with Collection.create(tmp_path / "kb", embedder=embedder, dense=dense) as collection:
        collection.upsert([*OTHERS, Document(SECRET.id, SECRET.text + "An older zanzibarite version.")])
        collection.upsert([SECRET])
        collection.embed()
        yield collection


def traces(path):
    """Every file below that has one of the needles in its bytes."""
    files = [file for file in path.rglob("*") if file.is_file()]
    return {file.name for file in files for needle in NEEDLES if needle in file.read_bytes()}


def test_an_erased_document_is_in_no_byte_of_the_directory(kb):
    assert any("catalog" in name for name in traces(kb.path))
    kb.erase([SECRET.id])
    assert traces(kb.path) == set()
    assert (len(kb), kb.verify()) == (30, [])
    assert kb.as_owner().search("n7", 1)[0].document.id == "d7"
    kb.close()
    assert traces(kb.path) == set()


def test_tantivy_stores_no_text_and_its_dictionary_forgets_the_terms(kb):
    index = tantivy.Index.open(str(kb.path / "lexical"))
    assert index.searcher().doc_freq("terms", "marmalad") > 1
    kb.erase([SECRET.id])
    searcher = tantivy.Index.open(str(kb.path / "lexical")).searcher()
    assert searcher.doc_freq("terms", "marmalad") == 0
    hits = searcher.search(tantivy.Query.all_query(), 100).hits
    assert len(hits) == 31  # thirty passages and the marker
    assert all(not searcher.doc(address).to_dict() for _, address in hits)


def test_its_vectors_leave_the_cache_and_the_others_stay(tmp_path):
    with Collection.create(tmp_path / "kb", embedder=Hashed()) as kb:
        kb.upsert([*OTHERS, SECRET])
        kb.embed()
        with kb._catalog.read() as reader:
            digests = {row.digest: row.text for row in reader.added(-1)}
        kb.erase([SECRET.id])
    cache = VectorCache(tmp_path / "kb" / "vectors.sqlite", "hashed")
    assert {digests[digest] for digest in cache.missing(digests)} == {
        text for text in digests.values() if "zanzibarite" in text
    }


def test_the_proof_looks_everywhere_and_finds_nothing(kb):
    proof = operations.erase(kb, [SECRET.id])
    assert proof.traces == ()
    assert proof.files >= len(list((kb.path / "lexical").iterdir()))
    assert (proof.sequences > 10, proof.terms > 5, proof.size_bytes > 10_000) == (True, True, True)


def test_the_proof_finds_what_is_there(kb):
    sought = erasure.evidence([SECRET])
    others = [kb.as_owner().document(document.id) for document in OTHERS]
    before = erasure.prove(kb.path, sought, others, lambda *_: None)
    assert any(trace.startswith("catalog.sqlite") and "Wilhelmina Quartz" in trace for trace in before.traces)
    kb.erase([SECRET.id])
    (kb.path / "dense" / "left.tmp").write_bytes(b"\0" * (1 << 23) + SECRET.text[:200].encode())
    after = erasure.prove(kb.path, sought, others, lambda *_: None)
    assert after.traces
    assert all(trace.startswith("dense/left.tmp, byte 83886") for trace in after.traces)


def test_a_sequence_that_other_documents_have_says_nothing(kb):
    sharing = Document("sharing", "The zanzibarite vault opens with the phrase: friend.")
    kb.upsert([sharing])
    proof = operations.erase(kb, [SECRET.id])
    assert proof.traces == ()
    assert proof.shared > 0
    assert kb.as_owner().document("sharing") == sharing


def test_an_id_that_is_not_there_changes_nothing(kb):
    with pytest.raises(UnknownDocument, match=r"has the id 'nope'\. Nothing was changed"):
        kb.erase([SECRET.id, "nope"])
    assert kb.as_owner().document(SECRET.id) == SECRET


@pytest.mark.parametrize(
    "step", ["catalog.committed", "lexical.cleared", "catalog.vacuum", "catalog.scrubbed"]
)
def test_an_erasure_that_was_cut_off_is_completed_by_the_next_opening(tmp_path, step):
    from indexes.storage import faults  # noqa: PLC0415  # armed here only

    def cut_off(name):
        if name == step:
            raise KeyboardInterrupt

    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert([*OTHERS, SECRET])
        faults.arm(cut_off)
        try:
            with pytest.raises(KeyboardInterrupt):
                kb.erase([SECRET.id])
        finally:
            faults.arm(None)
    with Collection.open(tmp_path / "kb") as kb:
        assert (len(kb), kb.verify()) == (30, [])
    assert traces(tmp_path / "kb") == set()


def test_an_erasure_waits_for_no_writer(kb):
    with WriterLock(kb.path).hold(), pytest.raises(CollectionLocked):
        kb.erase([SECRET.id])
    assert kb.as_owner().document(SECRET.id) == SECRET


def test_a_reader_answers_at_every_step_of_an_erasure(kb, request):
    from indexes.storage import faults  # noqa: PLC0415  # armed here only

    embedder = Hashed() if "hashed" in request.node.name else None
    found = {}
    with Collection.open(kb.path, embedder=embedder) as reader:
        assert by_words(reader, "n7") == ["d7"]
        faults.arm(lambda name: found.setdefault(name, by_words(reader, "n7")))
        try:
            kb.erase([SECRET.id])
        finally:
            faults.arm(None)
        assert {name for name, ids in found.items() if ids != ["d7"]} == set()
        assert {"lexical.cleared", "lexical.commit", "dense.named", "catalog.scrubbed"} <= set(found)
        assert (by_words(reader, "n7"), by_words(reader, "quixotic")) == (["d7"], [])
        assert reader.verify() == []


def by_words(collection, word):
    return [hit.document.id for hit in collection.as_owner().search(word) if "lexical" in hit.retrievers]
