"""The memory in PostgreSQL keeps the contract behind a pooler, which shares sessions between transactions."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import psycopg
import pytest
from opened_memories import opener
from services.pgbouncer import PgBouncer

from funnel.errors import MemoryFailed
from funnel.memory import open_memory
from funnel.memory.backends.postgres.memory import PostgresMemory
from funnel.testing.memory import HERE
from funnel.testing.server_memory import ServerMemoryContract


@pytest.fixture(scope="module", params=["transaction", "statement"])
def running_pooler(request, running_postgres):
    server = PgBouncer(running_postgres, request.param)
    yield server
    server.remove()


@pytest.fixture
def pooler(running_pooler, postgres_server):
    return running_pooler


class TestPgBouncer(ServerMemoryContract):
    @pytest.fixture
    def server(self, pooler):
        return pooler

    @pytest.fixture
    def memory_class(self):
        return PostgresMemory


@pytest.fixture
def one_session(postgres_server):
    """Makes a pooler that has one session for all, with these options."""
    poolers = []

    def make(**options):
        poolers.append(PgBouncer(postgres_server, "transaction", default_pool_size="1", **options))
        return poolers[-1]

    yield make
    for pooler in poolers:
        pooler.remove()


opened = opener(PostgresMemory)


@pytest.fixture
def schema(postgres_server):
    """A schema with a name that needs quoting, in which nothing is."""
    name = 'no"tes, 100 %'
    execute(postgres_server.url, f"CREATE SCHEMA {quoted(name)}")
    yield name
    execute(postgres_server.url, f"DROP SCHEMA {quoted(name)} CASCADE")


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def with_path(url, schema):
    path = quoted(schema).replace(" ", "\\ ")
    return f"{url}?options={quote(f'-csearch_path={path}', safe='')}"


def execute(url, query):
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


async def used(memory):
    """Use every statement of a memory often enough to have it prepared."""
    for n in range(7):
        await memory.put_many(HERE, {"a": b"%d" % n})
        await memory.put_many(HERE, {"b": b"1", "c": b"1", "terms/x": b"1 afoo=1"}, ttl_s=1000)
        assert await memory.compare_and_set(HERE, "a", expected=b"%d" % n, value=b"seen")
        assert await memory.get_many(HERE, ["a"]) == {"a": b"seen"}
        assert (await memory.get_many(HERE, ["b", "c"])).keys() == {"b", "c"}
        assert (await memory.get_entries(HERE, ["a"]))["a"].ttl_s is None
        assert await memory.scan(HERE, "a") == ["a"]
        assert await memory.matching(HERE, ["afoo"]) == {"terms/x": b"1 afoo=1"}
        assert await memory.namespaces() == [HERE]
        await memory.delete_many(HERE, ["a", "b", "c"])


async def test_behind_a_pooler_nothing_is_prepared(one_session, opened):
    pooler = one_session()
    await used(opened(pooler.url))
    assert execute(pooler.url, "SELECT statement FROM pg_prepared_statements") == []


async def test_a_session_of_the_server_prepares_what_is_used_often(postgres_server, opened):
    memory = opened(postgres_server.url, max_connections=1)
    await used(memory)
    [held] = memory._pool._idle
    rows = await held.connection.run("SELECT count(*) FROM pg_prepared_statements", {})
    assert rows[0][0] >= 8


async def test_a_statement_that_another_session_has_not_prepared_is_sent_anew(postgres_server, opened):
    memory = opened(postgres_server.url, max_connections=1)
    await used(memory)
    [held] = memory._pool._idle
    # As if the next transaction had another session; psycopg does not see it so.
    await held.connection.run("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$", {})
    await used(memory)
    assert (await held.connection.run("SELECT count(*) FROM pg_prepared_statements", {}))[0][0] == 0


async def test_what_another_client_set_in_the_session_changes_nothing(one_session, opened, schema):
    pooler = one_session()
    execute(pooler.url, "SET search_path = nowhere")
    memory = opened(pooler.url)
    await used(memory)
    execute(pooler.url, "SET search_path = elsewhere")
    await used(memory)
    assert execute(pooler.url, "SHOW search_path") == [("elsewhere",)]


@pytest.mark.parametrize(
    "options", [{}, {"ignore_startup_parameters": "options"}], ids=["refused", "ignored"]
)
async def test_the_schema_of_the_url_is_used_behind_a_pooler(
    one_session, opened, schema, postgres_server, options
):
    pooler = one_session(**options)
    await used(opened(with_path(pooler.url, schema)))
    found = postgres_server.execute(
        "SELECT schemaname FROM pg_tables WHERE tablename = 'funnel_items' ORDER BY 1"
    )
    assert (schema,) in found
    other = opened(postgres_server.url)
    assert await other.namespaces() == []
    straight = opened(with_path(postgres_server.url, schema))
    assert await straight.scan(HERE) == ["terms/x"]


async def test_an_option_that_a_pooler_does_not_pass_on_is_one_clear_error(one_session, opened):
    memory = opened(f"{one_session().url}?options=-cstatement_timeout%3D9s")
    with pytest.raises(MemoryFailed, match=r"startup parameter: options\. .* leave them out of the URL\.$"):
        await memory.get_many(HERE, ["a"])


async def test_a_database_that_the_pooler_does_not_know_is_one_clear_error(one_session, opened):
    memory = opened(one_session().url.removesuffix("postgres") + "nosuch")
    with pytest.raises(MemoryFailed, match=r"nosuch.* Check the user, the password and"):
        await memory.get_many(HERE, ["a"])


async def test_a_pooler_that_takes_only_the_extended_protocol_will_do(one_session, opened, schema):
    await used(opened(with_path(one_session(disable_pqexec="1").url, schema)))


async def test_more_clients_than_sessions_wait_their_turn(one_session, opened):
    url = one_session().url
    memories = [opened(url) for _ in range(6)]
    await asyncio.gather(*(memory.put_many(HERE, {f"{n}": b""}) for n, memory in enumerate(memories)))
    await asyncio.gather(
        *(memory.compare_and_set(HERE, f"{n}", expected=b"", value=b"1") for n, memory in enumerate(memories))
    )
    assert await memories[0].get_many(HERE, list("012345")) == dict.fromkeys("012345", b"1")


async def test_what_was_acknowledged_is_there_when_the_pooler_is_killed(pooler, opened):
    memory = opened(pooler.url, retry_s=60)
    acknowledged, ending = [], asyncio.Event()

    async def write(task):
        n = 0
        while not ending.is_set():
            await memory.put_many(HERE, {f"{task} {n}": b"1"})
            acknowledged.append(f"{task} {n}")
            n += 1

    writing = [asyncio.create_task(write(task)) for task in range(4)]
    for _ in range(3):
        before = len(acknowledged)
        while len(acknowledged) < before + 20:  # noqa: ASYNC110 - other tasks write it
            await asyncio.sleep(0.001)
        await asyncio.to_thread(pooler.end)
        await asyncio.to_thread(pooler.start)
    ending.set()
    await asyncio.gather(*writing)
    assert (await memory.get_many(HERE, acknowledged)).keys() == set(acknowledged)


async def test_the_short_name_of_the_scheme_opens_the_same(postgres_server):
    memory = open_memory(postgres_server.url.replace("postgresql://", "postgres://"))
    await memory.put_many(HERE, {"a": b"1"})
    assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}
    assert memory.url == f"postgres://127.0.0.1:{postgres_server.port}/postgres"
    await memory.close()
