"""The contract of a lexical engine, as a test class to inherit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.lexical.base import LexicalEngine, LexicalEntry
from indexes.scope import EVERYTHING
from indexes.testing.scopes import only, open_to
from indexes.types import OWNER, Access

Make = Callable[[Path], LexicalEngine]


def entry(key: int, terms: str, *readers: str) -> LexicalEntry:
    """Return a passage with these terms, separated by blanks, and these readers."""
    return LexicalEntry(key, tuple(terms.split()), frozenset(readers))


class LexicalEngineContract:
    """Tests that every `indexes.lexical.base.LexicalEngine` must pass.

        class TestMine(LexicalEngineContract):
            @pytest.fixture
            def make(self):
                return MyEngine

    `make` opens an engine over the files in a directory, which may not exist yet.
    """

    @pytest.fixture
    def engine(self, make: Make, tmp_path: Path) -> Iterator[LexicalEngine]:
        """An engine that holds nothing."""
        engine = make(tmp_path / "lexical")
        yield engine
        engine.close()

    def test_a_new_engine_covers_no_generation_and_finds_nothing(self, engine: LexicalEngine) -> None:
        assert engine.generation == -1
        assert engine.search(["cat"], 5, scope=EVERYTHING) == []
        assert engine.keys().tolist() == []

    def test_it_covers_the_generation_that_it_was_given(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat")], [], generation=7)
        assert engine.generation == 7

    def test_the_passage_with_more_of_the_term_comes_first(self, engine: LexicalEngine) -> None:
        engine.apply(
            [entry(1, "cat dog fox"), entry(2, "cat cat fox"), entry(3, "dog dog dog")], [], generation=1
        )
        assert [key for key, _ in engine.search(["cat"], 5, scope=EVERYTHING)] == [2, 1]

    def test_a_passage_with_any_of_the_terms_is_found(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat"), entry(2, "dog"), entry(3, "fox")], [], generation=1)
        assert {key for key, _ in engine.search(["cat", "fox"], 5, scope=EVERYTHING)} == {1, 3}

    def test_the_score_is_bm25_with_k1_1_2_and_b_0_75(self, engine: LexicalEngine) -> None:
        engine.apply(
            [entry(i, "cat dog") if i == 1 else entry(i, "fox dog") for i in range(1, 101)], [], generation=1
        )
        [(_, score)] = engine.search(["cat"], 5, scope=EVERYTHING)
        # One of 100 passages contains it, and has the mean length, where tf / (tf + k1) * (k1 + 1) = 1.
        assert score == pytest.approx(math.log(1 + (100 - 1 + 0.5) / (1 + 0.5)), rel=0.01)

    def test_a_term_in_every_passage_still_has_a_positive_score(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat"), entry(2, "cat")], [], generation=1)
        assert all(score > 0 for _, score in engine.search(["cat"], 5, scope=EVERYTHING))

    def test_a_repeated_query_term_counts_each_time(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat dog"), entry(2, "fox dog")], [], generation=1)
        [(_, once)] = engine.search(["cat"], 5, scope=EVERYTHING)
        [(_, twice)] = engine.search(["cat", "cat"], 5, scope=EVERYTHING)
        assert twice == pytest.approx(2 * once)

    def test_ties_break_by_the_smaller_key_at_the_cut_too(self, engine: LexicalEngine) -> None:
        engine.apply([entry(key, "cat") for key in range(20, 10, -1)], [], generation=1)
        engine.apply([entry(key, "cat") for key in (3, 30)], [], generation=2)
        assert [key for key, _ in engine.search(["cat"], 3, scope=EVERYTHING)] == [3, 11, 12]

    def test_a_removed_passage_is_no_longer_found(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat"), entry(2, "cat")], [], generation=1)
        engine.apply([], [1], generation=2)
        assert engine.keys().tolist() == [2]
        assert [key for key, _ in engine.search(["cat"], 5, scope=EVERYTHING)] == [2]

    def test_removing_what_is_not_there_does_nothing(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat")], [99], generation=1)
        assert engine.keys().tolist() == [1]

    def test_k_passages_are_found_among_those_the_asker_may_read(self, engine: LexicalEngine) -> None:
        closed = [entry(key, "cat cat cat", "alice") for key in range(1, 50)]
        opened = [entry(key, "cat dog", "public") for key in (50, 51)]
        engine.apply(closed, [], generation=1)
        engine.apply(opened, [], generation=2)
        scope = open_to(Access.of("bob"), [*closed, *opened])
        assert [key for key, _ in engine.search(["cat"], 2, scope=scope)] == [50, 51]

    def test_only_the_owner_finds_a_passage_without_readers(self, engine: LexicalEngine) -> None:
        entries = [entry(1, "cat")]
        engine.apply(entries, [], generation=1)
        assert engine.search(["cat"], 5, scope=open_to(Access.of("alice"), entries)) == []
        assert len(engine.search(["cat"], 5, scope=EVERYTHING)) == 1

    def test_a_principal_with_blanks_and_colons_is_one_principal(self, engine: LexicalEngine) -> None:
        entries = [entry(1, "cat", "group:legal team"), *(entry(key, "cat") for key in range(2, 20))]
        engine.apply(entries, [], generation=1)
        legal, team = (open_to(Access.of(name), entries) for name in ("group:legal", "group:legal team"))
        assert engine.search(["cat"], 5, scope=legal) == []
        assert len(engine.search(["cat"], 5, scope=team)) == 1

    def test_k_passages_are_found_among_the_allowed_keys(self, engine: LexicalEngine) -> None:
        engine.apply([entry(key, "cat cat cat") for key in range(1, 99)], [], generation=1)
        engine.apply([entry(key, "cat dog") for key in (99, 100)], [], generation=2)
        assert [key for key, _ in engine.search(["cat"], 2, scope=only(99, 100))] == [99, 100]

    def test_with_nothing_allowed_nothing_is_found(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat")], [], generation=1)
        assert engine.search(["cat"], 2, scope=only()) == []

    def test_allowed_keys_that_do_not_exist_are_ignored(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat")], [], generation=1)
        found = engine.search(["cat"], 2, scope=only(1, 77, 2**40))
        assert [key for key, _ in found] == [1]

    @settings(
        max_examples=20,
        deadline=None,
        # Each engine inherits the suite: the method runs under several classes.
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
        ],
    )
    @given(
        seed=st.integers(0, 10_000), n=st.integers(1, 150), k=st.integers(1, 20), share=st.floats(0, 1),
        of=st.sampled_from(["any", "best", "worst"]),
    )  # fmt: skip
    def test_a_narrowed_ranking_is_the_allowed_part_of_the_ranking(
        self,
        make: Make,
        tmp_path_factory: pytest.TempPathFactory,
        seed: int,
        n: int,
        k: int,
        share: float,
        of: str,
    ) -> None:
        random = np.random.default_rng(seed)
        # Few words and lengths, so that ties are common; few readers, so that both ways to narrow combine.
        entries = [
            entry(key, " ".join(random.choice(["cat", "dog", "fox"], 3)), random.choice(["public", "bob"]))
            for key in range(1, n + 1)
        ]
        engine = make(tmp_path_factory.mktemp("lexical"))
        engine.apply(entries, [], generation=1)
        ranking = engine.search(["cat", "dog"], n, scope=EVERYTHING)
        ranked: dict[str, Any] = {"any": random.permutation(n) + 1, "best": [key for key, _ in ranking]}
        ranked["worst"] = ranked["best"][::-1]
        wanted = {int(key) for key in ranked[of][: round(share * n)]}
        for access in (OWNER, Access.of()):
            open_ = {e.key for e in entries if access.may_read(e.readers)} & wanted
            found = engine.search(["cat", "dog"], k, scope=only(*open_, access=access))
            best = [(key, score) for key, score in ranking if key in open_][:k]
            assert [key for key, _ in found] == [key for key, _ in best]
            assert [score for _, score in found] == pytest.approx([score for _, score in best])
        engine.close()

    def test_a_principal_that_is_not_valid_unicode_matches_nothing(self, engine: LexicalEngine) -> None:
        entries = [entry(1, "cat", "alice"), entry(2, "cat", "bob"), *(entry(i, "cat") for i in range(3, 30))]
        engine.apply(entries, [], generation=1)
        for names, found in ((["\udc80alice"], []), (["\udc80alice", "bob"], [2])):
            scope = open_to(Access(frozenset(names)), entries)
            assert [key for key, _ in engine.search(["cat"], 5, scope=scope)] == found

    def test_narrowing_does_not_change_the_scores(self, engine: LexicalEngine) -> None:
        entries = [entry(1, "cat dog", "public"), entry(2, "cat")]
        engine.apply(entries, [], generation=1)
        whole = dict(engine.search(["cat"], 5, scope=EVERYTHING))
        found = engine.search(["cat"], 5, scope=open_to(Access.of(), entries))
        assert dict(found) == pytest.approx({1: whole[1]})

    def test_passages_without_terms_are_held_and_never_found(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, ""), entry(2, "")], [], generation=1)
        assert engine.keys().tolist() == [1, 2]
        assert engine.search(["cat"], 5, scope=EVERYTHING) == []

    def test_no_terms_find_nothing(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat")], [], generation=1)
        assert engine.search([], 5, scope=EVERYTHING) == []

    def test_terms_of_other_scripts_are_found(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "naïve 東京 §4.2"), entry(2, "naive")], [], generation=1)
        assert [key for key, _ in engine.search(["東京"], 5, scope=EVERYTHING)] == [1]
        assert [key for key, _ in engine.search(["§4.2"], 5, scope=EVERYTHING)] == [1]

    def test_clearing_forgets_everything(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat")], [], generation=1)
        engine.clear()
        assert engine.generation == -1
        assert engine.search(["cat"], 5, scope=EVERYTHING) == []

    def test_it_accepts_passages_after_clearing(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat")], [], generation=1)
        engine.clear()
        engine.apply([entry(2, "cat")], [], generation=2)
        assert engine.keys().tolist() == [2]

    def test_an_interrupted_apply_changes_nothing(self, engine: LexicalEngine) -> None:
        engine.apply([entry(1, "cat")], [], generation=1)

        def broken() -> Iterator[LexicalEntry]:
            yield entry(2, "cat")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            engine.apply(broken(), [1], generation=2)
        assert engine.generation == 1
        assert engine.keys().tolist() == [1]
