"""A short name for what an asker may read, under which what was made from it is kept; knows no document."""

from __future__ import annotations

import hashlib
import json

from indexes.types import Access


def scope_of(access: Access) -> str:
    """The same for askers of the same rights, another for all others; it tells nothing of them."""
    rights = json.dumps([access.everything, sorted(access.principals)])
    return hashlib.sha256(rights.encode()).hexdigest()[:32]
