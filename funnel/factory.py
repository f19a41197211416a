"""Builds a funnel from settings: the only place where concrete parts meet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from funnel.errors import UnknownName
from funnel.llm.base import LLM
from funnel.llm.budget import Limits
from funnel.llm.extractive import Extractive
from funnel.llm.models import Models
from funnel.memory import open_memory
from funnel.memory.swap.hot_swap import HotSwap
from funnel.pipeline import Funnel
from funnel.prompts import addenda
from funnel.prompts.forms import Forms
from funnel.router import Router
from funnel.sandbox import open_sandbox
from funnel.sandbox.room import room_of_process
from funnel.settings import EXTRACTIVE, Settings
from funnel.sync import SyncFunnel
from funnel.trace.events import Sink
from indexes.plugins import Registry
from indexes.source import Documents, Source

if TYPE_CHECKING:
    from funnel.llm.openai.extras import Extras

DAY_S = 86_400

MODELS: Registry[Callable[[str], LLM]] = Registry("model", "funnel.model", {}, unknown=UnknownName)
"""Models that installed packages provide, by the prefix before the colon of a model's name.

Each is a function or class that takes the whole name, such as `acme:large`, and returns a model of that name.
"""


def build(
    documents: Source | Documents, settings: Settings | None = None, *, models: LLM | Models | None = None
) -> Funnel:
    """Build a funnel from the settings, over the documents of one asker or over a whole source.

    `documents`: a view such as `collection.as_owner()` or `collection.for_asker(…)`, so that no question has
    to name its asker; or a `Source` such as `indexes.Collection`, where each question names its asker in its
    `Options`.

    `models`: a model of your own, which leads and answers the sub-calls, or two as `Models`; they go before
    those that the settings name, and are closed with the funnel.

    Raises: `BadSetting`, `UnknownName`, `MemoryFailed`, `SandboxUnavailable`, `MissingExtra`, `PlugInFailed`.
    """
    settings = settings or Settings()
    prompts = addenda.load(settings.addenda)
    telemetry = _telemetry() if settings.otel else None
    # The memory comes last, since only it opens something at once.
    called, sandbox = _given(models, settings), open_sandbox(settings.sandbox)
    if settings.sandbox_memory_mb is not None:
        room_of_process().total = settings.sandbox_memory_mb * 1024**2
    funnel = Funnel(
        documents,
        models=called,
        memory=HotSwap(open_memory(settings.memory)),
        sandbox=sandbox,
        trace_dir=settings.trace_dir,
        router=Router(),
        prompts=prompts,
        forms=Forms(settings.prompt_form),
        keep_s=settings.keep_days * DAY_S,
        learn=settings.learn,
        strict=settings.strict,
        daily=daily(settings),
    )
    if telemetry is not None:
        funnel.subscribe(telemetry)
    return funnel


def build_sync(
    documents: Source | Documents, settings: Settings | None = None, *, models: LLM | Models | None = None
) -> SyncFunnel:
    """Build the same for scripts and notebooks: a context manager whose `ask` needs no `await`."""
    return SyncFunnel(partial(build, documents, settings, models=models))


def models(settings: Settings) -> Models:
    """Return the models that the settings name, or the built-in stand-in if they name none.

    Raises: `BadSetting`, `PlugInFailed`.
    """
    root = _llm(settings.model, settings)
    sub = root if settings.sub_model == settings.model else _llm(settings.sub_model, settings)
    return Models(root, sub, prices=settings.prices, max_parallel=settings.max_parallel)


def _given(given: LLM | Models | None, settings: Settings) -> Models:
    """Return the models that were passed in, or those that the settings name."""
    if given is None:
        return models(settings)
    if isinstance(given, Models):
        return given
    return Models(given, given, prices=settings.prices, max_parallel=settings.max_parallel)


def _telemetry() -> Sink:
    from funnel.trace.telemetry import Telemetry  # noqa: PLC0415 - needs an extra

    return Telemetry()


def limits(settings: Settings) -> Limits:
    """Return the limits that the settings put on a run."""
    return Limits(
        max_usd=settings.max_usd,
        max_calls=settings.max_calls,
        timeout_s=settings.timeout_s,
        max_prompt_tokens=settings.max_prompt_tokens,
        max_output_tokens=settings.max_output_tokens,
        max_stored_bytes=settings.max_stored_bytes,
    )


def daily(settings: Settings) -> Limits | None:
    """Return the limits that the settings put on a tenant's day; None if there are none."""
    return None if settings.max_usd_per_day is None else Limits.only(max_usd=settings.max_usd_per_day)


def _llm(model: str, settings: Settings) -> LLM:
    if model == EXTRACTIVE:
        return Extractive()
    # A colon may also be part of a name at the endpoint, as in qwen3:8b.
    kind, colon, _ = model.partition(":")
    if colon and kind in MODELS:
        return MODELS.get(kind)(model)
    from funnel.llm.openai.chat import OpenAIChat  # noqa: PLC0415 - half a second that the built-in does not need

    key = settings.api_key.get_secret_value() if settings.api_key else None
    return OpenAIChat(
        model,
        api_key=key,
        base_url=settings.base_url,
        stall_s=settings.stall_s,
        tier=settings.tier,
        extras=extras(model, settings),
    )


def extras(model: str, settings: Settings) -> Extras:
    """Return what the settings add to each request for a model."""
    from funnel.llm.openai.extras import Extras  # noqa: PLC0415 - as above

    named = {settings.model, settings.sub_model}
    return Extras.of(model, settings.extra_body, settings.extra_headers, models=named)
