"""A collection of documents in one directory: write, search, read, verify. Delegates to catalog and legs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Self

import numpy as np

from indexes import analysis, batch, erasure, fusion, terms
from indexes.batch import Prune
from indexes.catalog import CATALOG, Catalog
from indexes.catalog_reader import Reader
from indexes.catalog_writer import Writer
from indexes.dense import embedder as embedder_named
from indexes.dense.base import Embedder, FittedEmbedder, Keys
from indexes.dense.cache import VECTORS, scrub
from indexes.dense.feedback import PASSAGES, Near
from indexes.errors import (
    AlreadyEmbedding,
    BadQuery,
    CollectionError,
    CollectionLocked,
    CollectionMismatch,
    CollectionNotFound,
    CollectionNotWritable,
    UnknownDocument,
)
from indexes.filters import Filter
from indexes.legs import Leg, LexicalLeg, Tell
from indexes.lexical import lexical_engine
from indexes.lexical.base import Scored
from indexes.lock import WriterLock
from indexes.ranking import Found, ranked
from indexes.scope import EVERYTHING, Scope, Scopes
from indexes.types import OWNER, Access, Changes, Document, DocumentHit, DocumentId, DocumentInfo, Hit

DEFAULT_EMBEDDER = "latent"
DEFAULT_LEXICAL = "tantivy"

_LEAST_CANDIDATES = 100
_CANDIDATES_A_RESULT = 5
_DEEPER = 4
_KEYS_SHOWN = 5
_STORED = "The documents are stored; once there is space, the next use brings the engines up to date."
_SAMPLE = 50
_ERASING = "erasing"
_TUNED = "tuned"
"""Dense weights fitted to labelled queries, as JSON, by the embedder that served."""
_PATIENCE_S = 3600.0
"""Whoever has embedded for hours waits for a writer to end."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a collection stands. `legs`: the catalog generation that each leg covers.

    `embedded` passages have a vector of the embedder; until all have, `serving` is the one that stands in.
    """

    documents: int
    passages: int
    chars: int
    embedder: str
    lexical: str
    generation: int
    legs: dict[str, int]
    embedded: int
    serving: str
    sources: dict[str, int]
    written: str | None


class Collection:
    """Documents that are searched by terms and by meaning. Thread-safe; one process writes at a time.

    Made by `create`, `open` or `open_or_create`; whoever made it closes it. `fuse` and `weights` may be set;
    left at None they go with the vectors that serve, as `fusion` says. A weight of zero switches a leg off.
    """

    mended: tuple[str, ...] = ()
    """The legs that were damaged or behind when the collection was opened, and were made to follow."""

    def __init__(self, catalog: Catalog, embedder: Embedder) -> None:
        from indexes.dense.pretrained import dense_leg  # noqa: PLC0415  # FAISS takes a while to import

        self.path = catalog.path.parent
        self._catalog = catalog
        self._lock = WriterLock(self.path)
        self._writing = RLock()
        self._scopes = Scopes()
        with catalog.read() as reader:
            self.embedder, self.lexical = reader.setting("embedder") or "", reader.setting("lexical") or ""
            tuned = json.loads(reader.setting(_TUNED) or "{}")
        engine = lexical_engine(self.lexical)(self.path / "lexical")
        self._dense = dense_leg(self.path / "dense", embedder, catalog)
        self._lexical = LexicalLeg(engine, terms.terms)
        self._legs: dict[str, Leg] = {"lexical": self._lexical, "dense": self._dense}
        self._tuned: dict[str, float] = tuned
        self.fuse: fusion.Fuse | None = None
        self.weights: Mapping[str, float] | None = None

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
            collection._renew()
            collection._complete_erasure()
            collection._mend()
            behind = collection._behind()
            collection.mended = tuple(name for name, leg in collection._legs.items() if leg in behind)
            collection._follow()
        except BaseException:
            catalog.close()
            raise
        return collection

    def upsert(self, documents: Iterable[Document], *, progress: Tell | None = None) -> Changes:
        """Store documents by id: new ones, and those whose fingerprint differs. All of them or none.

        Raises: `DuplicateId`, `CollectionLocked`, and what the iterable raises. A pretrained embedder refuses
        no write: what it could not embed waits for `embed`.
        """
        return self._write(
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
        progress: Tell | None = None,
    ) -> Changes:
        """Make the documents of `source` exactly these: upsert, and delete its others. All or nothing.

        What came from `unread`, URIs of files that could not be read this time, stays as it is.

        Raises: as `upsert`; `DuplicateId` also for an id that is stored from another source; `MassDeletion`
        when ten documents or more and over 30 % of the source would go, unless that is allowed.
        """
        prune = Prune(tuple(unread), allow_mass_delete)
        return self._write(
            lambda writer, tell: batch.upsert(writer, documents, source=source, prune=prune, tell=tell),
            progress,
        )

    def delete(self, ids: Iterable[str]) -> Changes:
        """Remove documents; an id that is not there is passed over. Raises: `CollectionLocked`."""
        return self._write(lambda writer, _: batch.delete(writer, ids), None)

    def embed(self, *, progress: Tell | None = None) -> None:
        """Embed what waits for the pretrained model while others search and write; then its vectors serve.

        What is embedded is kept at once: a run that was cut off goes on where it stopped.
        Raises: `EmbedderFailed`, `AlreadyEmbedding`.
        """
        tell = progress or _silent
        with self._dense.embedding():
            while self._dense.embed(tell):
                with self._writing, self._lock.hold(wait_s=_PATIENCE_S), self._catalog.read() as reader:
                    self._dense.refresh()
                    self._dense.follow(reader, tell)

    def erase(self, ids: Iterable[str], *, progress: Tell | None = None) -> Changes:
        """Remove documents and every trace of them: engines are built anew, free space is written over.

        Takes as long as building the engines does. Cut off, it is completed by the next opening.

        Raises: `UnknownDocument`, `CollectionLocked`, `AlreadyEmbedding`; `CollectionError` where a reader
        holds on to the old state for too long.
        """
        tell = progress or _silent
        with self._writing, self._lock.hold(), self._dense.embedding():
            with self._catalog.read() as reader:
                asked = dict.fromkeys(ids)
                if unknown := [id_ for id_ in asked if reader.number(id_, OWNER) is None]:
                    raise UnknownDocument(self.path, unknown)
            self._catalog.set(_ERASING, "yes")
            with self._catalog.write() as writer:
                changes = batch.delete(writer, asked)
            self._scrub(tell)
        return changes

    def search(
        self, query: str, k: int = 20, *, access: Access = OWNER, where: Filter | None = None
    ) -> list[DocumentHit]:
        """The best `k` documents that `access` may read and `where` matches, ties by id.

        Both legs are trimmed inside: `k` come back wherever so many are open and found at all. Scores follow
        statistics of the whole collection (how rare a term is), whoever asks.
        Raises: `BadQuery`, `EmbedderFailed`.
        """
        if not query.strip():
            raise BadQuery("The query is empty. Ask with at least one word.")
        if k < 1:
            raise BadQuery(f"k = {k} asks for no result. Ask for at least one.")
        self._follow()
        depth = max(_LEAST_CANDIDATES, _CANDIDATES_A_RESULT * k)
        fuse, weights = self._fusion(query)
        with self._catalog.read() as reader:
            scope = self._scopes.scope(reader, access, where)
        while True:
            found = self._found(query, depth, scope, weights)
            # A later view than the scope's: what is there may have changed, who may read a key cannot.
            with self._catalog.read() as reader:
                places = reader.places({key for scored in found.values() for key, _ in scored}, access)
                documents = ranked(found, places, k, fuse=fuse, weights=weights)
                if len(documents) == k or all(len(scored) < depth for scored in found.values()):
                    return [_hit(reader, passages, rank) for rank, passages in enumerate(documents, 1)]
            depth *= _DEEPER  # a few long documents had all the passages that were found

    def _fusion(self, query: str) -> tuple[fusion.Fuse, Mapping[str, float]]:
        """How this query's legs are joined: as set, else as suits the vectors that serve."""
        tuned = self._tuned.get(self._dense.serving)
        if not self._dense.fitted:
            own = fusion.PRETRAINED if tuned is None else {"lexical": 1 - tuned, "dense": tuned}
            return self.fuse or fusion.convex, self.weights or own
        trust = self._lexical.trust_in_latent(query) if tuned is None else tuned
        return self.fuse or fusion.either, self.weights or {"lexical": 1.0, "dense": trust}

    @contextmanager
    def weighted(self, weight: float | None) -> Iterator[None]:
        """Search with this weight of the dense leg that serves, for a block; None: as if never tuned."""
        kept, serving = self._tuned, self._dense.serving
        self._tuned = {name: w for name, w in kept.items() if name != serving}
        if weight is not None:
            self._tuned[serving] = weight
        try:
            yield
        finally:
            self._tuned = kept

    def keep_weight(self, weight: float | None) -> None:
        """Search with this weight of the dense leg that serves from now on; None: as if never tuned.

        Raises: `CollectionLocked`.
        """
        with self.weighted(weight):
            tuned = self._tuned
        with self._lock.hold():
            self._catalog.set(_TUNED, json.dumps(tuned))
        self._tuned = tuned

    def _found(self, query: str, k: int, scope: Scope, weights: Mapping[str, float]) -> dict[str, Scored]:
        """What each leg of a weight found; the dense leg is told what the lexical one thought best."""
        found: dict[str, Scored] = {}
        if weights.get("lexical"):
            found["lexical"] = self._lexical.search(query, k, scope=scope)
        if weights.get("dense"):
            best = dict(found.get("lexical", [])[:PASSAGES])
            with self._catalog.read() as reader:
                rows = reader.rows(best)
            near = Near(rows, [best[row.key] for row in rows])
            found["dense"] = self._dense.search(query, k, scope=scope, near=near)
        return found

    def document(
        self, document_id: str, *, access: Access = OWNER, where: Filter | None = None
    ) -> Document | None:
        """The whole document; None for none that `access` may read and `where` matches."""
        with self._catalog.read() as reader:
            number = reader.number(document_id, access, where)
            return None if number is None else reader.document(number)

    def info(
        self, document_id: str, *, access: Access = OWNER, where: Filter | None = None
    ) -> DocumentInfo | None:
        """What is known of the document without its text; None as for `document`."""
        with self._catalog.read() as reader:
            number = reader.number(document_id, access, where)
            return None if number is None else reader.info(number)

    def read(
        self, document_id: str, start: int, stop: int, *, access: Access = OWNER, where: Filter | None = None
    ) -> str | None:
        """Characters [start, stop), read without the others; None as for `document`."""
        with self._catalog.read() as reader:
            number = reader.number(document_id, access, where)
            return None if number is None else reader.text(number, start, stop)

    def ids(self, *, access: Access = OWNER, where: Filter | None = None) -> list[DocumentId]:
        """The ids of the documents that `access` may read and `where` matches, sorted."""
        with self._catalog.read() as reader:
            return reader.ids(access, where)

    def count(self, *, access: Access = OWNER, where: Filter | None = None) -> int:
        """How many documents `access` may read and `where` matches."""
        with self._catalog.read() as reader:
            return reader.count(access, where)

    def __len__(self) -> int:
        with self._catalog.read() as reader:
            return reader.counts().documents

    def status(self) -> Status:
        """How much there is, which generation each leg covers, and how far the embedder has come.

        The owner's: an asker's is `count`.
        """
        with self._catalog.read() as reader:
            counts, generation = reader.counts(), reader.generation
            embedded = self._dense.embedded(reader)
            sources, written = reader.sources(), reader.setting("written")
        return Status(
            counts.documents,
            counts.passages,
            counts.chars,
            self.embedder,
            self.lexical,
            generation,
            {name: leg.generation for name, leg in self._legs.items()},
            embedded,
            self._dense.serving,
            sources,
            written,
        )

    def verify(self) -> list[str]:
        """What is wrong, for the owner, one line each: texts and hashes, spans, generations, each leg's keys.

        A sample of passages, evenly spread, is searched for by its own words.
        """
        with self._writing, self._catalog.read() as reader:
            problems = list(reader.problems())
            if not problems:  # texts that do not read cannot be searched for
                problems += _unfound(reader, self._legs["lexical"])
            for name, leg in self._legs.items():
                if leg.generation != reader.generation:
                    problems.append(
                        f"{name} leg: it covers generation {leg.generation} of {reader.generation}"
                    )
                problems += _differences(name, reader.keys(), leg.keys())
        return problems

    def close(self) -> None:
        """Let go of files; the collection is not to be used afterwards."""
        for leg in self._legs.values():
            leg.close()
        self._catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, change: Callable[[Writer, Tell], Changes], progress: Tell | None) -> Changes:
        tell = progress or _silent
        with self._writing, self._lock.hold():
            with self._catalog.write() as writer:
                changes = change(writer, tell)
            self._catch_up(self._behind(), tell)
        return changes

    def _scrub(self, tell: Tell) -> None:
        """Build what is derived anew, and rid the rest of what was deleted."""
        for leg in self._legs.values():
            leg.clear()
        for name in self._legs:
            erasure.empty(self.path / name)
        self._catch_up(self._legs.values(), tell)
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
            with self._writing, self._lock.hold(wait_s=0), self._dense.embedding():
                self._scrub(_silent)
        except (CollectionLocked, CollectionNotWritable, AlreadyEmbedding):
            pass  # who holds the lock is at it, or the next opening that may write is

    def _follow(self) -> None:
        """Bring the legs to the catalog's generation; while another is at it they serve what they have."""
        if not self._behind() or not self._writing.acquire(blocking=False):
            return
        try:
            for leg in self._behind():
                leg.refresh()
            behind = self._behind()
            self._catch_up([leg for leg in behind if not leg.shared], _silent)
            if any(leg.shared for leg in behind):
                try:
                    with self._lock.hold(wait_s=0):
                        self._catch_up(self._behind(), _silent)
                except CollectionLocked:
                    pass
                except CollectionNotWritable:
                    if any(leg.generation < 0 for leg in self._legs.values()):
                        raise
                    # What there is still answers.
        finally:
            self._writing.release()

    def _mend(self) -> None:
        """Clear a lexical leg that says it is up to date and yet holds another number of passages."""
        leg = self._legs["lexical"]
        if not isinstance(leg, LexicalLeg) or self._agrees(leg):
            return
        with self._lock.hold():
            leg.refresh()  # another process may have written since
            if not self._agrees(leg):
                leg.clear()

    def _agrees(self, leg: LexicalLeg) -> bool:
        with self._catalog.read() as reader:
            return leg.generation != reader.generation or leg.count == reader.counts().passages

    def _behind(self) -> list[Leg]:
        with self._catalog.read() as reader:
            generation = reader.generation
        return [leg for leg in self._legs.values() if leg.generation != generation]

    def _catch_up(self, legs: Iterable[Leg], tell: Tell) -> None:
        try:
            for leg in legs:
                leg.refresh()
                with self._catalog.read() as reader:
                    if leg.generation != reader.generation:
                        leg.follow(reader, tell)
        except (OSError, RuntimeError) as exc:  # FAISS tells of a full disk by a RuntimeError
            raise CollectionNotWritable(self.path, _reason(exc), advice=_STORED) from exc
        finally:
            terms.forget()

    def _renew(self) -> None:
        """Clear legs built with another version of the analyser: their terms are no longer the query's."""
        with self._catalog.read() as reader:
            if reader.setting("analyser") == str(analysis.VERSION):
                return
        with self._lock.hold():
            for leg in self._legs.values():
                leg.clear()
            self._catalog.set("analyser", str(analysis.VERSION))


def _hit(reader: Reader, found: list[Found], rank: int) -> DocumentHit:
    best = found[0]
    number = best.place.document
    passages = reader.passages(number, [passage.place for passage in found])
    hits = tuple(Hit(p, f.score, f.rank, f.legs) for p, f in zip(passages, found, strict=True))
    return DocumentHit(reader.info(number), best.score, rank, best.legs, hits)


def _differences(leg: str, stored: Keys, held: Keys) -> Iterator[str]:
    for what, odd in (("lacks", np.setdiff1d(stored, held)), ("still has", np.setdiff1d(held, stored))):
        if len(odd):
            yield f"{leg} leg: it {what} {len(odd)} passages, first {odd[:_KEYS_SHOWN].tolist()}"


def _reason(error: OSError | RuntimeError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    said = str(error)  # FAISS ends with what the system said, in brackets
    return said[said.rfind("(") + 1 : -1] if said.endswith(")") else said


def _unfound(reader: Reader, leg: Leg) -> Iterator[str]:
    keys = reader.keys()
    for row in reader.rows(keys[:: -(-len(keys) // _SAMPLE) or 1].tolist()):
        if not terms.terms(row.text):
            continue
        found = [key for key, _ in leg.search(row.text, _LEAST_CANDIDATES, scope=EVERYTHING)]
        # Of more equal texts than are asked for it may be another one's turn.
        if row.key not in found and all(other.digest != row.digest for other in reader.rows(found)):
            yield f"lexical leg: passage {row.key} is not found by its own words"


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


def _silent(_stage: str, _done: int, _total: int | None) -> None:
    """Nobody watches."""
