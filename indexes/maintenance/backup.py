"""Backs up a collection into one file, and restores it; knows no document.

The file is a gzip-compressed tar of the catalog and the vector cache. Engines are derived data and not
included: they are rebuilt when the restored collection is opened.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Annotated

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from indexes.catalog import integrity
from indexes.catalog.catalog import CATALOG, Catalog
from indexes.dense import vector_cache
from indexes.dense.vector_cache import VECTORS
from indexes.errors import BadBackup, CollectionDamaged, CollectionNotFound, IndexesError
from indexes.storage import faults
from indexes.storage.files import fsync
from indexes.storage.permissions import create_file, make_collection_folder

FORMAT = 1
_MANIFEST = "backup.json"
_PARTS = (CATALOG, VECTORS)
_GZIP_LEVEL = 1
_BLOCK_BYTES = 1 << 20
_MAX_MANIFEST_BYTES = 1 << 16
_MAX_VALUE_BYTES = 1 << 28
"""The longest text or row that is read of a catalog that is being restored."""
_UNREADABLE = (tarfile.TarError, zlib.error, EOFError, KeyError, ValueError, TypeError, sqlite3.Error)


@dataclass(frozen=True, slots=True)
class Backup:
    """The manifest of a backup. `sha256`: the checksum of each part, by name."""

    format: Annotated[int, Field(strict=True, ge=1)]
    made: str
    generation: Annotated[int, Field(strict=True, ge=0)]
    documents: Annotated[int, Field(strict=True, ge=0)]
    sha256: dict[str, str]


class _Format(BaseModel):
    """What the manifest of every format has."""

    format: int


_MANIFESTS = TypeAdapter(Backup)


class _InBlocks(io.RawIOBase):
    """A stream that refuses to read much at once, which tarfile does for a header that claims to be long."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _BLOCK_BYTES:
            raise tarfile.ReadError("it has a header of an implausible length")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def backup(collection: Path, file: Path, *, shared: bool = False) -> Backup:
    """Write a snapshot of the collection in the directory `collection` to `file`.

    Others may write to the collection meanwhile. The file appears complete or not at all. Only this user may
    read it, or, if it is `shared`, whoever the umask lets.

    Raises: `CollectionNotFound`; `CollectionDamaged`; `BadBackup` if `file` exists or cannot be written.
    """
    if file.exists():
        raise BadBackup(file, "it exists already; name another file, or remove this one")
    Catalog.open(collection / CATALOG).close()
    with (
        _errors_as_bad_backup(file, "written"),
        TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as temporary,
    ):
        parts = [name for name in _PARTS if (collection / name).is_file()]
        for name in parts:
            _copy(collection / name, Path(temporary) / name)
        faults.step("backup.copied")
        made = _describe(Path(temporary), parts)
        (Path(temporary) / _MANIFEST).write_text(json.dumps(asdict(made)), encoding="utf-8")
        packed = Path(temporary) / "packed"
        with (
            os.fdopen(create_file(packed, shared=shared), "wb") as raw,
            tarfile.open(fileobj=raw, mode="w:gz", compresslevel=_GZIP_LEVEL) as tar,
        ):
            for name in (_MANIFEST, *parts):
                tar.add(Path(temporary) / name, name)
        fsync(packed)
        faults.step("backup.packed")
        packed.replace(file)
        fsync(file.parent)
        faults.step("backup.named")
    return made


def restore(file: Path, collection: Path, *, shared: bool = False) -> Backup:
    """Restore the collection in `file` into the directory `collection`, which must be empty or not exist.

    Everything is unpacked beside it and checked, then put in place by one rename. A file from elsewhere is
    not trusted: nothing in it decides what is run or where it is written, and no part of it is read whole
    into memory. Only this user may read the collection, or, if it is `shared`, whoever the umask lets.

    Raises: `BadBackup`, `CollectionTooNew`.
    """
    if collection.exists() and (not collection.is_dir() or any(collection.iterdir())):
        raise BadBackup(collection, "it exists already and is not empty; name another directory")
    with _errors_as_bad_backup(file, "restored"):
        collection.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{collection.name}-", dir=collection.parent) as temporary:
            made = _unpack(file, Path(temporary) / "kb", shared=shared)
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


def _unpack(file: Path, directory: Path, *, shared: bool) -> Backup:
    make_collection_folder(directory, shared=shared)
    with (
        gzip.open(file, "rb") as unzipped,
        tarfile.open(fileobj=_InBlocks(unzipped), mode="r:") as tar,
    ):
        made = _manifest(file, tar)
        # Only known names are unpacked, so that nothing in the file decides where it is written.
        for name in made.sha256:
            info = tar.getmember(name) if name in _PARTS else None
            member = tar.extractfile(info) if info is not None and info.isreg() else None
            if info is None or member is None:
                raise BadBackup(file, f"it holds {name[:80]!r}, which is not a part of a backup")
            room = shutil.disk_usage(directory).free
            if info.size > room:
                raise BadBackup(file, f"its {name} has {info.size:,} bytes; the disk has room for {room:,}")
            with os.fdopen(create_file(directory / name, shared=shared), "wb") as target:
                for block in _blocks(member):
                    target.write(block)
            fsync(directory / name)
    return made


def _manifest(file: Path, tar: tarfile.TarFile) -> Backup:
    member = tar.extractfile(_MANIFEST)
    text = b"" if member is None else member.read(_MAX_MANIFEST_BYTES + 1)
    if len(text) > _MAX_MANIFEST_BYTES:
        raise BadBackup(file, f"its {_MANIFEST} is longer than that of any backup")
    try:
        number = _Format.model_validate_json(text).format
        if number > FORMAT:
            reason = f"it has format {number}, this version reads up to {FORMAT}; upgrade funnel-rlm"
            raise BadBackup(file, reason)
        made = _MANIFESTS.validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "it"
        raise BadBackup(file, f"in its {_MANIFEST}, {where[:80]}: {first['msg']}") from exc
    if CATALOG not in made.sha256:
        raise BadBackup(file, "it holds no collection")
    return made


def _check(file: Path, directory: Path, made: Backup) -> None:
    for name, expected in made.sha256.items():
        if _sha256(directory / name) != expected:
            raise BadBackup(file, f"{name} in it does not match its checksum; the file is damaged")
    if VECTORS in made.sha256 and (problem := vector_cache.problem(directory / VECTORS)):
        raise BadBackup(file, f"its vectors are damaged: {problem}")
    with closing(Catalog.open(directory / CATALOG)) as catalog, catalog.read() as reader:
        reader.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        if problem := next(integrity.problems(reader), None):
            raise BadBackup(file, f"its catalog is damaged: {problem}")


@contextmanager
def _errors_as_bad_backup(file: Path, done: str) -> Iterator[None]:
    """Raise errors of libraries and of the operating system as `BadBackup`."""
    try:
        yield
    except CollectionNotFound as exc:
        raise BadBackup(file, "it holds no collection") from exc
    except CollectionDamaged as exc:
        # It names the folder that it was unpacked into, which is gone by now.
        if done == "restored":
            raise BadBackup(file, f"its catalog is damaged: {exc.reason}") from exc
        raise
    except IndexesError:
        raise
    except gzip.BadGzipFile as exc:
        raise BadBackup(file, f"it cannot be read as a backup ({exc})") from exc
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename not in {None, str(file)} else ""
        raise BadBackup(file, f"it cannot be {done} ({where}{exc.strerror or exc})") from exc
    except sqlite3.OperationalError as exc:
        raise BadBackup(file, f"it cannot be {done} ({exc}); is the disk full?") from exc
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
