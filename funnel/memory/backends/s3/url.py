"""Reads an `s3://` URL; knows no client library."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from funnel.errors import MemoryFailed
from funnel.memory.credentials import without_credentials

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")
_PREFIX_CHARS = 100


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """The parts of a URL. `repr` does not show the keys."""

    bucket: str
    prefix: str
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)


def place(url: str) -> BucketAddress:
    """Read `s3://[key:secret@]bucket[/prefix][?endpoint=http://host:port][&region=name]`.

    Raises: `MemoryFailed`, which repeats nothing that may be a credential.
    """
    rest, _, query = url.partition("://")[2].partition("?")
    userinfo, _, where = rest.rpartition("@")
    bucket, _, prefix = where.partition("/")
    prefix = prefix.strip("/")
    form = "Write s3://bucket/prefix, or s3://key:secret@bucket/prefix?endpoint=http://host:port"
    if not _BUCKET.fullmatch(bucket) or "/" in userinfo:
        raise _refused(url, f"it names no bucket. {form}, with %2F for a slash in the secret.")
    if prefix and (len(prefix) > _PREFIX_CHARS or not _PREFIX.fullmatch(prefix)):
        reason = (
            f"a prefix has up to {_PREFIX_CHARS} letters, digits and . _ - / , and no part begins with a dot."
        )
        raise _refused(url, reason)
    key, _, secret = (unquote(part) for part in userinfo.partition(":"))
    if bool(key) != bool(secret):
        raise _refused(url, f"of key and secret one is missing. {form}.")
    given = parse_qsl(query, keep_blank_values=True)
    options = dict(given)
    if len(options) < len(given) or not options.keys() <= {"endpoint", "region"}:
        raise _refused(url, "after the question mark it takes endpoint and region, each once.")
    endpoint = options.get("endpoint")
    if endpoint is not None and not _is_endpoint(endpoint):
        raise _refused(url, "its endpoint is not http://host:port. Credentials go before the bucket.")
    return BucketAddress(bucket, prefix, endpoint, options.get("region"), key or None, secret or None)


def _is_endpoint(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    try:
        port = parts.port
    except ValueError:
        return False
    plain = not (parts.username or parts.password or parts.query or parts.fragment or "@" in endpoint)
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def _refused(url: str, reason: str) -> MemoryFailed:
    return MemoryFailed(without_credentials(url), reason)
