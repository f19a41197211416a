"""Keeps a collection's retrievers up to date with the catalog: after a write, on opening, before a search.

Knows locks and generations, no query and no engine. The catalog is the source of truth; the contents of a
retriever are derived from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from indexes.catalog import batch
from indexes.catalog.catalog import Catalog
from indexes.catalog.writer import CatalogWriter
from indexes.dense.vector_cache import VECTORS, scrub
from indexes.errors import AlreadyEmbedding, CollectionLocked, CollectionNotWritable, UnknownDocument
from indexes.lexical.retriever import LexicalRetriever
from indexes.lexical.visible.engine import VisibleEngine
from indexes.lexical.visible.retriever import VisibleRetriever
from indexes.maintenance import erasure
from indexes.retrieval import analysis
from indexes.retrieval.base import ProgressCallback, Retriever, no_progress
from indexes.scope import EVERYTHING, VISIBLE
from indexes.storage.lock import WriterLock
from indexes.storage.permissions import follow_catalog
from indexes.types import Changes

if TYPE_CHECKING:
    from indexes.dense.pretrained import PretrainedRetriever
    from indexes.dense.retriever import FittedRetriever

_STORED = "The documents are stored; once there is space, the next use brings the engines up to date."
_ERASING = "erasing"
_VISIBLE = "visible"
STATISTICS_SETTING = "statistics"
"""The catalog setting with the statistics that every search uses; not set if it is the collection's."""

_WRITER_WAIT_S = 3600.0
"""How long `embed`, which may have run for hours, waits for another writer to finish."""


class Retrievers:
    """Both retrievers over one catalog. Thread-safe; one process writes at a time."""

    def __init__(
        self, catalog: Catalog, lexical: LexicalRetriever, dense: FittedRetriever | PretrainedRetriever
    ) -> None:
        self.path: Path = catalog.path.parent
        self.lock = WriterLock(self.path)
        self.writing = RLock()
        self.lexical = lexical
        self.dense = dense
        self.by_name: dict[str, Retriever] = {"lexical": lexical, "dense": dense}
        self.visible: VisibleRetriever | None = None
        self._catalog = catalog
        with catalog.read() as reader:
            kept = reader.setting(STATISTICS_SETTING) == VISIBLE
        if kept or (self.path / _VISIBLE).is_dir():
            self._add_visible()

    def _add_visible(self) -> VisibleRetriever:
        with self.writing:
            if self.visible is None:
                self.visible = VisibleRetriever(VisibleEngine(self.path / _VISIBLE), analysis.analyse)
                self.by_name = {**self.by_name, _VISIBLE: self.visible}
            return self.visible

    def with_visible_statistics(self) -> VisibleRetriever:
        """Return the retriever whose statistics are those of what an asker may read, up to date.

        A collection that has none builds it now and keeps it up to date from then on.

        Raises: `CollectionLocked`, `CollectionNotWritable`.
        """
        visible = self.visible or self._add_visible()
        self.follow()
        if visible.generation < 0:
            with self.writing, self.lock.hold():
                self._catch_up([visible], no_progress)
        return visible

    def make_ready(self) -> tuple[str, ...]:
        """Finish an interrupted erasure and bring the retrievers up to date, when a collection is opened.

        Returns: the names of the retrievers that were damaged or out of date.
        """
        self._clear_outdated()
        self._complete_erasure()
        self._clear_damaged()
        behind = self._behind()
        names = tuple(name for name, retriever in self.by_name.items() if retriever in behind)
        self.follow()
        return names

    def write(
        self, change: Callable[[CatalogWriter, ProgressCallback], Changes], progress: ProgressCallback | None
    ) -> Changes:
        """Change the catalog, all or nothing, then update the retrievers. Raises: `CollectionLocked`."""
        progress = progress or no_progress
        with self.writing, self.lock.hold():
            with self._catalog.write() as writer:
                changes = change(writer, progress)
            self._catch_up(self._behind(), progress)
        return changes

    def embed(self, progress: ProgressCallback | None) -> None:
        """Embed the waiting texts, as `Collection.embed` describes."""
        progress = progress or no_progress
        with self.dense.embedding():
            while self.dense.embed(progress):
                with self.writing, self.lock.hold(wait_s=_WRITER_WAIT_S), self._catalog.read() as reader:
                    self.dense.refresh()
                    self.dense.follow(reader, progress)

    def erase(self, ids: Iterable[str], progress: ProgressCallback | None) -> Changes:
        """Erase documents, as `Collection.erase` describes."""
        progress = progress or no_progress
        with self.writing, self.lock.hold(), self.dense.embedding():
            with self._catalog.read() as reader:
                asked = dict.fromkeys(ids)
                if unknown := [id_ for id_ in asked if reader.number(id_, EVERYTHING) is None]:
                    raise UnknownDocument(self.path, unknown)
            self._catalog.set(_ERASING, "yes")
            with self._catalog.write() as writer:
                changes = batch.delete(writer, asked)
            self._scrub(progress)
        return changes

    def follow(self) -> None:
        """Bring the retrievers up to the catalog's generation, unless another thread or process does so."""
        if not self._behind() or not self.writing.acquire(blocking=False):
            return
        try:
            for retriever in self._behind():
                retriever.refresh()
            behind = self._behind()
            self._catch_up([retriever for retriever in behind if not retriever.shared], no_progress)
            if any(retriever.shared for retriever in behind):
                try:
                    with self.lock.hold(wait_s=0):
                        self._catch_up(self._behind(), no_progress)
                except CollectionLocked:
                    pass
                except CollectionNotWritable:
                    if any(retriever.generation < 0 for retriever in self.by_name.values()):
                        raise
                    # The engines can still answer, without the latest writes.
        finally:
            self.writing.release()

    def close(self) -> None:
        """Close the retrievers' files."""
        for retriever in self.by_name.values():
            retriever.close()

    def _scrub(self, progress: ProgressCallback) -> None:
        """Rebuild everything derived from the catalog, and remove traces of deleted documents elsewhere."""
        if (self.path / _VISIBLE).is_dir():  # another process may have begun to keep it
            self._add_visible()
        for retriever in self.by_name.values():
            retriever.clear()
        for name in self.by_name:
            erasure.empty(self.path / name)
        self._catch_up(self.by_name.values(), progress)
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
                self._scrub(no_progress)
        except (CollectionLocked, CollectionNotWritable, AlreadyEmbedding):
            pass  # the holder of the lock is completing it, or the next opening with write access will

    def _clear_damaged(self) -> None:
        """Clear the lexical retriever if it seems up to date but holds the wrong number of passages."""
        retriever = self.lexical
        if self._is_consistent(retriever):
            return
        with self.lock.hold():
            retriever.refresh()  # another process may have written since
            if not self._is_consistent(retriever):
                retriever.clear()

    def _is_consistent(self, retriever: LexicalRetriever) -> bool:
        with self._catalog.read() as reader:
            return retriever.generation != reader.generation or retriever.count == reader.counts().passages

    def _behind(self) -> list[Retriever]:
        with self._catalog.read() as reader:
            generation = reader.generation
        return [retriever for retriever in self.by_name.values() if retriever.generation != generation]

    def _catch_up(self, retrievers: Iterable[Retriever], progress: ProgressCallback) -> None:
        try:
            for retriever in retrievers:
                retriever.refresh()
                with self._catalog.read() as reader:
                    if retriever.generation != reader.generation:
                        retriever.follow(reader, progress)
            follow_catalog(self.path)
        except OSError as exc:
            raise CollectionNotWritable(self.path, exc.strerror or str(exc), advice=_STORED) from exc

    def _clear_outdated(self) -> None:
        """Clear the retrievers if another version of the analyser built them, whose terms may differ."""
        with self._catalog.read() as reader:
            if reader.setting("analyser") == str(analysis.VERSION):
                return
        with self.lock.hold():
            for retriever in self.by_name.values():
                retriever.clear()
            self._catalog.set("analyser", str(analysis.VERSION))
