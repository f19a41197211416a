"""One server of each kind for a test session, or for each worker of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from services.llama_server import LlamaServer
from services.postgres_server import PostgresServer
from services.redis_server import RedisServer
from services.s3_server import S3Server


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


@pytest.fixture(scope="session")
def running_s3() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.remove()


@pytest.fixture
def s3_server(running_s3: S3Server) -> S3Server:
    """A server that speaks S3, with an empty bucket."""
    running_s3.start()
    running_s3.empty()
    return running_s3


@pytest.fixture(scope="session")
def running_llama() -> Iterator[LlamaServer]:
    server = LlamaServer()
    yield server
    server.remove()


@pytest.fixture
def llama_server(running_llama: LlamaServer) -> LlamaServer:
    """A real language model behind a real server, with nothing to do. A test may end it."""
    running_llama.start()
    running_llama.wait_until_idle()
    return running_llama
