"""The tantivy engine: BM25 on disk, filtered by readers; knows terms and keys, no text.

tantivy has k1 = 1.2 and b = 0.75 built in, and rounds lengths to one byte (Lucene's SmallFloat). The
generation is in a marker document in the same commit as the passages, so that the two always agree.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tantivy
from numpy.typing import NDArray
from tantivy import Occur, Query

from indexes.errors import IndexesError
from indexes.lexical.base import LexicalEntry
from indexes.lexical.segments import META, is_whole
from indexes.retrieval.base import Scored
from indexes.scope import Keys, Scope
from indexes.storage import faults
from indexes.storage.connecting import may_write
from indexes.storage.permissions import make_engine_folder
from indexes.types import Access

_HEAP_BYTES = 64_000_000
_DELETE_BATCH = 10_000
_MARKER_KEY = -1
_RETRIES = 5
_SYSTEM = re.compile(r"(?:os error |code: )(\d+)")
_WORKER_DIED = "writer was killed"

# Measured with 100,000 passages: reading a rank takes 0.45 µs; a key in a query takes 9 µs, and beyond a
# thousand keys 9 ms plus 0.5 µs each; a filter by readers is faster than both if few passages are readable.
_DEPTH_PER_KEY = 20
_DEPTH_KEYS = 20_000
_FILTERED_SHARE = 0.2
_SPARE = 16
_SPARE_SHARE = 1.25
_MAX_GROWTH = 16
_MAX_PRINCIPALS = 1_000
"""A query takes a kilobyte for each principal. An asker with more is narrowed by passage keys alone."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


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
        """The catalog generation that the last commit covers; -1 if there is no readable commit."""
        return self._generation

    def refresh(self) -> None:
        """Check the directory again: another process may have written to it or started a new index."""
        meta = b""
        for _ in range(_RETRIES):
            before, meta = meta, _read(self._directory / META)
            # Files that a writer has just replaced look damaged too, but then there is a new meta file.
            if not meta and self._index is not None:
                return  # another process is rebuilding it: the open index can still be searched
            if not meta or meta == before:
                break
            if is_whole(self._directory, meta, self._whole):
                found = self._open()
                # A new index has no commit yet: the open one can still be searched.
                if found[0] is not None or self._index is None:
                    self._index, self._generation = found
                return
        self._index, self._generation = None, -1

    def _open(self) -> tuple[tantivy.Index | None, int]:
        try:
            with _lockable(self._directory) as directory:
                index = tantivy.Index.open(str(directory))
                index.config_reader("manual")
                index.reload()
            searcher = index.searcher()
            marker = searcher.search(self._key_query([_MARKER_KEY]), 1, count=False).hits
            found = searcher.fast_field_values("generation", [address for _, address in marker])
        except (ValueError, OSError):
            return None, -1  # truncated or not ours: generation -1 causes a rebuild
        return (index, int(found[0])) if found and found[0] is not None else (None, -1)

    def apply(self, added: Iterable[LexicalEntry], removed: Iterable[int], *, generation: int) -> None:
        """Add and remove passages and cover `generation`, in one commit.

        Raises: `IndexesError` if the files are inconsistent: the caller then clears the index and rebuilds
        it; `OSError` if, for example, the disk is full: the index is then unchanged.
        """
        index = self._index
        if index is not None and self._open()[1] != self._generation:
            raise IndexesError(f"The tantivy index in {self._directory} is not the one that was opened.")
        try:
            if index is None:
                self.clear()
                make_engine_folder(self._directory)
                index = tantivy.Index(self._schema, path=str(self._directory))
                index.config_reader("manual")
            self._commit(index, added, removed, generation)
            self._restore_permissions()
            index.reload()
        except ValueError as exc:
            if (refused := _refused(exc)) is not None:
                raise refused from exc
            raise IndexesError(f"The tantivy index in {self._directory} cannot be written: {exc}.") from exc
        self._index, self._generation = index, generation

    def _commit(
        self, index: tantivy.Index, added: Iterable[LexicalEntry], removed: Iterable[int], generation: int
    ) -> None:
        writer = index.writer(heap_size=_HEAP_BYTES, num_threads=1)
        try:
            # A writer that was killed may have left files with names that this one will use.
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

    def _restore_permissions(self) -> None:
        """Give the meta file, which tantivy restricts to its owner, the permissions of the directory."""
        mode = self._directory.stat().st_mode & 0o666
        (self._directory / META).chmod(mode)

    def clear(self) -> None:
        """Remove the directory; `generation` is -1 afterwards."""
        self._index, self._generation = None, -1
        shutil.rmtree(self._directory, ignore_errors=True)
        faults.step("lexical.cleared")

    @property
    def count(self) -> int:
        """Number of passages held, from the meta file."""
        return 0 if self._index is None else self._index.searcher().num_docs - 1

    def keys(self) -> Keys:
        """Return the keys of all passages held, ascending."""
        if self._index is None:
            return np.empty(0, np.int64)
        searcher = self._index.searcher()
        hits = searcher.search(Query.all_query(), max(searcher.num_docs, 1), count=False).hits
        keys = np.asarray(searcher.fast_field_values("key", [address for _, address in hits]), np.int64)
        return np.sort(keys[keys != _MARKER_KEY])

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return the number of passages with each term; removed ones count until their segment is merged."""
        if self._index is None:
            return [0] * len(terms)
        searcher = self._index.searcher()
        return [searcher.doc_freq("terms", term) for term in terms]

    def search(self, terms: Sequence[str], k: int, *, scope: Scope) -> Scored:
        """Return the best `k` passages within `scope`; a repeated term counts each time."""
        if self._index is None or not terms:
            return []
        access, allowed = scope.access, scope.keys()
        if allowed is not None and not len(allowed):
            return []
        searcher = self._index.searcher()
        query = self._any_of(terms)
        share = 1.0 if allowed is None else min(len(allowed) / searcher.num_docs, 1.0)
        few = len(access.principals) <= _MAX_PRINCIPALS
        if not access.everything and few and share < _FILTERED_SHARE:
            query, share = _filtered(query, self._readable_by(access)), 1.0
        # Reading half as many again costs little and gets past most ties; with one more, 90 % searched twice.
        first = k + k // 2 + 1 if share == 1 else int((k + _SPARE) * _SPARE_SHARE / share)
        return self._best(searcher, query, k, allowed, first)

    def _best(
        self, searcher: tantivy.Searcher, query: Query, k: int, allowed: Keys | None, limit: int
    ) -> Scored:
        """Return the best `k` among `allowed`, from the first `limit` hits of the ranking or more if needed.

        Scores do not depend on a filter, so the allowed part of the ranking is the filtered ranking. If
        reading that many hits would take longer than a filter by keys, the keys become part of the query.
        """
        while True:
            if allowed is not None and limit > min(_DEPTH_PER_KEY * len(allowed), _DEPTH_KEYS + len(allowed)):
                query, allowed, limit = _filtered(query, self._key_query(allowed.tolist())), None, k + 1
            hits = searcher.search(query, limit, count=False).hits
            keys = np.array(searcher.fast_field_values("key", [address for _, address in hits]), np.int64)
            kept = np.arange(len(keys)) if allowed is None else np.flatnonzero(_among(keys, allowed))
            # tantivy orders ties in its own way: read on to the end of the last tie.
            if len(hits) < limit or (len(kept) >= k and hits[kept[k - 1]][0] > hits[-1][0]):
                break
            wanted = limit * (k + _SPARE) // max(len(kept), 1)
            limit = min(max(wanted, 2 * limit), _MAX_GROWTH * limit)
        return sorted(((int(keys[i]), hits[i][0]) for i in kept), key=lambda pair: (-pair[1], pair[0]))[:k]

    def close(self) -> None:
        """Close the files."""
        self._index, self._generation = None, -1

    def _any_of(self, terms: Sequence[str]) -> Query:
        """Return a query for passages with any of the terms; a repeated term counts each time."""
        clauses = []
        for term, count in Counter(terms).items():
            clause = Query.term_query(self._schema, "terms", term, "freq")
            clauses.append(clause if count == 1 else Query.boost_query(clause, float(count)))
        return Query.boolean_query([(Occur.Should, clause) for clause in clauses])

    def _readable_by(self, access: Access) -> Query:
        # No stored reader has a lone surrogate, and tantivy does not accept one.
        principals = (p for p in sorted(access.principals) if _LONE_SURROGATE.search(p) is None)
        return Query.boolean_query(
            [(Occur.Should, Query.term_query(self._schema, "readers", p, "basic")) for p in principals]
        )

    def _key_query(self, keys: Sequence[int]) -> Query:
        return Query.term_set_query(self._schema, "key", keys)


def _filtered(query: Query, where: Query) -> Query:
    # The filter must not change scores.
    return Query.boolean_query([(Occur.Must, query), (Occur.Must, Query.const_score_query(where, 0.0))])


def _among(keys: Keys, allowed: Keys) -> NDArray[np.bool_]:
    """Return which of `keys` are in `allowed`, which is ascending and not empty."""
    at = np.minimum(np.searchsorted(allowed, keys), len(allowed) - 1)
    among: NDArray[np.bool_] = allowed[at] == keys
    return among


def _refused(error: ValueError) -> OSError | None:
    """Return the system error named in tantivy's message; None if it names none or a missing file."""
    code = _SYSTEM.search(str(error))
    number = int(code[1]) if code else errno.EIO if _WORKER_DIED in str(error) else errno.ENOENT
    return None if number == errno.ENOENT else OSError(number, os.strerror(number))


@contextmanager
def _lockable(directory: Path) -> Iterator[Path]:
    """Yield the directory or, if it is not writable, a temporary one with links to its files.

    tantivy must create a lock file to open an index; once the index is open, all its files are open.
    """
    if may_write(directory):
        yield directory
        return
    with TemporaryDirectory(prefix="funnel-") as name:
        for path in directory.iterdir():
            if not path.name.startswith("."):  # locks, and a list that only writers need
                (Path(name) / path.name).symlink_to(path.absolute())
        yield Path(name)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
