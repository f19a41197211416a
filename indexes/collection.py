"""A collection of documents in one directory: write, search, read, verify."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from indexes.errors import BadQuery, CollectionError, CollectionMismatch, CollectionNotFound
from indexes.lexical import lexical_engine
from indexes.maintenance import verify
from indexes.retrieval import analysis, fusion
from indexes.retrieval.base import ProgressCallback
from indexes.retrieval.retrievers import Retrievers
from indexes.retrieval.searching import Searcher
from indexes.scope import Scope
from indexes.source import Source
from indexes.storage.lock import WriterLock
from indexes.types import Changes, Document, DocumentHit, DocumentId, DocumentInfo

DEFAULT_EMBEDDER = "latent"
DEFAULT_LEXICAL = "tantivy"


@dataclass(frozen=True, slots=True)
class Status:
    """How a collection stands. `retrievers`: the catalog generation that each retriever covers.

    `embedded` passages have a vector of the embedder; until all have, `serving` is the one that stands in.
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
    """Documents that are searched by terms and by meaning. Thread-safe; one process writes at a time.

    Made by `create`, `open` or `open_or_create`; whoever made it closes it. `fuse` and `weights` may be set;
    left at None they go with the vectors that serve, as `fusion` says. A weight of zero switches a retriever
    off.
    """

    mended: tuple[str, ...] = ()
    """The retrievers that were damaged or behind when the collection was opened, and were made to follow."""

    def __init__(self, catalog: Catalog, embedder: Embedder) -> None:
        self.path = catalog.path.parent
        self._catalog = catalog
        with catalog.read() as reader:
            self.embedder, self.lexical = reader.setting("embedder") or "", reader.setting("lexical") or ""
        self._engines = Retrievers(catalog, embedder, self.lexical)
        self._searcher = Searcher(catalog, self._engines)

    @property
    def fuse(self) -> fusion.Fuse | None:
        """The fusion that was set, if one was."""
        return self._searcher.fuse

    @fuse.setter
    def fuse(self, fuse: fusion.Fuse | None) -> None:
        self._searcher.fuse = fuse

    @property
    def weights(self) -> Mapping[str, float] | None:
        """Each retriever's weight in the fusion, if they were set."""
        return self._searcher.weights

    @weights.setter
    def weights(self, weights: Mapping[str, float] | None) -> None:
        self._searcher.weights = weights

    @classmethod
    def create(
        cls, path: Path | str, *, embedder: str | Embedder = DEFAULT_EMBEDDER, lexical: str = DEFAULT_LEXICAL
    ) -> Self:
        """An empty collection in the directory `path`.

        Raises: `UnknownName`, `MissingExtra`, `EmbedderFailed`, `CollectionError` where there is one already.
        """
        path = Path(path).absolute()
        lexical_engine(lexical)
        made = embedder_named(embedder) if isinstance(embedder, str) else embedder
        if not isinstance(made, FittedEmbedder):
            _ = made.dimension  # a model that cannot be loaded is told before anything is written
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CollectionError(f"{path} cannot be made a collection's directory: {exc.strerror}.") from exc
        with WriterLock(path).hold():
            if _exists(path):
                raise CollectionError(
                    f"There is a collection in {path} already. Open it, or name another directory."
                )
            settings = {"embedder": made.name, "lexical": lexical, "analyser": str(analysis.VERSION)}
            catalog = Catalog.create(path / CATALOG, settings)
        return cls._ready(catalog, made)

    @classmethod
    def open(
        cls, path: Path | str, *, embedder: str | Embedder | None = None, lexical: str | None = None
    ) -> Self:
        """The collection in the directory `path`, its engines caught up.

        Raises: `CollectionNotFound`, `CollectionMismatch` when a name is given that it was not built with,
        `CollectionTooNew`, `CollectionDamaged`, `CollectionNotReadable`. Where the directory may not be
        written to the collection is there to be searched; `CollectionNotWritable` where it lacks an engine.
        """
        path = Path(path).absolute()
        catalog = Catalog.open(path / CATALOG)
        try:
            with catalog.read() as reader:
                built = {kind: reader.setting(kind) or "" for kind in ("embedder", "lexical")}
            wanted = built["embedder"] if embedder is None else embedder
            made = embedder_named(wanted) if isinstance(wanted, str) else wanted
            _same(path, built, {"embedder": made.name, "lexical": lexical or built["lexical"]})
        except BaseException:
            catalog.close()
            raise
        return cls._ready(catalog, made)

    @classmethod
    def open_or_create(
        cls, path: Path | str, *, embedder: str | Embedder | None = None, lexical: str | None = None
    ) -> Self:
        """The collection in `path`, made there with these names or the defaults when there is none."""
        try:
            return cls.open(path, embedder=embedder, lexical=lexical)
        except CollectionNotFound:
            return cls.create(path, embedder=embedder or DEFAULT_EMBEDDER, lexical=lexical or DEFAULT_LEXICAL)

    @classmethod
    def _ready(cls, catalog: Catalog, embedder: Embedder) -> Self:
        try:
            collection = cls(catalog, embedder)
            collection.mended = collection._engines.make_ready()
        except BaseException:
            catalog.close()
            raise
        return collection

    def upsert(self, documents: Iterable[Document], *, progress: ProgressCallback | None = None) -> Changes:
        """Store documents by id: new ones, and those whose fingerprint differs. All of them or none.

        Raises: `DuplicateId`, `CollectionLocked`, and what the iterable raises. A pretrained embedder refuses
        no write: what it could not embed waits for `embed`.
        """
        return self._engines.write(
            lambda writer, tell: batch.upsert(writer, documents, source=None, prune=None, tell=tell),
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
        """Make the documents of `source` exactly these: upsert, and delete its others. All or nothing.

        What came from `unread`, URIs of files that could not be read this time, stays as it is.

        Raises: as `upsert`; `DuplicateId` also for an id that is stored from another source; `MassDeletion`
        when ten documents or more and over 30 % of the source would go, unless that is allowed.
        """
        prune = Prune(tuple(unread), allow_mass_delete)
        return self._engines.write(
            lambda writer, tell: batch.upsert(writer, documents, source=source, prune=prune, tell=tell),
            progress,
        )

    def delete(self, ids: Iterable[str]) -> Changes:
        """Remove documents; an id that is not there is passed over. Raises: `CollectionLocked`."""
        return self._engines.write(lambda writer, _: batch.delete(writer, ids), None)

    def embed(self, *, progress: ProgressCallback | None = None) -> None:
        """Embed what waits for the pretrained model while others search and write; then its vectors serve.

        What is embedded is kept at once: a run that was cut off goes on where it stopped.
        Raises: `EmbedderFailed`, `AlreadyEmbedding`.
        """
        self._engines.embed(progress)

    def erase(self, ids: Iterable[str], *, progress: ProgressCallback | None = None) -> Changes:
        """Remove documents and every trace of them: engines are built anew, free space is written over.

        Takes as long as building the engines does. Cut off, it is completed by the next opening.

        Raises: `UnknownDocument`, `CollectionLocked`, `AlreadyEmbedding`; `CollectionError` where a reader
        holds on to the old state for too long.
        """
        return self._engines.erase(ids, progress)

    def search(self, query: str, k: int, scope: Scope) -> list[DocumentHit]:
        """Return the best `k` documents within `scope`, best first; ties break by id.

        Both retrievers are trimmed inside: `k` come back wherever so many are open and found at all. Scores
        follow statistics of the whole collection (how rare a term is), whoever asks.

        Raises: `BadQuery`, `EmbedderFailed`.
        """
        if not query.strip():
            raise BadQuery("The query is empty. Ask with at least one word.")
        if k < 1:
            raise BadQuery(f"k = {k} asks for no result. Ask for at least one.")
        self._engines.follow()
        return self._searcher.search(query, k, scope)

    def weighted(self, weight: float | None) -> AbstractContextManager[None]:
        """Search with this weight of the serving dense retriever for a block; None searches untuned."""
        return self._searcher.weighted(weight)

    def keep_weight(self, weight: float | None) -> None:
        """Search with this weight of the dense retriever that serves from now on; None: as if never tuned.

        Raises: `CollectionLocked`.
        """
        self._searcher.keep_weight(weight)

    def document(self, document_id: str, scope: Scope) -> Document | None:
        """Return the whole document; None if there is no such document within `scope`."""
        with self._catalog.read() as reader:
            number = reader.number(document_id, scope)
            return None if number is None else reader.document(number)

    def info(self, document_id: str, scope: Scope) -> DocumentInfo | None:
        """Return what is known of the document besides its text; None as for `document`."""
        with self._catalog.read() as reader:
            number = reader.number(document_id, scope)
            return None if number is None else reader.info(number)

    def read(self, document_id: str, start: int, stop: int, scope: Scope) -> str | None:
        """Return the characters [start, stop), read without the others; None as for `document`."""
        with self._catalog.read() as reader:
            number = reader.number(document_id, scope)
            return None if number is None else reader.text(number, start, stop)

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
        """How much there is, which generation each retriever covers, and how far the embedder has come.

        For the owner only: an asker counts in `for_asker`.
        """
        with self._catalog.read() as reader:
            counts, generation = reader.counts(), reader.generation
            embedded = self._engines.dense.embedded(reader)
            sources, written = reader.sources(), reader.setting("written")
        return Status(
            counts.documents,
            counts.passages,
            counts.chars,
            self.embedder,
            self.lexical,
            generation,
            {name: retriever.generation for name, retriever in self._engines.retrievers.items()},
            embedded,
            self._engines.dense.serving,
            sources,
            written,
        )

    def verify(self) -> list[str]:
        """Return what is wrong, one line each: texts, hashes, spans, generations, the keys of each retriever.

        A sample of passages, evenly spread, is searched for by its own words.
        """
        with self._engines.writing, self._catalog.read() as reader:
            return list(verify.problems(reader, self._engines))

    def close(self) -> None:
        """Let go of files; the collection is not to be used afterwards."""
        self._engines.close()
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


def _same(path: Path, built: dict[str, str], asked: dict[str, str]) -> None:
    for kind, name in asked.items():
        if name != built[kind]:
            raise CollectionMismatch(path, kind, built[kind], name)
