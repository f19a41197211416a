"""Runs one engine in its own process on the data of search_speed.py: builds or searches, prints JSON.

Knows how each engine is meant to be used. Imports only the engine that is asked for.
"""

# ruff: noqa: D102, PLC0415 - every engine has the same three methods, and imports what others do without
from __future__ import annotations

import contextlib
import json
import os
import pickle
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

K = 20
WARM_UP = 20
MAX_TIMING_S = 20.0
WRITERS_ROUNDS = 20
SEARCHING_THREADS = 8
THREADS_S = 8.0
BLOCK = 5_000

Ask = Callable[[int], object]
"""A function that runs the query with that number."""


class Job:
    """The data in the folder, and where the engine may put its files."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder = folder
        self.files = folder / engine
        self.queries: list[str] = json.loads((folder / "queries.json").read_text())

    @property
    def texts(self) -> list[str]:
        found: list[str] = json.loads((self.folder / "texts.json").read_text())
        return found

    @property
    def vectors(self) -> Any:
        return np.load(self.folder / "vectors.npy", mmap_mode="r")

    @property
    def query_vectors(self) -> Any:
        return np.load(self.folder / "query_vectors.npy")


@contextlib.contextmanager
def built(job: Job, n: int) -> Iterator[None]:
    """Time the block and print what building took."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    disk = sum(path.stat().st_size for path in job.files.rglob("*") if path.is_file())
    answer({
        "wall_s": wall, "rate": n / wall, "cpu_rate": n / cpu, "disk_mb": disk / 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    })  # fmt: skip


def answer(found: dict[str, Any]) -> None:
    print(json.dumps(found))


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def timed(ask: Ask, n: int) -> dict[str, float]:
    """Return latencies in milliseconds over the queries, or over as many as fit into `MAX_TIMING_S`."""
    ask(0)  # may load and compile
    for i in range(WARM_UP if timed_once(ask, 0) < MAX_TIMING_S / 200 else 1):
        ask(i % n)
    seconds: list[float] = []
    cpu = time.process_time()
    while len(seconds) < n and (sum(seconds) < MAX_TIMING_S or len(seconds) < K):
        seconds.append(timed_once(ask, len(seconds)))
    cpu = (time.process_time() - cpu) / len(seconds)
    p50, p95 = np.percentile(seconds, [50, 95]) * 1e3
    return {"p50": p50, "p95": p95, "cpu": cpu * 1e3, "rate": len(seconds) / sum(seconds)}


def timed_once(ask: Ask, i: int) -> float:
    started = time.perf_counter()
    ask(i)
    return time.perf_counter() - started


def report(open_s: float, n: int, retrievers: dict[str, Ask], **more: object) -> None:
    measured = {name: timed(ask, n) for name, ask in retrievers.items()}
    answer({"open_s": open_s, "retrievers": measured, "resident_mb": resident_mb(), **more})


class Funnel:
    """This project: a collection with its defaults."""

    def build(self, job: Job) -> None:
        from indexes import Collection, Document

        texts = job.texts
        with built(job, len(texts)), Collection.create(job.files) as kb:
            kb.upsert(Document(id=f"d{i}", text=text) for i, text in enumerate(texts))

    def vectors(self, job: Job) -> None:
        """Store the `latent` vectors of passages and queries for the other engines."""
        from indexes import Collection

        texts = job.texts
        with Collection.open(job.files) as kb:
            space = kb._retrievers.by_name["dense"]._space
            np.save(job.folder / "vectors.npy", space.embedder.embed_documents(texts))
            asked = np.stack([space.embedder.embed_query(query) for query in job.queries])
            np.save(job.folder / "query_vectors.npy", asked)
            base = space.engine._state.held.base
            answer({"lists": getattr(base, "nlist", 0), "probes": getattr(base, "nprobe", 0)})

    def search(self, job: Job) -> None:
        import gc

        from indexes import Collection
        from indexes.scope import EVERYTHING

        started = time.perf_counter()
        kb = Collection.open(job.files)
        kb.as_owner().search(job.queries[0], K)
        open_s = time.perf_counter() - started
        scope = EVERYTHING
        lexical, dense = (kb._retrievers.by_name[name] for name in ("lexical", "dense"))
        retrievers: dict[str, Ask] = {
            "lexical": lambda i: lexical.search(job.queries[i], K, scope=scope),
            "dense": lambda i: dense.search(job.queries[i], K, scope=scope),
            "hybrid": lambda i: kb.as_owner().search(job.queries[i], K),
        }
        measured = {name: timed(ask, len(job.queries)) for name, ask in retrievers.items()}
        gc.collect()
        resident = resident_mb()
        more = {"recall": self._recall(job, dense, scope)} if (job.folder / "vectors.npy").exists() else {}
        update, threads = self._update(kb), self._threads(kb, job)
        kb.close()
        answer({
            "open_s": open_s, "retrievers": measured, "resident_mb": resident, "update": update,
            "threads": threads, **more,
        })  # fmt: skip

    def _recall(self, job: Job, dense: Any, scope: Any) -> float:
        """Return recall@20 against exact search in float32; catalog keys are in the order of the passages."""
        vectors, shares = job.vectors, []
        for query, vector in list(zip(job.queries, job.query_vectors, strict=True))[:100]:
            exact = np.argpartition(-(vectors @ vector), K)[:K] + 1
            found = [key for key, _ in dense.search(query, K, scope=scope)]
            shares.append(len(set(found) & set(exact.tolist())) / K)
        return float(np.mean(shares))

    def _update(self, kb: Any) -> str:
        """Time from the call until the changed document is found by its new words."""
        from indexes import Document

        seconds = []
        for i in range(WRITERS_ROUNDS):
            started = time.perf_counter()
            kb.upsert([Document(id="d7", text=f"changed{i} entirely new words")])
            hits = kb.as_owner().search(f"changed{i}", 1)
            seconds.append(time.perf_counter() - started)
            if hits[0].document.id != "d7":
                raise SystemExit(f"the changed document was not found in round {i}")
        p50, p95 = np.percentile(seconds, [50, 95]) * 1e3
        return f"one changed document is searchable after {p50:.0f} ms (p95 {p95:.0f} ms)"

    def _threads(self, kb: Any, job: Job) -> str:
        """Search in eight threads while this one writes, and count the errors."""
        stop = time.perf_counter() + THREADS_S
        errors: list[str] = []
        done = [0] * SEARCHING_THREADS

        def search(number: int) -> None:
            while time.perf_counter() < stop:
                query = job.queries[(done[number] * SEARCHING_THREADS + number) % len(job.queries)]
                try:
                    errors.extend(wrong(kb.as_owner().search(query, K)))
                except Exception as exc:  # noqa: BLE001 - every error is counted
                    errors.append(repr(exc))
                done[number] += 1

        threads = [threading.Thread(target=search, args=(i,)) for i in range(SEARCHING_THREADS)]
        for thread in threads:
            thread.start()
        writes = 0
        while time.perf_counter() < stop:
            errors.extend(rewritten(kb, writes))
            writes += 1
        for thread in threads:
            thread.join()
        return (
            f"{SEARCHING_THREADS} threads search while one writes: {sum(done) / THREADS_S:,.0f} searches and "
            f"{writes / THREADS_S:.1f} writes a second, {len(errors)} errors {sorted(set(errors))[:3] or ''}"
        )


def wrong(hits: list[Any]) -> Iterator[str]:
    """Yield errors in an answer: ranks with a gap, a passage without text or of another document."""
    if [hit.rank for hit in hits] != list(range(1, len(hits) + 1)):
        yield "ranks with a gap"
    for hit in hits:
        for found in hit.passages:
            if not found.passage.text or found.passage.document_id != hit.document.id:
                yield f"a wrong hit: {hit.document.id}"


def rewritten(kb: Any, number: int) -> Iterator[str]:
    """Rewrite a document; yield errors if its new word does not find it, or its old one does."""
    from indexes import Document

    words = "words of a document that is written again and again"
    kb.upsert([Document(id="d8", text=f"fresh{number} {words}")])
    if [hit.document.id for hit in kb.as_owner().search(f"fresh{number}", 1)] != ["d8"]:
        yield f"write {number} is not found"
    if any("lexical" in hit.retrievers for hit in kb.as_owner().search(f"fresh{number - 1}", K)):
        yield f"write {number - 1} is still found by its old word"


class RankBM25:
    """Okapi BM25 in Python; keeps everything in memory, and on disk only as a pickle."""

    def build(self, job: Job) -> None:
        from rank_bm25 import BM25Okapi

        texts = job.texts
        job.files.mkdir()
        with built(job, len(texts)), (job.files / "pickle").open("wb") as file:
            pickle.dump(BM25Okapi([text.lower().split() for text in texts]), file)

    def search(self, job: Job) -> None:
        started = time.perf_counter()
        with (job.files / "pickle").open("rb") as file:
            engine = pickle.load(file)  # noqa: S301 - written above
        texts = job.texts
        open_s = time.perf_counter() - started

        def ask(i: int) -> list[str]:
            scores = engine.get_scores(job.queries[i].lower().split())
            best = np.argpartition(-scores, K)[:K]
            return [texts[n] for n in best[np.argsort(-scores[best])]]

        report(open_s, len(job.queries), {"lexical": ask})


class BM25S:
    """Precomputed scores in sparse arrays; uses numba if it is installed."""

    def build(self, job: Job) -> None:
        import bm25s

        texts = job.texts
        with built(job, len(texts)):
            engine = bm25s.BM25(corpus=[{"text": text} for text in texts], backend=self._backend())
            engine.index(bm25s.tokenize(texts, stopwords=None, show_progress=False), show_progress=False)
            engine.save(str(job.files), corpus=[{"text": text} for text in texts])

    def search(self, job: Job) -> None:
        import bm25s

        started = time.perf_counter()
        engine = bm25s.BM25.load(str(job.files), load_corpus=True)
        engine.backend = self._backend()
        open_s = time.perf_counter() - started

        def ask(i: int) -> object:
            tokens = bm25s.tokenize(job.queries[i], stopwords=None, show_progress=False)
            return engine.retrieve(tokens, k=K, show_progress=False)

        report(open_s, len(job.queries), {"lexical": ask})

    @staticmethod
    def _backend() -> str:
        try:
            import numba  # noqa: F401 - only whether it is there
        except ImportError:
            return "numpy"
        return "numba"


class LanceDB:
    """An embedded database with a full-text and an IVF-PQ index, fused by reciprocal rank."""

    def build(self, job: Job) -> None:
        import lancedb
        import pyarrow as pa

        texts, vectors = job.texts, job.vectors
        vector = pa.list_(pa.float32(), vectors.shape[1])
        schema = pa.schema([("text", pa.string()), ("vector", vector)])
        with built(job, len(texts)):
            blocks = (
                pa.table({"text": texts[at : at + BLOCK], "vector": list(vectors[at : at + BLOCK])}, schema)
                for at in range(0, len(texts), BLOCK)
            )
            table = lancedb.connect(job.files).create_table("passages", blocks, schema=schema)
            table.create_fts_index("text")
            table.create_index(metric="dot", vector_column_name="vector")

    def search(self, job: Job) -> None:
        import lancedb

        started = time.perf_counter()
        table = lancedb.connect(job.files).open_table("passages")
        open_s = time.perf_counter() - started
        vectors = job.query_vectors
        retrievers: dict[str, Ask] = {
            "lexical": lambda i: table.search(job.queries[i], query_type="fts").limit(K).to_list(),
            "hybrid": lambda i: (
                table.search(query_type="hybrid").vector(vectors[i]).text(job.queries[i]).limit(K).to_list()
            ),
        }
        report(open_s, len(job.queries), retrievers)


class LlamaIndex:
    """QueryFusionRetriever over BM25Retriever and a flat FAISS store, fused by reciprocal rank."""

    def build(self, job: Job) -> None:
        """Time building only: it stores no files, so the process that searches builds everything again."""
        job.files.mkdir()
        with built(job, len(job.texts)):
            self._retriever(job)

    def search(self, job: Job) -> None:
        started = time.perf_counter()
        retriever = self._retriever(job)
        open_s = time.perf_counter() - started
        report(open_s, len(job.queries), {"hybrid": lambda i: retriever.retrieve(job.queries[i])})

    def _retriever(self, job: Job) -> Any:
        import faiss
        from llama_index.core import StorageContext, VectorStoreIndex
        from llama_index.core.embeddings import MockEmbedding
        from llama_index.core.llms import MockLLM
        from llama_index.core.retrievers import QueryFusionRetriever
        from llama_index.core.schema import TextNode
        from llama_index.retrievers.bm25 import BM25Retriever
        from llama_index.vector_stores.faiss import FaissVectorStore

        vectors = job.vectors
        known = dict(zip(job.queries, job.query_vectors.tolist(), strict=True))

        class Given(MockEmbedding):
            def _get_query_embedding(self, query: str) -> list[float]:
                return known[query]

            async def _aget_query_embedding(self, query: str) -> list[float]:
                return known[query]

        nodes = [
            TextNode(id_=f"d{i}", text=text, embedding=vectors[i].tolist())
            for i, text in enumerate(job.texts)
        ]
        store = FaissVectorStore(faiss_index=faiss.IndexFlatIP(vectors.shape[1]))
        index = VectorStoreIndex(
            nodes,
            storage_context=StorageContext.from_defaults(vector_store=store),
            embed_model=Given(embed_dim=vectors.shape[1]),
        )
        for node in nodes:
            node.embedding = None
        parts = [
            index.as_retriever(similarity_top_k=K),
            BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=K),
        ]
        return QueryFusionRetriever(
            parts, llm=MockLLM(), similarity_top_k=K, num_queries=1, mode="reciprocal_rerank", use_async=False
        )


ENGINES = {
    "funnel": Funnel, "rank-bm25": RankBM25, "bm25s": BM25S, "lancedb": LanceDB, "llama-index": LlamaIndex,
}  # fmt: skip


def main() -> None:
    engine, phase, folder = sys.argv[1:]
    getattr(ENGINES[engine](), phase)(Job(Path(folder), engine))


if __name__ == "__main__":
    main()
