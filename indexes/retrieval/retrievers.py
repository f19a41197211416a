"""The legs of a collection, and how they follow the catalog: after a write, on opening, on a search.

Knows locks and generations, no query. The catalog is the truth; what a leg holds is made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import RLock

from indexes.catalog import batch
from indexes.catalog.catalog import Catalog
from indexes.catalog.writer import Writer
from indexes.dense.base import Embedder
from indexes.dense.vector_cache import VECTORS, scrub
from indexes.errors import AlreadyEmbedding, CollectionLocked, CollectionNotWritable, UnknownDocument
from indexes.lexical import lexical_engine
from indexes.maintenance import erasure
from indexes.retrieval import analysis
from indexes.retrieval.base import Leg, LexicalLeg, Tell
from indexes.storage.lock import WriterLock
from indexes.types import OWNER, Changes

_STORED = "The documents are stored; once there is space, the next use brings the engines up to date."
_ERASING = "erasing"
_PATIENCE_S = 3600.0
"""Whoever has embedded for hours waits for a writer to end."""


class Engines:
    """Both legs over one catalog. Thread-safe; one process writes at a time."""

    def __init__(self, catalog: Catalog, embedder: Embedder, lexical: str) -> None:
        from indexes.dense.pretrained import dense_leg  # noqa: PLC0415  # FAISS takes a while to import

        self.path: Path = catalog.path.parent
        self.lock = WriterLock(self.path)
        self.writing = RLock()
        self.lexical = LexicalLeg(lexical_engine(lexical)(self.path / "lexical"), analysis.analyse)
        self.dense = dense_leg(self.path / "dense", embedder, catalog)
        self.legs: dict[str, Leg] = {"lexical": self.lexical, "dense": self.dense}
        self._catalog = catalog

    def make_ready(self) -> tuple[str, ...]:
        """On opening: complete what was cut off, and follow. Returns the legs that had to be mended."""
        self._renew()
        self._complete_erasure()
        self._mend()
        behind = self._behind()
        mended = tuple(name for name, leg in self.legs.items() if leg in behind)
        self.follow()
        return mended

    def write(self, change: Callable[[Writer, Tell], Changes], progress: Tell | None) -> Changes:
        """Change the catalog, all or nothing, then let the legs follow. Raises: `CollectionLocked`."""
        tell = progress or silent
        with self.writing, self.lock.hold():
            with self._catalog.write() as writer:
                changes = change(writer, tell)
            self._catch_up(self._behind(), tell)
        return changes

    def embed(self, progress: Tell | None) -> None:
        """As `Collection.embed`."""
        tell = progress or silent
        with self.dense.embedding():
            while self.dense.embed(tell):
                with self.writing, self.lock.hold(wait_s=_PATIENCE_S), self._catalog.read() as reader:
                    self.dense.refresh()
                    self.dense.follow(reader, tell)

    def erase(self, ids: Iterable[str], progress: Tell | None) -> Changes:
        """As `Collection.erase`."""
        tell = progress or silent
        with self.writing, self.lock.hold(), self.dense.embedding():
            with self._catalog.read() as reader:
                asked = dict.fromkeys(ids)
                if unknown := [id_ for id_ in asked if reader.number(id_, OWNER) is None]:
                    raise UnknownDocument(self.path, unknown)
            self._catalog.set(_ERASING, "yes")
            with self._catalog.write() as writer:
                changes = batch.delete(writer, asked)
            self._scrub(tell)
        return changes

    def follow(self) -> None:
        """Bring the legs to the catalog's generation; while another is at it they serve what they have."""
        if not self._behind() or not self.writing.acquire(blocking=False):
            return
        try:
            for leg in self._behind():
                leg.refresh()
            behind = self._behind()
            self._catch_up([leg for leg in behind if not leg.shared], silent)
            if any(leg.shared for leg in behind):
                try:
                    with self.lock.hold(wait_s=0):
                        self._catch_up(self._behind(), silent)
                except CollectionLocked:
                    pass
                except CollectionNotWritable:
                    if any(leg.generation < 0 for leg in self.legs.values()):
                        raise
                    # What there is still answers.
        finally:
            self.writing.release()

    def close(self) -> None:
        """Let go of the legs' files."""
        for leg in self.legs.values():
            leg.close()

    def _scrub(self, tell: Tell) -> None:
        """Build what is derived anew, and rid the rest of what was deleted."""
        for leg in self.legs.values():
            leg.clear()
        for name in self.legs:
            erasure.empty(self.path / name)
        self._catch_up(self.legs.values(), tell)
        with self._catalog.read() as reader:
            digests = reader.forgotten(-1)
        scrub(self.path / VECTORS, digests)
        self._catalog.scrub()
        self._catalog.set(_ERASING, "")

    def _complete_erasure(self) -> None:
        with self._catalog.read() as reader:
            if not reader.setting(_ERASING):
                return
        try:
            with self.writing, self.lock.hold(wait_s=0), self.dense.embedding():
                self._scrub(silent)
        except (CollectionLocked, CollectionNotWritable, AlreadyEmbedding):
            pass  # who holds the lock is at it, or the next opening that may write is

    def _mend(self) -> None:
        """Clear a lexical leg that says it is up to date and yet holds another number of passages."""
        leg = self.lexical
        if self._agrees(leg):
            return
        with self.lock.hold():
            leg.refresh()  # another process may have written since
            if not self._agrees(leg):
                leg.clear()

    def _agrees(self, leg: LexicalLeg) -> bool:
        with self._catalog.read() as reader:
            return leg.generation != reader.generation or leg.count == reader.counts().passages

    def _behind(self) -> list[Leg]:
        with self._catalog.read() as reader:
            generation = reader.generation
        return [leg for leg in self.legs.values() if leg.generation != generation]

    def _catch_up(self, legs: Iterable[Leg], tell: Tell) -> None:
        try:
            for leg in legs:
                leg.refresh()
                with self._catalog.read() as reader:
                    if leg.generation != reader.generation:
                        leg.follow(reader, tell)
        except (OSError, RuntimeError) as exc:  # FAISS tells of a full disk by a RuntimeError
            raise CollectionNotWritable(self.path, _reason(exc), advice=_STORED) from exc

    def _renew(self) -> None:
        """Clear legs built with another version of the analyser: their terms are no longer the query's."""
        with self._catalog.read() as reader:
            if reader.setting("analyser") == str(analysis.VERSION):
                return
        with self.lock.hold():
            for leg in self.legs.values():
                leg.clear()
            self._catalog.set("analyser", str(analysis.VERSION))


def _reason(error: OSError | RuntimeError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    said = str(error)  # FAISS ends with what the system said, in brackets
    return said[said.rfind("(") + 1 : -1] if said.endswith(")") else said


def silent(_stage: str, _done: int, _total: int | None) -> None:
    """Nobody watches."""
