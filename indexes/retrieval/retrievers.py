"""The retrievers of a collection, and how they follow the catalog: after a write, on opening, on a search.

Knows locks and generations, no query. The catalog is the truth; what a retriever holds is made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import RLock

from indexes.catalog import batch
from indexes.catalog.catalog import Catalog
from indexes.catalog.writer import CatalogWriter
from indexes.dense.base import Embedder
from indexes.dense.vector_cache import VECTORS, scrub
from indexes.errors import AlreadyEmbedding, CollectionLocked, CollectionNotWritable, UnknownDocument
from indexes.lexical import lexical_engine
from indexes.maintenance import erasure
from indexes.retrieval import analysis
from indexes.retrieval.base import LexicalRetriever, ProgressCallback, Retriever
from indexes.scope import EVERYTHING
from indexes.storage.lock import WriterLock
from indexes.types import Changes

_STORED = "The documents are stored; once there is space, the next use brings the engines up to date."
_ERASING = "erasing"
_PATIENCE_S = 3600.0
"""Whoever has embedded for hours waits for a writer to end."""


class Retrievers:
    """Both retrievers over one catalog. Thread-safe; one process writes at a time."""

    def __init__(self, catalog: Catalog, embedder: Embedder, lexical: str) -> None:
        from indexes.dense.pretrained import dense_retriever  # noqa: PLC0415  # FAISS takes a while to import

        self.path: Path = catalog.path.parent
        self.lock = WriterLock(self.path)
        self.writing = RLock()
        self.lexical = LexicalRetriever(lexical_engine(lexical)(self.path / "lexical"), analysis.analyse)
        self.dense = dense_retriever(self.path / "dense", embedder, catalog)
        self.retrievers: dict[str, Retriever] = {"lexical": self.lexical, "dense": self.dense}
        self._catalog = catalog

    def make_ready(self) -> tuple[str, ...]:
        """On opening: complete what was cut off, and follow. Returns the retrievers that had to be mended."""
        self._renew()
        self._complete_erasure()
        self._mend()
        behind = self._behind()
        mended = tuple(name for name, retriever in self.retrievers.items() if retriever in behind)
        self.follow()
        return mended

    def write(
        self, change: Callable[[CatalogWriter, ProgressCallback], Changes], progress: ProgressCallback | None
    ) -> Changes:
        """Change the catalog, all or nothing, then let the retrievers follow. Raises: `CollectionLocked`."""
        tell = progress or silent
        with self.writing, self.lock.hold():
            with self._catalog.write() as writer:
                changes = change(writer, tell)
            self._catch_up(self._behind(), tell)
        return changes

    def embed(self, progress: ProgressCallback | None) -> None:
        """As `Collection.embed`."""
        tell = progress or silent
        with self.dense.embedding():
            while self.dense.embed(tell):
                with self.writing, self.lock.hold(wait_s=_PATIENCE_S), self._catalog.read() as reader:
                    self.dense.refresh()
                    self.dense.follow(reader, tell)

    def erase(self, ids: Iterable[str], progress: ProgressCallback | None) -> Changes:
        """As `Collection.erase`."""
        tell = progress or silent
        with self.writing, self.lock.hold(), self.dense.embedding():
            with self._catalog.read() as reader:
                asked = dict.fromkeys(ids)
                if unknown := [id_ for id_ in asked if reader.number(id_, EVERYTHING) is None]:
                    raise UnknownDocument(self.path, unknown)
            self._catalog.set(_ERASING, "yes")
            with self._catalog.write() as writer:
                changes = batch.delete(writer, asked)
            self._scrub(tell)
        return changes

    def follow(self) -> None:
        """Bring the retrievers to the catalog's generation; while another does, they serve as they are."""
        if not self._behind() or not self.writing.acquire(blocking=False):
            return
        try:
            for retriever in self._behind():
                retriever.refresh()
            behind = self._behind()
            self._catch_up([retriever for retriever in behind if not retriever.shared], silent)
            if any(retriever.shared for retriever in behind):
                try:
                    with self.lock.hold(wait_s=0):
                        self._catch_up(self._behind(), silent)
                except CollectionLocked:
                    pass
                except CollectionNotWritable:
                    if any(retriever.generation < 0 for retriever in self.retrievers.values()):
                        raise
                    # What there is still answers.
        finally:
            self.writing.release()

    def close(self) -> None:
        """Let go of the retrievers' files."""
        for retriever in self.retrievers.values():
            retriever.close()

    def _scrub(self, tell: ProgressCallback) -> None:
        """Build what is derived anew, and rid the rest of what was deleted."""
        for retriever in self.retrievers.values():
            retriever.clear()
        for name in self.retrievers:
            erasure.empty(self.path / name)
        self._catch_up(self.retrievers.values(), tell)
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
        """Clear a lexical retriever that says it is up to date and yet holds another number of passages."""
        retriever = self.lexical
        if self._agrees(retriever):
            return
        with self.lock.hold():
            retriever.refresh()  # another process may have written since
            if not self._agrees(retriever):
                retriever.clear()

    def _agrees(self, retriever: LexicalRetriever) -> bool:
        with self._catalog.read() as reader:
            return retriever.generation != reader.generation or retriever.count == reader.counts().passages

    def _behind(self) -> list[Retriever]:
        with self._catalog.read() as reader:
            generation = reader.generation
        return [retriever for retriever in self.retrievers.values() if retriever.generation != generation]

    def _catch_up(self, retrievers: Iterable[Retriever], tell: ProgressCallback) -> None:
        try:
            for retriever in retrievers:
                retriever.refresh()
                with self._catalog.read() as reader:
                    if retriever.generation != reader.generation:
                        retriever.follow(reader, tell)
        except (OSError, RuntimeError) as exc:  # FAISS tells of a full disk by a RuntimeError
            raise CollectionNotWritable(self.path, _reason(exc), advice=_STORED) from exc

    def _renew(self) -> None:
        """Clear retrievers built with another version of the analyser: the query's terms differ."""
        with self._catalog.read() as reader:
            if reader.setting("analyser") == str(analysis.VERSION):
                return
        with self.lock.hold():
            for retriever in self.retrievers.values():
                retriever.clear()
            self._catalog.set("analyser", str(analysis.VERSION))


def _reason(error: OSError | RuntimeError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    said = str(error)  # FAISS ends with what the system said, in brackets
    return said[said.rfind("(") + 1 : -1] if said.endswith(")") else said


def silent(_stage: str, _done: int, _total: int | None) -> None:
    """Nobody watches."""
