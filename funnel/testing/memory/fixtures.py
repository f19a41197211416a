"""What all parts of the memory contract share: an empty memory, a clock, two namespaces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import strategies as st

from funnel.memory.base import Memory, namespace
from funnel.testing.clock import FakeClock

HERE = namespace("tenant", "run", "1")
ELSEWHERE = namespace("tenant", "run", "2")

# Includes lone surrogates, because a file name that is not UTF-8 becomes an id that contains them.
KEYS = st.text(st.characters(exclude_categories=()), min_size=1, max_size=8)

MakeMemory = Callable[[FakeClock], Memory]


class MemoryFixtures:
    """The fixtures `make`, which every backend provides, `clock`, and `memory`, which closes at the end."""

    @pytest.fixture
    def make(self) -> MakeMemory:
        """Return a function that takes a clock and opens an empty memory."""
        raise NotImplementedError("override the fixture `make`: return a function(clock) -> Memory")

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Return the clock that the memory reads. Override it if a server keeps the time."""
        return FakeClock()

    @pytest.fixture
    async def memory(self, make: MakeMemory, clock: FakeClock) -> AsyncIterator[Memory]:
        """Open an empty memory, and close it after the test."""
        opened = make(clock)
        yield opened
        await opened.close()
