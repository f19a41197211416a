"""The engine whose scores depend on visible passages only is a lexical engine, with statistics of its own."""

from __future__ import annotations

import math
import sqlite3

import numpy as np
import pytest

from indexes import Access, Scope, field
from indexes.errors import IndexesError
from indexes.lexical.visible.engine import VisibleEngine
from indexes.lexical.visible.storage import FILE, ROW_KEYS
from indexes.scope import EVERYTHING
from indexes.testing.lexical_engine import LexicalEngineContract, entry
from indexes.testing.scopes import open_to

BOB = Access.of("bob")


class TestVisibleEngine(LexicalEngineContract):
    """Two facts of other engines do not hold: what an asker may not read must change no score of his."""

    test_a_narrowed_ranking_is_the_allowed_part_of_the_ranking = None
    test_narrowing_does_not_change_the_scores = None

    @pytest.fixture
    def make(self):
        return VisibleEngine


@pytest.fixture
def engine(tmp_path):
    made = VisibleEngine(tmp_path / "visible")
    yield made
    made.close()


def test_a_score_is_that_of_a_collection_of_the_visible_passages(engine):
    entries = [
        entry(1, "cat cat dog", "bob"),
        entry(2, "dog", "bob"),
        *(entry(k, "cat") for k in range(3, 50)),
    ]
    engine.apply(entries, [], generation=1)
    found = engine.search(["cat"], 5, scope=open_to(BOB, entries))
    # Of two visible passages one has the term, twice among three terms; the mean length is two.
    idf = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    assert found == [(1, pytest.approx(idf * 2.2 * 2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))))]


def test_a_filter_narrows_the_hits_and_not_the_statistics(engine):
    entries = [entry(key, "cat", "bob") for key in (1, 2)] + [entry(3, "dog", "bob")]
    engine.apply(entries, [], generation=1)
    visible = np.array([1, 2, 3])
    scope = Scope(BOB, field("x") == 1).bound(lambda: visible[:1], lambda: visible)
    assert engine.search(["cat"], 5, scope=scope) == engine.search(["cat"], 1, scope=open_to(BOB, entries))


def test_a_term_of_thousands_of_passages_is_kept_in_rows_of_limited_size(engine, tmp_path):
    for generation, keys in enumerate([range(1, 3_001), range(3_001, 3_002), range(3_002, 7_001)], 1):
        engine.apply((entry(key, "cat") for key in keys), [], generation=generation)
    assert len(engine.search(["cat"], 10_000, scope=EVERYTHING)) == 7_000
    with sqlite3.connect(tmp_path / "visible" / FILE) as db:
        sizes = [n // 8 for (n,) in db.execute("SELECT length(keys) FROM postings WHERE term = x'636174'")]
    assert sum(sizes) == 7_000
    assert max(sizes) == ROW_KEYS


def test_once_most_passages_are_removed_it_asks_to_be_built_again(engine):
    engine.apply((entry(key, "cat") for key in range(4_000)), [], generation=1)
    engine.apply([], range(1_000), generation=2)
    with pytest.raises(IndexesError, match="build it again"):
        engine.apply([], range(1_000, 3_000), generation=3)
    assert engine.count == 3_000


def test_a_file_that_is_damaged_covers_no_generation(engine, tmp_path):
    engine.apply([entry(1, "cat")], [], generation=1)
    engine.close()
    (tmp_path / "visible" / FILE).write_bytes(b"not a database" * 1_000)
    assert VisibleEngine(tmp_path / "visible").generation == -1


def test_what_another_process_wrote_is_seen_after_a_refresh(engine, tmp_path):
    engine.apply([entry(1, "cat")], [], generation=1)
    other = VisibleEngine(tmp_path / "visible")
    engine.apply([entry(2, "cat")], [1], generation=2)
    other.refresh()
    assert (other.generation, other.keys().tolist()) == (2, [2])
    other.close()


def test_a_write_that_fails_leaves_nothing_behind(engine):
    engine.apply([entry(1, "cat")], [], generation=1)

    def failing():
        yield entry(2, "cat")
        raise RuntimeError("the reader failed")

    with pytest.raises(RuntimeError):
        engine.apply(failing(), [], generation=2)
    assert (engine.generation, engine.keys().tolist()) == (1, [1])
