"""The client of the `openai` library, on the transport that suits; knows no request and no answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import openai
from aiohttp import ClientError

from funnel.errors import BadSetting
from funnel.settings import check_key

CALL_ERRORS = (openai.OpenAIError, ClientError)
"""The library lets through what its aiohttp transport has no word for, such as an answer that is no HTTP."""
OPENAI_URL = "https://api.openai.com/v1"
PLACEHOLDER_KEY = "none"
"""What servers are sent that ask for no key; the library refuses to send nothing."""
CONNECT_S = 10.0
TIMEOUT = openai.Timeout(None, connect=CONNECT_S)
_LIMITS: Any = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=0)
"""aiohttp's word for no limit: how many calls are in flight, `max_parallel` says."""


def client(model: str, api_key: str | None, base_url: str | None) -> openai.AsyncOpenAI:
    """A client that does not retry and waits for an answer as long as its caller does.

    Raises: `BadSetting` for a key that cannot be sent, or none where OpenAI needs one.
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
    transport = openai.DefaultAioHttpClient(timeout=TIMEOUT, limits=_LIMITS) if _suits_aiohttp(url) else None
    return openai.AsyncOpenAI(
        api_key=key, base_url=url, max_retries=0, timeout=TIMEOUT, http_client=transport
    )


def _suits_aiohttp(url: str) -> bool:
    """Whether aiohttp can send there: half the work a call of the library's own transport.

    It knows no SOCKS proxy, and refuses a key beside a password in the URL.
    """
    proxies = getproxies()
    proxied = any(proxies.get(scheme) for scheme in ("http", "https", "all"))
    return not proxied and "@" not in urlsplit(url).netloc
