"""One server of each kind for a test session, or for each worker of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from services.postgres_server import PostgresServer
from services.redis_server import RedisServer


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.remove()


@pytest.fixture
def redis_server(running_redis: RedisServer) -> RedisServer:
    """A Redis with nothing in it."""
    running_redis.empty()
    return running_redis


@pytest.fixture(scope="session")
def running_postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture
def postgres_server(running_postgres: PostgresServer) -> PostgresServer:
    """A PostgreSQL with nothing in it."""
    running_postgres.empty()
    return running_postgres
