"""The manifest of a vector engine's files: their contents, and checksums that reveal damage."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

from indexes.storage import faults
from indexes.storage.files import fsync

_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of an engine's files: the generation, the embedding space, one large file and a log."""

    generation: int
    space: str
    file: str
    size_bytes: int
    crc32: int
    log_bytes: int
    log_crc32: int


def read_manifest(directory: Path) -> Manifest | None:
    """Return the manifest of the engine in `directory`; None if there is none or it is damaged."""
    try:
        found = json.loads((directory / _MANIFEST).read_text(encoding="utf-8"))
        check = found.pop("check")
        manifest = Manifest(**found)
        return manifest if _check(manifest) == check else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def replace_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest with `manifest` atomically."""
    temporary = directory / f"{_MANIFEST}.tmp"
    temporary.write_text(json.dumps({**asdict(manifest), "check": _check(manifest)}), encoding="utf-8")
    if not manifest.log_bytes:
        fsync(temporary)
    faults.step("dense.manifest")
    temporary.replace(directory / _MANIFEST)
    faults.step("dense.named")


def remove_manifest(directory: Path) -> None:
    """Remove the manifest, so that the other files are ignored from now on."""
    (directory / _MANIFEST).unlink(missing_ok=True)
    faults.step("dense.cleared")


def _check(manifest: Manifest) -> int:
    return zlib.crc32(json.dumps(asdict(manifest), sort_keys=True).encode())
