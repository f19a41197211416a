"""Type-checked, never run: what a user may write to add functions that the model's code may call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from funnel import Funnel, Options, tool
from funnel.run.options import ResumeOptions


def rate(currency: str) -> float:
    """The rate of the euro to a currency."""
    return {"USD": 1.25}[currency]


@tool(exposes="nothing", timeout_s=5.0, max_calls=100)
async def stock(item: str, *, at_least: int = 1) -> dict[str, int]:
    """How many of an item there are."""
    return {item: at_least}


def _ids(result: list[str]) -> Iterable[str]:
    return result


@tool(exposes=_ids)
def similar(document_id: str) -> list[str]:
    """The ids of similar documents."""
    return [document_id]


async def tools_are_an_option(funnel: Funnel) -> str:
    """Plain and declared functions, sync and async; a resumed run gets the same."""
    tools: list[Callable[..., Any]] = [rate, stock, similar, tool(rate)]
    answer = await funnel.ask("How much is it?", Options(mode="deep", tools=tools[:3]))
    return (await funnel.resume(answer.run, ResumeOptions(tools=tools[:3]))).text
