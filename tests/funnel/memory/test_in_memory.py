"""The memory inside the process keeps the contract."""

import pytest
from contracts.memory import MemoryContract

from funnel.memory.backends.in_memory import InMemory


class TestInMemory(MemoryContract):
    @pytest.fixture
    def make(self):
        return lambda clock: InMemory(clock=clock)
