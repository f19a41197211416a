"""Creates the `openai` library's client on the fastest usable transport; knows no request and no answer."""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import openai
from aiohttp import ClientError

from funnel.errors import BadSetting
from funnel.llm.openai.connection import Connection
from funnel.settings import check_key

CALL_ERRORS = (openai.OpenAIError, ClientError)
"""The library does not translate every aiohttp error: a response that is not HTTP, for example."""
_HTTPX: Any = import_module(type(openai.DEFAULT_CONNECTION_LIMITS).__module__.partition(".")[0])
"""The library's own transport: httpx, or httpx2 in newer versions."""
TRANSPORT_ERRORS: tuple[type[Exception], ...] = (_HTTPX.RequestError, ClientError, OSError)
"""What reading a body raises."""
PLACEHOLDER_KEY = "none"
"""Sent to servers that need no key, because the library refuses to send none."""
_CANONICAL = ("Authorization", "Accept", "User-Agent", "OpenAI-Organization", "OpenAI-Project")
CANONICAL = {name.casefold(): name for name in _CANONICAL}
"""Names as the library writes them. It compares them with their case, and would send both."""
CONNECT_S = 10.0
TIMEOUT = openai.Timeout(None, connect=CONNECT_S)
HTTP_REQUEST: Any = _HTTPX.Request
HTTP_RESPONSE: Any = _HTTPX.Response
"""The classes of the HTTP library that the `openai` library uses."""
_LIMITS: Any = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=0)
"""0 means no limit to aiohttp; `max_parallel` limits the calls in flight instead."""


def client(model: str, connection: Connection) -> openai.AsyncOpenAI:
    """Return a client that never retries and has no timeout of its own, except for connecting.

    Raises: `BadSetting` if the key cannot be sent, or is missing and the endpoint is OpenAI, or the
    certificates of SSL_CERT_FILE cannot be read.
    """
    headers = {CANONICAL.get(name, name): value for name, value in connection.headers.items()}
    if connection.api_key is None and connection.base_url is None and "Authorization" not in headers:
        raise BadSetting(
            "OPENAI_API_KEY",
            f"must be set to call {model!r} at OpenAI; or set OPENAI_BASE_URL to an endpoint of your own.",
        )
    try:
        key = PLACEHOLDER_KEY if connection.api_key is None else check_key(connection.api_key)
    except ValueError:
        raise BadSetting("OPENAI_API_KEY", "must be a key of printable ASCII without spaces.") from None
    hooks: list[Callable[[Any], Awaitable[None]]] = []
    if connection.api_key is None and connection.has_credentials:
        hooks.append(_without_placeholder)
    try:
        return openai.AsyncOpenAI(
            api_key=key,
            base_url=connection.url,
            default_headers=headers,
            default_query=connection.query,
            max_retries=0,
            timeout=TIMEOUT,
            http_client=_transport(connection.url, hooks),
        )
    except ImportError:
        raise BadSetting("ALL_PROXY", "a SOCKS proxy needs a library: pip install socksio.") from None
    except (OSError, ssl.SSLError) as exc:
        name = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        reason = exc.strerror or type(exc).__name__
        raise BadSetting(name, f"holds no certificates that can be read: {reason}.") from None


def _transport(url: str, hooks: list[Callable[[Any], Awaitable[None]]]) -> Any:
    """Return the library's HTTP client on aiohttp, which takes half the CPU time per call, if it can be used.

    Otherwise its usual one, which is None if there are no `hooks` to call with each request.
    """
    if _fits_aiohttp(url):
        return openai.DefaultAioHttpClient(timeout=TIMEOUT, limits=_LIMITS, event_hooks={"request": hooks})
    return openai.DefaultAsyncHttpxClient(timeout=TIMEOUT, event_hooks={"request": hooks}) if hooks else None


async def _without_placeholder(request: Any) -> None:
    """Take the placeholder out: Azure refuses one in this header whatever stands in `api-key`."""
    if request.headers.get("authorization") == f"Bearer {PLACEHOLDER_KEY}":
        del request.headers["authorization"]


def _fits_aiohttp(url: str) -> bool:
    """Whether no proxy is used, as aiohttp does not support SOCKS."""
    proxies = getproxies()
    proxied = any(proxies.get(scheme) for scheme in ("http", "https", "all"))
    return not proxied or bool(proxy_bypass(urlsplit(url).netloc))
