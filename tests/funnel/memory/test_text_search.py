"""Every memory finds the same texts by their terms, natively or by a scan."""

from __future__ import annotations

import sqlite3

import pytest

from funnel.errors import MemoryFailed
from funnel.memory import InMemory, terms
from funnel.memory.backends.files.memory import FilesMemory
from funnel.memory.backends.postgres.memory import PostgresMemory
from funnel.memory.backends.redis.memory import RedisMemory
from funnel.memory.backends.s3.memory import S3Memory
from funnel.memory.backends.sqlite import text_index
from funnel.memory.backends.sqlite.memory import SqliteMemory
from funnel.memory.base import TextIndex
from funnel.memory.swap.hot_swap import HotSwap
from funnel.memory.text_search import matching
from funnel.testing.memory import HERE
from funnel.testing.server_memory import ServerClock
from funnel.testing.text_index import TextIndexContract, stored


class OverServer(TextIndexContract):
    @pytest.fixture
    def clock(self, server):
        return ServerClock(server)


class TestInMemory(TextIndexContract):
    @pytest.fixture
    def make(self):
        return lambda clock: InMemory(clock=clock)


class TestHotSwap(TextIndexContract):
    @pytest.fixture
    def make(self):
        return lambda clock: HotSwap(InMemory(clock=clock))


class TestFiles(TextIndexContract):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda clock: FilesMemory(f"file://{tmp_path}/memory", clock=clock)


class TestSqlite(TextIndexContract):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda clock: SqliteMemory(f"sqlite:///{tmp_path}/memory.sqlite", clock=clock)

    async def test_it_has_an_index_of_its_own(self, memory):
        await memory.put_many(HERE, stored(a="lease"))
        asked = text_index.expression(HERE, terms.tokens("lease"))
        query = "SELECT count(*) FROM terms WHERE terms MATCH ?"
        assert memory._number("SELECT count(*) FROM texts") == 1
        assert memory._connection.execute(query, (asked,)).fetchone() == (1,)


class TestSqliteWithoutFts5(TextIndexContract):
    @pytest.fixture
    def make(self, tmp_path, monkeypatch):
        monkeypatch.setattr(text_index, "available", lambda _connection: False)
        return lambda clock: SqliteMemory(f"sqlite:///{tmp_path}/memory.sqlite", clock=clock)


class TestRedis(OverServer):
    @pytest.fixture
    def server(self, redis_server):
        return redis_server

    @pytest.fixture
    def make(self, redis_server):
        return lambda clock: RedisMemory(redis_server.url)


class TestS3(OverServer):
    @pytest.fixture
    def server(self, s3_server):
        return s3_server

    @pytest.fixture
    def make(self, s3_server):
        return lambda clock: S3Memory(s3_server.url)


class TestPostgres(OverServer):
    @pytest.fixture
    def server(self, postgres_server):
        return postgres_server

    @pytest.fixture
    def make(self, postgres_server):
        return lambda clock: PostgresMemory(postgres_server.url)


async def test_a_sqlite_file_made_without_an_index_gets_one(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/memory.sqlite"
    with monkeypatch.context() as patch:
        patch.setattr(text_index, "available", lambda _connection: False)
        old = SqliteMemory(url)
        await old.put_many(HERE, stored(a="lease", b="grant"))
        await old.close()
    memory = SqliteMemory(url)
    assert memory._number("SELECT count(*) FROM texts") == 2
    assert list(await matching(memory, HERE, terms.tokens("lease"))) == ["terms/a"]
    await memory.close()


async def test_a_sqlite_file_with_an_index_needs_fts5(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/memory.sqlite"
    await SqliteMemory(url).close()
    monkeypatch.setattr(text_index, "available", lambda _connection: False)
    with pytest.raises(MemoryFailed, match=r"built without it\. Use another Python"):
        SqliteMemory(url)


async def test_rows_of_a_sqlite_file_may_be_renumbered(tmp_path):
    url = f"sqlite:///{tmp_path}/memory.sqlite"
    memory = SqliteMemory(url)
    await memory.put_many(HERE, stored(a="grant", b="lease"))
    await memory.delete_many(HERE, ["terms/a"])
    with sqlite3.connect(tmp_path / "memory.sqlite", isolation_level=None) as file:
        file.execute("VACUUM")
    file.close()
    await memory.put_many(HERE, stored(c="lease"))
    await memory.delete_many(HERE, ["terms/b"])
    assert list(await matching(memory, HERE, terms.tokens("lease"))) == ["terms/c"]
    await memory.close()


def test_which_memories_have_an_index():
    assert isinstance(HotSwap(InMemory()), TextIndex)
    assert not isinstance(InMemory(), TextIndex)


# records


def test_a_record_counts_terms_and_hashes_what_is_not_plain():
    assert terms.record("The leases, a lease: café") == b"3 aleas=2 bdxlnrbyqbmlq6=1".replace(
        b"bdxlnrbyqbmlq6", terms.token("café").encode()
    )


@pytest.mark.parametrize("term", ["café", "4.2", "§4.2", "合同", "x" * 14, "snake_case", "A"])
def test_a_token_is_letters_and_digits_whatever_the_term(term):
    token = terms.token(term)
    assert token.isascii()
    assert token.isalnum()
    assert token == token.lower()
    assert len(token) == 14
    assert token.startswith("b")
