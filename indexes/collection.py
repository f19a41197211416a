"""A collection of documents in one directory: writes, searches, reads and verifies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from indexes.catalog import batch
from indexes.catalog.batch import Prune
from indexes.catalog.catalog import CATALOG, Catalog
from indexes.dense import embedder as embedder_named
from indexes.dense.base import Embedder, FittedEmbedder
from indexes.errors import BadQuery, CollectionError, CollectionNotFound
from indexes.maintenance import verify
from indexes.retrieval import analysis, assembly, fusion
from indexes.retrieval.assembly import DEFAULT_DENSE, DEFAULT_EMBEDDER, DEFAULT_LEXICAL
from indexes.retrieval.base import ProgressCallback
from indexes.retrieval.retrievers import STATISTICS_SETTING, Retrievers
from indexes.retrieval.searching import Searcher
from indexes.scope import COLLECTION, Scope, Statistics, check_statistics
from indexes.source import Source
from indexes.storage.lock import WriterLock
from indexes.storage.permissions import make_collection_folder
from indexes.types import Changes, Document, DocumentId, DocumentInfo, Hits, VersionText


@dataclass(frozen=True, slots=True)
class Status:
    """The size of a collection, and how up to date its retrievers are.

    `retrievers` is the catalog generation that each retriever covers. `embedded` is the number of passages
    with a vector of the embedder; until all passages have one, `serving` names the embedder used instead.
    `sources` counts documents by source; `written` is the time of the last write, None if there was none.
    """

    documents: int
    passages: int
    chars: int
    embedder: str
    lexical: str
    generation: int
    retrievers: dict[str, int]
    embedded: int
    serving: str
    sources: dict[str, int]
    written: str | None


class Collection(Source):
    """Documents that can be searched by terms and by meaning. Thread-safe; one process writes at a time.

    Create it with `create`, `open` or `open_or_create`, and close it after use. Search and read it through
    `as_owner` or `for_asker`. `fuse` and `weights` may be set; if they are None, the embedder in use decides
    them, as `fusion` describes. A weight of zero switches a retriever off.
    """

    recovered: tuple[str, ...] = ()
    """The retrievers that were damaged or out of date on opening, and were then brought up to date."""

    def __init__(self, catalog: Catalog, retrievers: Retrievers) -> None:
        self.path = catalog.path.parent
        self._catalog = catalog
        with catalog.read() as reader:
            names = assembly.recorded_names(reader)
        self.embedder, self.lexical, self.dense = names["embedder"], names["lexical"], names["dense"]
        self._retrievers = retrievers
        self._searcher = Searcher(catalog, retrievers)

    @property
    def fuse(self) -> fusion.Fuse | None:
        """The fusion function that was set; None if none was set."""
        return self._searcher.fuse

    @fuse.setter
    def fuse(self, fuse: fusion.Fuse | None) -> None:
        self._searcher.fuse = fuse

    @property
    def weights(self) -> Mapping[str, float] | None:
        """Each retriever's weight in the fusion; None if none were set."""
        return self._searcher.weights

    @weights.setter
    def weights(self, weights: Mapping[str, float] | None) -> None:
        self._searcher.weights = weights

    @classmethod
    def create(
        cls,
        path: Path | str,
        *,
        embedder: str | Embedder = DEFAULT_EMBEDDER,
        lexical: str = DEFAULT_LEXICAL,
        dense: str = DEFAULT_DENSE,
        shared: bool = False,
        statistics: Statistics = COLLECTION,
    ) -> Self:
        """Create an empty collection in the directory `path`.

        Only this user may read its files, or, if it is `shared`, whoever the umask lets.

        `lexical` and `dense` name the engines of terms and of vectors, built in or from an installed plug-in.
        `statistics`: what scores may depend on; "visible" is only what the asker may read.

        Raises: `UnknownName`, `MissingExtra`, `EmbedderFailed`; `CollectionError` if one exists already.
        """
        path = Path(path).absolute()
        assembly.check_engines(lexical, dense)
        check_statistics(statistics)
        made = embedder_named(embedder) if isinstance(embedder, str) else embedder
        if not isinstance(made, FittedEmbedder):
            _ = made.dimension  # a model that cannot be loaded is reported before anything is written
        try:
            make_collection_folder(path, shared=shared)
        except OSError as exc:
            raise CollectionError(f"{path} cannot be made a collection's directory: {exc.strerror}.") from exc
        with WriterLock(path).hold():
            if _exists(path):
                raise CollectionError(
                    f"There is already a collection in {path}. Open it, or name another directory."
                )
            names = {"embedder": made.name, "lexical": lexical, "dense": dense}
            settings = {**names, "analyser": str(analysis.VERSION), STATISTICS_SETTING: statistics}
            catalog = Catalog.create(path / CATALOG, settings, shared=shared)
        return cls._ready(catalog, made, names)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        embedder: str | Embedder | None = None,
        lexical: str | None = None,
        dense: str | None = None,
    ) -> Self:
        """Open the collection in the directory `path` and bring its engines up to date.

        A collection in a directory that is not writable can still be searched.

        Raises: `CollectionNotFound`, `CollectionTooNew`, `CollectionDamaged`, `CollectionNotReadable`;
        `CollectionMismatch` if it was not built with a name that is given; `CollectionNotWritable` if an
        engine is missing and cannot be built.
        """
        path = Path(path).absolute()
        catalog = Catalog.open(path / CATALOG)
        try:
            with catalog.read() as reader:
                built = assembly.recorded_names(reader)
            wanted = built["embedder"] if embedder is None else embedder
            made = embedder_named(wanted) if isinstance(wanted, str) else wanted
            asked = {"embedder": made.name, "lexical": lexical, "dense": dense}
            assembly.check_names(path, built, asked)
        except BaseException:
            catalog.close()
            raise
        return cls._ready(catalog, made, built)

    @classmethod
    def open_or_create(
        cls,
        path: Path | str,
        *,
        embedder: str | Embedder | None = None,
        lexical: str | None = None,
        dense: str | None = None,
        shared: bool = False,
        statistics: Statistics | None = None,
    ) -> Self:
        """Open the collection in `path`, or create it there with these names or the defaults.

        `shared` applies only to one that is created; `statistics`, unless it is None, is kept from now on.
        """
        if statistics is not None:
            check_statistics(statistics)
        try:
            found = cls.open(path, embedder=embedder, lexical=lexical, dense=dense)
        except CollectionNotFound:
            return cls.create(
                path,
                embedder=embedder or DEFAULT_EMBEDDER,
                lexical=lexical or DEFAULT_LEXICAL,
                dense=dense or DEFAULT_DENSE,
                shared=shared,
                statistics=statistics or COLLECTION,
            )
        if statistics is not None and statistics != found.statistics:
            try:
                found.keep_statistics(statistics)
            except BaseException:
                found.close()
                raise
        return found

    @classmethod
    def _ready(cls, catalog: Catalog, embedder: Embedder, names: Mapping[str, str]) -> Self:
        try:
            collection = cls(catalog, assembly.assemble(catalog, embedder, names))
            collection.recovered = collection._retrievers.make_ready()
        except BaseException:
            catalog.close()
            raise
        return collection

    def upsert(self, documents: Iterable[Document], *, progress: ProgressCallback | None = None) -> Changes:
        """Store new documents, and those whose fingerprint differs from the stored one, all or none.

        If a pretrained embedder fails, the write still succeeds: the texts wait for `embed`.

        Raises: `DuplicateId`, `CollectionLocked`, and whatever the iterable raises.
        """
        return self._retrievers.write(
            lambda writer, report: batch.upsert(writer, documents, source=None, prune=None, progress=report),
            progress,
        )

    def sync(
        self,
        documents: Iterable[Document],
        *,
        source: str,
        unread: Iterable[str] = (),
        allow_mass_delete: bool = False,
        progress: ProgressCallback | None = None,
    ) -> Changes:
        """Make the documents of `source` exactly these: upsert them and delete its others, all or none.

        Documents from `unread`, the URIs of files that could not be read this time, are kept unchanged.

        Raises: as `upsert`; `DuplicateId` also for an id that is stored from another source; `MassDeletion`
        if ten documents or more and over 30 % of the source would be deleted, unless that is allowed.
        """
        prune = Prune(tuple(unread), allow_mass_delete)
        return self._retrievers.write(
            lambda writer, report: batch.upsert(
                writer, documents, source=source, prune=prune, progress=report
            ),
            progress,
        )

    def delete(self, ids: Iterable[str]) -> Changes:
        """Remove documents; unknown ids are skipped. Raises: `CollectionLocked`."""
        return self._retrievers.write(lambda writer, _: batch.delete(writer, ids), None)

    def embed(self, *, progress: ProgressCallback | None = None) -> None:
        """Embed the texts that wait for the pretrained model, then switch searches to its vectors.

        Others can search and write meanwhile. Each batch is stored at once, so that the next call continues
        an interrupted one.

        Raises: `EmbedderFailed`, `AlreadyEmbedding`.
        """
        self._retrievers.embed(progress)

    def erase(self, ids: Iterable[str], *, progress: ProgressCallback | None = None) -> Changes:
        """Remove documents and every trace of them: engines are rebuilt, free space is overwritten.

        It takes as long as building the engines. If it is interrupted, the next opening completes it.

        Raises: `UnknownDocument`, `CollectionLocked`, `AlreadyEmbedding`; `CollectionError` if another
        process reads the old state for too long.
        """
        return self._retrievers.erase(ids, progress)

    def search(self, query: str, k: int, scope: Scope) -> Hits:
        """Return the best `k` documents within `scope`, best first; ties break by id.

        The engines exclude everything outside the scope, so that `k` documents are returned if that many are
        found within it. Scores use statistics of the whole collection (how rare a term is) for every asker,
        so that they, and with them the order of hits, depend on documents that he may not read; with
        "visible" statistics, of the scope or of the collection, nothing does.
        A long query is cut to its most telling terms, and `notes` of the result says so.

        Raises: `BadQuery`, `EmbedderFailed`.
        """
        if not query.strip():
            raise BadQuery("The query is empty. Ask with at least one word.")
        if k < 1:
            raise BadQuery(f"k = {k} asks for no result. Ask for at least one.")
        self._retrievers.follow()
        return self._searcher.search(query, k, scope)

    def weighted(self, weight: float | None) -> AbstractContextManager[None]:
        """Search with this weight of the dense retriever for a `with` block; the untuned weight if None."""
        return self._searcher.weighted(weight)

    def keep_weight(self, weight: float | None) -> None:
        """Search with this weight of the dense retriever from now on; the untuned weight if None.

        Raises: `CollectionLocked`.
        """
        self._searcher.keep_weight(weight)

    @property
    def statistics(self) -> Statistics:
        """What scores may depend on, for every search: the whole collection, or what the asker may read.

        A single search may ask for "visible" statistics where the collection does not; never the reverse.
        """
        return self._searcher.statistics

    def keep_statistics(self, statistics: Statistics) -> None:
        """Use these statistics from now on, in every process. For "visible", the postings are built now.

        Raises: `UnknownName`, `CollectionLocked`, `CollectionNotWritable`.
        """
        check_statistics(statistics)
        self._searcher.keep_statistics(statistics)

    def document(self, document_id: str, scope: Scope) -> Document | None:
        """Return the whole document; None if there is no such document within `scope`."""
        with self._catalog.read() as reader:
            number = reader.number(document_id, scope)
            return None if number is None else reader.document(number)

    def info(self, document_id: str, scope: Scope) -> DocumentInfo | None:
        """Return the document's fields except its text; None if there is no such document within `scope`."""
        with self._catalog.read() as reader:
            number = reader.number(document_id, scope)
            return None if number is None else reader.info(number)

    def read(self, document_id: str, start: int, stop: int, scope: Scope) -> str | None:
        """Return the characters [start, stop), reading no others; None if there is no such document."""
        with self._catalog.read() as reader:
            number = reader.number(document_id, scope)
            return None if number is None else reader.text(number, start, stop)

    def infos(self, scope: Scope) -> list[DocumentInfo]:
        """Return the fields except the text of all documents within `scope`, by id, in one query."""
        with self._catalog.read() as reader:
            return reader.infos_within(scope)

    def texts(self, ids: Sequence[str], scope: Scope) -> dict[DocumentId, VersionText]:
        """Return the texts of those of these documents that are within `scope`, in one query."""
        with self._catalog.read() as reader:
            return reader.texts(ids, scope)

    def ids(self, scope: Scope) -> list[DocumentId]:
        """Return the ids of the documents within `scope`, sorted."""
        with self._catalog.read() as reader:
            return reader.ids(scope)

    def count(self, scope: Scope) -> int:
        """Return how many documents are within `scope`."""
        with self._catalog.read() as reader:
            return reader.count(scope)

    def __len__(self) -> int:
        with self._catalog.read() as reader:
            return reader.counts().documents

    def status(self) -> Status:
        """Return the size of the collection and how up to date it is.

        For the owner only; use `for_asker(…).count()` for what an asker may read.
        """
        with self._catalog.read() as reader:
            counts, generation = reader.counts(), reader.generation
            embedded = self._retrievers.dense.embedded(reader)
            sources, written = reader.sources(), reader.setting("written")
        return Status(
            counts.documents,
            counts.passages,
            counts.chars,
            self.embedder,
            self.lexical,
            generation,
            {name: retriever.generation for name, retriever in self._retrievers.by_name.items()},
            embedded,
            self._retrievers.dense.serving,
            sources,
            written,
        )

    def verify(self) -> list[str]:
        """Check texts, hashes, spans, generations and each retriever's keys; return one line per problem.

        Checks an evenly spread sample of passages: each must be found by its own words.
        """
        with self._retrievers.writing, self._catalog.read() as reader:
            return list(verify.problems(reader, self._retrievers))

    def close(self) -> None:
        """Close the files; the collection must not be used afterwards."""
        self._retrievers.close()
        self._catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _exists(path: Path) -> bool:
    try:
        Catalog.open(path / CATALOG).close()
    except CollectionNotFound:
        return False
    return True
