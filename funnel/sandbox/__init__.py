"""Where model-written code runs, behind one protocol, one file an engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from funnel.errors import UnknownName

if TYPE_CHECKING:
    from funnel.sandbox.base import Probe, Sandbox


class Engine(NamedTuple):
    """How an engine is made, and how `funnel doctor` asks after it; imported when one of them is called."""

    make: Callable[[], Sandbox]
    probe: Callable[[], Awaitable[Probe]]


def _make_monty() -> Sandbox:
    from funnel.sandbox.monty.engine import MontySandbox  # noqa: PLC0415 - only who uses the engine loads it

    return MontySandbox()


async def _probe_monty() -> Probe:
    from funnel.sandbox.monty.engine import probe  # noqa: PLC0415 - only who uses the engine loads it

    return await probe()


def _make_bubblewrap() -> Sandbox:
    from funnel.sandbox.bubblewrap.host.engine import BubblewrapSandbox  # noqa: PLC0415 - only who uses the engine loads it

    return BubblewrapSandbox()


async def _probe_bubblewrap() -> Probe:
    from funnel.sandbox.bubblewrap.host.engine import probe  # noqa: PLC0415 - only who uses the engine loads it

    return await probe()


SANDBOXES: dict[str, Engine] = {
    "monty": Engine(_make_monty, _probe_monty),
    "bubblewrap": Engine(_make_bubblewrap, _probe_bubblewrap),
}


def open_sandbox(name: str) -> Sandbox:
    """The engine of that name; the caller closes it. Raises: `UnknownName`."""
    if name not in SANDBOXES:
        raise UnknownName("sandbox", name, SANDBOXES)
    return SANDBOXES[name].make()
