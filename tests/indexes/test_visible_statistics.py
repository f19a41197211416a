"""With the statistics of what is visible, nothing that a search returns depends on a hidden document."""

from __future__ import annotations

import shutil
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes import Access, Collection, Document, RawDocuments, field
from indexes.errors import UnknownName
from indexes.maintenance.backup import backup, restore
from indexes.maintenance.operations import erase
from indexes.rerank import Reranked
from indexes.retrieval.long_query import MAX_TERMS
from indexes.testing import WordEmbedder, WordReranker

BOB = Access.of("bob")
WORDS = ["cat", "dog", "bond", "rate", "lease", "lamp", "heron"]
QUERIES = ["cat", "dog bond bond", "lease rate lamp nothing", "heron cat dog bond rate lease lamp"]
LONG = " ".join([*(f"common{i}" for i in range(MAX_TERMS + 50)), "cat", "heron"])
"""A query of which only the most telling terms are searched for."""

texts = st.lists(st.sampled_from([*WORDS, "common1", "common2"]), min_size=1, max_size=30).map(" ".join)
some = st.lists(texts, min_size=1, max_size=8)
changes = st.lists(
    st.tuples(st.sampled_from(["add", "update", "delete"]), st.integers(0, 9), texts), max_size=10
)


def visible(texts):
    return [
        Document(f"v{i}", text, readers=frozenset({"bob"}), metadata={"even": i % 2 == 0})
        for i, text in enumerate(texts)
    ]


def hide(kb, what, number, text):
    """Change a document that Bob may not read."""
    if what == "delete":
        kb.delete([f"h{number}"])
    else:
        kb.upsert([Document(f"h{number}", text, readers=frozenset({"alice"}))])


def seen(source, **options):
    """All that Bob can see: hits with scores, ranks and passages, notes, counts, ids and facts."""
    view = source.for_asker(BOB, **options)
    narrowed = source.for_asker(BOB, field("even") == True, **options)  # noqa: E712 - builds a filter
    found = [view.search(query, k) for query in [*QUERIES, LONG] for k in (1, 3, 10**6)]
    found += [narrowed.search(query, 50) for query in QUERIES]
    return (
        [(list(hits), hits.notes) for hits in found],
        view.ids(), view.count(), [view.info(name) for name in view.ids()],
    )  # fmt: skip


@pytest.fixture(params=["latent", "words"])
def embedder(request):
    return WordEmbedder() if request.param == "words" else "latent"


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(shown=some, before=changes, between=changes, after=changes, at=st.integers(0, 8))
def test_nothing_that_a_search_returns_depends_on_hidden_documents(
    tmp_path_factory, embedder, shown, before, between, after, at
):
    path, documents = tmp_path_factory.mktemp("kb"), visible(shown)
    with (
        Collection.create(path / "alone", embedder=embedder, statistics="visible") as alone,
        Collection.create(path / "among", embedder=embedder, statistics="visible") as among,
    ):
        alone.upsert(documents)
        for change in before:
            hide(among, *change)
        among.upsert(documents[:at])
        for change in between:
            hide(among, *change)
        among.upsert(documents[at:])
        for change in after:
            hide(among, *change)
        assert seen(among) == seen(alone)
        assert seen(Reranked(among, WordReranker())) == seen(Reranked(alone, WordReranker()))
    shutil.rmtree(path)


@settings(max_examples=25, deadline=None)
@given(shown=some, hidden=some, at=st.integers(0, 8))
def test_the_same_holds_for_documents_in_memory(shown, hidden, at):
    documents = visible(shown)
    closed = [Document(f"h{i}", text, readers=frozenset({"alice"})) for i, text in enumerate(hidden)]
    among = RawDocuments([*documents[:at], *closed, *documents[at:]])
    options = {"statistics": "visible"}
    assert seen(among, **options) == seen(RawDocuments(documents), **options)


HIDDEN = [Document(f"h{i}", f"heron lamp number{i}", readers=frozenset({"alice"})) for i in range(40)]
SHOWN = visible(["heron cat", "cat dog", "dog dog bond", "rate"])


@pytest.fixture
def kb(tmp_path):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert(SHOWN)
        yield kb


def scores(view, query="heron cat"):
    return [(hit.document.id, hit.score, hit.retrievers.get("lexical")) for hit in view.search(query, 10)]


def test_by_default_scores_follow_the_whole_collection(kb):
    before = scores(kb.for_asker(BOB))
    kb.upsert(HIDDEN)
    assert scores(kb.for_asker(BOB)) != before


def test_a_single_search_can_ask_for_visible_statistics(kb):
    before = scores(kb.for_asker(BOB, statistics="visible"))
    kb.upsert(HIDDEN)
    assert scores(kb.for_asker(BOB, statistics="visible")) == before


def test_a_view_without_a_record_keeps_its_statistics(kb):
    view = kb.for_asker(BOB, statistics="visible")
    kb.upsert(HIDDEN)
    assert scores(view.fresh()) == scores(view)


def test_what_a_collection_keeps_holds_for_every_search_and_process(kb, tmp_path):
    kb.upsert(HIDDEN)
    wanted = scores(kb.for_asker(BOB, statistics="visible"))
    with Collection.open(tmp_path / "kb") as other:
        assert other.statistics == "collection"
        kb.keep_statistics("visible")
        assert other.statistics == "visible"
        assert scores(other.for_asker(BOB)) == wanted
        assert scores(other.for_asker(BOB, statistics="collection")) == wanted


def test_a_collection_can_go_back_to_the_statistics_of_the_whole(kb):
    before = scores(kb.for_asker(BOB))
    kb.keep_statistics("visible")
    assert scores(kb.for_asker(BOB)) != before
    kb.keep_statistics("collection")
    assert scores(kb.for_asker(BOB)) == before


def test_the_owner_searches_with_the_statistics_of_everything(tmp_path):
    with Collection.create(tmp_path / "kb", statistics="visible") as kb:
        kb.upsert([*SHOWN, *HIDDEN])
        reader = Access.of("bob", "alice")
        assert scores(kb.as_owner()) == scores(kb.for_asker(reader))


def test_statistics_of_another_name_are_refused(kb, tmp_path):
    with pytest.raises(UnknownName, match=r"Unknown statistics 'mine'\. Known: collection, visible"):
        Collection.create(tmp_path / "other", statistics="mine")
    with pytest.raises(UnknownName):
        kb.keep_statistics("mine")


def test_the_latent_space_which_was_fitted_to_hidden_texts_is_not_used(kb):
    hits = kb.for_asker(BOB, statistics="visible").search("heron cat", 10)
    assert {name for hit in hits for name in hit.retrievers} == {"lexical"}


def test_tuned_weights_are_not_used(tmp_path):
    with Collection.create(tmp_path / "kb", embedder=WordEmbedder(), statistics="visible") as kb:
        kb.upsert([*SHOWN, *HIDDEN])
        before = seen(kb)
        kb.keep_weight(0.05)
        assert seen(kb) == before


def test_hidden_texts_that_wait_for_the_model_do_not_switch_its_vectors_off(tmp_path):
    with Collection.create(tmp_path / "kb", embedder=WordEmbedder(), statistics="visible") as kb:
        kb.upsert(SHOWN)
        before = seen(kb)
        kb.upsert(HIDDEN)
        assert kb.status().embedded < kb.status().passages
        assert seen(kb) == before
        hits = kb.for_asker(BOB).search("heron cat", 10)
        assert {name for hit in hits for name in hit.retrievers} == {"lexical", "dense"}


def test_visible_texts_that_wait_for_the_model_are_found_by_their_terms(tmp_path):
    with Collection.create(tmp_path / "kb", embedder=WordEmbedder(), statistics="visible") as kb:
        kb.upsert(visible([f"cat number{i}" for i in range(60)]))
        hits = kb.for_asker(BOB).search("number7", 5)
        assert [hit.document.id for hit in hits] == ["v7"]
        assert set(hits[0].retrievers) == {"lexical"}


def test_the_postings_are_verified(tmp_path):
    with Collection.create(tmp_path / "kb", statistics="visible") as kb:
        kb.upsert(SHOWN)
        assert kb.verify() == []
        kb._retrievers.visible._engine.apply([], [1], generation=kb.status().generation)
        assert kb.verify() == ["visible retriever: it lacks 1 passages, first [1]"]


@pytest.mark.parametrize("damage", [lambda f: f.write_bytes(b"x" * 9_000), lambda f: f.unlink()])
def test_postings_that_are_damaged_or_gone_are_built_again(tmp_path, damage):
    with Collection.create(tmp_path / "kb", statistics="visible") as kb:
        kb.upsert(SHOWN)
        before = seen(kb)
    damage(tmp_path / "kb" / "visible" / "postings.sqlite")
    with Collection.open(tmp_path / "kb") as kb:
        assert kb.recovered == ("visible",)
        assert seen(kb) == before


def test_an_erased_document_leaves_no_posting(tmp_path):
    with Collection.create(tmp_path / "kb", statistics="visible") as kb:
        kb.upsert([*SHOWN, Document("secret", "the xylophonist of Zanzibar")])
        proof = erase(kb, ["secret"])
        assert proof.traces == ()
        assert kb.as_owner().search("xylophonist", 5) == []


def test_postings_that_another_process_began_to_keep_are_erased_too(kb, tmp_path):
    kb.upsert([Document("secret", "the xylophonist of Zanzibar")])
    with Collection.open(tmp_path / "kb") as other:
        other.as_owner(statistics="visible").search("cat")
    assert erase(kb, ["secret"]).traces == ()


def test_a_restored_collection_keeps_its_statistics(tmp_path):
    with Collection.create(tmp_path / "kb", statistics="visible") as kb:
        kb.upsert([*SHOWN, *HIDDEN])
        before = seen(kb)
    backup(tmp_path / "kb", tmp_path / "kb.backup")
    restore(tmp_path / "kb.backup", tmp_path / "again")
    with Collection.open(tmp_path / "again") as kb:
        assert kb.statistics == "visible"
        assert seen(kb) == before


def test_many_threads_find_the_same_while_hidden_documents_come_and_go(tmp_path):
    with Collection.create(tmp_path / "kb", statistics="visible") as kb:
        kb.upsert(SHOWN)
        wanted, different = seen(kb), []
        done = threading.Event()

        def look():
            while not done.is_set():
                if seen(kb) != wanted:
                    different.append(1)

        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(8):
            hide(kb, "add", number, "heron cat dog")
            hide(kb, "delete", number - 2, "")
        done.set()
        for thread in threads:
            thread.join()
        assert different == []
