"""Who asks and what is asked for, as one value; knows no document and no index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from indexes.filters import Filter, matches
from indexes.types import OWNER, Access, Document

Keys = NDArray[np.int64]
"""Passage keys, int64 (n,). A key is the catalog's number for one passage, and is never used twice."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one search may find: the documents that `access` may read and `where` matches.

    An engine that keeps readers and metadata beside its vectors or terms narrows its search by `access` and
    `where` themselves. One that knows only passage keys asks for `keys()`; they are computed when it does.
    """

    access: Access
    where: Filter | None = None
    _keys: Callable[[], Keys] | None = field(default=None, repr=False, compare=False)

    @property
    def everything(self) -> bool:
        """Whether no document is left out."""
        return self.access.everything and self.where is None

    def admits(self, document: Document) -> bool:
        """Whether this document is within the scope."""
        return self.access.may_read(document.readers) and (
            self.where is None or matches(self.where, document.metadata)
        )

    def bound(self, keys: Callable[[], Keys]) -> Scope:
        """Return the same scope over an index whose allowed keys `keys` computes."""
        return replace(self, _keys=keys)

    def keys(self) -> Keys | None:
        """Return the allowed passage keys, ascending and not to be written to; None if every key is allowed.

        Raises: `LookupError` if the scope is narrowed and bound to no index: no keys would mean all of them.
        """
        if self.everything:
            return None
        if self._keys is None:
            raise LookupError("This scope is not bound to an index, so that it has no passage keys.")
        return self._keys()


EVERYTHING = Scope(OWNER)
"""Every document, for the owner."""
