"""The memory inside the process keeps the contract."""

import pytest

from funnel.memory.backends.in_memory import InMemory
from funnel.testing.memory import MemoryContract


class TestInMemory(MemoryContract):
    @pytest.fixture
    def make(self):
        return lambda clock: InMemory(clock=clock)
