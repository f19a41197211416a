"""The memory in a Redis server keeps the contract, survives a restart and shows no password."""

from __future__ import annotations

import pytest
from contracts.memory import MemoryContract
from services.server import ServerClock

from funnel.memory.redis import RedisMemory


class TestRedis(MemoryContract):
    @pytest.fixture
    def clock(self, redis_server):
        return ServerClock(redis_server)

    @pytest.fixture
    def make(self, redis_server):
        return lambda clock: RedisMemory(redis_server.url)
