"""Says why an endpoint was not reached: its name, its certificate, a proxy in between; does no I/O."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

CHECK_ENDPOINT = "Check OPENAI_BASE_URL and that it runs."
CHECK_HOST = "Check the name in OPENAI_BASE_URL."
CHECK_SCHEME = "Check whether OPENAI_BASE_URL begins with http:// or https://."
CHECK_PORT = "Check the port in OPENAI_BASE_URL, and whether it begins with http:// or https://."
CHECK_CERTIFICATE = "Set SSL_CERT_FILE to a file with the certificate that signed it."
CHECK_CERTIFIED_NAME = "Write the name in OPENAI_BASE_URL that the certificate is for."

_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"})
"""OpenSSL's reasons where the other side does not speak TLS."""

_NOT_HTTP = ("illegal request line", "illegal status line")


@dataclass(frozen=True, slots=True)
class Unreached:
    """Why nothing was sent, what to do, and whether it may work if it is tried again."""

    reason: str
    advice: str = CHECK_ENDPOINT
    retry: bool = True


def unreached(exc: BaseException, url: str) -> Unreached | None:
    """Return what kept a connection to `url` from being made; None if the causes of `exc` do not say."""
    causes = list(_causes(exc))
    for cause in causes:
        # aiohttp's own errors are of these classes too, but without their attributes.
        if isinstance(cause, ssl.SSLCertVerificationError) and hasattr(cause, "verify_message"):
            return _not_trusted(cause)
        if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", "") in _NOT_TLS:
            return Unreached("no connection (it does not speak TLS)", CHECK_SCHEME, retry=False)
    if (found := proxy_of(url)) is not None:
        return _behind(*found, causes)
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            host = urlsplit(url).hostname
            if cause.errno == socket.EAI_AGAIN:
                return Unreached(f"no connection (the name {host!r} cannot be looked up now)", CHECK_HOST)
            return Unreached(f"no connection (there is no host {host!r})", CHECK_HOST, retry=False)
    return None


def speaks_no_http(exc: BaseException) -> bool:
    """Whether something else than HTTP came back: aiohttp names it by a class, httpx by its words."""
    return any(
        type(cause).__name__ == "BadStatusLine" or str(cause).startswith(_NOT_HTTP) for cause in _causes(exc)
    )


def redirects_without_end(exc: BaseException) -> bool:
    """Whether each redirect led to another one, as to the page of a login that nobody answers."""
    return any(type(cause).__name__ == "TooManyRedirects" for cause in _causes(exc))


def proxy_of(url: str) -> tuple[str, str] | None:
    """Return the variable that sends calls to `url` through a proxy, and its URL without credentials."""
    parts = urlsplit(url)
    proxies = getproxies()
    for name in (parts.scheme, "all"):
        if proxy := proxies.get(name):
            if proxy_bypass(parts.netloc):
                return None
            shown = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
            return f"{name.upper()}_PROXY", f"{shown.scheme}://{shown.netloc.rpartition('@')[2]}"
    return None


def _behind(variable: str, proxy: str, causes: list[BaseException]) -> Unreached:
    """Say what the proxy did. httpx raises `ProxyError` with its words, such as its refusal of a password."""
    said = next((str(cause) for cause in causes if type(cause).__name__ == "ProxyError"), "")
    detail = said or next(
        (cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), ""
    )
    shown = f" ({' '.join(detail.split())})" if detail else ""
    advice = f"Check {variable}, or name the endpoint's host in NO_PROXY to go without."
    return Unreached(f"no connection through the proxy {proxy}{shown}", advice)


def _not_trusted(cause: ssl.SSLCertVerificationError) -> Unreached:
    said = cause.verify_message.rstrip(".")
    advice = CHECK_CERTIFIED_NAME if "mismatch" in said else CHECK_CERTIFICATE
    if "expired" in said or "not yet valid" in said:
        advice = "It has to be renewed, or this machine's clock set."
    return Unreached(f"its certificate is not trusted ({said})", advice, retry=False)


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what caused it, also where the library hides the cause from tracebacks."""
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__
