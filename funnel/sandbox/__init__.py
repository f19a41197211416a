"""Sandboxes, which run model-written code behind one protocol; one folder per engine."""

from __future__ import annotations

import time
from collections.abc import Callable

from funnel.errors import SandboxError, SandboxUnavailable, UnknownName
from funnel.sandbox.base import Probe, Sandbox, SandboxLimits
from indexes.errors import PlugInFailed
from indexes.plugins import BuiltIn, Registry

SANDBOXES: Registry[Callable[[], Sandbox]] = Registry(
    "sandbox",
    "funnel.sandbox",
    {
        "auto": BuiltIn("funnel.sandbox.auto:AutoSandbox"),
        "monty": BuiltIn("funnel.sandbox.monty.engine:MontySandbox"),
        "bubblewrap": BuiltIn("funnel.sandbox.bubblewrap.host.engine:BubblewrapSandbox"),
    },
    unknown=UnknownName,
)
"""Functions or classes that return an engine and take no arguments, by the engine's name."""

PROBE_CELL_S = 5.0


def open_sandbox(name: str) -> Sandbox:
    """Return a new engine of that name, which the caller closes.

    Raises: `UnknownName`, which lists the known names; `SandboxUnavailable` if the engine does not load.
    """
    try:
        return SANDBOXES.get(name)()
    except PlugInFailed as error:
        raise SandboxUnavailable(name, f"{error.reason}.") from error


async def probe_sandbox(name: str) -> Probe:
    """Run one cell in an engine of that name; report whether it ran, and how long it took.

    Raises: `UnknownName`.
    """
    started = time.perf_counter()
    try:
        sandbox = open_sandbox(name)
        try:
            async with sandbox.session({}, {}, SandboxLimits(cell_s=PROBE_CELL_S)) as session:
                result = await session.run("print(6 * 7)")
        finally:
            await sandbox.close()
    except SandboxError as exc:
        return Probe(available=False, detail=str(getattr(exc, "reason", exc)))
    if result.stdout.strip() != "42":
        return Probe(available=False, detail=f"it computed {result.stdout.strip()!r} for 6 * 7")
    return Probe(available=True, detail=f"first result in {(time.perf_counter() - started) * 1000:.0f} ms")
