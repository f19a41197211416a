from __future__ import annotations

import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.catalog import integrity, schema
from indexes.catalog.catalog import Catalog
from indexes.catalog.text import PAGE_CHARS
from indexes.chunking import chunk
from indexes.errors import CollectionDamaged, CollectionNotFound, CollectionTooNew
from indexes.filters import field
from indexes.scope import EVERYTHING, Scope
from indexes.types import OWNER, Document, Section

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=400)


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog.create(tmp_path / "catalog.sqlite", {"embedder": "latent"})
    yield catalog
    catalog.close()


def put(catalog, *documents, source=""):
    with catalog.write() as writer:
        for document in documents:
            if (stored := writer.stored(document.id)) is not None:
                writer.remove(stored.number)
            writer.put(document, chunk(document), source=source)


def number(reader, document_id):
    found = reader.number(document_id, EVERYTHING)
    assert found is not None
    return found


def test_a_document_comes_back_as_it_was(catalog):
    document = Document(
        id="d",
        text="# One\nfirst text\n# Two\nsecond",
        title="T",
        uri="file:///d",
        metadata={"n": 1, "tags": ["a"], "none": None},
        readers=frozenset({"alice", "public"}),
        sections=(Section(0, 17, "One", 1, 1), Section(17, 29, "Two")),
    )
    put(catalog, document)
    with catalog.read() as reader:
        again = reader.document(number(reader, "d"))
    assert again == document
    assert again.fingerprint == document.fingerprint


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(text=ANY_TEXT, start=st.integers(-5, 410), length=st.integers(0, 410))
def test_any_text_and_any_span_come_back_exactly(catalog, text, start, length):
    put(catalog, Document("d", text))
    with catalog.read() as reader:
        assert reader.document(number(reader, "d")).text == text
        expected = text[max(start, 0) : max(start, 0) + length]
        assert reader.text(number(reader, "d"), start, max(start, 0) + length) == expected


@pytest.mark.parametrize("start", [0, PAGE_CHARS - 3, PAGE_CHARS, 2 * PAGE_CHARS - 1, 3 * PAGE_CHARS - 2])
def test_spans_over_page_borders_are_exact(catalog, start):
    text = "".join(chr(0x4E00 + i % 5000) for i in range(3 * PAGE_CHARS))
    with catalog.write() as writer:
        writer.put(Document("d", text), [], source="")
    with catalog.read() as reader:
        assert reader.text(number(reader, "d"), start, start + 10) == text[start : start + 10]


def test_a_span_of_a_large_document_reads_two_pages_at_most(catalog):
    with catalog.write() as writer:
        writer.put(Document("d", "x" * (10 * PAGE_CHARS)), [], source="")
    statements = []
    with catalog.read() as reader:
        found = number(reader, "d")
        reader._db.set_trace_callback(statements.append)
        reader.text(found, PAGE_CHARS - 5, PAGE_CHARS + 5)
        reader._db.set_trace_callback(None)
    assert [s.split("WHERE ")[1] for s in statements] == [
        f"document = {found} AND ordinal BETWEEN 0 AND 1 ORDER BY ordinal"
    ]


def test_each_write_that_changes_something_raises_the_generation_by_one(catalog):
    put(catalog, Document("a", "x"), Document("b", "y"))
    with catalog.write():
        pass
    put(catalog, Document("a", "z"))
    with catalog.read() as reader:
        assert reader.generation == 2


def test_an_exception_leaves_everything_as_it_was(catalog):
    put(catalog, Document("a", "x"))
    with pytest.raises(KeyboardInterrupt), catalog.write() as writer:  # noqa: PT012  # what is undone
        writer.put(Document("b", "y"), [], source="")
        raise KeyboardInterrupt
    with catalog.read() as reader:
        assert reader.ids(EVERYTHING) == ["a"]
        assert reader.generation == 1


def test_what_came_and_went_since_a_generation_is_known(catalog):
    put(catalog, Document("a", "one"), Document("b", "two"))
    put(catalog, Document("a", "three"))
    with catalog.read() as reader:
        assert [(row.key, row.text) for row in reader.added(1)] == [(3, "three")]
        assert reader.removed(1) == [1]
        assert reader.removed(2) == []
        assert [row.key for row in reader.added(-1)] == [2, 3]


def test_a_key_is_never_used_twice(catalog):
    put(catalog, Document("a", "one"))
    for text in ("two", "three"):
        put(catalog, Document("a", text))
    with catalog.read() as reader:
        assert reader.keys().tolist() == [3]


def test_a_reader_sees_one_moment(catalog):
    put(catalog, Document("a", "one"))
    with catalog.read() as reader:
        assert reader.generation == 1
        put(catalog, Document("b", "two"))
        assert reader.ids(EVERYTHING) == ["a"]


def test_a_passage_keeps_its_section(catalog):
    sections = (Section(0, 6, "One", page=3), Section(6, 12, "Two", page=4))
    document = Document("d", "first second", sections=sections)
    put(catalog, document)
    with catalog.read() as reader:
        places = reader.locations(reader.keys().tolist(), EVERYTHING)
        assert reader.passages(places.values()) == chunk(document)


def test_no_file_is_no_collection(tmp_path):
    with pytest.raises(CollectionNotFound, match="No collection in"):
        Catalog.open(tmp_path / "catalog.sqlite")


def test_a_newer_format_is_refused(catalog, tmp_path):
    catalog.close()
    with sqlite3.connect(tmp_path / "catalog.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(CollectionTooNew, match="has format 99; this version reads up to 2"):
        Catalog.open(tmp_path / "catalog.sqlite")


def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path):
    (tmp_path / "catalog.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(CollectionDamaged, match="cannot be read: file is not a database"):
        Catalog.open(tmp_path / "catalog.sqlite")


def test_another_programs_database_is_no_collection(tmp_path):
    with sqlite3.connect(tmp_path / "catalog.sqlite") as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(CollectionNotFound):
        Catalog.open(tmp_path / "catalog.sqlite")


def test_an_older_format_is_migrated_step_by_step(catalog, tmp_path, monkeypatch):
    put(catalog, Document("a", "one"))
    catalog.close()
    step = "ALTER TABLE documents ADD COLUMN language TEXT NOT NULL DEFAULT 'en';"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
    again = Catalog.open(tmp_path / "catalog.sqlite")
    with again.read() as reader:
        assert reader.ids(EVERYTHING) == ["a"]
        assert reader._db.execute("SELECT language FROM documents").fetchall() == [("en",)]
    again.close()


def test_a_migration_that_fails_leaves_the_old_format(catalog, tmp_path, monkeypatch):
    catalog.close()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE extra (x);\nNO SQL;"))
        with pytest.raises(Exception, match="syntax error"):
            Catalog.open(tmp_path / "catalog.sqlite")
    again = Catalog.open(tmp_path / "catalog.sqlite")
    with again.read() as reader:
        assert not reader._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'extra'").fetchall()
    again.close()


def test_altered_text_is_told(catalog, tmp_path):
    put(catalog, Document("a", "one two"))
    with sqlite3.connect(tmp_path / "catalog.sqlite") as db:
        db.execute("UPDATE pages SET text = ?", (b"one 2wo",))
    db.close()
    with catalog.read() as reader:
        [problem] = integrity.problems(reader)
    assert problem.startswith("document 'a': its text is not the text of version")


def test_documents_of_the_first_format_get_their_attributes_on_opening(tmp_path):
    path = tmp_path / "catalog.sqlite"
    catalog = Catalog.create(path, {})
    with catalog.write() as writer:
        held = {"year": 2021, "tags": ["a", "b"], "odd": float("nan")}
        writer.put(Document("d", "text", metadata=held), [], source="")
    catalog.close()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE attributes")
        db.execute("PRAGMA user_version = 1")
    db.close()
    catalog = Catalog.open(path)
    with catalog.read() as reader:
        assert reader.ids(Scope(OWNER, (field("year") == 2021) & (field("tags") == "b"))) == ["d"]
        assert reader.ids(Scope(OWNER, field("odd").exists())) == []
    catalog.close()
