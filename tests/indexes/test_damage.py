"""Whatever is done to an engine's files: it is seen on opening, and the engine is built anew."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from indexes import Collection, Document
from indexes.errors import CollectionDamaged, CollectionTooNew
from indexes.lexical.base import LexicalEntry

ENGINES = ("lexical", "dense")
WORDS = {f"d{i}": f"number n{i}" for i in range(8)} | {f"e{i}": f"passing p{i}" for i in range(4)}


def truncated(data: bytes, _: random.Random) -> bytes:
    return data[: len(data) // 2]


def emptied(_data: bytes, _: random.Random) -> bytes:
    return b""


def flipped(data: bytes, chance: random.Random) -> bytes:
    at, bit = chance.randrange(len(data)), chance.randrange(8)
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def longer(data: bytes, _: random.Random) -> bytes:
    return data + b"\0"


def garbage(data: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(len(data))


HARMS: dict[str, tuple[Callable[[bytes, random.Random], bytes], int]] = {
    "truncated": (truncated, 1),
    "emptied": (emptied, 1),
    "flipped": (flipped, 4),
    "longer": (longer, 1),
    "garbage": (garbage, 1),
}


@pytest.fixture(scope="module", params=["faiss", "exact"])
def dense(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def whole(ram, dense) -> Path:
    path = ram / f"kb-{dense}"
    with Collection.create(path, dense=dense) as kb:
        kb.upsert([Document(f"d{i}", f"cat number n{i} with dogs", title=f"On n{i}") for i in range(8)])
        kb.upsert([Document(f"e{i}", f"passing p{i}") for i in range(4)])
        kb.delete(["d4", "e2"])
    return path


@pytest.fixture
def copy(whole, ram) -> Iterator[Path]:
    path = ram / "copy"
    shutil.copytree(whole, path)
    yield path
    shutil.rmtree(path)


def found(kb: Collection) -> dict[str, str]:
    """The best document for the words that only it has, for each that is stored."""
    return {id_: kb.as_owner().search(WORDS[id_], 1)[0].document.id for id_ in kb.as_owner().ids()}


@pytest.mark.parametrize("harm", HARMS)
def test_every_damaged_file_of_an_engine_is_seen_and_the_answers_stay_the_same(whole, ram, harm):
    harmed, times = HARMS[harm]
    with Collection.open(whole) as kb:
        expected = {id_: id_ for id_ in kb.as_owner().ids()}
        assert (len(expected), found(kb)) == (10, expected)
    files = [
        path for retriever in ENGINES for path in sorted((whole / retriever).iterdir()) if path.stat().st_size
    ]
    names = [path.relative_to(whole) for path in files]
    assert len(names) > 10
    for number, name in enumerate(names):
        for turn in range(times):
            copy = ram / f"{whole.name}-{number}-{turn}"
            shutil.copytree(whole, copy)
            data = (copy / name).read_bytes()
            (copy / name).write_bytes(harmed(data, random.Random(f"{number} {turn}")))
            with Collection.open(copy) as kb:
                assert kb.verify() == [], name
                assert found(kb) == expected, name
            shutil.rmtree(copy)


def test_a_file_that_is_gone_is_made_anew(whole, ram):
    for retriever in ENGINES:
        for number, name in enumerate(sorted(p.name for p in (whole / retriever).iterdir())):
            copy = ram / f"{whole.name}-{retriever}-{number}"
            shutil.copytree(whole, copy)
            (copy / retriever / name).unlink()
            with Collection.open(copy) as kb:
                assert kb.verify() == [], name
                assert found(kb) == {id_: id_ for id_ in kb.as_owner().ids()}, name
            shutil.rmtree(copy)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9])
def test_a_catalog_cut_short_is_told_with_advice(copy, share):
    catalog = copy / "catalog.sqlite"
    catalog.write_bytes(catalog.read_bytes()[: int(catalog.stat().st_size * share)])
    with pytest.raises(CollectionDamaged, match="Restore it from a copy, or index again"):
        Collection.open(copy)
    with pytest.raises(CollectionDamaged):
        Collection.open_or_create(copy)


def test_a_catalog_of_garbage_is_told_with_advice(copy):
    (copy / "catalog.sqlite").write_bytes(random.Random(1).randbytes(50_000))
    with pytest.raises(CollectionDamaged, match="Restore it from a copy, or index again"):
        Collection.open(copy)


def test_a_catalog_of_a_newer_version_is_refused_and_left_as_it_is(copy):
    with closing(sqlite3.connect(copy / "catalog.sqlite")) as db:
        db.execute("PRAGMA user_version = 99")
    before = (copy / "catalog.sqlite").read_bytes()
    with pytest.raises(CollectionTooNew, match=r"has format 99; .* Upgrade funnel-rlm"):
        Collection.open(copy)
    assert (copy / "catalog.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "UPDATE pages SET text = x'636174' WHERE number = 1",
            "its text is not the text of",
        ),
        ("UPDATE pages SET text = x'ff41' WHERE number = 1", "it cannot be read"),
        ("UPDATE documents SET title = 'On n9' WHERE id = 'd1'", "title, metadata, readers or sections"),
        ("UPDATE passages SET start = 1 WHERE id = 'd1#0'", "its text is not the one that was indexed"),
        ("UPDATE passages SET stop = 9999 WHERE id = 'd1#0'", "is not a span of"),
        (
            "INSERT INTO readers SELECT 'eve', number FROM documents WHERE id = 'd1'",
            "table of readers differs",
        ),
    ],
)
def test_what_was_changed_behind_our_back_is_found(copy, statement, problem):
    with closing(sqlite3.connect(copy / "catalog.sqlite")) as db, db:
        db.execute(statement)
    with Collection.open(copy) as kb:
        assert any(problem in found for found in kb.verify()), kb.verify()


def test_an_index_of_other_terms_is_found_by_a_sample(copy):
    with Collection.open(copy) as kb:
        engine = kb._retrievers.by_name["lexical"]._engine
        keys = engine.keys().tolist()
        readers = frozenset()
        engine.apply(
            [LexicalEntry(key, ("wrong",), readers) for key in keys], keys, generation=kb.status().generation
        )
        assert f"lexical retriever: passage {keys[0]} is not found by its own words" in kb.verify()
