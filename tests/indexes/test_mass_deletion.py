from __future__ import annotations

import pytest

from indexes import Collection, Document
from indexes.errors import MassDeletion

ALL = [Document(f"d{i}", f"cats n{i}") for i in range(40)]


@pytest.fixture
def kb(tmp_path):
    with Collection.create(tmp_path / "kb") as collection:
        collection.upsert([Document("other", "by itself")])
        collection.sync(ALL, source="/docs")
        yield collection


def test_over_thirty_percent_at_once_have_to_be_allowed(kb):
    with pytest.raises(
        MassDeletion, match="13 of 40 documents of /docs are missing at once; nothing was changed"
    ):
        kb.sync([*ALL[13:], Document("new", "words")], source="/docs")
    assert len(kb) == 41
    assert kb.as_owner().document("new") is None
    assert len(kb.sync(ALL[13:], source="/docs", allow_mass_delete=True).deleted) == 13
    assert kb.verify() == []


def test_thirty_percent_go(kb):
    assert len(kb.sync(ALL[12:], source="/docs").deleted) == 12


def test_of_a_small_source_nine_may_go(kb):
    kb.sync([Document(f"s{i}", "small") for i in range(10)], source="/small")
    assert len(kb.sync([Document("s0", "small")], source="/small").deleted) == 9


def test_documents_that_come_do_not_hide_those_that_go(kb):
    renamed = [Document(f"r{i}", f"cats n{i}") for i in range(100)]
    with pytest.raises(MassDeletion, match="40 of 40"):
        kb.sync(renamed, source="/docs")


def test_naming_the_documents_is_meant(kb):
    assert len(kb.delete([document.id for document in ALL]).deleted) == 40
