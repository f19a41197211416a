"""Backs up a collection into one file, and restores it; knows no document.

The file is a gzip-compressed tar of the catalog and the vector cache. Engines are derived data and not
included: they are rebuilt when the restored collection is opened.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from indexes.catalog import integrity
from indexes.catalog.catalog import CATALOG, Catalog
from indexes.dense.vector_cache import VECTORS
from indexes.errors import BadBackup, CollectionNotFound, IndexesError
from indexes.storage import faults
from indexes.storage.files import fsync

FORMAT = 1
_MANIFEST = "backup.json"
_PARTS = (CATALOG, VECTORS)
_GZIP_LEVEL = 1
_BLOCK_BYTES = 1 << 20
_UNREADABLE = (tarfile.TarError, zlib.error, EOFError, KeyError, ValueError, TypeError, sqlite3.Error)


@dataclass(frozen=True, slots=True)
class Backup:
    """The manifest of a backup. `sha256`: the checksum of each part, by name."""

    format: int
    made: str
    generation: int
    documents: int
    sha256: dict[str, str]


def backup(collection: Path, file: Path) -> Backup:
    """Write a snapshot of the collection in the directory `collection` to `file`.

    Others may write to the collection meanwhile. The file appears complete or not at all.

    Raises: `CollectionNotFound`; `CollectionDamaged`; `BadBackup` if `file` exists or cannot be written.
    """
    if file.exists():
        raise BadBackup(file, "it exists already; name another file, or remove this one")
    Catalog.open(collection / CATALOG).close()
    with (
        _errors_as_bad_backup(file),
        TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as temporary,
    ):
        parts = [name for name in _PARTS if (collection / name).is_file()]
        for name in parts:
            _copy(collection / name, Path(temporary) / name)
        faults.step("backup.copied")
        made = _describe(Path(temporary), parts)
        (Path(temporary) / _MANIFEST).write_text(json.dumps(asdict(made)), encoding="utf-8")
        packed = Path(temporary) / "packed"
        with tarfile.open(packed, "w:gz", compresslevel=_GZIP_LEVEL) as tar:
            for name in (_MANIFEST, *parts):
                tar.add(Path(temporary) / name, name)
        fsync(packed)
        faults.step("backup.packed")
        packed.replace(file)
        fsync(file.parent)
        faults.step("backup.named")
    return made


def restore(file: Path, collection: Path) -> Backup:
    """Restore the collection in `file` into the directory `collection`, which must be empty or not exist.

    Everything is unpacked beside it and checked, then put in place by one rename.

    Raises: `BadBackup`, `CollectionTooNew`.
    """
    if collection.exists() and (not collection.is_dir() or any(collection.iterdir())):
        raise BadBackup(collection, "it exists already and is not empty; name another directory")
    with _errors_as_bad_backup(file):
        collection.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{collection.name}-", dir=collection.parent) as temporary:
            made = _unpack(file, Path(temporary) / "kb")
            faults.step("restore.unpacked")
            _check(file, Path(temporary) / "kb", made)
            faults.step("restore.checked")
            (Path(temporary) / "kb").replace(collection)
            fsync(collection.parent)
            faults.step("restore.named")
    return made


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _describe(directory: Path, parts: list[str]) -> Backup:
    with closing(sqlite3.connect(directory / CATALOG)) as db:
        (generation,) = db.execute("SELECT value FROM settings WHERE name = 'generation'").fetchone()
        (documents,) = db.execute("SELECT count(*) FROM documents").fetchone()
    sums = {name: _sha256(directory / name) for name in parts}
    return Backup(FORMAT, datetime.now(UTC).isoformat(timespec="seconds"), int(generation), documents, sums)


def _unpack(file: Path, directory: Path) -> Backup:
    directory.mkdir()
    with tarfile.open(file, "r:gz") as tar:
        made = _manifest(file, tar)
        # Only known names are unpacked, so that nothing in the file decides where it is written.
        for name in made.sha256:
            member = tar.extractfile(name)
            if name not in _PARTS or member is None:
                raise BadBackup(file, f"it holds {name!r}, which is not a part of a backup")
            with (directory / name).open("wb") as target:
                for block in _blocks(member):
                    target.write(block)
            fsync(directory / name)
    return made


def _manifest(file: Path, tar: tarfile.TarFile) -> Backup:
    member = tar.extractfile(_MANIFEST)
    found: dict[str, Any] = json.load(member) if member is not None else {}
    number = int(found["format"])
    if number > FORMAT:
        raise BadBackup(
            file, f"it has format {number}, this version reads up to {FORMAT}; upgrade funnel-rlm"
        )
    return Backup(**found)


def _check(file: Path, directory: Path, made: Backup) -> None:
    for name, expected in made.sha256.items():
        if _sha256(directory / name) != expected:
            raise BadBackup(file, f"{name} in it does not match its checksum; the file is damaged")
    with closing(Catalog.open(directory / CATALOG)) as catalog, catalog.read() as reader:
        if problem := next(integrity.problems(reader), None):
            raise BadBackup(file, f"its catalog is damaged: {problem}")


@contextmanager
def _errors_as_bad_backup(file: Path) -> Iterator[None]:
    """Raise errors of libraries and of the operating system as `BadBackup`."""
    try:
        yield
    except CollectionNotFound as exc:
        raise BadBackup(file, "it holds no collection") from exc
    except IndexesError:
        raise
    except gzip.BadGzipFile as exc:
        raise BadBackup(file, f"it cannot be read as a backup ({exc})") from exc
    except OSError as exc:
        raise BadBackup(file, f"it cannot be read or written ({exc.strerror or exc})") from exc
    except _UNREADABLE as exc:
        raise BadBackup(file, f"it cannot be read as a backup ({exc})") from exc


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in _blocks(file):
            digest.update(block)
    return digest.hexdigest()


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block
