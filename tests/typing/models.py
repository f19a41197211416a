"""Type-checked, never run: what a user may write against the models and the settings."""

from __future__ import annotations

from funnel import Funnel, Models, build
from funnel.llm.base import LLM, CallOptions, Completion, Message, Request, Retry
from funnel.llm.budget import Ledger, Limits, Price
from funnel.llm.limiter import Limiter
from funnel.llm.meter import Meter
from funnel.llm.openai.chat import OpenAIChat
from funnel.llm.openai.probing import Endpoint, probe
from funnel.llm.prices import price_of
from funnel.llm.scripted import ScriptedLLM
from funnel.settings import Settings
from funnel.trace.events import Events
from indexes.source import Documents


class Own:
    """A model that a user writes: no base class is needed."""

    name = "own"

    async def complete(self, request: Request, options: CallOptions | None = None) -> Completion:
        """Say what was said."""
        (options or CallOptions()).on_retry(Retry(1, "for the sake of it", 0.0))
        return Completion(request.messages[-1].content, self.name, input_tokens=1, output_tokens=1)

    async def close(self) -> None:
        """Nothing to let go of."""


def models_are_models(settings: Settings) -> list[LLM]:
    """Each of them fits the protocol."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    scripted = ScriptedLLM(["text", ValueError("raised"), lambda request: request.purpose])
    return [OpenAIChat(settings.model, api_key=key, base_url=settings.base_url), scripted, Own()]


def a_funnel_takes_any_of_them(documents: Documents, settings: Settings) -> list[Funnel]:
    """One model for everything, or two."""
    return [build(documents, settings, models=Own()), build(documents, models=Models(Own(), ScriptedLLM([])))]


async def a_meter_calls_any_of_them(llm: LLM, settings: Settings) -> str:
    """What a run does for one call."""
    limits = Limits(max_usd=settings.max_usd, max_calls=settings.max_calls, timeout_s=settings.timeout_s)
    price: Price | None = price_of(llm.name, settings.prices)
    limit = Limiter(settings.max_parallel)
    meter = Meter(llm, Ledger(limits), Events("run"), price=price, limit=limit)
    meter.check_start(limits)
    completion = await meter.complete(Request((Message("user", "?"),), "query"), parent=None)
    return completion.text


async def an_endpoint_is_probed(settings: Settings) -> str:
    """What the doctor does."""
    found: Endpoint = await probe(settings.base_url, None)
    return found.detail
