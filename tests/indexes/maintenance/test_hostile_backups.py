"""Backups that somebody made to do harm: nothing of them is put in place, and none takes the host."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import sqlite3
import subprocess
import sys
import tarfile

import pytest

from indexes import Collection, Document
from indexes.errors import BadBackup
from indexes.maintenance.backup import restore

MEBI = 1 << 20
MAX_GROWTH_MB = 150


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "kb"
    with Collection.create(path) as kb:
        kb.upsert([Document(f"d{i}", f"cats number n{i}") for i in range(5)])
    return path / "catalog.sqlite"


def packed(file, members):
    with tarfile.open(file, "w:gz", compresslevel=1) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


def forged(tmp_path, catalog, statements=(), manifest=None, **changed):
    """A backup whose catalog these statements changed, with checksums that fit."""
    copy = tmp_path / "forged.sqlite"
    shutil.copy(catalog, copy)
    db = sqlite3.connect(copy)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    data = copy.read_bytes()
    copy.unlink()
    made = {"format": 1, "made": "now", "generation": 1, "documents": 5}
    made |= {"sha256": {"catalog.sqlite": hashlib.sha256(data).hexdigest()}} | changed
    text = json.dumps(made).encode() if manifest is None else manifest
    return packed(tmp_path / "b.tar.gz", [("backup.json", text), ("catalog.sqlite", data)])


def refused(file, tmp_path):
    with pytest.raises(BadBackup) as told:
        restore(file, tmp_path / "again")
    assert "\n" not in str(told.value)
    assert [each.name for each in tmp_path.iterdir()] == [file.name]
    return str(told.value)


TRIGGER = "CREATE TRIGGER t AFTER INSERT ON settings BEGIN DELETE FROM documents; END"


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (TRIGGER, "trigger t"),
        ("CREATE VIEW v AS SELECT 1", "view v"),
        ("CREATE TABLE more (a)", "table more"),
        ("CREATE INDEX by_title ON documents (title)", "index by_title"),
        ("DROP INDEX readers_document", "index readers_document"),
        ("ALTER TABLE documents ADD COLUMN more TEXT", "table documents"),
    ],
)
def test_a_catalog_defines_what_ours_define_and_nothing_else(tmp_path, catalog, statement, named):
    assert named in refused(forged(tmp_path, catalog, [statement]), tmp_path)


def test_a_collection_that_somebody_gave_a_trigger_is_not_opened(tmp_path, catalog):
    shutil.copytree(catalog.parent, tmp_path / "kb")
    with sqlite3.connect(tmp_path / "kb" / "catalog.sqlite") as db:
        db.execute(TRIGGER)
    db.close()
    with pytest.raises(Exception, match="trigger t"):
        Collection.open(tmp_path / "kb")


@pytest.mark.parametrize(
    "changed",
    [
        {"sha256": []}, {"sha256": {}}, {"sha256": None}, {"sha256": {"catalog.sqlite": 7}},
        {"sha256": {"../../etc/passwd": "00"}}, {"format": "x"}, {"format": None}, {"format": True},
        {"format": 1e400}, {"documents": -1}, {"documents": "many"}, {"generation": [1]}, {"made": {}},
        {"manifest": b""}, {"manifest": b"[]"}, {"manifest": b"null"}, {"manifest": b"[" * 60_000},
        {"manifest": b"\xff\xfe"}, {"manifest": b" " * 200_000},
    ],
)  # fmt: skip
def test_a_manifest_of_another_form_is_told_in_one_line(tmp_path, catalog, changed):
    refused(forged(tmp_path, catalog, **changed), tmp_path)


GROWTH = """
import resource, sys
from pathlib import Path
from indexes.errors import BadBackup
from indexes.maintenance.backup import restore
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    restore(Path(sys.argv[1]), Path(sys.argv[1] + ".kb"))
except BadBackup as error:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, error)
"""


def growth_mb(file):
    """How much memory a process of its own takes to refuse the backup."""
    command = [sys.executable, "-c", GROWTH, file]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE pages SET text = zeroblob(300000000) WHERE number = 1"],
        ["UPDATE documents SET title = hex(zeroblob(200000000)) WHERE number = 1"],
        ["UPDATE documents SET metadata = hex(zeroblob(200000000)) WHERE number = 1"],
    ],
    ids=["text", "title", "metadata"],
)
def test_a_small_file_that_unpacks_to_much_takes_little_memory(tmp_path, catalog, statements):
    file = forged(tmp_path, catalog, statements)
    assert file.stat().st_size < 4 * MEBI
    assert growth_mb(file) < MAX_GROWTH_MB


def test_a_header_that_claims_to_be_long_is_not_read(tmp_path):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 400 * MEBI
    with gzip.open(tmp_path / "b.tar.gz", "wb", 1) as file:
        file.write(header.tobuf(format=tarfile.USTAR_FORMAT))
        for _ in range(400):
            file.write(bytes(MEBI))
    assert growth_mb(tmp_path / "b.tar.gz") < MAX_GROWTH_MB


def test_a_backup_for_which_the_disk_has_no_room_is_not_unpacked(tmp_path, catalog, monkeypatch):
    file = forged(tmp_path, catalog)
    free = shutil.disk_usage(tmp_path)._replace(free=1_000)
    monkeypatch.setattr("indexes.maintenance.backup.shutil.disk_usage", lambda _: free)
    assert "the disk has room for 1,000" in refused(file, tmp_path)
