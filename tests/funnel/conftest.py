"""What the tests of the second stage share: a sandbox that is closed again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from funnel.sandbox.monty.engine import MontySandbox


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[MontySandbox]:
    """The engine that runs cells for real."""
    engine = MontySandbox(max_processes=32)
    yield engine
    await engine.close()
