"""Asks an endpoint about itself and its models, for `funnel doctor`; makes no call that costs anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Self

from funnel.llm.openai.beside import Beside
from funnel.llm.openai.client import CALL_ERRORS, client
from funnel.llm.openai.connection import Connection
from funnel.llm.openai.extras import Extras
from funnel.llm.openai.failures import CHECK_KEY, failed_attempt
from funnel.llm.openai.listing import Listed, listed_models, named, nearest
from funnel.llm.openai.redaction import Redactor
from funnel.llm.prices import is_published, listing

NO_EXTRAS = Extras()
SHOWN = 5
END_DAYS = 90
"""A model that is shut down within so many days is told of."""
TOO_SMALL_FOR_PROGRAMS = 4_096
_DEPLOYMENTS = frozenset({"azure"})
"""Providers whose list holds models, while calls name deployments of them."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Result of probing an endpoint for `funnel doctor`: whether it answers, and one line about it."""

    available: bool
    detail: str
    models: tuple[Listed, ...] = ()


async def probe(
    base_url: str | None, api_key: str | None, *, timeout_s: float = 5.0, extras: Extras = NO_EXTRAS
) -> Endpoint:
    """Ask the endpoint for its list of models, which costs nothing. Raises: `BadSetting` only."""
    async with Probe(base_url, api_key, extras) as asking:
        return await asking.models(timeout_s=timeout_s)


class Probe:
    """Asks one endpoint. Use as an async context manager. Raises: `BadSetting` only."""

    def __init__(self, base_url: str | None, api_key: str | None, extras: Extras = NO_EXTRAS) -> None:
        connection = Connection(base_url, api_key, extras)
        self._where = connection.shown
        self._advice = connection.advice
        self._unsent = connection.unsent
        self._is_ones_own = not is_published(connection.url)
        self._redactor = Redactor(connection.secrets)
        self._client = client("any model", connection)
        self._beside = Beside(self._client, connection.url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._client.close()

    async def models(self, *, timeout_s: float = 5.0) -> Endpoint:
        """Return whether it answers with a list of models."""
        where = self._where
        try:
            async with asyncio.timeout(timeout_s):
                found = listed_models(await self._client.get("/models", cast_to=bytes))
        except TimeoutError:
            return Endpoint(available=False, detail=f"{where}: no answer within {timeout_s:g} s")
        except CALL_ERRORS as exc:
            failure = failed_attempt(exc)
            reason = self._redactor.line(failure.reason)
            advice = failure.advice.replace(CHECK_KEY, self._advice)
            return Endpoint(available=False, detail=f"{where}: {reason}. {advice}".rstrip())
        if found is None:
            return Endpoint(available=False, detail=f"{where}: answers, but not with a list of models")
        names = self._redactor.line(", ".join(each.id for each in found[:SHOWN]))
        shown = names + (", …" if len(found) > SHOWN else "")
        return Endpoint(available=True, detail=f"{where}: {len(found)} models ({shown})", models=tuple(found))

    async def examined(self, model: str, endpoint: Endpoint) -> Endpoint:
        """Return what there is to say of one model at an endpoint that has answered."""
        said, available = [endpoint.detail], endpoint.available
        if self._unsent:
            said.append(self._unsent)
        at = listing(model, self._where)
        own = named(endpoint.models, model)
        if endpoint.models and own is None and (at is None or at.provider not in _DEPLOYMENTS):
            near = nearest(endpoint.models, model)
            hint = f"; nearest: {self._redactor.line(', '.join(near))}" if near else ""
            said.append(f"{model!r} is not among them{hint}")
            available = False
        if own is not None and own.ends is not None and (told := end(own.ends, datetime.now(UTC).date())):
            said.append(told)
        if told := await self._window(model, own, None if at is None else at.window_tokens):
            said.append(told)
        return Endpoint(available=available, detail="; ".join(said), models=endpoint.models)

    async def _window(self, model: str, own: Listed | None, published: int | None) -> str:
        """Return what is known of a model's window; "" if nothing is."""
        stated = (None if own is None else own.window_tokens) or published
        if self._is_ones_own:
            if (version := await self._beside.ollama_version()) is not None:
                ollama = await self._beside.ollama_window(model)
                certain = "" if ollama.certain else " unless its settings say otherwise"
                return f"Ollama {version} gives it {ollama.tokens:,} tokens{certain}. {ollama.advice}"
            # What a list states may be what the model was trained with, rather than what is served.
            stated = await self._beside.served_window(model) or stated
        if stated is None:
            return ""
        small = ", too few for programs" if stated < TOO_SMALL_FOR_PROGRAMS else ""
        return f"window {stated:,} tokens{small}"


def end(day: date, today: date) -> str:
    """Return what to say of the day on which a model is shut down; "" if it is far off."""
    left = (day - today).days
    if left < 0:
        return f"it was to be shut down on {day}"
    return f"it is shut down on {day}, in {left} days" if left <= END_DAYS else ""
