"""What every vector engine must do. Inherit, and give a `make` fixture that opens an engine in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.dense.base import VectorEngine

Make = Callable[[Path], VectorEngine]
INHERITED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
NOBODY = np.empty(0, np.int64)


def keys(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def rows(*values: tuple[float, float]) -> np.ndarray:
    return np.array(values, np.float32)


EAST = np.array([1, 0], np.float32)


class VectorEngineContract:
    @pytest.fixture
    def engine(self, make: Make, tmp_path: Path):
        engine = make(tmp_path / "dense")
        yield engine
        engine.close()

    def test_a_new_engine_covers_no_generation_and_finds_nothing(self, engine):
        assert engine.generation == -1
        assert engine.search(EAST, 5, allowed=None) == []

    def test_neighbours_come_by_inner_product(self, engine):
        engine.apply(keys(1, 2, 3), rows((0, 1), (1, 0), (0.6, 0.8)), [], generation=3)
        assert engine.generation == 3
        assert engine.search(EAST, 2, allowed=None) == [(2, 1.0), (3, pytest.approx(0.6))]

    def test_only_allowed_keys_are_found_and_k_of_them(self, engine):
        engine.apply(keys(*range(1, 101)), rows(*[(1, 0)] * 98, (0, 1), (0.6, 0.8)), [], generation=1)
        assert [key for key, _ in engine.search(EAST, 2, allowed=keys(99, 100))] == [100, 99]

    def test_with_nothing_allowed_nothing_is_found(self, engine):
        engine.apply(keys(1), rows((1, 0)), [], generation=1)
        assert engine.search(EAST, 2, allowed=NOBODY) == []

    def test_allowed_keys_that_are_not_there_do_no_harm(self, engine):
        engine.apply(keys(1), rows((1, 0)), [], generation=1)
        assert engine.search(EAST, 2, allowed=keys(1, 77)) == [(1, 1.0)]

    def test_a_removed_vector_is_found_no_more(self, engine):
        engine.apply(keys(1, 2), rows((1, 0), (0.6, 0.8)), [], generation=1)
        engine.apply(NOBODY, np.empty((0, 2), np.float32), [1], generation=2)
        assert engine.keys().tolist() == [2]
        assert [key for key, _ in engine.search(EAST, 5, allowed=None)] == [2]

    def test_ties_break_by_the_smaller_key_at_the_cut_too(self, engine):
        engine.apply(keys(9, 4, 7, 2), rows(*[(1, 0)] * 4), [], generation=1)
        assert [key for key, _ in engine.search(EAST, 2, allowed=None)] == [2, 4]

    def test_the_zero_query_finds_nothing(self, engine):
        engine.apply(keys(1), rows((1, 0)), [], generation=1)
        assert engine.search(np.zeros(2, np.float32), 5, allowed=None) == []

    def test_an_engine_of_no_vectors_covers_its_generation(self, engine):
        engine.apply(NOBODY, np.empty((0, 2), np.float32), [], generation=5)
        assert engine.generation == 5
        assert engine.search(EAST, 5, allowed=None) == []

    def test_it_opens_with_what_it_had(self, engine, make, tmp_path):
        engine.apply(keys(1), rows((1, 0)), [], generation=4)
        again = make(tmp_path / "dense")
        assert again.generation == 4
        assert again.search(EAST, 5, allowed=None) == [(1, 1.0)]

    def test_clearing_forgets_everything_for_good(self, engine, make, tmp_path):
        engine.apply(keys(1), rows((1, 0)), [], generation=4)
        engine.clear()
        assert engine.generation == make(tmp_path / "dense").generation == -1

    @settings(max_examples=25, deadline=None, suppress_health_check=INHERITED)
    @given(seed=st.integers(0, 10_000), n=st.integers(1, 60), k=st.integers(1, 20), share=st.floats(0, 1))
    def test_it_finds_what_numpy_finds(self, make, tmp_path_factory, seed, n, k, share):
        random = np.random.default_rng(seed)
        # Few distinct values, so that ties are common.
        vectors = random.integers(-2, 3, (n, 3)).astype(np.float32)
        query = random.integers(-2, 3, 3).astype(np.float32)
        allowed = np.flatnonzero(random.random(n) < share).astype(np.int64)
        engine = make(tmp_path_factory.mktemp("dense"))
        engine.apply(np.arange(n, dtype=np.int64), vectors, [], generation=1)
        scores = vectors @ query
        best = sorted(allowed.tolist(), key=lambda i: (-scores[i], i))[:k] if query.any() else []
        assert [key for key, _ in engine.search(query, k, allowed=allowed)] == best
