"""What the errors of aiobotocore and the answers of a server mean; knows no object."""

from __future__ import annotations

import aiohttp
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
)
from botocore.exceptions import ConnectionError as Unconnected

from funnel.errors import MemoryFailed

LOST = (Unconnected, HTTPClientError, aiohttp.ClientError, OSError)
"""Errors of a connection, after which a request may have been done or not."""
_PASSING = frozenset({429, 500, 502, 503, 504})
_PASSING_CODES = frozenset({"RequestTimeout", "SlowDown", "OperationAborted"})
NOT_FOUND, CONFLICT = 404, 409
_NOT_SO = frozenset({304, 404, 412})
"""What servers answer to a condition that does not hold."""
_UNCONDITIONAL = frozenset({405, 501})
_UNCONDITIONAL_CODES = frozenset({"NotImplemented", "NotSupported", "InvalidArgument", "InvalidRequest"})
"""What servers answer to a condition that they do not know."""
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, ProfileNotFound)


class Refused(MemoryFailed):
    """The server refused a request; `code` is the status of its answer."""

    def __init__(self, url: str, reason: str, code: int) -> None:
        super().__init__(url, reason)
        self.code = code


class Unclear(MemoryFailed):
    """A write under a condition was done or not: its answer was lost, and now something else is there."""

    def __init__(self, url: str) -> None:
        reason = "the connection was lost while writing, and it is unknown whether it was written"
        super().__init__(url, f"{reason}. Read it again.")


class Unfit(MemoryFailed):
    """The server does not keep what a memory rests on."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, f"{reason}. Name another server, or another kind of memory.")


class Status(Exception):
    """An answer that reports an error."""

    def __init__(self, error: ClientError) -> None:
        super().__init__()
        self.code = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        self.error = str(error.response.get("Error", {}).get("Code", "Unknown"))
        self.text = str(error.response.get("Error", {}).get("Message", ""))

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed later."""
        return self.code in _PASSING or self.error in _PASSING_CODES

    @property
    def may_be_done(self) -> bool:
        """Whether the request may have been done in spite of this answer."""
        return self.code in _PASSING

    @property
    def not_so(self) -> bool:
        """Whether the answer to a conditional write is that the condition does not hold."""
        return self.code in _NOT_SO and not self.no_bucket

    @property
    def no_bucket(self) -> bool:
        """Whether there is no bucket of that name."""
        return self.error == "NoSuchBucket"

    @property
    def unconditional(self) -> bool:
        """Whether the answer to a conditional write is that the server knows no conditions."""
        return self.code in _UNCONDITIONAL or self.error in _UNCONDITIONAL_CODES


def described(error: BaseException) -> str:
    """Describe a lost connection without quoting the library, whose text has names of objects."""
    name = type(error).__name__
    if isinstance(error, TimeoutError) or "Timeout" in name:
        return "it gives no answer"
    if "Proxy" in name:
        return "no connection to the proxy that HTTP_PROXY or HTTPS_PROXY names"
    return f"no connection ({name})"


def advice(error: Exception) -> str:
    """Return what to do about an error that the client library raises without an answer."""
    if isinstance(error, _NO_CREDENTIALS):
        settings = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        return f"Write s3://key:secret@bucket/prefix, or set {settings}."
    if isinstance(error, SSLError):
        return "If its certificate is signed by your own authority, set AWS_CA_BUNDLE to the file of that."
    return "Check the URL and the settings of AWS."
