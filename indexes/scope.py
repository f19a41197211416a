"""The limits of a search, as one value: the asker's rights and a filter; knows no document and no index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from indexes.filters import Filter, matches
from indexes.types import OWNER, Access, Document

Keys = NDArray[np.int64]
"""Passage keys, int64 (n,). A key is the catalog's number for one passage, and is never reused."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The documents that one search may find: those that `access` may read and `where` matches.

    An engine that stores readers and metadata beside its vectors or terms can narrow its search by `access`
    and `where`. An engine that knows only passage keys calls `keys()`, which computes them on demand.
    """

    access: Access
    where: Filter | None = None
    _keys: Callable[[], Keys] | None = field(default=None, repr=False, compare=False)

    @property
    def everything(self) -> bool:
        """Whether no document is left out."""
        return self.access.everything and self.where is None

    def admits(self, document: Document) -> bool:
        """Return whether this document is within the scope."""
        return self.access.may_read(document.readers) and (
            self.where is None or matches(self.where, document.metadata)
        )

    def bound(self, keys: Callable[[], Keys]) -> Scope:
        """Return the same scope, bound to an index: `keys` computes its allowed keys there."""
        return replace(self, _keys=keys)

    def keys(self) -> Keys | None:
        """Return the allowed passage keys, ascending and read-only; None if every key is allowed.

        Raises: `LookupError` if the scope is narrowed but not bound to an index.
        """
        if self.everything:
            return None
        if self._keys is None:
            raise LookupError("This scope is not bound to an index, so it has no passage keys.")
        return self._keys()


EVERYTHING = Scope(OWNER)
"""Every document, for the owner."""
