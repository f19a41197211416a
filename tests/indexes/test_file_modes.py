"""Who may read the files of a collection and of a backup."""

from __future__ import annotations

import os
import stat

import pytest

from indexes import Collection, Document
from indexes.maintenance.backup import backup, restore

DOCUMENTS = [Document(f"d{i}", f"cats number n{i}") for i in range(12)]


@pytest.fixture(autouse=True)
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(path):
    """The modes of the directory and of everything in it."""
    return {stat.S_IMODE(each.stat().st_mode) for each in [path, *path.rglob("*")]}


@pytest.fixture(params=["tantivy", "rank-bm25"])
def engine(request):
    return request.param


def test_only_its_owner_may_read_a_collection(tmp_path, engine):
    with Collection.create(tmp_path / "kb", lexical=engine) as kb:
        kb.upsert(DOCUMENTS)
        assert modes(kb.path) == {0o700, 0o600}
        kb.delete(["d3"])
        kb.erase(["d4"])
        assert modes(kb.path) == {0o700, 0o600}
    assert modes(kb.path) == {0o700, 0o600}


def test_a_shared_collection_follows_the_umask(tmp_path, engine):
    with Collection.create(tmp_path / "kb", lexical=engine, shared=True) as kb:
        kb.upsert(DOCUMENTS)
        assert modes(kb.path) == {0o755, 0o644}
    os.umask(0o027)
    with Collection.create(tmp_path / "group", lexical=engine, shared=True) as kb:
        kb.upsert(DOCUMENTS)
        assert modes(kb.path) == {0o750, 0o640}


def test_what_is_written_later_follows_what_the_owner_changed(tmp_path):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert(DOCUMENTS[:6])
    for each in [kb.path, *kb.path.rglob("*")]:
        each.chmod(0o750 if each.is_dir() else 0o640)
    with Collection.open(kb.path) as kb:
        kb.upsert(DOCUMENTS)
        assert modes(kb.path) == {0o750, 0o640}


def test_a_folder_that_others_use_keeps_its_mode_and_hides_what_is_ours(tmp_path):
    folder = tmp_path / "kb"
    folder.mkdir()
    (folder / "theirs.txt").write_text("words")
    with Collection.create(folder) as kb:
        kb.upsert(DOCUMENTS)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    ours = [each for each in folder.rglob("*") if each.name != "theirs.txt"]
    assert {stat.S_IMODE(each.stat().st_mode) for each in ours} == {0o700, 0o600}


@pytest.mark.parametrize(("shared", "file", "folder"), [(False, 0o600, 0o700), (True, 0o644, 0o755)])
def test_a_backup_and_what_is_restored_from_it(tmp_path, shared, file, folder):
    with Collection.create(tmp_path / "kb") as kb:
        kb.upsert(DOCUMENTS)
    backup(kb.path, tmp_path / "b.tar.gz", shared=shared)
    assert stat.S_IMODE((tmp_path / "b.tar.gz").stat().st_mode) == file
    restore(tmp_path / "b.tar.gz", tmp_path / "again", shared=shared)
    with Collection.open(tmp_path / "again"):
        assert modes(tmp_path / "again") == {folder, file}
