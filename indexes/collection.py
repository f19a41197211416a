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
from indexes.catalog.reader import CatalogReader
from indexes.dense import embedder as embedder_named
from indexes.dense.base import Embedder, FittedEmbedder
from indexes.dense.engines import VECTOR_ENGINES
from indexes.errors import BadQuery, CollectionError, CollectionMismatch, CollectionNotFound
from indexes.lexical import LEXICAL_ENGINES
from indexes.lexical.retriever import LexicalRetriever
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
DEFAULT_DENSE = "faiss"


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

    recovered: tuple[str, ...] = ()
    """The retrievers that were damaged or behind on opening; they were brought up to date."""

    def __init__(self, catalog: Catalog, retrievers: Retrievers) -> None:
        self.path = catalog.path.parent
        self._catalog = catalog
        with catalog.read() as reader:
            names = _names(reader)
        self.embedder, self.lexical, self.dense = names["embedder"], names["lexical"], names["dense"]
        self._retrievers = retrievers
        self._searcher = Searcher(catalog, retrievers)

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
        cls,
        path: Path | str,
        *,
        embedder: str | Embedder = DEFAULT_EMBEDDER,
        lexical: str = DEFAULT_LEXICAL,
        dense: str = DEFAULT_DENSE,
    ) -> Self:
        """Create an empty collection in the directory `path`.

        `lexical` and `dense` name the engines of terms and of vectors, built in or from an installed plug-in.

        Raises: `UnknownName`, `MissingExtra`, `EmbedderFailed`; `CollectionError` if there is one already.
        """
        path = Path(path).absolute()
        LEXICAL_ENGINES.get(lexical)
        VECTOR_ENGINES.get(dense)
        made = embedder_named(embedder) if isinstance(embedder, str) else embedder
        if not isinstance(made, FittedEmbedder):
            _ = made.dimension  # a model that cannot be loaded is reported before anything is written
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CollectionError(f"{path} cannot be made a collection's directory: {exc.strerror}.") from exc
        with WriterLock(path).hold():
            if _exists(path):
                raise CollectionError(
                    f"There is a collection in {path} already. Open it, or name another directory."
                )
            names = {"embedder": made.name, "lexical": lexical, "dense": dense}
            catalog = Catalog.create(path / CATALOG, {**names, "analyser": str(analysis.VERSION)})
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

        If the directory may not be written to, the collection can be searched all the same.

        Raises: `CollectionNotFound`, `CollectionTooNew`, `CollectionDamaged`, `CollectionNotReadable`;
        `CollectionMismatch` if a name is given that it was not built with; `CollectionNotWritable` if an
        engine is missing and cannot be built.
        """
        path = Path(path).absolute()
        catalog = Catalog.open(path / CATALOG)
        try:
            with catalog.read() as reader:
                built = _names(reader)
            wanted = built["embedder"] if embedder is None else embedder
            made = embedder_named(wanted) if isinstance(wanted, str) else wanted
            asked = {"embedder": made.name, "lexical": lexical, "dense": dense}
            _check_names(path, built, {kind: name for kind, name in asked.items() if name is not None})
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
    ) -> Self:
        """Open the collection in `path`, or create it there with these names or the defaults."""
        try:
            return cls.open(path, embedder=embedder, lexical=lexical, dense=dense)
        except CollectionNotFound:
            return cls.create(
                path,
                embedder=embedder or DEFAULT_EMBEDDER,
                lexical=lexical or DEFAULT_LEXICAL,
                dense=dense or DEFAULT_DENSE,
            )

    @classmethod
    def _ready(cls, catalog: Catalog, embedder: Embedder, names: Mapping[str, str]) -> Self:
        from indexes.dense.pretrained import dense_retriever  # noqa: PLC0415  # SciPy takes a while to import

        path = catalog.path.parent
        try:
            engine = LEXICAL_ENGINES.get(names["lexical"])(path / "lexical")
            vectors = VECTOR_ENGINES.get(names["dense"])
            lexical = LexicalRetriever(engine, analysis.analyse)
            dense = dense_retriever(path / "dense", embedder, catalog, vectors)
            collection = cls(catalog, Retrievers(catalog, lexical, dense))
            collection.recovered = collection._retrievers.make_ready()
        except BaseException:
            catalog.close()
            raise
        return collection

    def upsert(self, documents: Iterable[Document], *, progress: ProgressCallback | None = None) -> Changes:
        """Store documents by id: new ones, and those whose fingerprint differs. All of them or none.

        Raises: `DuplicateId`, `CollectionLocked`, and what the iterable raises. A pretrained embedder refuses
        no write: what it could not embed waits for `embed`.
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
        """Make the documents of `source` exactly these: upsert, and delete its others. All or nothing.

        What came from `unread`, URIs of files that could not be read this time, stays as it is.

        Raises: as `upsert`; `DuplicateId` also for an id that is stored from another source; `MassDeletion`
        when ten documents or more and over 30 % of the source would go, unless that is allowed.
        """
        prune = Prune(tuple(unread), allow_mass_delete)
        return self._retrievers.write(
            lambda writer, report: batch.upsert(
                writer, documents, source=source, prune=prune, progress=report
            ),
            progress,
        )

    def delete(self, ids: Iterable[str]) -> Changes:
        """Remove documents; an id that is not there is passed over. Raises: `CollectionLocked`."""
        return self._retrievers.write(lambda writer, _: batch.delete(writer, ids), None)

    def embed(self, *, progress: ProgressCallback | None = None) -> None:
        """Embed what waits for the pretrained model while others search and write; then its vectors serve.

        What is embedded is kept at once: a run that was cut off goes on where it stopped.
        Raises: `EmbedderFailed`, `AlreadyEmbedding`.
        """
        self._retrievers.embed(progress)

    def erase(self, ids: Iterable[str], *, progress: ProgressCallback | None = None) -> Changes:
        """Remove documents and every trace of them: engines are built anew, free space is written over.

        Takes as long as building the engines does. Cut off, it is completed by the next opening.

        Raises: `UnknownDocument`, `CollectionLocked`, `AlreadyEmbedding`; `CollectionError` where a reader
        holds on to the old state for too long.
        """
        return self._retrievers.erase(ids, progress)

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
        self._retrievers.follow()
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
        """Return what is wrong, one line each: texts, hashes, spans, generations, the keys of each retriever.

        A sample of passages, evenly spread, is searched for by its own words.
        """
        with self._retrievers.writing, self._catalog.read() as reader:
            return list(verify.problems(reader, self._retrievers))

    def close(self) -> None:
        """Let go of files; the collection is not to be used afterwards."""
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


def _names(reader: CatalogReader) -> dict[str, str]:
    """The embedder and the engines that the collection was built with, by kind."""
    return {
        "embedder": reader.setting("embedder") or "",
        "lexical": reader.setting("lexical") or "",
        "dense": reader.setting("dense") or DEFAULT_DENSE,  # not recorded while there was no other
    }


def _check_names(path: Path, built: Mapping[str, str], asked: Mapping[str, str]) -> None:
    for kind, name in asked.items():
        if name != built[kind]:
            raise CollectionMismatch(path, kind, built[kind], name)
