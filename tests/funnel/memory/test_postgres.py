"""The memory in a PostgreSQL database keeps the contract, survives a restart and shows no password."""

from __future__ import annotations

import pytest
from contracts.memory import MemoryContract
from services.server import ServerClock

from funnel.memory.postgres import PostgresMemory


class TestPostgres(MemoryContract):
    @pytest.fixture
    def clock(self, postgres_server):
        return ServerClock(postgres_server)

    @pytest.fixture
    def make(self, postgres_server):
        return lambda clock: PostgresMemory(postgres_server.url)
