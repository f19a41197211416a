from __future__ import annotations

import io
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import textwrap
import threading

import pytest

from indexes import Collection, Document
from indexes.errors import BadBackup, CollectionNotFound, CollectionTooNew
from indexes.maintenance.backup import backup, restore

ALL = [Document(f"d{i}", f"cats number n{i}", title=f"On n{i}") for i in range(12)]
STEPS = ["backup.copied", "backup.packed", "backup.named"]
RESTORE_STEPS = ["restore.unpacked", "restore.checked", "restore.named"]


@pytest.fixture
def kb(tmp_path):
    with Collection.create(tmp_path / "kb") as collection:
        collection.upsert(ALL)
        yield collection


def repacked(file, target, **changed):
    """The backup with some members replaced."""
    with tarfile.open(file) as old, tarfile.open(target, "w:gz") as new:
        for member in old.getmembers():
            data = changed.get(member.name.partition(".")[0], lambda data: data)(
                old.extractfile(member).read()
            )
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return target


def test_a_restored_collection_holds_and_finds_the_same(kb, tmp_path):
    made = backup(kb.path, tmp_path / "b.tar.gz")
    assert (made.documents, made.generation) == (12, 1)
    assert restore(tmp_path / "b.tar.gz", tmp_path / "again") == made
    with Collection.open(tmp_path / "again") as again:
        assert [again.as_owner().document(id_) for id_ in again.as_owner().ids()] == [
            kb.as_owner().document(id_) for id_ in kb.as_owner().ids()
        ]
        assert again.as_owner().search("n7", 1)[0].document.id == "d7"
        assert again.verify() == []
        again.upsert([Document("new", "words")])


def test_a_backup_is_of_one_moment_while_another_writes(kb, tmp_path):
    stop = threading.Event()

    def write():
        for i in range(1000):
            if stop.is_set():
                return
            # Both or neither: a backup that has only one of a pair is of no moment.
            kb.upsert([Document(f"a{i}", f"left {i}"), Document(f"b{i}", f"right {i}")])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for i in range(5):
            backup(kb.path, tmp_path / f"{i}.tar.gz")
    finally:
        stop.set()
        writer.join()
    for i in range(5):
        restore(tmp_path / f"{i}.tar.gz", tmp_path / f"kb{i}")
        with Collection.open(tmp_path / f"kb{i}") as again:
            ids = set(again.as_owner().ids())
            assert {id_[1:] for id_ in ids if id_[0] == "a"} == {id_[1:] for id_ in ids if id_[0] == "b"}
            assert again.verify() == []


def test_a_backup_is_a_tar_that_anybody_reads(kb, tmp_path):
    backup(kb.path, tmp_path / "b.tar.gz")
    with tarfile.open(tmp_path / "b.tar.gz", "r:gz") as tar:
        assert tar.getnames() == ["backup.json", "catalog.sqlite"]
        assert json.load(tar.extractfile("backup.json"))["documents"] == 12


def test_nothing_is_written_over(kb, tmp_path):
    file = tmp_path / "b.tar.gz"
    backup(kb.path, file)
    with pytest.raises(BadBackup, match="it exists already"):
        backup(kb.path, file)
    with pytest.raises(BadBackup, match="it exists already and is not empty"):
        restore(file, kb.path)
    assert len(kb) == 12


def test_what_is_no_collection_and_what_is_no_backup_is_told(kb, tmp_path):
    with pytest.raises(CollectionNotFound):
        backup(tmp_path / "none", tmp_path / "b.tar.gz")
    with pytest.raises(BadBackup, match="No such file"):
        restore(tmp_path / "none.tar.gz", tmp_path / "again")
    (tmp_path / "text").write_text("no backup")
    with pytest.raises(BadBackup, match="cannot be read as a backup"):
        restore(tmp_path / "text", tmp_path / "again")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kb", "text"]


def test_a_damaged_backup_puts_nothing_in_place(kb, tmp_path):
    file = tmp_path / "b.tar.gz"
    backup(kb.path, file)
    data, bad = file.read_bytes(), tmp_path / "bad.tar.gz"
    for at in range(0, len(data), max(1, len(data) // 25)):
        bad.write_bytes(data[:at] + bytes([data[at] ^ 64]) + data[at + 1 :])
        try:
            restore(bad, tmp_path / "again")
        except BadBackup:
            assert not (tmp_path / "again").exists()
        else:  # a byte of the header that means nothing
            with Collection.open(tmp_path / "again") as again:
                assert again.verify() == []
            shutil.rmtree(tmp_path / "again")
    bad.write_bytes(data[: len(data) // 2])
    with pytest.raises(BadBackup):
        restore(bad, tmp_path / "again2")
    assert not (tmp_path / "again2").exists()


def test_parts_that_were_exchanged_are_refused(kb, tmp_path):
    backup(kb.path, tmp_path / "b.tar.gz")
    other = repacked(tmp_path / "b.tar.gz", tmp_path / "c.tar.gz", catalog=lambda data: data[:-1] + b"x")
    with pytest.raises(BadBackup, match="does not match its checksum"):
        restore(other, tmp_path / "again")


def test_a_newer_backup_is_refused(kb, tmp_path):
    backup(kb.path, tmp_path / "b.tar.gz")
    newer = repacked(
        tmp_path / "b.tar.gz",
        tmp_path / "c.tar.gz",
        backup=lambda data: json.dumps({**json.loads(data), "format": 99}).encode(),
    )
    with pytest.raises(BadBackup, match="format 99, this version reads up to 1; upgrade"):
        restore(newer, tmp_path / "again")


def test_a_backup_of_a_newer_catalog_is_not_made(kb, tmp_path):
    kb.close()
    db = sqlite3.connect(kb.path / "catalog.sqlite")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(CollectionTooNew):
        backup(kb.path, tmp_path / "b.tar.gz")


def test_a_member_elsewhere_is_not_unpacked(kb, tmp_path):
    backup(kb.path, tmp_path / "b.tar.gz")

    def elsewhere(data):
        found = json.loads(data)
        return json.dumps({**found, "sha256": {"../../evil": "0"}}).encode()

    evil = repacked(tmp_path / "b.tar.gz", tmp_path / "c.tar.gz", backup=elsewhere)
    with pytest.raises(BadBackup):
        restore(evil, tmp_path / "again")
    assert not list(tmp_path.rglob("evil"))


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from indexes.storage import faults
    from indexes.maintenance.backup import backup, restore

    work, step, source, target = sys.argv[1:]
    faults.arm(lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == step else None)
    (backup if work == "backup" else restore)(Path(source), Path(target))
    """
)


@pytest.mark.parametrize("step", STEPS + RESTORE_STEPS)
def test_killed_at_any_step_there_is_all_of_it_or_nothing(kb, tmp_path, step):
    file, again = tmp_path / "b.tar.gz", tmp_path / "again"
    work = step.partition(".")[0]
    if work == "restore":
        backup(kb.path, file)
    source, target = (kb.path, file) if work == "backup" else (file, again)
    done = subprocess.run([sys.executable, "-c", KILLED, work, step, source, target], check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.exists() == step.endswith(".named")
    if not target.exists():
        (backup if work == "backup" else restore)(source, target)
    if work == "backup":
        restore(file, again)
    with Collection.open(again) as restored:
        assert (len(restored), restored.verify()) == (12, [])
