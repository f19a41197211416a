"""Caches the passage keys that a scope allows; knows the catalog's reader and no engine.

The keys of a scope are read once and then updated after each write, so that the same asker with the same
filter pays for them only once. The cache is limited in bytes and evicts the least recently used scope.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from indexes.filters import Filter
from indexes.scope import Keys, Scope

if TYPE_CHECKING:
    from indexes.catalog.catalog import Catalog
    from indexes.catalog.reader import CatalogReader

KEPT_BYTES = 64 << 20
"""Eight million keys: sixteen scopes that each allow half of a million passages."""

_MAX_NEW_PASSAGES = 5_000
"""After more new passages than this, reading all keys again is faster than updating them."""

_CacheKey = tuple[frozenset[str] | None, Filter | None]


class AllowedKeys:
    """The allowed keys of recently used scopes. Thread-safe."""

    def __init__(self, *, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[_CacheKey, tuple[int, Keys]] = OrderedDict()
        self._lock = Lock()

    def bind(self, scope: Scope, catalog: Catalog) -> Scope:
        """Return the scope for one search; its keys are looked up once, when an engine first needs them."""
        if scope.everything:
            return scope

        @cache
        def keys() -> Keys:
            with catalog.read() as reader:
                return self.keys(scope, reader)

        @cache
        def visible() -> Keys:
            with catalog.read() as reader:
                return self.keys(Scope(scope.access), reader)

        return scope.bound(keys, visible)

    def keys(self, scope: Scope, catalog: CatalogReader) -> Keys:
        """Return the keys that `scope` allows in the view `catalog`, ascending and read-only."""
        asked = (None if scope.access.everything else scope.access.principals, scope.where)
        generation = catalog.generation
        with self._lock:
            known = self._kept.get(asked)
        if known is not None and known[0] == generation:
            keys = known[1]
        elif known is not None and known[0] < generation and catalog.n_added(known[0]) <= _MAX_NEW_PASSAGES:
            gone = np.array(catalog.removed(known[0]), np.int64)
            # New passages have larger keys than all earlier ones, so the keys stay sorted.
            keys = np.concatenate(
                [known[1][~np.isin(known[1], gone)], catalog.open_keys_since(known[0], scope)]
            )
        else:
            keys = catalog.open_keys(scope)
        keys.setflags(write=False)
        self._keep(asked, generation, keys)
        return keys

    def _keep(self, asked: _CacheKey, generation: int, keys: Keys) -> None:
        with self._lock:
            if asked in self._kept and self._kept[asked][0] > generation:
                return  # meanwhile another search has stored the keys of a later view
            self._kept[asked] = (generation, keys)
            self._kept.move_to_end(asked)
            while sum(kept.nbytes for _, kept in self._kept.values()) > self._kept_bytes:
                self._kept.popitem(last=False)
