"""The backends to measure, as real servers in temporary folders, and their bare clients; measures nothing."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from aiobotocore.session import get_session
from botocore.config import Config
from fsspec.implementations.local import LocalFileSystem
from redis.asyncio import Redis

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from services.postgres_server import PostgresServer
from services.redis_server import RedisServer
from services.s3_server import BUCKET, KEY, SECRET, S3Server

NAMES = ("memory", "sqlite", "file", "redis", "postgresql", "s3")
Call = Callable[[], Awaitable[Any]]


class Backends:
    """The URLs of the backends, with running servers behind them until it is closed."""

    def __init__(self, names: list[str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="funnel-memory-"))
        self.urls = {"memory": "memory://", "sqlite": f"sqlite:///{self.folder}/memory.sqlite"}
        self.urls["file"] = f"file://{self.folder}/files"
        self.servers: dict[str, Any] = {}
        makers: dict[str, Callable[[], Any]] = {
            "redis": RedisServer, "postgresql": PostgresServer, "s3": S3Server,
        }  # fmt: skip
        for name in names:
            if name in makers:
                self.servers[name] = server = makers[name]()
                self.urls[name] = server.url
        if "redis" in self.servers:
            with self.servers["redis"].client as client:
                client.config_set("appendfsync", "everysec")
                client.config_set("auto-aof-rewrite-percentage", 0)

    def empty(self, name: str) -> None:
        """Remove everything in a backend and free its space."""
        if name in self.servers:
            self.servers[name].empty()
        elif name == "file":
            shutil.rmtree(self.folder / "files", ignore_errors=True)
        elif name == "sqlite":
            for path in self.folder.glob("memory.sqlite*"):
                path.unlink()

    def close(self) -> None:
        """End the servers and remove their data."""
        for server in self.servers.values():
            server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


@asynccontextmanager
async def bare(
    name: str, backends: Backends, value: bytes, memory: Any
) -> AsyncIterator[tuple[Call, Call] | None]:
    """Yield calls that get and put one value with the client library alone; None if there is no library.

    Clients that need a thread use the memory's own: the time a thread takes to wake depends on the core that
    it runs on, and differs by a factor of two between threads.
    """
    makers = {"sqlite": _sqlite, "file": _file, "redis": _redis, "postgresql": _postgres, "s3": _s3}
    maker = makers.get(name)
    if maker is None:
        yield None
        return
    async with maker(backends, value, memory) as (get, put):
        yield get, put


@asynccontextmanager
async def _sqlite(backends: Backends, value: bytes, memory: Any) -> AsyncIterator[tuple[Call, Call]]:
    """Use sqlite3 in threads, as an event loop must, with our settings and number of connections."""
    reading, writing, loop = memory._reading, memory._thread, asyncio.get_running_loop()
    connection = sqlite3.connect(
        backends.folder / "bare.sqlite", isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE IF NOT EXISTS t (k BLOB PRIMARY KEY, v BLOB NOT NULL)")

    def get() -> Any:
        return reader.execute("SELECT v FROM t WHERE k = ?", (b"k",)).fetchone()

    def put() -> None:
        upsert = "INSERT INTO t VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(upsert, (b"k", value))
        connection.execute("COMMIT")

    reader = sqlite3.connect(backends.folder / "bare.sqlite", isolation_level=None, check_same_thread=False)
    yield (lambda: loop.run_in_executor(reading, get)), (lambda: loop.run_in_executor(writing, put))
    reader.close()
    connection.close()


@asynccontextmanager
async def _file(backends: Backends, value: bytes, memory: Any) -> AsyncIterator[tuple[Call, Call]]:
    thread, loop = memory._threads, asyncio.get_running_loop()
    files, path = LocalFileSystem(), str(backends.folder / "bare")
    yield (
        (lambda: loop.run_in_executor(thread, files.cat_file, path)),
        (lambda: loop.run_in_executor(thread, files.pipe_file, path, value)),
    )


@asynccontextmanager
async def _redis(backends: Backends, value: bytes, _memory: Any) -> AsyncIterator[tuple[Call, Call]]:
    client = Redis.from_url(backends.urls["redis"])
    yield (lambda: client.get("bare")), (lambda: client.set("bare", value))
    await client.aclose()


@asynccontextmanager
async def _postgres(backends: Backends, value: bytes, _memory: Any) -> AsyncIterator[tuple[Call, Call]]:
    connection = await psycopg.AsyncConnection.connect(backends.urls["postgresql"], autocommit=True)
    await connection.execute("CREATE TABLE IF NOT EXISTS bare (k bytea PRIMARY KEY, v bytea)")
    await connection.execute("ALTER TABLE bare ALTER COLUMN v SET STORAGE EXTERNAL")

    async def get() -> Any:
        cursor = await connection.execute("SELECT v FROM bare WHERE k = %b", (b"k",), binary=True)
        return await cursor.fetchone()

    async def put() -> None:
        upsert = "INSERT INTO bare VALUES (%b, %b) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
        await connection.execute(upsert, (b"k", value))

    yield get, put
    await connection.close()


@asynccontextmanager
async def _s3(backends: Backends, value: bytes, _memory: Any) -> AsyncIterator[tuple[Call, Call]]:
    config = Config(
        request_checksum_calculation="when_required", response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    )  # fmt: skip
    made = get_session().create_client(
        "s3", endpoint_url=backends.servers["s3"].endpoint, region_name="us-east-1",
        aws_access_key_id=KEY, aws_secret_access_key=SECRET, config=config,
    )  # fmt: skip
    async with made as client:

        async def get() -> bytes:
            found = await client.get_object(Bucket=BUCKET, Key="bare")
            async with found["Body"] as body:
                content: bytes = await body.read()
            return content

        yield get, lambda: client.put_object(Bucket=BUCKET, Key="bare", Body=value)
