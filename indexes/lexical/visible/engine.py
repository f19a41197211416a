"""The engine whose scores depend on visible passages only; knows terms and keys, no text."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np

from indexes.errors import CollectionError, IndexesError
from indexes.lexical.base import LexicalEntry
from indexes.lexical.visible.scoring import Counts, Visible, held
from indexes.lexical.visible.storage import PostingsFile, PostingsView
from indexes.retrieval.base import Scored
from indexes.scope import Keys, Scope

_MAX_REMOVED_SHARE = 0.5
_LEAST_REMOVED = 1_000
_ASKERS_KEPT = 16


@dataclass(frozen=True, slots=True)
class _Held:
    """The passages held after a write, with their lengths, and the number of those that are removed."""

    write: int
    generation: int
    keys: Keys
    lengths: Counts
    n_removed: int


class VisibleEngine:
    """BM25 over the postings in `directory`, with the statistics of `scope.visible()`, which it requires.

    One process writes at a time; others see its writes on `refresh`.
    """

    shared = True

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = PostingsFile(directory)
        self._held: _Held | None = None
        self._askers: OrderedDict[tuple[int, int], tuple[Keys, Visible]] = OrderedDict()
        self._lock = Lock()
        self.refresh()

    @property
    def generation(self) -> int:
        """The catalog generation that it covers; -1 if there are no readable postings."""
        return -1 if self._held is None else self._held.generation

    def refresh(self) -> None:
        """Check the file again: another process may have written to it."""
        try:
            with self._file.read() as view:
                self._hold(view)
        except sqlite3.Error:
            self._held = None  # missing or damaged: generation -1 causes a rebuild

    def apply(self, added: Iterable[LexicalEntry], removed: Iterable[int], *, generation: int) -> None:
        """Add and remove passages and cover `generation`, in one transaction.

        Raises: `IndexesError` if it should be built again; `OSError` if the disk is full.
        """
        dropped, held_now = list(removed), self._held
        if held_now is not None:
            gone = held_now.n_removed + len(dropped)
            if gone > max(_LEAST_REMOVED, _MAX_REMOVED_SHARE * len(held_now.keys)):
                raise IndexesError(f"Most passages in {self._directory} are removed: build it again.")
        try:
            self._file.write(added, dropped, generation)
        except sqlite3.OperationalError as exc:
            full = exc.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
            code = errno.ENOSPC if full else errno.EIO
            raise OSError(code, os.strerror(code) if full else str(exc)) from exc
        except sqlite3.DatabaseError as exc:
            raise IndexesError(f"The postings in {self._directory} are damaged: {exc}.") from exc
        self.refresh()

    def clear(self) -> None:
        """Remove the file; `generation` is -1 afterwards."""
        self._held = None
        self._file.clear()

    @property
    def count(self) -> int:
        """Number of passages held."""
        return 0 if self._held is None else len(self._held.keys)

    def keys(self) -> Keys:
        """Return the keys of all passages held, ascending."""
        return np.empty(0, np.int64) if self._held is None else self._held.keys

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return the number of passages that contain each term, whoever may read them."""
        if self._held is None:
            return [0] * len(terms)
        with self._view() as view:
            here = self._hold(view)
            everything = Visible(here.keys, here.lengths)
            return [len(everything.among(view.postings(term))[0]) for term in terms]

    def frequencies_within(self, terms: Sequence[str], scope: Scope) -> tuple[list[int], int]:
        """Return the number of visible passages that contain each term, and the number of visible ones."""
        if self._held is None:
            return [0] * len(terms), 0
        with self._view() as view:
            visible = self._visible(self._hold(view), scope)
            return [len(visible.among(view.postings(term))[0]) for term in terms], len(visible.keys)

    def search(self, terms: Sequence[str], k: int, *, scope: Scope) -> Scored:
        """Return the best `k` passages within `scope`, with the statistics of what its asker may read."""
        if self._held is None or not terms:
            return []
        allowed = scope.keys()
        with self._view() as view:
            visible = self._visible(self._hold(view), scope)
            postings = {term: view.postings(term) for term in dict.fromkeys(terms)}
        return visible.best(terms, postings, k, allowed)

    def close(self) -> None:
        """Close the file."""
        self._held = None
        self._file.close()

    @contextmanager
    def _view(self) -> Iterator[PostingsView]:
        try:
            with self._file.read() as view:
                yield view
        except sqlite3.Error as exc:
            raise CollectionError(
                f"The postings in {self._directory} cannot be read: {exc}. Remove it: it is built "
                "again when the collection is opened."
            ) from exc

    def _hold(self, view: PostingsView) -> _Held:
        """Return the passages held in this view, read again only after another write."""
        write, generation = view.covered
        known = self._held
        if known is not None and known.write == write:
            return known
        keys, lengths, n_removed = view.lengths()
        self._held = _Held(write, generation, keys, lengths, n_removed)
        return self._held

    def _visible(self, here: _Held, scope: Scope) -> Visible:
        readable = scope.visible()
        if readable is None:
            return Visible(here.keys, here.lengths)
        # The array is kept beside what was made of it, so that no other one can have its id.
        named = (id(readable), here.write)
        with self._lock:
            if named in self._askers:
                self._askers.move_to_end(named)
                return self._askers[named][1]
        found = held(here.keys, here.lengths, readable)
        with self._lock:
            self._askers[named] = (readable, found)
            while len(self._askers) > _ASKERS_KEPT:
                self._askers.popitem(last=False)
        return found
