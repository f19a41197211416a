"""The asker of a question: a tenant, and what may be read within it; knows no document and no memory."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from indexes.types import OWNER, Access

LOCAL = "local"
"""The tenant of whoever runs funnel alone on a machine."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. In a memory tenants share nothing, and different rights share nothing made from documents.

    Raises: `ValueError` for an empty tenant.
    """

    tenant: str
    access: Access

    def __post_init__(self) -> None:
        if not self.tenant:
            raise ValueError("a tenant needs a name")

    @classmethod
    def owner(cls, tenant: str = LOCAL) -> Asker:
        """Return the owner of a tenant, who may read all its documents and remove all its runs."""
        return cls(tenant, OWNER)

    @classmethod
    def of(cls, *principals: str, tenant: str = LOCAL) -> Asker:
        """Return an asker who holds these principals, and may also read what is public."""
        return cls(tenant, Access.of(*principals))

    @property
    def rights(self) -> str:
        """A short name shared by the askers with these rights and no others; it does not reveal them."""
        rights = json.dumps([self.access.everything, sorted(self.access.principals)])
        return hashlib.sha256(rights.encode()).hexdigest()[:32]

    def may_see(self, access: Access) -> bool:
        """Whether a run asked with `access` is this asker's to see: same rights, or the owner."""
        return self.access.everything or self.access == access


LOCAL_OWNER = Asker.owner()
"""Whoever runs funnel alone on a machine."""
