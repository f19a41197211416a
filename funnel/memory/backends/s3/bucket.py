"""Objects in a bucket, with conditions and retries; knows nothing of their content.

All errors of aiobotocore become one `MemoryFailed` here. Its own retries are off: a conditional write whose
answer was lost may have been done, and only its sender can tell, by reading the object.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, TypeVar

from aiobotocore.session import get_session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, SSLError
from botocore.handlers import add_expect_header
from botocore.parsers import ResponseParserError

from funnel.backoff import pauses
from funnel.errors import MemoryFailed
from funnel.memory.backends.s3.failures import (
    CONFLICT,
    LOST,
    NOT_FOUND,
    Refused,
    Status,
    Unclear,
    Unfit,
    advice,
    described,
)
from funnel.memory.backends.s3.url import place
from funnel.memory.credentials import Secrets, without_credentials

_CONNECTIONS = 32
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_SLOWEST_BYTES_S = 50_000
_DELETE_AT_ONCE = 1000  # what one request may name
_CUT_S = 1.5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FoundObject:
    """An object. `age_s`: seconds since it was written, by the server's clock."""

    body: bytes
    etag: str
    age_s: float


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object in a listing."""

    name: str
    size_bytes: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing, in order; `more`: others follow. `folders`: names up to a delimiter."""

    objects: tuple[ListedObject, ...]
    folders: tuple[str, ...]
    more: bool


class Bucket:
    """The objects of one bucket. A call that finds no server is retried until `retry_s` have passed.

    Every method raises `MemoryFailed`.
    """

    def __init__(self, url: str, *, retry_s: float) -> None:
        self.place = place(url)
        self.url = without_credentials(url)
        self._secrets = Secrets(url)
        self._retry_s = retry_s
        self._free = asyncio.Semaphore(_CONNECTIONS)
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._deletes_on_condition: bool | None = None
        self._ahead_s = -math.inf
        self._answered_at = -math.inf

    def now(self) -> float:
        """Return the server's time in seconds since 1970, exact to a second, once it has answered."""
        return time.time() + self._ahead_s

    async def get(self, name: str, *, first: int | None = None) -> FoundObject | None:
        """Return an object, or its `first` bytes; None if there is no such object."""
        part = {} if first is None else {"Range": f"bytes=0-{first - 1}"}

        async def attempt(client: Any) -> FoundObject:
            answer = await client.get_object(Bucket=self.place.bucket, Key=name, **part)
            async with answer["Body"] as stream:
                body = await stream.read()
            return FoundObject(body, answer["ETag"], _age(answer["LastModified"], answer))

        try:
            # The size is not known in advance; the client itself notices if nothing more arrives.
            return await self._call(attempt, size_bytes=math.inf)
        except Status as status:
            if status.code == NOT_FOUND and not status.no_bucket:
                return None
            raise self._refusal(status) from status.__cause__

    async def put(self, name: str, body: bytes, *, new: bool = False, etag: str | None = None) -> str | None:
        """Write an object; with `new` only if there is none, with `etag` only if it still has that etag.

        Returns: its new etag; None if the condition does not hold and nothing was written.
        """
        condition = {"IfNoneMatch": "*"} if new else {"IfMatch": etag} if etag else {}
        deadline = time.monotonic() + self._retry_s
        lost = False

        async def attempt(client: Any) -> str:
            nonlocal lost
            try:
                answer = await client.put_object(Bucket=self.place.bucket, Key=name, Body=body, **condition)
                return str(answer["ETag"])
            except LOST:
                lost = True
                raise
            except ClientError as error:
                lost = lost or Status(error).may_be_done
                raise

        waits = pauses(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        while True:
            try:
                return await self._call(attempt, size_bytes=len(body), conditional=bool(condition))
            except Status as status:
                conflict = bool(condition) and status.code == CONFLICT and time.monotonic() < deadline
                if not conflict and not (condition and status.not_so):
                    raise self._refusal(status, conditional=bool(condition)) from status.__cause__
            # At a conflict another write came between, or the server says so whenever a condition does
            # not hold.
            if not conflict or not await self._holds(name, etag):
                return await self._etag_of_ours(name, body) if lost else None
            await asyncio.sleep(next(waits))

    async def delete(self, names: Sequence[str]) -> None:
        """Delete objects; one that does not exist is ignored."""
        for at in range(0, len(names), _DELETE_AT_ONCE):
            objects = [{"Key": name} for name in names[at : at + _DELETE_AT_ONCE]]

            async def attempt(client: Any, objects: list[dict[str, str]] = objects) -> Any:
                return await client.delete_objects(
                    Bucket=self.place.bucket, Delete={"Objects": objects, "Quiet": True}
                )

            answer = await self._answered(attempt)
            if errors := answer.get("Errors"):
                reason = f"{errors[0].get('Code')}: {len(errors)} objects were not deleted. Check the rights."
                raise MemoryFailed(self.url, self._secrets.hidden(reason))

    async def discard(self, name: str, etag: str) -> None:
        """Delete an object if it still has this `etag` and the server supports that condition."""
        if self._deletes_on_condition is None:
            # Servers without this condition ignore it, and report an object deleted that never existed.
            probe = f"{self.place.prefix}/.batch/never" if self.place.prefix else ".batch/never"
            self._deletes_on_condition = not await self._delete_if(probe, '"never"')
        if self._deletes_on_condition:
            await self._delete_if(name, etag)

    async def list(self, prefix: str, *, after: str = "", limit: int = 1000, delimiter: str = "") -> Page:
        """Return up to `limit` names with `prefix` that sort after `after`."""
        options = {"Delimiter": delimiter} if delimiter else {}

        async def attempt(client: Any) -> Any:
            return await client.list_objects_v2(
                Bucket=self.place.bucket, Prefix=prefix, StartAfter=after, MaxKeys=limit, **options
            )

        answer = await self._answered(attempt)
        objects = tuple(
            ListedObject(found["Key"], found["Size"], _age(found["LastModified"], answer))
            for found in answer.get("Contents", ())
        )
        folders = tuple(found["Prefix"] for found in answer.get("CommonPrefixes", ()))
        names = [listed.name for listed in objects]
        if names != sorted(names) or (names and names[0] <= after):
            reason = "its server does not list objects in the order of their names, from a name on"
            raise Unfit(self.url, reason)
        return Page(objects, folders, answer.get("IsTruncated", False))

    async def close(self) -> None:
        """Close the connections."""
        await self._stack.aclose()

    async def _delete_if(self, name: str, etag: str) -> bool:
        async def attempt(client: Any) -> None:
            await client.delete_object(Bucket=self.place.bucket, Key=name, IfMatch=etag)

        try:
            await self._call(attempt)
        except Status as status:
            if status.code not in {404, 409, 412, 501} or status.no_bucket:
                raise self._refusal(status) from status.__cause__
            return False
        return True

    async def _holds(self, name: str, etag: str | None) -> bool:
        """Whether an object has this etag now; if that is None, whether there is no such object."""
        found = await self.get(name)
        return (found.etag if found else None) == etag

    async def _etag_of_ours(self, name: str, body: bytes) -> str:
        """Return the etag of the object that an earlier attempt, whose answer was lost, has written."""
        found = await self.get(name)
        if found is not None and found.body == body:
            return found.etag
        raise Unclear(self.url)

    async def _answered(self, attempt: Callable[[Any], Awaitable[T]]) -> T:
        try:
            return await self._call(attempt)
        except Status as status:
            raise self._refusal(status) from status.__cause__

    async def _call(
        self, attempt: Callable[[Any], Awaitable[T]], *, size_bytes: float = 0, conditional: bool = False
    ) -> T:
        """Return the result of `attempt`, which sends up to `size_bytes`.

        Raises: `Status` for an error that a retry cannot change, and for a conflict if it is `conditional`.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        last = "it gives no answer"
        cause: BaseException | None = None
        async with self._free:
            client = await self._open_client()
            # A call in a queue that moves has not failed.
            deadline = max(began, self._answered_at) + self._retry_s
            for pause_s in pauses(_FIRST_PAUSE_S, _LONGEST_PAUSE_S):
                try:
                    async with asyncio.timeout_at(deadline + size_bytes / _SLOWEST_BYTES_S):
                        return await attempt(client)
                except ClientError as error:
                    status = Status(error)
                    conflict = conditional and status.code == CONFLICT
                    if conflict or not status.passes:
                        raise status from self._secrets.cause(error)
                    last, cause = f"{status.error}: {status.text}", error
                except SSLError as error:
                    raise self._misplaced(error) from self._secrets.cause(error)
                except LOST as error:
                    last, cause = described(error), error
                except BotoCoreError as error:
                    raise self._misplaced(error) from self._secrets.cause(error)
                except (KeyError, ResponseParserError) as error:
                    reason = f"its answer is not one of an S3 server ({type(error).__name__})"
                    raise MemoryFailed(self.url, f"{reason}. Check the endpoint.") from None
                if loop.time() + pause_s > deadline:
                    break
                await asyncio.sleep(pause_s)
        reason = f"tried for {self._retry_s:g} s: {self._secrets.hidden(last).rstrip('.')}"
        advice = "Check that the server runs and can be reached."
        raise MemoryFailed(self.url, f"{reason}. {advice}") from (cause and self._secrets.cause(cause))

    async def _open_client(self) -> Any:
        try:
            return await self._connected()
        except (BotoCoreError, ValueError) as error:
            raise self._misplaced(error) from self._secrets.cause(error)

    def _misplaced(self, error: Exception) -> MemoryFailed:
        """Return the error for what the client library refuses without an answer."""
        return MemoryFailed(self.url, f"{self._secrets.hidden(str(error)).rstrip('.')}. {advice(error)}")

    async def _connected(self) -> Any:
        async with self._opening:
            if self._client is None:
                place = self.place
                session = await asyncio.to_thread(_session)
                config = Config(
                    connect_timeout=self._retry_s,
                    read_timeout=self._retry_s,
                    max_pool_connections=_CONNECTIONS,
                    retries={"total_max_attempts": 1},
                    # Servers other than Amazon's do not know these checksums.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    s3={"addressing_style": "path" if place.endpoint else "auto"},
                )
                client = await self._stack.enter_async_context(
                    session.create_client(
                        "s3",
                        endpoint_url=place.endpoint,
                        region_name=place.region or session.get_config_variable("region") or "us-east-1",
                        aws_access_key_id=place.access_key,
                        aws_secret_access_key=place.secret_key,
                        config=config,
                    )
                )
                # aiobotocore would ask the server before it sends a body, which costs a round trip.
                client.meta.events.register("after-call.s3", self._heard)
                client.meta.events.unregister("before-call.s3", add_expect_header)
                self._client = client
            return self._client

    def _heard(self, parsed: dict[str, Any], **_event: Any) -> None:
        self._answered_at = asyncio.get_running_loop().time()
        ahead_s = _date(parsed).timestamp() - time.time()
        # Dates are rounded down to seconds, so the latest is the best, unless a clock was changed.
        self._ahead_s = max(self._ahead_s, ahead_s) if abs(ahead_s - self._ahead_s) < _CUT_S else ahead_s

    def _refusal(self, status: Status, *, conditional: bool = False) -> MemoryFailed:
        """Return the error for an answer; `conditional`: it is the answer to a write under a condition."""
        reason = self._secrets.hidden(f"{status.error}: {status.text}").rstrip(".")
        if conditional and status.unconditional:
            return Unfit(self.url, f"{reason}. Its server does not support conditional writes")
        advised = f"{reason}. Check the bucket, the credentials and their rights."
        return Refused(self.url, advised, status.code)


@cache
def _session() -> Any:
    """Return the one session of this process, since it loads large descriptions of the service."""
    session = get_session()
    loader = session.get_component("data_loader")
    for part in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("s3", part)
    for part in ("endpoints", "partitions", "sdk-default-configuration"):
        loader.load_data(part)
    return session


def _age(written: datetime, answer: Any) -> float:
    return (_date(answer) - written).total_seconds()


def _date(answer: Any) -> datetime:
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
