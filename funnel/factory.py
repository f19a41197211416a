"""Settings → Funnel: the only place where concrete parts meet."""

from __future__ import annotations

from functools import partial

from funnel.llm.base import LLM
from funnel.llm.budget import Limits
from funnel.llm.extractive import Extractive
from funnel.llm.models import Models
from funnel.memory import open_memory
from funnel.memory.swap.hot_swap import HotSwap
from funnel.pipeline import Funnel
from funnel.prompts import addenda
from funnel.router import Router
from funnel.sandbox import open_sandbox
from funnel.settings import EXTRACTIVE, Settings
from funnel.sync import SyncFunnel
from funnel.trace.events import Sink
from indexes.source import Source

DAY_S = 86_400


def build(source: Source, settings: Settings | None = None) -> Funnel:
    """A funnel over `source`, an `indexes.Collection` or `indexes.RawDocuments`, as the settings say.

    Raises: `BadSetting`, `UnknownName`, `MemoryFailed`, `MissingExtra`.
    """
    settings = settings or Settings()
    prompts = addenda.load(settings.addenda)
    telemetry = _telemetry() if settings.otel else None
    # The memory last: it is the one part that holds something open from the start.
    called, sandbox = models(settings), open_sandbox(settings.sandbox)
    funnel = Funnel(
        source,
        models=called,
        memory=HotSwap(open_memory(settings.memory)),
        sandbox=sandbox,
        trace_dir=settings.trace_dir,
        router=Router(),
        prompts=prompts,
        keep_s=settings.keep_days * DAY_S,
        learn=settings.learn,
    )
    if telemetry is not None:
        funnel.subscribe(telemetry)
    return funnel


def build_sync(source: Source, settings: Settings | None = None) -> SyncFunnel:
    """The same for scripts and notebooks: a context manager whose `ask` needs no `await`."""
    return SyncFunnel(partial(build, source, settings))


def models(settings: Settings) -> Models:
    """The models that the settings name; the built-in stand-in where they name none."""
    root = _llm(settings.model, settings)
    sub = root if settings.sub_model == settings.model else _llm(settings.sub_model, settings)
    return Models(root, sub, prices=settings.prices, max_parallel=settings.max_parallel)


def _telemetry() -> Sink:
    from funnel.trace.telemetry import Telemetry  # noqa: PLC0415 - needs an extra

    return Telemetry()


def limits(settings: Settings) -> Limits:
    """The limits that the settings put on a run."""
    return Limits(
        max_usd=settings.max_usd,
        max_calls=settings.max_calls,
        timeout_s=settings.timeout_s,
        max_prompt_tokens=settings.max_prompt_tokens,
    )


def _llm(model: str, settings: Settings) -> LLM:
    if model == EXTRACTIVE:
        return Extractive()
    from funnel.llm.openai.chat import OpenAIChat  # noqa: PLC0415 - half a second that the built-in does not need

    key = settings.api_key.get_secret_value() if settings.api_key else None
    return OpenAIChat(model, api_key=key, base_url=settings.base_url)
