"""Creates scopes over passages that are in no catalog, for tests of engines."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from indexes.filters import field
from indexes.lexical.base import LexicalEntry
from indexes.scope import EVERYTHING, Scope
from indexes.types import OWNER, Access

_FILTER = field("chosen") == True  # noqa: E712 - builds a filter


def only(*keys: int, access: Access = OWNER) -> Scope:
    """Return a scope with a filter that only the passages with these keys match."""
    allowed = np.array(sorted(keys), np.int64)
    return Scope(access, _FILTER).bound(lambda: allowed, lambda: allowed)


def open_to(access: Access, entries: Iterable[LexicalEntry]) -> Scope:
    """Return the scope of an asker, without a filter, over these passages."""
    if access.everything:
        return EVERYTHING
    allowed = np.array(sorted(e.key for e in entries if access.may_read(e.readers)), np.int64)
    return Scope(access).bound(lambda: allowed)
