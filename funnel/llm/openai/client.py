"""Creates the `openai` library's client on the fastest usable transport; knows no request and no answer."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import openai
from aiohttp import ClientError

from funnel.errors import BadSetting
from funnel.settings import check_key

CALL_ERRORS = (openai.OpenAIError, ClientError)
"""The library does not translate every aiohttp error: a response that is not HTTP, for example."""
OPENAI_URL = "https://api.openai.com/v1"
PLACEHOLDER_KEY = "none"
"""Sent to servers that need no key, because the library refuses to send none."""
CONNECT_S = 10.0
TIMEOUT = openai.Timeout(None, connect=CONNECT_S)
HTTP_RESPONSE: Any = import_module(
    type(openai.DEFAULT_CONNECTION_LIMITS).__module__.partition(".")[0]
).Response
"""The class of responses of the HTTP library that the `openai` library uses."""
_LIMITS: Any = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=0)
"""0 means no limit to aiohttp; `max_parallel` limits the calls in flight instead."""


def client(model: str, api_key: str | None, base_url: str | None) -> openai.AsyncOpenAI:
    """Return a client that never retries and has no timeout of its own, except for connecting.

    Raises: `BadSetting` if the key cannot be sent, or is missing and the endpoint is OpenAI.
    """
    if api_key is None and base_url is None:
        raise BadSetting(
            "OPENAI_API_KEY",
            f"must be set to call {model!r} at OpenAI; or set OPENAI_BASE_URL to an endpoint of your own.",
        )
    try:
        key = PLACEHOLDER_KEY if api_key is None else check_key(api_key)
    except ValueError:
        raise BadSetting("OPENAI_API_KEY", "must be a key of printable ASCII without spaces.") from None
    url = base_url or OPENAI_URL
    transport = openai.DefaultAioHttpClient(timeout=TIMEOUT, limits=_LIMITS) if _fits_aiohttp(url) else None
    return openai.AsyncOpenAI(
        api_key=key, base_url=url, max_retries=0, timeout=TIMEOUT, http_client=transport
    )


def _fits_aiohttp(url: str) -> bool:
    """Whether the aiohttp transport can be used; it takes half the CPU time per call of the default one.

    It does not support SOCKS proxies, and refuses a key together with a password in the URL.
    """
    proxies = getproxies()
    proxied = any(proxies.get(scheme) for scheme in ("http", "https", "all"))
    return not proxied and "@" not in urlsplit(url).netloc
