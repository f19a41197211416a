"""The contract of a vector engine, as a test class to inherit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.dense.base import VectorEngine, Vectors
from indexes.errors import IndexesError
from indexes.scope import EVERYTHING, Keys
from indexes.testing.scopes import only

Make = Callable[[Path], VectorEngine]
INHERITED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
NO_KEYS = np.empty(0, np.int64)


def keys(*values: int) -> Keys:
    """Return these keys as an array."""
    return np.array(values, np.int64)


def rows(*values: tuple[float, float]) -> Vectors:
    """Return these two-dimensional vectors as an array."""
    return np.array(values, np.float32)


EAST = np.array([1, 0], np.float32)


class VectorEngineContract:
    """Tests that every `indexes.dense.base.VectorEngine` must pass.

        class TestMine(VectorEngineContract):
            @pytest.fixture
            def make(self):
                return lambda directory: MyEngine(directory, "space")

    `make` opens an engine over the files in a directory, which may not exist yet, always for the same
    embedding space. The tests compare scores exactly, so configure an engine that rounds scores or skips
    vectors not to do so.
    """

    @pytest.fixture
    def engine(self, make: Make, tmp_path: Path) -> Iterator[VectorEngine]:
        """An engine that holds nothing."""
        engine = make(tmp_path / "dense")
        yield engine
        engine.close()

    def test_a_new_engine_covers_no_generation_and_finds_nothing(self, engine: VectorEngine) -> None:
        assert engine.generation == -1
        assert engine.search(EAST, 5, scope=EVERYTHING) == []

    def test_neighbours_are_ranked_by_inner_product(self, engine: VectorEngine) -> None:
        engine.apply(keys(1, 2, 3), rows((0, 1), (1, 0), (0.6, 0.8)), [], generation=3)
        assert engine.generation == 3
        assert engine.search(EAST, 2, scope=EVERYTHING) == [(2, 1.0), (3, pytest.approx(0.6))]

    def test_k_vectors_are_found_among_the_allowed_keys(self, engine: VectorEngine) -> None:
        engine.apply(keys(*range(1, 101)), rows(*[(1, 0)] * 98, (0, 1), (0.6, 0.8)), [], generation=1)
        assert [key for key, _ in engine.search(EAST, 2, scope=only(99, 100))] == [100, 99]

    def test_with_nothing_allowed_nothing_is_found(self, engine: VectorEngine) -> None:
        engine.apply(keys(1), rows((1, 0)), [], generation=1)
        assert engine.search(EAST, 2, scope=only()) == []

    def test_allowed_keys_that_do_not_exist_are_ignored(self, engine: VectorEngine) -> None:
        engine.apply(keys(1), rows((1, 0)), [], generation=1)
        assert engine.search(EAST, 2, scope=only(1, 77)) == [(1, 1.0)]

    def test_a_removed_vector_is_no_longer_found(self, engine: VectorEngine) -> None:
        engine.apply(keys(1, 2), rows((1, 0), (0.6, 0.8)), [], generation=1)
        engine.apply(NO_KEYS, np.empty((0, 2), np.float32), [1], generation=2)
        assert engine.keys().tolist() == [2]
        assert [key for key, _ in engine.search(EAST, 5, scope=EVERYTHING)] == [2]

    def test_ties_break_by_the_smaller_key_at_the_cut_too(self, engine: VectorEngine) -> None:
        engine.apply(keys(9, 4, 7, 2), rows(*[(1, 0)] * 4), [], generation=1)
        assert [key for key, _ in engine.search(EAST, 2, scope=EVERYTHING)] == [2, 4]

    def test_the_zero_query_finds_nothing(self, engine: VectorEngine) -> None:
        engine.apply(keys(1), rows((1, 0)), [], generation=1)
        assert engine.search(np.zeros(2, np.float32), 5, scope=EVERYTHING) == []

    def test_an_engine_without_vectors_covers_its_generation(self, engine: VectorEngine) -> None:
        engine.apply(NO_KEYS, np.empty((0, 2), np.float32), [], generation=5)
        assert engine.generation == 5
        assert engine.search(EAST, 5, scope=EVERYTHING) == []

    def test_it_is_reopened_with_its_vectors(self, engine: VectorEngine, make: Make, tmp_path: Path) -> None:
        engine.apply(keys(1), rows((1, 0)), [], generation=4)
        again = make(tmp_path / "dense")
        assert again.generation == 4
        assert again.search(EAST, 5, scope=EVERYTHING) == [(1, 1.0)]

    def test_clearing_is_permanent(self, engine: VectorEngine, make: Make, tmp_path: Path) -> None:
        engine.apply(keys(1), rows((1, 0)), [], generation=4)
        engine.clear()
        assert engine.generation == make(tmp_path / "dense").generation == -1

    @settings(max_examples=25, deadline=None, suppress_health_check=INHERITED)
    @given(seed=st.integers(0, 10_000), n=st.integers(1, 60), k=st.integers(1, 20), share=st.floats(0, 1))
    def test_it_finds_what_numpy_finds(
        self,
        make: Make,
        tmp_path_factory: pytest.TempPathFactory,
        seed: int,
        n: int,
        k: int,
        share: float,
    ) -> None:
        random = np.random.default_rng(seed)
        # Few distinct values, so that ties are common.
        vectors = random.integers(-2, 3, (n, 3)).astype(np.float32)
        query = random.integers(-2, 3, 3).astype(np.float32)
        allowed = np.flatnonzero(random.random(n) < share).astype(np.int64)
        engine = make(tmp_path_factory.mktemp("dense"))
        engine.apply(np.arange(n, dtype=np.int64), vectors, [], generation=1)
        scores = vectors @ query
        best = sorted(allowed.tolist(), key=lambda i: (-scores[i], i))[:k] if query.any() else []
        assert [key for key, _ in engine.search(query, k, scope=only(*allowed.tolist()))] == best

    def test_it_says_how_many_vectors_it_holds_and_how_long_they_are(self, engine: VectorEngine) -> None:
        assert (engine.count, engine.dimension) == (0, 0)
        engine.apply(keys(1, 2), rows((1, 0), (0, 1)), [], generation=1)
        engine.apply(keys(3), rows((1, 0)), [1, 99], generation=2)
        assert (engine.count, engine.dimension) == (2, 2)
        assert engine.keys().tolist() == [2, 3]

    def test_vectors_of_another_length_are_refused_and_nothing_changes(self, engine: VectorEngine) -> None:
        engine.apply(keys(1), rows((1, 0)), [], generation=1)
        with pytest.raises(IndexesError):
            engine.apply(keys(2), np.ones((1, 3), np.float32), [1], generation=2)
        assert (engine.generation, engine.keys().tolist()) == (1, [1])

    def test_it_sees_on_refresh_what_another_instance_wrote(
        self, engine: VectorEngine, make: Make, tmp_path: Path
    ) -> None:
        engine.apply(keys(1), rows((1, 0)), [], generation=1)
        other = make(tmp_path / "dense")
        engine.apply(keys(2), rows((1, 0)), [1], generation=2)
        assert (other.generation, other.search(EAST, 5, scope=EVERYTHING)) == (1, [(1, 1.0)])
        other.refresh()
        assert (other.generation, other.search(EAST, 5, scope=EVERYTHING)) == (2, [(2, 1.0)])
        other.close()

    def test_an_interrupted_apply_changes_nothing(self, engine: VectorEngine) -> None:
        engine.apply(keys(1), rows((1, 0)), [], generation=1)

        def broken() -> Iterator[int]:
            yield 1
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            engine.apply(keys(2), rows((1, 0)), broken(), generation=2)
        assert (engine.generation, engine.keys().tolist()) == (1, [1])

    def test_keys_are_requested_only_if_the_scope_is_narrowed(self, engine: VectorEngine) -> None:
        engine.apply(keys(1), rows((1, 0)), [], generation=1)

        def unexpected() -> Keys:
            raise AssertionError

        assert engine.search(EAST, 5, scope=EVERYTHING.bound(unexpected)) == [(1, 1.0)]
