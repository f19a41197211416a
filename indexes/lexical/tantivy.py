"""The tantivy engine: BM25 on disk, with readers as a filter; knows terms and keys, no text.

tantivy fixes k1 = 1.2 and b = 0.75, and rounds lengths to one byte (Lucene's SmallFloat). The generation
stands in a marker document inside the same commit as the passages, so the two cannot part.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tantivy
from tantivy import Occur, Query

from indexes import faults
from indexes.errors import IndexesError
from indexes.lexical.base import Entry, Keys, Scored
from indexes.lexical.segments import META, is_whole
from indexes.types import Access

_HEAP_BYTES = 64_000_000
_DELETE_BATCH = 10_000
_MARKER_KEY = -1
_RETRIES = 5


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("terms", tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("readers", tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("key", indexed=True, fast=True)
    builder.add_integer_field("generation", fast=True)
    return builder.build()


class TantivyEngine:
    """A tantivy index in `directory`. One process writes at a time; others see its commits on `refresh`."""

    shared = True

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._schema = _schema()
        self._index: tantivy.Index | None = None
        self._generation = -1
        self._whole: set[tuple[str, int]] = set()
        self.refresh()

    @property
    def generation(self) -> int:
        """The catalog generation that the last commit covers; -1 when there is none or it does not read."""
        return self._generation

    def refresh(self) -> None:
        """Look at the directory again: another process may have written, or begun anew."""
        meta = b""
        for _ in range(_RETRIES):
            before, meta = meta, _read(self._directory / META)
            # What a writer has just replaced looks damaged too: only then is there another meta file.
            if not meta or meta == before:
                break
            if is_whole(self._directory, meta, self._whole):
                self._index, self._generation = self._open()
                return
        self._index, self._generation = None, -1

    def _open(self) -> tuple[tantivy.Index | None, int]:
        try:
            index = tantivy.Index.open(str(self._directory))
            index.config_reader("manual")
            index.reload()
            searcher = index.searcher()
            marker = searcher.search(self._key_query([_MARKER_KEY]), 1, count=False).hits
            found = searcher.fast_field_values("generation", [address for _, address in marker])
        except (ValueError, OSError):
            return None, -1  # truncated or foreign: generation -1 asks for a rebuild
        return (index, int(found[0])) if found and found[0] is not None else (None, -1)

    def apply(self, added: Iterable[Entry], removed: Iterable[int], *, generation: int) -> None:
        """One commit that takes in and drops passages and covers `generation`.

        Raises: `IndexesError` when the files cannot be written; they are then to be cleared and built anew.
        """
        if self._index is None:
            self.clear()
            self._directory.mkdir(parents=True, exist_ok=True)
            self._index = tantivy.Index(self._schema, path=str(self._directory))
            self._index.config_reader("manual")
        try:
            self._commit(self._index, added, removed, generation)
            self._index.reload()
        except (ValueError, OSError) as exc:
            raise IndexesError(f"The tantivy index in {self._directory} cannot be written: {exc}.") from exc
        self._generation = generation

    def _commit(
        self, index: tantivy.Index, added: Iterable[Entry], removed: Iterable[int], generation: int
    ) -> None:
        writer = index.writer(heap_size=_HEAP_BYTES, num_threads=1)
        try:
            # A writer that was killed may have left files under names that this one would use again.
            writer.garbage_collect_files()
            dropped = [_MARKER_KEY, *removed]
            for at in range(0, len(dropped), _DELETE_BATCH):
                writer.delete_documents_by_query(self._key_query(dropped[at : at + _DELETE_BATCH]))
            for entry in added:
                document = tantivy.Document()
                document.add_integer("key", entry.key)
                document.add_text("terms", " ".join(entry.terms))
                for reader in entry.readers:
                    document.add_text("readers", reader)
                writer.add_document(document)
            marker = tantivy.Document()
            marker.add_integer("key", _MARKER_KEY)
            marker.add_integer("generation", generation)
            writer.add_document(marker)
            faults.step("lexical.commit")
            writer.commit()
            faults.step("lexical.committed")
        except BaseException:
            writer.rollback()
            raise
        finally:
            writer.wait_merging_threads()
            faults.step("lexical.merged")

    def clear(self) -> None:
        """Remove the directory; `generation` is -1 afterwards."""
        self._index, self._generation = None, -1
        shutil.rmtree(self._directory, ignore_errors=True)
        faults.step("lexical.cleared")

    @property
    def count(self) -> int:
        """How many passages are held, as the files' own table of contents says."""
        return 0 if self._index is None else self._index.searcher().num_docs - 1

    def keys(self) -> Keys:
        """The keys of every passage held, ascending."""
        if self._index is None:
            return np.empty(0, np.int64)
        searcher = self._index.searcher()
        hits = searcher.search(Query.all_query(), max(searcher.num_docs, 1), count=False).hits
        keys = np.asarray(searcher.fast_field_values("key", [address for _, address in hits]), np.int64)
        return np.sort(keys[keys != _MARKER_KEY])

    def search(self, terms: Sequence[str], k: int, *, access: Access) -> Scored:
        """The best `k` passages that `access` may read; a repeated term counts as often as it stands."""
        if self._index is None or not terms:
            return []
        query = Query.boolean_query(
            [(Occur.Should, Query.term_query(self._schema, "terms", term, "freq")) for term in terms]
        )
        if not access.everything:
            readers = Query.term_set_query(self._schema, "readers", sorted(access.principals))
            # A filter adds nothing to the score.
            query = Query.boolean_query(
                [(Occur.Must, query), (Occur.Must, Query.const_score_query(readers, 0.0))]
            )
        searcher = self._index.searcher()
        limit = k + 1
        hits = searcher.search(query, limit, count=False).hits
        # tantivy breaks ties by its own order: look on until the tie at the end is wholly seen.
        while len(hits) == limit and hits[k - 1][0] == hits[-1][0]:
            limit *= 2
            hits = searcher.search(query, limit, count=False).hits
        keys = searcher.fast_field_values("key", [address for _, address in hits])
        scored = [
            (int(key), float(score)) for key, (score, _) in zip(keys, hits, strict=True) if key is not None
        ]
        return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:k]

    def close(self) -> None:
        """Let go of the files."""
        self._index, self._generation = None, -1

    def _key_query(self, keys: Sequence[int]) -> Query:
        return Query.term_set_query(self._schema, "key", keys)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
