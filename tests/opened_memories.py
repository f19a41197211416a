"""A fixture that the tests of several servers' memories share."""

from __future__ import annotations

import pytest


def opener(kind):
    """Return a fixture that opens memories of this class by their URLs, and closes them in the end."""

    @pytest.fixture
    async def opened():
        memories = []

        def open_one(url, **options):
            memories.append(kind(url, **options))
            return memories[-1]

        yield open_one
        for memory in memories:
            await memory.close()

    return opened
