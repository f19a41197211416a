from __future__ import annotations

from pathlib import Path

import pytest

from indexes.errors import UnknownName
from indexes.lexical import LEXICAL_ENGINES
from indexes.lexical.tantivy import TantivyEngine
from indexes.scope import EVERYTHING
from indexes.testing.lexical_engine import LexicalEngineContract, entry


class TestTantivy(LexicalEngineContract):
    @pytest.fixture
    def make(self):
        return LEXICAL_ENGINES.get("tantivy")


class TestRankBM25(LexicalEngineContract):
    @pytest.fixture
    def make(self):
        return LEXICAL_ENGINES.get("rank-bm25")


def test_an_unknown_engine_lists_the_known():
    with pytest.raises(UnknownName, match=r"Unknown lexical engine 'tantivi'\. Known: rank-bm25, tantivy\."):
        LEXICAL_ENGINES.get("tantivi")


def test_tantivy_opens_with_what_it_had(tmp_path: Path):
    TantivyEngine(tmp_path).apply([entry(1, "cat")], [], generation=4)
    again = TantivyEngine(tmp_path)
    assert again.generation == 4
    assert [key for key, _ in again.search(["cat"], 5, scope=EVERYTHING)] == [1]


def test_tantivy_sees_on_refresh_what_another_instance_wrote(tmp_path: Path):
    writer = TantivyEngine(tmp_path)
    writer.apply([entry(1, "cat")], [], generation=1)
    reader = TantivyEngine(tmp_path)
    writer.apply([entry(2, "cat")], [1], generation=2)
    assert reader.generation == 1
    reader.refresh()
    assert reader.generation == 2
    assert reader.keys().tolist() == [2]


@pytest.mark.parametrize("suffix", [".term", ".idx", ".fast", ".fieldnorm", "meta.json"])
def test_a_truncated_tantivy_file_asks_for_a_rebuild(tmp_path: Path, suffix: str):
    TantivyEngine(tmp_path).apply([entry(i, "cat dog") for i in range(100)], [], generation=1)
    for path in tmp_path.iterdir():
        if path.name.endswith(suffix):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    engine = TantivyEngine(tmp_path)
    assert engine.generation == -1
    engine.apply([entry(1, "cat")], [], generation=1)
    assert engine.keys().tolist() == [1]
