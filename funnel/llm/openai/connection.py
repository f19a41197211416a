"""Where the calls go and with which credentials; knows what of it may be shown, and sends nothing."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit
from urllib.request import getproxies

from funnel.llm.openai.extras import Extras, is_secret
from funnel.llm.openai.failures import CHECK_KEY
from indexes.fingerprint import fingerprint

OPENAI_URL = "https://api.openai.com/v1"
_SALT = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Connection:
    """An endpoint with what is sent to it. `base_url` may hold a user with a password, and a query string.

    User and password are sent as HTTP's Basic authentication. That takes the header of the key, so with an
    `api_key` only the key is sent.
    """

    base_url: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    extras: Extras = field(default_factory=Extras)

    @property
    def url(self) -> str:
        """The root URL of the API without user, password and query string."""
        parts = urlsplit(self.base_url or OPENAI_URL)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def shown(self) -> str:
        """The URL for messages and traces."""
        return self.url.rstrip("/")

    @property
    def query(self) -> dict[str, str]:
        """The query string, which every request has."""
        return dict(parse_qsl(urlsplit(self.base_url or "").query, keep_blank_values=True))

    @property
    def password(self) -> tuple[str, str] | None:
        """User and password, if the URL has them."""
        parts = urlsplit(self.base_url or "")
        if parts.username is None:
            return None
        return unquote(parts.username), unquote(parts.password or "")

    @property
    def headers(self) -> dict[str, str]:
        """Further headers: the user's own, and the password unless there is a key. Names in lower case."""
        headers = {name.casefold(): value for name, value in self.extras.headers.items()}
        if self.api_key is None and (given := self.password) is not None:
            headers.setdefault("authorization", f"Basic {_basic(*given)}")
        return headers

    @property
    def has_credentials(self) -> bool:
        """Whether any header other than the key's names the caller."""
        return any(is_secret(name, value) for name, value in self.headers.items())

    @property
    def unsent(self) -> str:
        """What of the URL is not sent, in a few words; "" if all of it is."""
        if self.api_key is None or self.password is None:
            return ""
        return "the password in the URL is not sent, as OPENAI_API_KEY takes its header"

    @property
    def advice(self) -> str:
        """What to do if the endpoint refuses the caller."""
        if self.unsent:
            return (
                f"{CHECK_KEY} The password in OPENAI_BASE_URL was not sent, as it takes the key's header: "
                "unset OPENAI_API_KEY to send it; a key beside it can go by FUNNEL_EXTRA_HEADERS."
            )
        if self.api_key is not None:
            return CHECK_KEY
        if self.password is not None:
            return "Check user and password in OPENAI_BASE_URL."
        if self.has_credentials:
            return "Check the key in FUNNEL_EXTRA_HEADERS."
        return "Set OPENAI_API_KEY to a key of this endpoint."

    @property
    def fingerprint(self) -> str:
        """What tells apart two endpoints of the same URL, for the key of a cached answer."""
        query = urlsplit(self.base_url or "").query
        return f"{fingerprint(query) if query else ''} {self.extras.fingerprint}".strip()

    @property
    def account(self) -> str:
        """A name that the same endpoint and credentials have, salted so that it reveals neither."""
        own = sorted((name, value) for name, value in self.headers.items() if is_secret(name, value))
        parts = f"{(self.base_url or OPENAI_URL).rstrip('/')}\n{self.api_key or ''}{own or ''}".encode()
        return hashlib.blake2b(parts, key=_SALT, digest_size=16).hexdigest()

    @property
    def secrets(self) -> Iterator[str]:
        """What no output may show."""
        if self.api_key:
            yield self.api_key
        for url in (self.base_url or "", *getproxies().values()):
            yield from _secrets_of_url(url)
        yield from self.extras.secrets


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _secrets_of_url(url: str) -> Iterator[str]:
    parts = urlsplit(url)
    if parts.username is not None:
        user, password = unquote(parts.username), unquote(parts.password or "")
        # A user without a password is a token.
        yield password or user
        yield f"{user}:{password}"
    yield from (value for name, value in parse_qsl(parts.query) if is_secret(name, value))
