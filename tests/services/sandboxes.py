"""Whether this machine can run a sandbox."""

from __future__ import annotations

import asyncio
import functools
import os

import pytest

from funnel.sandbox import probe_sandbox
from funnel.sandbox.base import Probe


@functools.cache
def _probed(name: str) -> Probe:
    return asyncio.run(probe_sandbox(name))


def need(name: str) -> None:
    """Skip where this machine cannot run that engine; in CI it fails. Not for async fixtures."""
    found = _probed(name)
    if not found.available and "CI" not in os.environ:
        pytest.skip(f"{name}: {found.detail}")
