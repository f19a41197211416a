from __future__ import annotations

import faiss
import numpy as np
import pytest

from indexes.dense.engines import log
from indexes.dense.engines.faiss.engine import FaissEngine
from indexes.dense.engines.faiss.snapshot import IndexLimits, VectorSnapshot, build
from indexes.dense.engines.log import LogEntry
from indexes.dense.engines.manifest import read_manifest
from indexes.scope import EVERYTHING
from indexes.storage.files import MAPS_FILES
from indexes.testing import only
from indexes.testing.vector_engine import EAST, NO_KEYS, VectorEngineContract, keys, rows

DIMENSION = 32
LOGGED = IndexLimits(rewritten=0, tail=50)
CLUSTERED = IndexLimits(flat=500, rewritten=0, tail=200)
EVERY_LIST = IndexLimits(flat=16, rewritten=0, tail=8, recall=2)  # no number of lists reaches it but all


class TestWithALog(VectorEngineContract):
    @pytest.fixture
    def make(self):
        return lambda directory: FaissEngine(directory, "space", limits=LOGGED)


class TestWithEveryList(VectorEngineContract):
    @pytest.fixture
    def make(self):
        return lambda directory: FaissEngine(directory, "space", limits=EVERY_LIST)


def clustered(n, seed=1):
    """Unit vectors around forty centres, the same centres for every seed."""
    centres = np.random.default_rng(0).standard_normal((40, DIMENSION))
    random = np.random.default_rng(seed)
    vectors = centres[random.integers(0, 40, n)] + 0.7 * random.standard_normal((n, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


VECTORS = clustered(4000)
KEYS = np.arange(1, 4001, dtype=np.int64)
QUERIES = clustered(60, seed=2)


@pytest.fixture(scope="module")
def base():
    return build(KEYS, VECTORS, CLUSTERED)


@pytest.fixture
def engine(tmp_path):
    engine = FaissEngine(tmp_path, "space", limits=CLUSTERED)
    engine.apply(KEYS, VECTORS, [], generation=1)
    return engine


def recall(held, k=20, allowed=None):
    """Mean share of the exact answer that is found."""
    among = KEYS if allowed is None else allowed
    shares = []
    for query in QUERIES:
        exact = among[np.argsort(-(VECTORS[among - 1] @ query))[:k]]
        found = [key for key, _ in held.search(query, k, allowed=allowed)]
        shares.append(len(set(found) & set(exact.tolist())) / len(exact))
    return np.mean(shares)


def logged(directory):
    return read_manifest(directory).log_bytes


def test_above_the_limit_a_part_of_the_lists_gives_the_recall_asked_for(base):
    assert base.nlist == 128  # the power of two next to 2 * sqrt(4000) = 126.5
    assert base.nprobe < base.nlist
    assert recall(VectorSnapshot.of(base)) >= CLUSTERED.recall


def test_vectors_without_any_structure_are_compared_with_all(base):
    random = np.random.default_rng(0).standard_normal((600, DIMENSION)).astype(np.float32)
    index = build(KEYS[:600], random, IndexLimits(flat=500))
    assert index.nprobe > index.nlist / 4


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_among_allowed_keys_recall_is_kept_and_k_are_found(base, share):
    allowed = KEYS[np.random.default_rng(3).random(4000) < share]
    held = VectorSnapshot.of(base)
    assert recall(held, allowed=allowed) >= 0.98
    assert {len(held.search(query, 20, allowed=allowed)) for query in QUERIES} == {20}


def test_allowed_keys_that_all_stand_in_one_far_cluster_are_found(base):
    allowed = KEYS[np.argsort(VECTORS @ QUERIES[0])[:200]]
    found = VectorSnapshot.of(base).search(QUERIES[0], 20, allowed=np.sort(allowed))
    assert len(found) == 20
    assert {key for key, _ in found} <= set(allowed.tolist())


def test_a_small_change_is_logged_and_the_large_file_is_left_alone(engine, tmp_path):
    before = read_manifest(tmp_path)
    engine.apply(keys(5001), VECTORS[:1], [1], generation=2)
    after = read_manifest(tmp_path)
    assert (after.file, before.log_bytes, after.generation) == (before.file, 0, 2)
    # Three numbers in the head, a key, a vector, a removed key.
    assert after.log_bytes == 3 * 8 + 8 + DIMENSION * 4 + 8


def test_what_was_added_is_found_and_what_was_removed_is_not(engine):
    engine.apply(keys(5001), VECTORS[:1], [1], generation=2)
    found = [key for key, _ in engine.search(VECTORS[0], 5, scope=EVERYTHING)]
    assert found[0] == 5001
    assert 1 not in found
    assert engine.count == 4000
    assert engine.keys().tolist() == [*range(2, 4001), 5001]


def test_what_was_added_and_removed_again_leaves_what_there_was(engine):
    before = engine.search(QUERIES[0], 10, scope=EVERYTHING)
    engine.apply(keys(5001), QUERIES[:1], [], generation=2)
    engine.apply(NO_KEYS, VECTORS[:0], [5001], generation=3)
    assert engine.search(QUERIES[0], 10, scope=EVERYTHING) == before
    assert engine.count == 4000


def test_removing_what_is_not_there_counts_nothing(engine):
    engine.apply(NO_KEYS, VECTORS[:0], [9000], generation=2)
    assert engine.count == 4000


def test_allowed_keys_reach_into_the_log(engine):
    engine.apply(keys(5001, 5002), QUERIES[:2], [3], generation=2)
    found = engine.search(QUERIES[0], 5, scope=only(3, 4, 5001))
    assert [key for key, _ in found] == [5001, 4]


def test_a_vector_scores_the_same_in_the_log_and_in_the_large_file(engine):
    engine.apply(keys(5001), VECTORS[:1], [], generation=2)
    (first, one), (second, other) = engine.search(VECTORS[0], 2, scope=EVERYTHING)
    assert (first, second) == (1, 5001) or one != other
    assert one == pytest.approx(other, abs=1e-6)


def test_many_changes_are_worked_in(engine, tmp_path):
    fresh = clustered(150, seed=4)
    engine.apply(np.arange(5001, 5151, dtype=np.int64), fresh, range(1, 101), generation=2)
    assert logged(tmp_path) == 0
    assert engine.count == 4000 + 150 - 100
    assert engine.search(fresh[7], 1, scope=EVERYTHING)[0][0] == 5008
    assert 50 not in [key for key, _ in engine.search(VECTORS[49], 50, scope=EVERYTHING)]


def test_a_collection_that_has_grown_gets_more_lists(tmp_path):
    engine = FaissEngine(tmp_path, "space", limits=CLUSTERED)
    engine.apply(KEYS[:510], VECTORS[:510], [], generation=1)
    engine.apply(KEYS[510:], VECTORS[510:], [], generation=2)
    assert engine._state.held.base.nlist == 128
    assert engine.keys().tolist() == KEYS.tolist()


def test_a_collection_that_has_shrunk_is_compared_whole_again(engine):
    engine.apply(NO_KEYS, VECTORS[:0], range(301, 4001), generation=2)
    best = KEYS[:300][np.argmax(VECTORS[:300] @ QUERIES[0])]
    assert engine.search(QUERIES[0], 1, scope=EVERYTHING)[0][0] == best
    assert engine.keys().tolist() == list(range(1, 301))


def test_it_opens_with_the_large_file_and_the_log(engine, tmp_path):
    engine.apply(keys(5001), QUERIES[:1], [1, 2], generation=2)
    engine.apply(keys(5002), QUERIES[1:2], [5001], generation=3)
    again = FaissEngine(tmp_path, "space", limits=CLUSTERED)
    assert again.generation == 3
    assert again.keys().tolist() == [*range(3, 4001), 5002]
    assert again.search(QUERIES[1], 9, scope=EVERYTHING) == engine.search(QUERIES[1], 9, scope=EVERYTHING)


def lists_of(engine):
    return type(faiss.downcast_InvertedLists(engine._state.held.base.invlists)).__name__


def test_an_index_that_was_opened_leaves_its_lists_in_the_file(engine, tmp_path):
    opened = FaissEngine(tmp_path, "space", limits=CLUSTERED)
    assert lists_of(opened) == ("OnDiskInvertedLists" if MAPS_FILES else "ArrayInvertedLists")
    assert all(
        opened.search(q, 20, scope=EVERYTHING) == engine.search(q, 20, scope=EVERYTHING) for q in QUERIES
    )


def test_what_is_worked_into_an_opened_index_stands_in_a_file_of_its_own(engine, tmp_path):
    more = clustered(300, seed=3)
    opened = FaissEngine(tmp_path, "space", limits=CLUSTERED)
    for each in (engine, opened):
        each.apply(np.arange(5001, 5301, dtype=np.int64), more, range(1, 101), generation=2)
        assert not each._state.held.n_pending
    again = FaissEngine(tmp_path, "space", limits=CLUSTERED)
    assert len(list(tmp_path.glob("*.faiss"))) == 1
    assert again.count == 4000 + 300 - 100
    assert all(
        again.search(q, 20, scope=EVERYTHING) == engine.search(q, 20, scope=EVERYTHING) for q in QUERIES
    )


def test_another_process_reads_only_what_was_added_to_the_log(engine, tmp_path):
    other = FaissEngine(tmp_path, "space", limits=CLUSTERED)
    base = other._state.held.base
    engine.apply(keys(5001), QUERIES[:1], [1], generation=2)
    other.refresh()
    assert other.generation == 2
    assert other.search(QUERIES[0], 1, scope=EVERYTHING)[0][0] == 5001
    assert other._state.held.base is base


def test_a_search_goes_on_over_what_it_began_with(engine):
    held = engine._state.held
    before = held.search(QUERIES[0], 5, allowed=None)
    engine.apply(keys(5001), QUERIES[:1], [before[0][0]], generation=2)
    assert held.search(QUERIES[0], 5, allowed=None) == before


@pytest.mark.parametrize("suffix", ["faiss", "log"])
@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:]])
def test_a_damaged_file_asks_for_a_rebuild(engine, tmp_path, suffix, damage):
    engine.apply(keys(5001), QUERIES[:1], [1], generation=2)
    (path,) = tmp_path.glob(f"index-*.{suffix}")
    path.write_bytes(damage(path.read_bytes()))
    assert FaissEngine(tmp_path, "space", limits=CLUSTERED).generation == -1


def test_a_write_that_was_cut_off_after_the_log_is_overwritten(engine, tmp_path):
    engine.apply(keys(5001), QUERIES[:1], [], generation=2)
    (path,) = tmp_path.glob("index-*.log")
    with path.open("ab") as file:
        file.write(b"half a record")
    again = FaissEngine(tmp_path, "space", limits=CLUSTERED)
    assert again.generation == 2
    again.apply(keys(5002), QUERIES[1:2], [], generation=3)
    assert path.stat().st_size == logged(tmp_path)
    assert FaissEngine(tmp_path, "space", limits=CLUSTERED).keys()[-2:].tolist() == [5001, 5002]


def test_compacting_leaves_no_file_with_what_was_removed(engine, tmp_path):
    engine.apply(keys(5001), QUERIES[:1], [], generation=2)
    engine.apply(NO_KEYS, QUERIES[:0], [5001], generation=3)
    engine.compact()
    bytes_left = b"".join(path.read_bytes() for path in tmp_path.glob("index-*"))
    assert QUERIES[0].tobytes() not in bytes_left
    assert FaissEngine(tmp_path, "space", limits=CLUSTERED).generation == 3


def test_the_log_gives_back_each_record(tmp_path):
    path = tmp_path / "log"
    first = LogEntry(keys(1, 2), rows((0, 1), (1, 0)), keys(7))
    second = LogEntry(NO_KEYS, np.empty((0, 2), np.float32), NO_KEYS)
    size, check = log.append(path, 0, 0, first)
    end, last = log.append(path, size, check, second)
    one, other = log.read(path, 0, end, 0, last)
    assert (one.keys.tolist(), one.vectors.tolist(), one.removed.tolist()) == ([1, 2], [[0, 1], [1, 0]], [7])
    assert (len(other.keys), other.vectors.shape, len(other.removed)) == (0, (0, 2), 0)
    assert [len(r.keys) for r in log.read(path, size, end, check, last)] == [0]


def test_a_held_without_vectors_takes_some_in():
    held = VectorSnapshot.of(build(NO_KEYS, np.empty((0, 2), np.float32), IndexLimits()))
    assert held.changed(keys(4), rows((1, 0)), NO_KEYS).search(EAST, 3, allowed=None) == [(4, 1.0)]
