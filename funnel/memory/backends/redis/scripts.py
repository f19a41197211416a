"""The scripts that the Redis server runs, each in one step, read from `lua/`; knows no client library.

    funnel:item:<length of namespace>:<namespace>:<key>   a value, expired by Redis itself
    funnel:keys:<namespace>       sorted set of the keys in a namespace, all of score 0: in order of bytes
    funnel:namespaces             sorted set of the namespaces that have keys, in the same order
    funnel:expiring               sorted set of items by the time of their expiry, in milliseconds
    funnel:writer:<id>            result and number of the last write of a writer, for an hour

Redis deletes an expired item itself, but not its entries in the sets. A scan skips such entries and removes
them, and every write of expiring values removes more of them than it makes. The keys of one call are in
different slots, so Redis Cluster cannot run these scripts. The prefix that the URL names is before each key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1

from funnel.memory.backends.sql import read_text


@dataclass(frozen=True, slots=True)
class Script:
    """A script and its digest, by which the server knows it after its first run."""

    text: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "digest", digest)


@dataclass(frozen=True, slots=True)
class Scripts:
    """The scripts for keys with one prefix, which they know as `funnel`, up to the colon after that word."""

    put: Script
    delete: Script
    compare_and_set: Script
    entries: Script
    scan: Script
    namespaces: Script
    rights: Script

    @classmethod
    def of(cls, prefix: str) -> Scripts:
        """Return the scripts for a prefix, which needs no quoting."""

        def script(*names: str) -> Script:
            body = "".join(read_text(__package__, f"lua/{name}.lua") for name in names)
            return Script(f"local funnel = '{prefix}funnel:'\n{body}")

        return cls(
            put=script("unlist", "put"),
            delete=script("once", "unlist", "delete"),
            compare_and_set=script("once", "compare_and_set"),
            entries=script("entries"),
            scan=script("unlist", "scan"),
            namespaces=script("namespaces"),
            rights=script("rights"),
        )
