from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from indexes import Collection, Document, DocumentHit, DocumentId
from indexes import collection as module
from indexes.errors import (
    BadQuery,
    CollectionError,
    CollectionLocked,
    CollectionMismatch,
    CollectionNotFound,
    DuplicateId,
    EmbedderFailed,
    SourceError,
    UnknownName,
)

CATS = Document(
    "cats", "Cats purr. A cat that purrs is content.", title="On cats", readers=frozenset({"public"})
)
DOGS = Document(
    "dogs", "Dogs bark at night and wag their tails.", title="On dogs", readers=frozenset({"public"})
)
BONDS = Document("bonds", "The central bank sold bonds as rates rose.", title="On bonds")
ALL = [CATS, DOGS, BONDS]


class Counting:
    """A pretrained embedder that counts what it embeds: a text is the counts of four letters."""

    name = "counting"
    dimension = 4

    def __init__(self):
        self.embedded = []
        self.fails = False

    def embed_documents(self, texts):
        if self.fails:
            raise EmbedderFailed(self.name, "refused.")
        self.embedded += texts
        vectors = np.array([[text.count(c) for c in "acdn"] for text in texts], np.float32).reshape(-1, 4)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    def embed_query(self, text):
        return self.embed_documents([text])[0]


@pytest.fixture(params=["tantivy", "rank-bm25"])
def lexical(request):
    return request.param


@pytest.fixture
def kb(tmp_path, lexical):
    with Collection.create(tmp_path / "kb", lexical=lexical) as collection:
        yield collection


def found(collection, query, **options) -> list[str]:
    return [hit.document.id for hit in collection.as_owner().search(query, **options)]


def test_documents_are_found_by_their_words(kb):
    kb.upsert(ALL)
    assert found(kb, "which animal purrs", k=1) == ["cats"]
    assert found(kb, "bank rates", k=1) == ["bonds"]


def test_documents_are_found_by_their_titles(kb):
    kb.upsert([Document("x", "nothing of the kind", title="Thermodynamics"), *ALL])
    assert found(kb, "thermodynamics") == ["x"]


def test_a_hit_tells_what_each_leg_thought(kb):
    kb.upsert(ALL)
    [hit] = kb.as_owner().search("purrs", 1)
    assert isinstance(hit, DocumentHit)
    assert {name: retriever.rank for name, retriever in hit.retrievers.items()} == {"lexical": 1, "dense": 1}
    assert hit.rank == hit.passages[0].rank == 1
    passage = hit.passages[0].passage
    assert CATS.text[passage.start : passage.stop] == passage.text


def test_a_weight_of_zero_switches_a_leg_off(kb):
    kb.upsert(ALL)
    kb.weights = {"lexical": 1.0, "dense": 0.0}
    assert list(kb.as_owner().search("purrs")[0].retrievers) == ["lexical"]


@pytest.mark.parametrize("query", ["", "  \n"])
def test_an_empty_query_is_refused(kb, query):
    with pytest.raises(BadQuery, match="The query is empty"):
        kb.as_owner().search(query)


def test_no_result_cannot_be_asked_for(kb):
    with pytest.raises(ValueError, match="k = 0 asks for no result"):
        kb.as_owner().search("cats", 0)


def test_an_empty_collection_finds_nothing(kb):
    assert kb.as_owner().search("cats") == []
    assert kb.verify() == []


def test_a_query_of_stop_words_alone_finds_nothing(kb):
    kb.upsert(ALL)
    assert kb.as_owner().search("the of and") == []


def test_what_changed_is_told(kb):
    assert kb.upsert(ALL).added == ("cats", "dogs", "bonds")
    changes = kb.upsert([CATS, Document("dogs", "Dogs howl."), Document("new", "News.")])
    assert (changes.added, changes.updated, changes.deleted, changes.unchanged) == (
        ("new",),
        ("dogs",),
        (),
        1,
    )


def test_unchanged_documents_do_not_raise_the_generation(kb):
    kb.upsert(ALL)
    kb.upsert(ALL)
    assert kb.status().generation == 1


def test_an_updated_document_is_found_by_its_new_words_only(kb):
    kb.upsert(ALL)
    kb.upsert([Document("dogs", "Hounds howl.")])
    assert found(kb, "howl", k=1) == ["dogs"]
    assert "dogs" not in found(kb, "bark")
    assert kb.verify() == []


def test_a_deleted_document_is_gone(kb):
    kb.upsert(ALL)
    assert kb.delete(["cats", "no such"]).deleted == ("cats",)
    assert "cats" not in found(kb, "cat purrs")
    assert kb.as_owner().document("cats") is None
    assert len(kb) == 2
    assert kb.verify() == []


def test_sync_deletes_what_its_source_no_longer_has_and_nothing_else(kb):
    kb.upsert([BONDS])
    kb.sync([CATS, DOGS], source="/animals")
    changes = kb.sync([CATS], source="/animals")
    assert (changes.deleted, changes.unchanged) == (("dogs",), 1)
    assert kb.as_owner().ids() == ["bonds", "cats"]


def test_an_id_that_two_sources_have_is_refused(kb):
    kb.sync([CATS], source="/one")
    with pytest.raises(DuplicateId, match="Two documents have the id 'cats': /one and /two"):
        kb.sync([CATS], source="/two")
    assert kb.status().generation == 1


def test_an_id_twice_in_one_batch_leaves_the_collection_as_it_was(kb):
    kb.upsert([DOGS])
    with pytest.raises(DuplicateId):
        kb.upsert([CATS, Document("cats", "other text")])
    assert kb.as_owner().ids() == ["dogs"]
    assert kb.verify() == []


def test_a_document_that_cannot_be_read_leaves_the_collection_as_it_was(kb):
    kb.upsert([DOGS])

    def reading():
        yield Document("dogs", "changed")
        yield CATS
        raise SourceError("bad file")

    with pytest.raises(SourceError):
        kb.sync(reading(), source="/folder")
    assert kb.as_owner().document("dogs") == DOGS
    assert found(kb, "purrs") == []


def test_an_id_that_cannot_be_stored_is_told_in_one_line(kb):
    with pytest.raises(SourceError, match="is not valid Unicode"):
        kb.upsert([Document("bad\udc80", "text")])


def test_progress_is_told_by_stage(kb):
    told = []
    kb.upsert(ALL, progress=lambda *args: told.append(args))
    assert [args for args in told if args[0] == "reading"] == [("reading", i, None) for i in (1, 2, 3)]
    assert ("indexing", 3, 3) in told
    assert ("embedding", 3, 3) in told


def test_a_blank_document_is_kept_and_never_found(kb):
    kb.upsert([Document("blank", " \n "), CATS])
    assert kb.as_owner().document("blank").text == " \n "
    assert found(kb, "cats") == ["cats"]
    assert kb.verify() == []


def test_spans_are_read_without_the_document(kb):
    kb.upsert(ALL)
    assert kb.as_owner().read("cats", 5, 9) == CATS.text[5:9]
    assert kb.as_owner().read("no such", 0, 5) is None
    assert kb.as_owner().info("cats").n_chars == len(CATS.text)


def test_the_status_counts(kb, lexical):
    kb.upsert(ALL)
    status = kb.status()
    assert (status.documents, status.passages, status.chars) == (3, 3, sum(len(d.text) for d in ALL))
    assert (status.embedder, status.lexical) == ("latent", lexical)
    assert status.retrievers == {"lexical": 1, "dense": 1}


def test_it_opens_with_what_it_had(tmp_path, lexical):
    with Collection.create(tmp_path / "kb", lexical=lexical) as kb:
        kb.upsert(ALL)
        before = kb.as_owner().search("cat bank")
    with Collection.open(tmp_path / "kb") as kb:
        assert kb.verify() == []
        assert kb.as_owner().search("cat bank") == before


def test_opening_with_another_name_is_refused(tmp_path):
    Collection.create(tmp_path / "kb").close()
    with pytest.raises(CollectionMismatch, match="was built with lexical 'tantivy', not 'rank-bm25'"):
        Collection.open(tmp_path / "kb", lexical="rank-bm25")
    with pytest.raises(CollectionMismatch, match="was built with embedder 'latent', not 'counting'"):
        Collection.open(tmp_path / "kb", embedder=Counting())


def test_a_collection_keeps_the_vector_engine_that_it_was_built_with(tmp_path):
    with Collection.create(tmp_path / "kb", dense="exact") as kb:
        kb.upsert(ALL)
        before = kb.as_owner().search("cat bank")
    with Collection.open(tmp_path / "kb") as kb:
        assert (kb.dense, kb.recovered, kb.verify()) == ("exact", (), [])
        assert kb.as_owner().search("cat bank") == before
    with pytest.raises(CollectionMismatch, match="was built with dense 'exact', not 'faiss'"):
        Collection.open(tmp_path / "kb", dense="faiss")


def test_both_vector_engines_rank_alike(tmp_path):
    found = []
    for dense in ("faiss", "exact"):
        with Collection.create(tmp_path / dense, dense=dense) as kb:
            kb.upsert(ALL)
            found.append([(hit.document.id, hit.score) for hit in kb.as_owner().search("cat bank")])
    assert [name for name, _ in found[0]] == [name for name, _ in found[1]]
    assert [score for _, score in found[0]] == pytest.approx([score for _, score in found[1]], abs=1e-5)


def test_a_collection_from_before_vector_engines_had_names_opens_without_a_rebuild(tmp_path):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert(ALL)
        with kb._catalog._connection() as db:
            db.execute("DELETE FROM settings WHERE name = 'dense'")
    before = {path: path.read_bytes() for path in (tmp_path / "kb" / "dense").iterdir()}
    with Collection.open(tmp_path / "kb") as kb:
        assert (kb.dense, kb.recovered, kb.verify()) == ("faiss", (), [])
    assert {path: path.read_bytes() for path in (tmp_path / "kb" / "dense").iterdir()} == before


def test_opening_what_is_not_there_makes_nothing(tmp_path):
    with pytest.raises(CollectionNotFound):
        Collection.open(tmp_path / "kb")
    assert list(tmp_path.iterdir()) == []


def test_creating_over_a_collection_is_refused(tmp_path):
    Collection.create(tmp_path / "kb").close()
    with pytest.raises(CollectionError, match="There is already a collection in"):
        Collection.create(tmp_path / "kb")


def test_an_unknown_engine_makes_nothing(tmp_path):
    with pytest.raises(UnknownName):
        Collection.create(tmp_path / "kb", lexical="lucene")
    with pytest.raises(UnknownName):
        Collection.create(tmp_path / "kb", dense="annoy")
    assert list(tmp_path.iterdir()) == []


def test_open_or_create_does_either(tmp_path):
    with Collection.open_or_create(tmp_path / "kb", lexical="rank-bm25") as kb:
        kb.upsert(ALL)
    with Collection.open_or_create(tmp_path / "kb") as kb:
        assert (kb.lexical, len(kb)) == ("rank-bm25", 3)


def test_no_text_is_embedded_twice(tmp_path):
    embedder = Counting()
    with Collection.create(tmp_path / "kb", embedder=embedder) as kb:
        kb.upsert(ALL)
        kb.upsert([Document("cats", CATS.text, title=CATS.title, readers=frozenset({"alice"}))])
        kb.upsert([Document("copy", CATS.text, title=CATS.title)])
        assert len(embedder.embedded) == 3
        assert kb.verify() == []
    with Collection.open(tmp_path / "kb", embedder=embedder) as kb:
        assert kb.verify() == []
    assert len(embedder.embedded) == 3


def test_an_embedder_that_refuses_holds_up_no_write(tmp_path):
    embedder = Counting()
    with Collection.create(tmp_path / "kb", embedder=embedder) as kb:
        embedder.fails = True
        kb.upsert(ALL)
        assert found(kb, "bark", k=1) == ["dogs"]
        assert (kb.status().embedded, kb.status().serving) == (0, "latent")
        assert kb.verify() == []


def test_vectors_of_deleted_texts_are_forgotten(tmp_path):
    embedder = Counting()
    with Collection.create(tmp_path / "kb", embedder=embedder) as kb:
        kb.upsert([*ALL, Document("copy", CATS.text, title=CATS.title)])
        kb.delete(["cats", "dogs"])
        kb.upsert([CATS, DOGS])
    # The copy kept the vector of the cats; that of the dogs was needed anew.
    assert embedder.embedded[3:] == ["On dogs\n" + DOGS.text]


def spaces(path):
    return {p.name for p in (path / "dense").glob("latent-*.npz")}


def test_the_latent_space_is_kept_until_the_corpus_outgrows_it(tmp_path):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert([Document(f"d{i}", f"text number {i} of cats") for i in range(10)])
        first = spaces(kb.path)
        kb.upsert([Document(f"e{i}", f"text {i} of dogs") for i in range(5)])
        assert spaces(kb.path) == first
        kb.upsert([Document("f", "one too many")])
        assert len(spaces(kb.path) | first) == 2
        assert kb.verify() == []


def test_another_version_of_the_analyser_rebuilds_the_engines(tmp_path, monkeypatch, lexical):
    with Collection.create(tmp_path / "kb", lexical=lexical) as kb:
        kb.upsert(ALL)
        before = spaces(kb.path)
    monkeypatch.setattr(module.analysis, "VERSION", 999)
    with Collection.open(tmp_path / "kb") as kb:
        assert kb.verify() == []
        assert spaces(kb.path).isdisjoint(before)


@pytest.mark.parametrize(
    "what", ["lexical/meta.json", "dense/manifest.json", "dense/*.npz", "dense/*.faiss", "lexical/*.term"]
)
def test_a_damaged_engine_is_rebuilt_from_the_catalog(tmp_path, what):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert(ALL)
        before = kb.as_owner().search("cat bank")
    for path in (tmp_path / "kb").glob(what):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Collection.open(tmp_path / "kb") as kb:
        assert kb.verify() == []
        assert kb.as_owner().search("cat bank") == before


def test_engines_ahead_of_a_restored_catalog_are_rebuilt(tmp_path):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert([CATS])
    saved = (tmp_path / "kb" / "catalog.sqlite").read_bytes()
    with Collection.open(tmp_path / "kb") as kb:
        kb.upsert([DOGS])
    (tmp_path / "kb" / "catalog.sqlite").write_bytes(saved)
    with Collection.open(tmp_path / "kb") as kb:
        assert kb.verify() == []
        assert found(kb, "dogs bark") == []


def test_a_second_writer_is_told_who_writes_while_readers_go_on(tmp_path, lexical):
    Collection.create(tmp_path / "kb", lexical=lexical).close()
    program = textwrap.dedent(
        """
        import sys
        from indexes import Collection, Document
        def documents():
            yield Document("late", "late news of cats")
            print("writing", flush=True)
            sys.stdin.readline()
        with Collection.open(sys.argv[1]) as kb:
            kb.upsert(documents())
        """
    )
    command = [sys.executable, "-c", program, str(tmp_path / "kb")]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
        Collection.open(tmp_path / "kb") as kb,
    ):
        assert other.stdout.readline() == "writing\n"
        with pytest.raises(CollectionLocked, match=f"Process {other.pid} on .* is writing to the collection"):
            kb.upsert(ALL)
        assert found(kb, "cats") == []
        other.stdin.write("\n")
        other.stdin.close()
        assert other.wait() == 0
        assert found(kb, "cats") == ["late"]
        assert kb.verify() == []


def test_threads_search_while_another_writes(kb):
    kb.upsert(ALL)
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(kb.upsert, [Document(f"d{i}", f"dog number {i}")]) for i in range(6)]
        reading = [pool.submit(found, kb, "purrs", k=1) for _ in range(30)]
        assert {tuple(future.result()) for future in reading} == {("cats",)}
        assert all(future.result().any for future in writing)
    assert len(kb) == 9
    assert kb.verify() == []


def test_importing_loads_no_engine_and_no_model():
    program = (
        "import indexes, sys; print({'faiss', 'tantivy', 'scipy', 'torch', 'openai'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_pretrained_vectors_are_searched_too(tmp_path):
    with Collection.create(tmp_path / "kb", embedder=Counting()) as kb:
        kb.upsert([Document("a", "aaa"), Document("d", "ddd")])
        assert found(kb, "da daa dda dd", k=1) == ["d"]


def test_what_came_from_an_unread_file_stays_and_the_rest_goes(tmp_path):
    base = "file:///x"
    first = [
        Document("a", "one", uri=f"{base}/a.txt"),
        Document("b", "two", uri=f"{base}/b.jsonl#L1"),
        Document("c", "three", uri=f"{base}/b.jsonl2"),
        Document("d", "four", uri=f"{base}/shut/d.txt"),
    ]
    with Collection.create(tmp_path / "kb") as kb:
        kb.sync(first, source="x")
        changes = kb.sync([Document("e", "five")], source="x", unread=[f"{base}/b.jsonl", f"{base}/shut"])
        assert changes.deleted == ("a", "c")
        assert kb.as_owner().ids() == ["b", "d", "e"]


def test_an_id_that_fills_a_page_is_refused(tmp_path):
    with Collection.create(tmp_path / "kb") as collection:
        with pytest.raises(SourceError, match="has 1,025 characters"):
            collection.upsert([Document(DocumentId("x" * 1025), "words")])
        assert collection.upsert([Document(DocumentId("x" * 1024), "words")]).any
