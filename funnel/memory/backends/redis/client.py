"""A connection to Redis: what is sent, and what comes back; knows no key."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from funnel.memory.backends.redis.failures import Denied
from funnel.memory.backends.redis.scripts import Script, Scripts
from funnel.memory.backends.redis.server import RedisServer

Command = tuple[bytes | str | int, ...]


_COPIED_MS = 1_000
"""How long a write waits for a replica to have it, if there are Sentinels, which may make it the master."""
_ALONE_S = 5.0
"""How long a master is taken to have no replica after none had a write in time."""


class Client:
    """One connection. redis-py opens it when it is first used, and closes it after most errors."""

    def __init__(self, server: RedisServer, scripts: Scripts) -> None:
        self._server = server
        self._scripts = scripts
        self._connection = server.connection()
        self._stale = False
        self._alone_until = 0.0

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

    async def check_rights(self) -> None:
        """Check that the user may do all that a write does, since half a script is not undone.

        Raises: `Denied`.
        """
        pattern = f"{self._server.address.prefix}funnel:*"
        key = f"{pattern[:-1]}writer:nobody".encode()
        await self._transaction()
        denied = {name.decode() for name in await self.run(self._scripts.rights, [key])}
        what = [f"run {', '.join(sorted(denied - {'keys'}))}"] if denied - {"keys"} else []
        what += [f"use all keys {pattern}"] if "keys" in denied else []
        if what:
            raise Denied(f"its user may not {' and '.join(what)}")

    async def wait_for_replica(self) -> None:
        """Wait until a replica has what was written, if there are Sentinels and it has any.

        Else a write that was acknowledged would be gone if the master died at once. If none has it in time,
        the master may have been cut off, and another may be in its place.

        Raises: `RedisError` if that is so, or no Sentinel answers.
        """
        asked = self._server.address.sentinels and monotonic() >= self._alone_until
        if asked and not await self._ask("WAIT", 1, _COPIED_MS):
            await self._server.require_master(self._connection)
            self._alone_until = monotonic() + _ALONE_S

    def drop(self) -> None:
        """Abandon the connection; the next call opens another."""
        self._stale = True

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.disconnect()

    async def _send(self, packed: list[bytes]) -> None:
        if self._stale:
            await self._connection.disconnect(nowait=True)
            self._stale = False
        if not self._connection.is_connected:
            await self._server.connect(self._connection)
        await self._connection.send_packed_command(packed, check_health=False)

    async def _ask(self, *command: bytes | str | int) -> Any:
        await self._send(self._connection.pack_command(*command))
        return await self._connection.read_response()

    async def _transaction(self, *commands: Command) -> Any:
        """Run the commands as one transaction and return the result of the last; None if there are none."""
        whole = [("MULTI",), *commands, ("EXEC",)]
        await self._send(self._connection.pack_commands(whole))
        replies = [await self._reply() for _ in whole]
        # The reply of a command that was not queued says why; EXEC says only that one was not.
        for reply in [*replies, *(replies[-1] if isinstance(replies[-1], list) else [])]:
            if isinstance(reply, ResponseError):
                raise reply
        return replies[-1][-1] if commands else None

    async def _reply(self) -> Any:
        """Return the next reply, or the error that it is, since the replies behind it must be read too."""
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error
