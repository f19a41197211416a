"""What the errors of redis-py mean, and what to do about them; knows no connection."""

from __future__ import annotations

import re

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    ClusterCrossSlotError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
)
from redis.exceptions import (
    ConnectionError as LostConnection,
)
from redis.exceptions import (
    TimeoutError as LateAnswer,
)

from funnel.memory.backends.retrying import Failure

NEEDED = (
    "eval", "evalsha", "multi", "exec", "get", "mget", "set", "del", "exists", "rename", "pttl", "time",
    "zadd", "zrem", "zrange", "zrangebylex", "zrangebyscore", "wait",
)  # fmt: skip
"""The commands that a user needs, on keys that begin with the prefix and `funnel:`."""

_NO_RIGHT = re.compile("NOPERM|permissions? to|user executing the script can't")
_CLUSTER = (AskError, ClusterCrossSlotError, ClusterDownError, MovedError)
_TLS = {
    "CERTIFICATE_VERIFY_FAILED": "If its certificate is signed by your own authority, or by itself, name the "
    "file of that in the URL: ?ssl_ca_certs=/path/ca.pem",
    "WRONG_VERSION_NUMBER": "It speaks no TLS there: write redis:// instead of rediss://",
}
_LOST = (LostConnection, LateAnswer, MasterDownError, OSError)
"""The server is going down or coming up, or another has become the master."""


class WrongServer(RedisError):
    """A server that cannot hold a memory, or a master that no Sentinel knows. The text says what to do."""


class Denied(NoPermissionError):
    """The user lacks rights; the text says which."""


def explain(error: Exception, *, prefix: str = "") -> Failure:
    """Say what an error of redis-py means, and whether another attempt may succeed."""
    reason = str(error).rstrip(". ") or type(error).__name__
    if isinstance(error, ReadOnlyError):
        # Another may have become the master, and the name of the server may lead to that one.
        replica = "it is a read-only replica. Name its master, or its Sentinels with redis+sentinel://"
        return Failure(replica, lost=True, advised=True)
    if advice := _advice(error, reason, prefix):
        return Failure(f"{reason}. {advice}.", lost=False)
    if isinstance(error, _LOST) or reason.startswith("BUSY"):
        return Failure(reason, lost=True)
    refused = isinstance(error, WrongServer)
    return Failure(f"{reason}." if refused else f"it refused: {reason}.", lost=False)


def _advice(error: Exception, reason: str, prefix: str) -> str:
    """Return what to do about an error that another attempt would only repeat; "" about any other."""
    if isinstance(error, NoPermissionError) or _NO_RIGHT.search(reason):
        rights = f"~{prefix}funnel:* {' '.join(f'+{name}' for name in NEEDED)}"
        return f"Check the user and its rights; it needs {rights}"
    if isinstance(error, (AuthenticationError, AuthorizationError)):
        return "Check the user, the password and what that user may do"
    if isinstance(error, OutOfMemoryError):
        return "Raise the server's maxmemory"
    if isinstance(error, _CLUSTER):
        return "It is part of a Redis Cluster, which cannot hold a memory. Name a server that is none"
    return next((advice for text, advice in _TLS.items() if text in reason), "")
