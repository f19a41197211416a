"""Reads the URL of a Redis memory: servers, prefix of the keys, Sentinels; connects to nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from funnel.memory.credentials import without_credentials

FORM = "Write redis://host:6379/0, or redis+sentinel://host:26379,host:26379/NAME/0 with the master's name."
_SENTINEL = "+sentinel"
_SENTINEL_PORT = 26379
_PREFIX = re.compile(r"[A-Za-z0-9_.:{}/@-]{1,100}")
_OWN = {"prefix", "sentinel_username", "sentinel_password"}
"""Parameters that are ours; the others are those of redis-py."""

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """The parts of a URL. `server`: a URL of redis-py, whose host is not known yet if there are Sentinels.

    `prefix`: what all keys begin with. `master`: the name under which the Sentinels know the master.
    """

    server: str = field(repr=False)
    shown: str
    prefix: str = ""
    master: str = ""
    sentinels: tuple[Place, ...] = ()
    sentinel_user: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

    def connection(self) -> AbstractConnection:
        """Return a connection to the server, not yet open.

        It has no retries and no time limits of its own: only the caller knows which write was done.

        Raises: `ValueError` or `TypeError` if redis-py does not understand the URL; both may quote it.
        """
        connection: AbstractConnection = self._pool().make_connection()  # type: ignore[no-untyped-call]  # redis-py's
        return connection

    def sentinel_options(self, *, timeout_s: float) -> dict[str, Any]:
        """Return what redis-py needs to connect to a Sentinel, with the certificates of the server."""
        given = self._pool().connection_kwargs
        tls = {name: value for name, value in given.items() if name.startswith("ssl_")}
        return {
            "socket_timeout": timeout_s,
            "socket_connect_timeout": timeout_s,
            "username": self.sentinel_user,
            "password": self.sentinel_password,
            "ssl": self.server.startswith("rediss:"),
            **tls,
        }

    def _pool(self) -> ConnectionPool:
        return ConnectionPool.from_url(
            self.server, retry=Retry(NoBackoff(), 0), socket_timeout=None, socket_connect_timeout=None
        )


def address(url: str) -> RedisAddress:
    """Read `redis://`, `rediss://`, `unix://` and `redis+sentinel://` with their parameters.

    Raises: `ValueError`, which repeats nothing of the URL.
    """
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    own = {name: value for name, value in given if name in _OWN}
    prefix = own.get("prefix", "")
    if "prefix" in own and not _PREFIX.fullmatch(prefix):
        raise ValueError("a prefix of keys has up to 100 letters, digits and . _ : { } / @ -")
    if prefix and prefix[-1].isalnum():
        prefix += ":"
    shown = without_credentials(url) + (f"?prefix={prefix}" if prefix else "")
    query = urlencode([(name, value) for name, value in given if name not in _OWN])
    if not scheme.lower().endswith(_SENTINEL):
        server = f"{scheme}://{rest}{'?' if query else ''}{query}"
        return RedisAddress(server, shown, prefix)
    userinfo, at, hosts = rest.rpartition("@")
    hosts, _, path = hosts.partition("/")
    master, _, database = path.partition("/")
    places = tuple(_place(host) for host in hosts.split(","))
    if database and not database.isdecimal():
        raise ValueError(f"its database is not a number. {FORM}")
    if not master:
        raise ValueError(f"it does not name the master. {FORM}")
    plain = scheme.lower().removesuffix(_SENTINEL)
    first = f"{quote(places[0][0])}:{places[0][1]}"
    server = f"{plain}://{userinfo}{at}{first}/{database or 0}{'?' if query else ''}{query}"
    return RedisAddress(
        server,
        shown,
        prefix,
        unquote(master),
        places,
        own.get("sentinel_username"),
        own.get("sentinel_password"),
    )


def _place(host: str) -> Place:
    name, _, port = host.partition(":")
    if not name or (port and not port.isdecimal()):
        raise ValueError(f"a Sentinel is not HOST:PORT. {FORM}")
    return name, int(port or _SENTINEL_PORT)
