"""Keeps the credentials in the URL of a memory from being shown; knows no backend."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

_SECRET = re.compile(r"pass|secret|token|key|cred|auth", re.IGNORECASE)
"""Names of the parameters of a URL that hold secrets."""


def without_credentials(url: str) -> str:
    """Return the URL without user, password and query, and without host and path if they may hold a password.

    Never raises: a text that is not a URL becomes ***.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return "***"
    userinfo, _, place = rest.rpartition("@")
    if re.search(r"[/?#]", userinfo):
        # An unescaped password, or an @ in the query: the parts cannot be told apart.
        return f"{scheme}://***"
    place = re.split(r"[?#]", place, maxsplit=1)[0]
    host = place.partition("/")[0]
    # user:password without a host looks like host:port.
    if not re.fullmatch(r"[^:]*(:\d*)?|\[[0-9a-fA-F:.%]*\](:\d*)?|[^,]+(,[^,]+)+", host):
        return f"{scheme}://***"
    return f"{scheme}://{place}"


class Secrets:
    """The secrets of one URL, which `hidden` removes from the messages of a library."""

    def __init__(self, url: str) -> None:
        rest, _, query = url.partition("://")[2].partition("?")
        userinfo = url.partition("://")[2].rpartition("@")[0]
        found = {userinfo.partition(":")[2], rest.rpartition("@")[0].partition(":")[2]}
        found |= {value for name, value in parse_qsl(query) if _SECRET.search(name)}
        both = found | {unquote(secret) for secret in found}
        # The longest comes first, since one may contain another.
        self._secrets = sorted(both - {""}, key=len, reverse=True)

    def hidden(self, text: str) -> str:
        """Return the text on one line, with *** for every secret."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())

    def cause(self, error: BaseException) -> BaseException | None:
        """Return the error, for `raise … from`; None if it or a cause of it shows a secret."""
        link: BaseException | None = error
        while link is not None:
            if any(secret in f"{link} {link!r}" for secret in self._secrets):
                return None
            link = link.__cause__ or link.__context__
        return error
