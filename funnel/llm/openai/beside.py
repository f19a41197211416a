"""What local servers say of a model beside their OpenAI interface: Ollama, llama.cpp, LM Studio.

Such a server answers at other paths of the same host. Whatever else it answers there is ignored.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import openai

from funnel.llm.base import StatedWindow
from funnel.llm.openai.client import CALL_ERRORS
from funnel.llm.openai.listing import listed_models, named, window_in

OLLAMA_PORT = 11_434
OLLAMA_USUAL_WINDOW = 4_096
PATIENCE_S = 1.0
_NUM_CTX = re.compile(r"^\s*num_ctx\s+(\d+)", re.MULTILINE)
ADVICE = (
    "Ollama cuts longer prompts without saying so, and its OpenAI interface cannot change that: start it "
    "with OLLAMA_CONTEXT_LENGTH=32768, or set num_ctx in a Modelfile."
)


@dataclass(frozen=True, slots=True)
class Beside:
    """The other paths of the host of an endpoint. `base_url` is that of the OpenAI interface."""

    client: openai.AsyncOpenAI
    base_url: str

    @property
    def is_near(self) -> bool:
        """Whether the host is this machine or in a private network, where such servers are."""
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        if parts.port == OLLAMA_PORT:
            return True
        try:
            return ipaddress.ip_address(host).is_private
        except ValueError:
            return "." not in host or host.endswith((".local", ".internal", ".lan", ".home.arpa"))

    async def get(self, path: str) -> Any:
        """Return the JSON at a path; None if there is none within a second."""
        return await self._ask("GET", path, None)

    async def ollama_version(self) -> str | None:
        """Return the version of Ollama; None if the server is another."""
        found = await self.get("/api/version")
        version = found.get("version") if isinstance(found, Mapping) else None
        return version[:20] if isinstance(version, str) and version else None

    async def ollama_window(self, model: str) -> StatedWindow:
        """Return the window that Ollama gives a model: what it has loaded, else what it would load."""
        running = await self.get("/api/ps")
        for name in (model, f"{model}:latest"):
            for item in _items(running):
                if name in {item.get("name"), item.get("model")} and (tokens := window_in(item)) is not None:
                    return StatedWindow(tokens, cuts=True, certain=True, advice=ADVICE)
        shown = await self._ask("POST", "/api/show", {"model": model})
        parameters = shown.get("parameters") if isinstance(shown, Mapping) else None
        if isinstance(parameters, str) and (own := _NUM_CTX.search(parameters)) is not None:
            return StatedWindow(int(own.group(1)[:9]), cuts=True, certain=True, advice=ADVICE)
        return StatedWindow(OLLAMA_USUAL_WINDOW, cuts=True, certain=False, advice=ADVICE)

    async def takes_grammars(self) -> bool:
        """Return whether the server is llama.cpp, which keeps a reply to a grammar that it is sent."""
        props = await self.get("/props")
        return isinstance(props, Mapping) and "default_generation_settings" in props

    async def served_window(self, model: str) -> int | None:
        """Return the window that llama.cpp or LM Studio serves a model with; None if they do not say."""
        if (tokens := window_in(await self.get("/props"))) is not None:
            return tokens
        studio = await self.get("/api/v0/models")
        found = named(listed_models(json.dumps(studio).encode()) or [], model)
        return None if found is None else found.window_tokens

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        url = self._root + quote(path)
        try:
            async with asyncio.timeout(PATIENCE_S):
                if method == "GET":
                    content = await self.client.get(url, cast_to=bytes)
                else:
                    content = await self.client.post(url, body=dict(body or {}), cast_to=bytes)
            return json.loads(content)
        except (TimeoutError, ValueError, RecursionError, *CALL_ERRORS):
            return None

    @property
    def _root(self) -> str:
        parts = urlsplit(self.base_url)
        path = re.sub(r"/(?:openai/)?v\d+\w*/?$", "", parts.path).rstrip("/")
        return f"{parts.scheme}://{parts.netloc}{path}"


def _items(body: Any) -> list[Mapping[str, Any]]:
    models = body.get("models") if isinstance(body, Mapping) else None
    return [item for item in models if isinstance(item, Mapping)] if isinstance(models, list) else []
