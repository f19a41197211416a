"""Finds the server, and refuses one that cannot hold a memory before anything is written; knows no value."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import ResponseError

from funnel.memory.backends.redis.failures import WrongServer
from funnel.memory.backends.redis.url import RedisAddress

_SENTINEL_S = 2.0
"""How long one Sentinel has for its answer before the next is asked."""


class RedisServer:
    """Where the connections of one memory lead to: a server, or the master that the Sentinels name."""

    def __init__(self, address: RedisAddress) -> None:
        self.address = address

    def connection(self) -> AbstractConnection:
        """Return a connection, not yet open."""
        return self.address.connection()

    async def connect(self, connection: AbstractConnection) -> None:
        """Open the connection to a server that can hold a memory.

        Raises: `WrongServer`; `RedisError` or `OSError` if there is no connection.
        """
        if self.address.sentinels:
            # Both classes of a connection by TCP have these.
            connection.host, connection.port = await self._master()  # type: ignore[attr-defined]  # TCP only
        await connection.connect()  # type: ignore[no-untyped-call]  # redis-py's
        try:
            await self._greet(connection)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise

    async def require_master(self, connection: AbstractConnection) -> None:
        """Check that the Sentinels name the server of this connection. Raises: `RedisError` if not."""
        host, port = await self._master()
        # Both classes of a connection by TCP have these.
        if (connection.host, connection.port) != (host, port):  # type: ignore[attr-defined]  # TCP only
            raise LostConnection("another server has become the master")

    async def _greet(self, connection: AbstractConnection) -> None:
        try:
            await connection.send_command("HELLO", check_health=False)
            said = await connection.read_response()
        except ResponseError:
            return  # a proxy that knows no HELLO
        if not isinstance(said, dict):
            said = dict(zip(said[::2], said[1::2], strict=True))
        mode, role = said.get(b"mode"), said.get(b"role")
        if mode == b"cluster":
            raise WrongServer(
                "it is a Redis Cluster, which may not keep together the keys that one write changes. Name a "
                "server that is no cluster, or its Sentinels with redis+sentinel://"
            )
        if mode == b"sentinel":
            raise WrongServer("it is a Sentinel. Write redis+sentinel://host:26379/NAME, with its master")
        if self.address.sentinels and role != b"master":
            raise LostConnection("the server that the Sentinels name is not the master yet")

    async def _master(self) -> tuple[str, int]:
        """Return the address of the master, as the first Sentinel that answers knows it."""
        address = self.address
        options = address.sentinel_options(timeout_s=_SENTINEL_S)
        sentinels = Sentinel(address.sentinels, sentinel_kwargs=options)  # type: ignore[no-untyped-call]  # redis-py's
        try:
            host, port = await sentinels.discover_master(address.master)
        except MasterNotFoundError:
            await self._require_name(sentinels.sentinels)
            raise
        else:
            return str(host), int(port)
        finally:
            await asyncio.gather(*(each.aclose() for each in sentinels.sentinels), return_exceptions=True)

    async def _require_name(self, sentinels: list[Redis]) -> None:
        """Check that a Sentinel that answers knows the master's name. Raises: `WrongServer`."""
        asked = (sentinel.sentinel_masters() for sentinel in sentinels)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        known = [answer for answer in answers if isinstance(answer, dict)]
        if known and not any(self.address.master in names for names in known):
            named = ", ".join(sorted({str(name) for names in known for name in names})) or "none"
            raise WrongServer(f"its Sentinels know no master {self.address.master!r}, but {named}")
