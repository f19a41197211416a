"""A collection that may be read and not written to: it is searched, and nothing is left in it."""

from __future__ import annotations

import shutil
import sqlite3

import numpy as np
import pytest

from indexes import Collection, Document, DocumentId
from indexes.catalog import schema
from indexes.catalog.catalog import CATALOG
from indexes.dense.vector_cache import VectorCache
from indexes.errors import CollectionNotReadable, CollectionNotWritable

DAYS = [Document(DocumentId(f"d{i}"), f"We refund within {i} days; code word{i}.") for i in range(12)]


@pytest.fixture
def closed(monkeypatch):
    """Directories that may not be written to."""
    close(monkeypatch)


def close(monkeypatch):
    """Have each say so of itself: a superuser may write anywhere."""
    for module in ("storage.connecting", "catalog.catalog", "dense.vector_cache", "lexical.tantivy"):
        monkeypatch.setattr(f"indexes.{module}.may_write", lambda _: False)


@pytest.fixture(params=["tantivy", "rank-bm25"])
def kb(tmp_path, request):
    with Collection.create(tmp_path / "kb", lexical=request.param) as collection:
        collection.upsert(DAYS)
    return tmp_path / "kb"


def standing(path):
    return {file: file.stat().st_mtime_ns for file in path.rglob("*")}


def best(path):
    with Collection.open(path) as collection:
        return collection.as_owner().search("refund word7", 1)[0].document.id


def test_it_is_searched_and_left_as_it_was(kb, closed):
    before = standing(kb)
    assert best(kb) == "d7"
    assert standing(kb) == before


def test_it_is_verified(kb, closed):
    with Collection.open(kb) as collection:
        assert collection.verify() == []


def test_what_its_owner_writes_meanwhile_is_seen(kb, monkeypatch):
    with monkeypatch.context() as here:
        close(here)
        reader = Collection.open(kb)
    with Collection.open(kb) as owner, reader:
        owner.upsert([Document(DocumentId("new"), "word99")])
        close(monkeypatch)
        assert reader.as_owner().search("word99", 1)[0].document.id == "new"


def test_the_log_of_an_owner_that_was_killed_is_read(kb, tmp_path, closed, request):
    with sqlite3.connect(kb / CATALOG) as owner:
        owner.execute("INSERT INTO settings VALUES ('left', 'in the log')")
        owner.commit()
        shutil.copytree(kb, tmp_path / "left")
    owner.close()
    assert (tmp_path / "left" / f"{CATALOG}-wal").stat().st_size > 0
    with Collection.open(tmp_path / "left") as collection, collection._catalog.read() as reader:
        assert reader.setting("left") == "in the log"


def test_an_older_format_has_to_be_opened_by_somebody_who_may_write(kb, closed):
    db = sqlite3.connect(kb / CATALOG)
    db.execute("PRAGMA user_version = 1")
    db.close()
    with pytest.raises(
        CollectionNotWritable, match=f"its format is 1 and must be upgraded to {len(schema.MIGRATIONS)}"
    ):
        Collection.open(kb)


def test_a_catalog_that_may_not_be_read_is_told_in_one_line(kb, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(
        CollectionNotReadable, match=r"no permission to read the collection .*\. Ask its owner"
    ):
        Collection.open(kb)


def test_whoever_may_read_the_directory_may_read_what_tantivy_made(tmp_path):
    (tmp_path / "kb").mkdir(mode=0o755)
    with Collection.create(tmp_path / "kb") as collection:
        collection.upsert(DAYS)
    folder = tmp_path / "kb" / "lexical"
    files = [file for file in folder.iterdir() if not file.name.startswith(".")]
    assert {file.stat().st_mode & 0o777 for file in files} == {folder.stat().st_mode & 0o666}


def test_vectors_are_read_and_left_as_they_were(tmp_path, request):
    vectors = VectorCache(tmp_path / "kb" / "vectors.sqlite", "m")
    (tmp_path / "kb").mkdir()
    vectors.put([b"a"], np.ones((1, 3), np.float32))
    request.getfixturevalue("closed")
    before = standing(tmp_path)
    assert vectors.get([b"a"]).tolist() == [[1.0, 1.0, 1.0]]
    assert standing(tmp_path) == before


def test_where_there_are_no_vectors_none_is_found_and_no_file_is_made(tmp_path, closed):
    vectors = VectorCache(tmp_path / "vectors.sqlite", "m")
    assert vectors.missing([b"a"]) == {b"a"}
    assert list(tmp_path.iterdir()) == []
