from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes import OWNER, Access, Collection, Document, Scope, all_of, any_of, field, not_
from indexes.errors import BadQuery
from indexes.filters import matches
from indexes.retrieval.allowed_keys import AllowedKeys

WORDS = ["cat", "dog", "bond", "rate"]
PRINCIPALS = ["alice", "bob", "group:legal", "public"]
EACH = {
    "max_examples": 12,
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
LEXICAL = pytest.mark.parametrize("lexical", ["tantivy", "rank-bm25"])


class Letters:
    """A pretrained embedder: what it makes of a text depends on no other text."""

    name = "letters"
    dimension = 4

    def embed_documents(self, texts):
        vectors = np.array([[text.count(c) + 0.1 for c in "acdo"] for text in texts], np.float32)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).reshape(-1, 4)

    def embed_query(self, text):
        return self.embed_documents([text])[0]


texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
metadata = st.dictionaries(
    st.sampled_from(["year", "lang", "tags"]),
    st.one_of(
        st.integers(2020, 2023), st.sampled_from(["en", "de", "2021", True, None]), st.just(["en", "law"])
    ),
)
readers = st.frozensets(st.sampled_from(PRINCIPALS))
specs = st.lists(st.tuples(texts, readers, metadata), min_size=1, max_size=12)
accesses = st.one_of(st.just(OWNER), st.frozensets(st.sampled_from(PRINCIPALS)).map(lambda p: Access.of(*p)))
conditions = st.one_of(
    st.builds(lambda y: field("year") >= y, st.integers(2020, 2024)),
    st.builds(lambda v: field("lang").is_in([v]), st.sampled_from(["en", "de", "2021", True, None])),
    st.builds(lambda v: field("tags") == v, st.sampled_from(["en", "law"])),
    st.just(field("year").exists()),
)
filters = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda parts: all_of(*parts)),
        st.lists(inner, max_size=2).map(lambda parts: any_of(*parts)),
        inner.map(not_),
    ),
    max_leaves=3,
)
wheres = st.one_of(st.none(), filters)


def documents(specs, prefix="d"):
    # The last word of a text stands in no other, so that a snippet betrays its document.
    return [
        Document(
            f"{prefix}{i}", f"{text} {prefix}word{i}.", title=f"{prefix}title{i}.", metadata=held, readers=who
        )
        for i, (text, who, held) in enumerate(specs)
    ]


def is_open(document, access, where):
    return access.may_read(document.readers) and (where is None or matches(where, document.metadata))


def seen(kb, ids, access, where, query="cat dog bond rate", k=50):
    """All that this asker can learn of the collection, but for the scores and what follows from them."""
    view = kb.for_asker(access, where)
    return {
        "found": {
            hit.document.id: (hit.document, sorted((h.passage for h in hit.passages), key=lambda p: p.id))
            for hit in view.search(query, k)
        },
        "ids": view.ids(),
        "count": view.count(),
        "documents": [view.document(i) for i in ids],
        "infos": [view.info(i) for i in ids],
        "texts": [view.read(i, 0, 9) for i in ids],
    }


@LEXICAL
@settings(**EACH)
@given(specs=specs, access=accesses, where=wheres, gone=st.sets(st.integers(0, 11)))
def test_every_door_shows_what_is_open_and_nothing_else(
    tmp_path_factory, lexical, specs, access, where, gone
):
    with Collection.create(tmp_path_factory.mktemp("kb") / "kb", lexical=lexical) as kb:
        stored = documents(specs)
        kb.upsert(stored)
        seen(kb, [], access, where)  # what was asked before a write is asked again after it
        kb.delete([d.id for i, d in enumerate(stored) if i in gone])
        left = [d for i, d in enumerate(stored) if i not in gone]
        open_ = [d for d in left if is_open(d, access, where)]
        shown = seen(kb, [d.id for d in stored], access, where)
    assert set(shown["found"]) == {d.id for d in open_}
    assert shown["ids"] == sorted(d.id for d in open_)
    assert shown["count"] == len(open_)
    assert {d.id for d in shown["documents"] if d} == {d.id for d in open_}
    everything = str(shown)
    for i, document in enumerate(stored):
        if document not in open_:
            assert f"dword{i}." not in everything
            assert f"dtitle{i}." not in everything


@LEXICAL
@settings(**EACH)
@given(specs=specs, hidden=specs, access=accesses, where=wheres)
def test_what_the_asker_may_not_see_changes_nothing_that_he_sees(
    tmp_path_factory, lexical, specs, hidden, access, where
):
    ours = documents(specs)
    theirs = [d for d in documents(hidden, "x") if not is_open(d, access, where)]
    ids = [d.id for d in ours + theirs]
    told = []
    for stored in (ours, [d for pair in zip(theirs, ours, strict=False) for d in pair] + ours + theirs):
        with Collection.create(tmp_path_factory.mktemp("kb") / "kb", lexical=lexical) as kb:
            kb.upsert({d.id: d for d in stored}.values())
            told.append(seen(kb, ids, access, where))
            with pytest.raises(BadQuery) as error:
                kb.for_asker(access, where).search(" ")
            told[-1]["error"] = str(error.value)
    assert told[0] == told[1]


@settings(**EACH)
@given(specs=specs, hidden=specs, access=accesses, where=wheres, k=st.integers(1, 4))
def test_where_scores_follow_no_statistics_not_even_a_score_or_a_rank_changes(
    tmp_path_factory, specs, hidden, access, where, k
):
    ours = documents(specs)
    theirs = [d for d in documents(hidden, "x") if not is_open(d, access, where)]
    told = []
    for stored in (ours, theirs[::2] + ours + theirs[1::2]):
        with Collection.create(tmp_path_factory.mktemp("kb") / "kb", embedder=Letters()) as kb:
            kb.weights = {"dense": 1.0}
            kb.upsert(stored)
            told.append(kb.for_asker(access, where).search("cat dog", k))
    assert told[0] == told[1]


@LEXICAL
@settings(**EACH)
@given(specs=specs, access=accesses, where=wheres, k=st.integers(1, 5))
def test_k_come_back_wherever_so_many_are_open(tmp_path_factory, lexical, specs, access, where, k):
    stored = documents(specs)
    with Collection.create(tmp_path_factory.mktemp("kb") / "kb", lexical=lexical) as kb:
        kb.upsert(stored)
        hits = kb.for_asker(access, where).search("cat dog bond rate", k)
    assert len(hits) == min(k, sum(is_open(d, access, where) for d in stored))


def test_k_documents_come_back_though_one_has_more_passages_than_are_looked_at(tmp_path):
    long = Document("long", "\n\n".join(f"cat cat cat {i} " + "cat " * 300 for i in range(300)))
    short = [Document(f"s{i}", "a cat among many other animals of the farm") for i in range(3)]
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert([long, *short])
        kb.weights = {"lexical": 1.0}
        assert kb.status().passages > 100
        assert {hit.document.id for hit in kb.as_owner().search("cat", 4)} == {"long", "s0", "s1", "s2"}


@settings(**EACH)
@given(
    writes=st.lists(st.tuples(specs, st.sets(st.integers(0, 11))), min_size=1, max_size=4),
    access=accesses,
    where=filters,
)
def test_keys_that_follow_the_writes_are_those_read_anew(tmp_path_factory, writes, access, where):
    following = AllowedKeys()
    with Collection.create(tmp_path_factory.mktemp("kb") / "kb", lexical="rank-bm25") as kb:
        kb.weights = {"lexical": 1.0}
        for specs, gone in writes:
            kb.upsert(documents(specs))
            kb.delete([f"d{i}" for i in gone])
            with kb._catalog.read() as view:
                followed = following.keys(Scope(access, where), view)
                anew = AllowedKeys().keys(Scope(access, where), view)
            assert followed.tolist() == anew.tolist()


def test_the_keys_that_are_kept_are_bounded_and_the_oldest_go(tmp_path):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert([Document(f"d{i}", "cat", metadata={"n": i}) for i in range(10)])
        allowed = AllowedKeys(kept_bytes=200)
        with kb._catalog.read() as view:
            for n in range(1, 6):
                allowed.keys(Scope(OWNER, field("n") < 2 * n), view)
        kept = [keys for _, keys in allowed._kept.values()]
        assert [len(keys) for keys in kept] == [6, 8, 10]
        assert sum(keys.nbytes for keys in kept) == (6 + 8 + 10) * 8


def test_the_same_scope_is_the_same_keys_and_nobody_can_change_them(tmp_path):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert([Document("d", "cat", metadata={"n": 1})])
        with kb._catalog.read() as view:
            scope = Scope(OWNER, field("n") == 1)
            first, second = (kb._searcher._allowed.keys(scope, view) for _ in range(2))
    assert first is second
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 7


def test_another_process_sees_a_change_of_readers_and_a_delete_at_its_next_search(tmp_path):
    code = """
        import sys
        from indexes import Access, Collection
        with Collection.open(sys.argv[1]) as kb:
            for _ in sys.stdin:
                alices = kb.for_asker(Access.of("alice"))
                print(*(hit.document.id for hit in alices.search("cat")), alices.count(), flush=True)
    """
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert([Document(f"d{i}", "cat", readers=frozenset({"alice"})) for i in range(3)])
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "kb")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as other:  # fmt: skip

            def asked():
                other.stdin.write("\n")
                other.stdin.flush()
                return other.stdout.readline().strip()

            assert asked() == "d0 d1 d2 3"
            kb.upsert([Document("d0", "cat", readers=frozenset({"bob"}))])
            assert asked() == "d1 d2 2"
            kb.delete(["d1"])
            assert asked() == "d2 1"
            kb.upsert([Document("d0", "cat", readers=frozenset({"alice", "bob"}))])
            assert asked() == "d0 d2 2"
            other.stdin.close()
