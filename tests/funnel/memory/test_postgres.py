"""The memory in a PostgreSQL database keeps the contract and its tables up to date."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import uuid

import psycopg
import pytest
from opened_memories import opener

from funnel.errors import MemoryFailed
from funnel.memory import namespace
from funnel.memory.backends.postgres import queries
from funnel.memory.backends.postgres.memory import PostgresMemory
from funnel.memory.backends.postgres.migrations import MIGRATIONS
from funnel.testing.memory import HERE
from funnel.testing.server_memory import ServerMemoryContract, said

FIRST_USE = """
import asyncio, sys
from funnel.memory import namespace, open_memory

async def main():
    memory = open_memory(sys.argv[1])
    await memory.put_many(namespace("all"), {sys.argv[2]: b""})
    await memory.close()

asyncio.run(main())
"""


class TestPostgres(ServerMemoryContract):
    @pytest.fixture
    def server(self, postgres_server):
        return postgres_server

    @pytest.fixture
    def memory_class(self):
        return PostgresMemory


opened = opener(PostgresMemory)


@pytest.fixture
def memory(postgres_server, opened):
    return opened(postgres_server.url)


@pytest.fixture
def database(postgres_server):
    """The URL of a database without any table."""
    postgres_server.execute("CREATE DATABASE fresh")
    yield postgres_server.url.removesuffix("postgres") + "fresh"
    postgres_server.execute("DROP DATABASE fresh WITH (FORCE)")


def execute(url, query):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


# migrations


async def test_of_many_tasks_that_come_first_one_makes_the_tables(database, opened):
    memories = [opened(database) for _ in range(8)]
    await asyncio.gather(*(memory.put_many(HERE, {f"{n}": b""}) for n, memory in enumerate(memories)))
    assert await memories[0].scan(HERE) == [f"{n}" for n in range(8)]


async def test_of_many_processes_that_come_first_one_makes_the_tables(database, opened):
    command = [sys.executable, "-c", FIRST_USE, database]
    processes = [await asyncio.create_subprocess_exec(*command, f"{n}") for n in range(4)]
    assert [await process.wait() for process in processes] == [0] * 4
    memory = opened(database)
    assert await memory.scan(namespace("all")) == ["0", "1", "2", "3"]
    await memory.close()
    numbers = execute(database, "SELECT number FROM funnel_migrations ORDER BY number")
    assert numbers == [(n,) for n in range(1, len(MIGRATIONS) + 1)]


async def test_what_was_written_is_there_after_opening_again(database, opened):
    for expected in (None, b"1"):
        memory = opened(database)
        assert await memory.compare_and_set(HERE, "a", expected=expected, value=b"1")


async def test_a_newer_format_is_refused(database, opened):
    memory = opened(database)
    await memory.put_many(HERE, {"a": b"1"})
    await memory.close()
    execute(database, "INSERT INTO funnel_migrations (number) VALUES (99)")
    memory = opened(database)
    with pytest.raises(MemoryFailed, match=r"format 99; this version reads up to \d+\. Upgrade"):
        await memory.get_many(HERE, ["a"])


async def test_a_migration_that_fails_leaves_nothing(database, opened, monkeypatch):
    broken = (*MIGRATIONS, "CREATE TABLE half (n integer); SELECT no_such_thing")
    monkeypatch.setattr("funnel.memory.backends.postgres.migrations.MIGRATIONS", broken)
    memory = opened(database)
    with pytest.raises(MemoryFailed, match="no_such_thing"):
        await memory.get_many(HERE, ["a"])
    await memory.close()
    assert execute(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


# schemas and roles


async def test_the_tables_lie_in_the_schema_that_the_url_names(database, opened):
    execute(database, "CREATE SCHEMA notes")
    first = opened(f"{database}?options=-csearch_path%3Dnotes")
    await first.put_many(HERE, {"a": b"1"})
    await first.compare_and_set(HERE, "b", expected=None, value=b"1")
    assert await first.scan(HERE) == ["a", "b"]
    second = opened(database)
    assert await second.scan(HERE) == []
    await first.close()
    found = execute(database, "SELECT schemaname FROM pg_tables WHERE tablename = 'funnel_items'")
    assert sorted(found) == [("notes",), ("public",)]


async def test_a_schema_that_is_missing_is_one_clear_error(database, opened):
    memory = opened(f"{database}?options=-csearch_path%3Dmissing")
    with pytest.raises(MemoryFailed, match="The schema must exist"):
        await memory.get_many(HERE, ["a"])


async def test_a_database_that_is_missing_is_one_clear_error(database, opened):
    memory = opened(database + "er")
    with pytest.raises(MemoryFailed, match=r'database "fresher" does not exist\. Check the user') as failed:
        await memory.get_many(HERE, ["a"])
    assert "\n" not in str(failed.value)


async def test_a_role_that_may_make_no_table_uses_those_that_are_there(database, opened, postgres_server):
    memory = opened(database)
    await memory.put_many(HERE, {"a": b"1"})
    await memory.close()
    execute(database, "CREATE ROLE guest LOGIN PASSWORD 'guest'")
    execute(database, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest")
    memory = opened(f"postgresql://guest:guest@127.0.0.1:{postgres_server.port}/fresh")
    await memory.put_many(HERE, {"b": b"2"}, ttl_s=1000)
    assert await memory.scan(HERE) == ["a", "b"]
    await memory.close()
    execute(database, "DROP OWNED BY guest; DROP ROLE guest")


# what lies in the tables


async def test_what_has_expired_leaves_the_table(memory, postgres_server):
    await memory.put_many(HERE, {f"{n}": b"" for n in range(300)}, ttl_s=1000)
    postgres_server.age(1000)
    await memory.put_many(HERE, {f"new {n}": b"" for n in range(300)}, ttl_s=1000)
    assert postgres_server.execute("SELECT count(*) FROM funnel_items") == [(300,)]


async def test_a_value_is_stored_as_it_is(memory, postgres_server):
    await memory.put_many(HERE, {"a": b"a" * 50_000})
    size = "SELECT pg_column_size(value) FROM funnel_items"
    assert postgres_server.execute(size) == [(50_000,)]


async def test_batches_that_meet_in_any_order_are_all_written(memory):
    keys = [f"{n:02d}" for n in range(50)]
    puts = (memory.put_many(HERE, dict.fromkeys(keys[:: 1 if n % 2 else -1], b"")) for n in range(16))
    deletes = (memory.delete_many(HERE, keys[:: 1 if n % 2 else -1]) for n in range(16))
    await asyncio.gather(*puts, *deletes)


@pytest.mark.parametrize("analyse", ["", "ANALYZE"], ids=["no statistics", "statistics"])
async def test_a_scan_reads_in_the_order_of_the_index(memory, postgres_server, analyse):
    await memory.put_many(HERE, {f"{n:05d}": b"" for n in range(5_000)})
    space = uuid.UUID(bytes=hashlib.sha256(HERE.encode()).digest()[:16])
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(analyse)
        asked = {"first_head": b"", "first_rest": b"", "last_head": b"\xff", "last_rest": b"", "limit": 10}
        plan = connection.execute(f"EXPLAIN {queries.SCAN}", {"space": space, **asked}).fetchall()
    assert "Index Scan using funnel_items_pkey" in str(plan)


async def test_a_value_that_is_no_bytes_leaves_the_whole_batch_out(memory):
    with pytest.raises(MemoryFailed):
        await memory.put_many(HERE, {"a": b"1", "b": object()})
    assert await memory.scan(HERE) == []


async def test_a_connection_that_the_server_ended_is_replaced(memory, postgres_server):
    await memory.put_many(HERE, {"a": b"1"})
    others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    postgres_server.execute(f"SELECT pg_terminate_backend(pid) {others}")
    assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://funnel:hunter2",
        "postgresql://funnel:hunter2/x@127.0.0.1:bad/x",
        "postgresql://funnel:hunter2@127.0.0.1/x?no_such_option=hunter2",
        "postgresql://funnel:hunter2@[::1/x",
        "postgresql://funnel:hunter2%@127.0.0.1/x",
    ],
)
async def test_a_url_that_is_none_is_not_repeated(opened, url):
    with pytest.raises(MemoryFailed) as failed:
        await opened(url, retry_s=0.1).get_many(HERE, ["a"])
    assert "\n" not in str(failed.value)
    assert "hunter2" not in said(failed.value)
