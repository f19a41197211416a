"""Sends requests to one endpoint: the first as the `openai` library does, later ones like it, but quicker.

The library takes as long to make up a request as the rest of a call takes. All but the body is the same each
time, so what it sent first is sent again with another body.
"""

from __future__ import annotations

import json
from typing import Any

import openai

from funnel.llm.openai.client import HTTP_REQUEST, HTTP_RESPONSE, TRANSPORT_ERRORS
from funnel.llm.openai.sse import parsed

PATH = "/chat/completions"
_UNUSED = openai.AsyncStream[object]
"""The library's class for streams must be named; the response itself is what it returns."""
_OF_THE_BODY = frozenset({b"content-length", b"transfer-encoding"})


class Sender:
    """Sends bodies and returns responses whose own bodies are not read yet."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client
        # Without it, as in a version that names it otherwise, the library sends every request.
        self._http: Any = getattr(client, "_client", None)
        self._first: Any = None
        self._headers: list[tuple[bytes, bytes]] = []

    async def send(self, body: dict[str, Any]) -> Any:
        """Return the response to a request with this body. Raises: errors of the library, as it does."""
        if self._first is None:
            return await self._send_first(body)
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        request = HTTP_REQUEST(
            "POST", self._first.url, headers=self._headers, content=content, extensions=self._first.extensions
        )
        try:
            response = await self._http.send(request, stream=True)
            if not response.is_success:
                await response.aread()
        except TRANSPORT_ERRORS as error:
            raise openai.APIConnectionError(request=request) from error
        if not response.is_success:
            raise _status_error(response)
        return response

    async def _send_first(self, body: dict[str, Any]) -> Any:
        response: Any = await self._client.post(
            PATH, body=body, cast_to=HTTP_RESPONSE, stream=True, stream_cls=_UNUSED
        )
        # After a redirect the request is another one, perhaps without the key.
        if self._http is not None and not response.history:
            raw = response.request.headers.raw
            self._headers = [(name, value) for name, value in raw if name.lower() not in _OF_THE_BODY]
            self._first = response.request
        return response


def _status_error(response: Any) -> openai.APIStatusError:
    """Return the error of a status that is none of success, with what the server says in its body."""
    said = parsed(response.content)
    if said is None:
        said = response.text
    body = said.get("error", said) if isinstance(said, dict) else said
    return openai.APIStatusError(f"HTTP {response.status_code}", response=response, body=body)
