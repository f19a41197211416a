"""A connection to Redis, and what its errors mean; knows no script and no key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as LostConnection,
)
from redis.exceptions import (
    TimeoutError as LateAnswer,
)

from funnel.memory.backends.redis.scripts import Script
from funnel.memory.backends.retrying import Failure

Command = tuple[bytes | str | int, ...]


class Client:
    """One connection. redis-py opens it when it is first used, and closes it after an error."""

    def __init__(self, url: str) -> None:
        self._connection = connection(url)

    async def get(self, items: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of these items, None for each that does not exist."""
        found: list[bytes | None] = await self._ask("MGET", *items)
        return found

    async def run(self, script: Script, keys: Sequence[bytes], *arguments: bytes | str | int) -> Any:
        """Run a script and return its result. Its text is sent only if the server does not know it."""
        try:
            return await self._ask("EVALSHA", script.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self._ask("EVAL", script.text, len(keys), *keys, *arguments)

    async def run_after(
        self, stage: Sequence[Command], script: Script, keys: Sequence[bytes], *arguments: bytes | str | int
    ) -> Any:
        """Run other commands and then a script, in one transaction and one round trip; return its result."""
        rest = (len(keys), *keys, *arguments)
        try:
            return await self._transaction(*stage, ("EVALSHA", script.digest, *rest))
        except NoScriptError:
            return await self._transaction(*stage, ("EVAL", script.text, *rest))

    def drop(self) -> None:
        """Do nothing: redis-py has closed the connection where the error came up."""

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.disconnect()

    async def _ask(self, *command: bytes | str | int) -> Any:
        await self._connection.send_packed_command(
            self._connection.pack_command(*command), check_health=False
        )
        return await self._connection.read_response()

    async def _transaction(self, *commands: Command) -> Any:
        """Run the commands as one transaction and return the result of the last."""
        whole = [("MULTI",), *commands, ("EXEC",)]
        await self._connection.send_packed_command(self._connection.pack_commands(whole), check_health=False)
        replies = [await self._reply() for _ in whole]
        # The reply of a command that was not queued says why; EXEC says only that one was not.
        for reply in [*replies, *(replies[-1] if isinstance(replies[-1], list) else [])]:
            if isinstance(reply, ResponseError):
                raise reply
        return replies[-1][-1]

    async def _reply(self) -> Any:
        """Return the next reply, or the error that it is, since the replies behind it must be read too."""
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error


def connection(url: str) -> AbstractConnection:
    """Return a connection to the server of the URL, not yet open.

    It has no retries and no time limits of its own: only the caller knows which write was done.

    Raises: `ValueError` or `TypeError` if this is not the URL of a server; both may quote it.
    """
    pool = ConnectionPool.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_timeout=None, socket_connect_timeout=None
    )
    connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's
    return connection


def explain(error: Exception) -> Failure:
    """Say what an error of redis-py means, and whether another attempt may succeed."""
    reason = str(error).rstrip(". ") or type(error).__name__
    match error:
        case AuthenticationError() | AuthorizationError() | NoPermissionError():
            return Failure(f"{reason}. Check the user, the password and what that user may do.", lost=False)
        case OutOfMemoryError():
            return Failure(f"{reason}. Raise the server's maxmemory.", lost=False)
        case LostConnection() | LateAnswer() | ReadOnlyError() | MasterDownError() | OSError():
            # Going down, coming up, or another has become the master.
            return Failure(reason, lost=True)
        case _:
            busy = reason.startswith("BUSY")
            return Failure(reason, lost=True) if busy else Failure(f"it refused: {reason}.", lost=False)
