"""The limits of a search, as one value: the asker's rights and a filter; knows no document and no index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from indexes.errors import UnknownName
from indexes.filters import Filter, matches
from indexes.types import OWNER, Access, Document

Keys = NDArray[np.int64]
"""Passage keys, int64 (n,). A key is the catalog's number for one passage, and is never reused."""

Statistics = Literal["collection", "visible"]
"""What scores may depend on: the whole collection, or only what the asker may read."""

STATISTICS: tuple[Statistics, ...] = get_args(Statistics)
COLLECTION: Statistics = "collection"
VISIBLE: Statistics = "visible"


def check_statistics(statistics: str) -> None:
    """Check that there are such statistics. Raises: `UnknownName`."""
    if statistics not in STATISTICS:
        raise UnknownName("statistics", statistics, STATISTICS)


@dataclass(frozen=True, slots=True)
class Scope:
    """The documents that one search may find: those that `access` may read and `where` matches.

    `statistics`: what scores may depend on, the whole collection or only what `access` may read.

    An engine that stores readers and metadata beside its vectors or terms can narrow its search by `access`
    and `where`. An engine that knows only passage keys calls `keys()`, which computes them on demand.
    """

    access: Access
    where: Filter | None = None
    statistics: Statistics = COLLECTION
    _keys: Callable[[], Keys] | None = field(default=None, repr=False, compare=False)
    _visible: Callable[[], Keys] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_statistics(self.statistics)

    @property
    def everything(self) -> bool:
        """Whether no document is left out."""
        return self.access.everything and self.where is None

    def admits(self, document: Document) -> bool:
        """Return whether this document is within the scope."""
        return self.access.may_read(document.readers) and (
            self.where is None or matches(self.where, document.metadata)
        )

    def bound(self, keys: Callable[[], Keys], visible: Callable[[], Keys] | None = None) -> Scope:
        """Return the same scope, bound to an index: `keys` computes its allowed keys there.

        `visible` computes the keys of all passages that `access` may read; without a filter it is not needed.
        """
        return replace(self, _keys=keys, _visible=visible)

    def keys(self) -> Keys | None:
        """Return the allowed passage keys, ascending and read-only; None if every key is allowed.

        Raises: `LookupError` if the scope is narrowed but not bound to an index.
        """
        if self.everything:
            return None
        if self._keys is None:
            raise LookupError("This scope is not bound to an index, so it has no passage keys.")
        return self._keys()

    def visible(self) -> Keys | None:
        """Return the keys of all passages that `access` may read, whatever `where` says; None if all.

        Raises: `LookupError` as `keys`.
        """
        if self.access.everything:
            return None
        if self.where is None:
            return self.keys()
        if self._visible is None:
            raise LookupError("This scope is not bound to an index, so it has no visible passages.")
        return self._visible()


EVERYTHING = Scope(OWNER)
"""Every document, for the owner."""
