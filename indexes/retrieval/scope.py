"""What one search may find, as passage keys; knows the catalog's reader and no engine.

The keys of a scope are read once and then follow the catalog write by write, so that the same asker with the
same filter pays for them only once. What is kept is bounded in bytes; the scope asked for longest ago goes.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from indexes.filters import Filter
from indexes.lexical.base import Keys
from indexes.types import OWNER, Access

if TYPE_CHECKING:
    from indexes.catalog.reader import CatalogReader

KEPT_BYTES = 64 << 20
"""Eight million keys: at a million passages sixteen scopes that each allow half of them."""

_FOLLOWED = 5_000
"""After more new passages than this, reading the keys anew is quicker than following."""

_Asked = tuple[frozenset[str] | None, Filter | None]


@dataclass(frozen=True, slots=True)
class Scope:
    """The asker, and the keys of what he may find: ascending, read-only; None for every passage."""

    access: Access
    keys: Keys | None


EVERYTHING = Scope(OWNER, None)


class Scopes:
    """The scopes asked for lately. Thread-safe."""

    def __init__(self, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[_Asked, tuple[int, Keys]] = OrderedDict()
        self._lock = Lock()

    def scope(self, catalog: CatalogReader, access: Access, where: Filter | None) -> Scope:
        """What `access` may read and `where` matches, as of the view `catalog`."""
        if access.everything and where is None:
            return EVERYTHING
        asked = (None if access.everything else access.principals, where)
        generation = catalog.generation
        with self._lock:
            known = self._kept.get(asked)
        if known is not None and known[0] == generation:
            keys = known[1]
        elif known is not None and known[0] < generation and catalog.n_added(known[0]) <= _FOLLOWED:
            gone = np.array(catalog.removed(known[0]), np.int64)
            # A key is never used twice and what came has the greatest, so the order holds.
            keys = np.concatenate(
                [known[1][~np.isin(known[1], gone)], catalog.open_keys_since(known[0], access, where)]
            )
        else:
            keys = catalog.open_keys(access, where)
        keys.setflags(write=False)
        self._keep(asked, generation, keys)
        return Scope(access, keys)

    def _keep(self, asked: _Asked, generation: int, keys: Keys) -> None:
        with self._lock:
            if asked in self._kept and self._kept[asked][0] > generation:
                return  # another search has looked at a later view meanwhile
            self._kept[asked] = (generation, keys)
            self._kept.move_to_end(asked)
            while sum(kept.nbytes for _, kept in self._kept.values()) > self._kept_bytes:
                self._kept.popitem(last=False)
