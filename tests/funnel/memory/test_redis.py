"""The memory in a Redis server keeps the contract and its own house in order."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from services.redis_server import PASSWORD

from funnel.errors import MemoryFailed
from funnel.memory import namespace, open_memory
from funnel.memory.backends.redis.memory import RedisMemory
from funnel.testing.memory import HERE
from funnel.testing.server_memory import ServerMemoryContract, said


class TestRedis(ServerMemoryContract):
    @pytest.fixture
    def server(self, redis_server):
        return redis_server

    @pytest.fixture
    def memory_class(self):
        return RedisMemory


@pytest.fixture
async def memory(redis_server):
    memory = RedisMemory(redis_server.url)
    yield memory
    await memory.close()


@pytest.fixture
def admin(redis_server):
    with redis_server.client as client:
        yield client


async def test_every_key_begins_with_funnel(memory, admin):
    admin.set("theirs", "1")
    await memory.put_many(HERE, {"a": b"1", "b": b"2" * 10_000})
    await memory.put_many(HERE, {"c": b"1"}, ttl_s=1000)
    await memory.compare_and_set(HERE, "d", expected=None, value=b"1")
    keys = set(admin.scan_iter("*"))
    assert {key.split(b":")[0] for key in keys - {b"theirs"}} == {b"funnel"}


async def test_nothing_is_left_of_what_was_deleted_but_who_wrote_it(memory, admin):
    await memory.put_many(HERE, {"a": b"1", "b": b"2" * 10_000})
    await memory.delete_many(HERE, ["a", "b"])
    assert {key.split(b":")[1] for key in admin.scan_iter("*")} == {b"writer"}


async def test_writers_are_forgotten_after_an_hour(memory, admin):
    await memory.put_many(HERE, {"a": b"1"})
    [writer] = admin.scan_iter("funnel:writer:*")
    assert 3_500 < admin.ttl(writer) <= 3_600


@pytest.mark.parametrize("value", [b"1", b"1" * 10_000], ids=["small", "staged"])
async def test_a_write_with_an_end_removes_what_has_ended_from_the_index(memory, admin, redis_server, value):
    gone = namespace("gone")
    await memory.put_many(gone, {f"{n}": value for n in range(10)}, ttl_s=1000)
    redis_server.age(1000)
    for item in admin.zrange("funnel:expiring", 0, -1):
        admin.zadd("funnel:expiring", {item: 1})
    await memory.put_many(HERE, {"a": value}, ttl_s=1000)
    assert admin.zcard("funnel:expiring") == 1
    assert admin.zrange("funnel:namespaces", 0, -1) == [HERE.encode()]
    assert not admin.exists(f"funnel:keys:{gone}")


async def test_what_was_written_anew_without_an_end_is_not_removed(memory, admin):
    await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
    await memory.put_many(HERE, {"a": b"2"})
    for item in admin.zrange("funnel:expiring", 0, -1):
        admin.zadd("funnel:expiring", {item: 1})
    await memory.put_many(HERE, {"b": b"1"}, ttl_s=1000)
    assert await memory.scan(HERE) == ["a", "b"]


@pytest.mark.parametrize("value", [b"1", b"1" * 10_000], ids=["small", "staged"])
async def test_a_put_works_after_the_server_has_forgotten_its_scripts(memory, admin, value):
    admin.script_flush()
    await memory.put_many(HERE, {"a": value})
    admin.script_flush()
    await memory.put_many(HERE, {"b": value}, ttl_s=1000)
    assert await memory.get_many(HERE, ["a", "b"]) == {"a": value, "b": value}
    assert not list(admin.scan_iter("funnel:writer:*:*"))


async def test_a_page_of_more_keys_than_one_look_takes(memory):
    keys = [f"{n:05d}" for n in range(5_000)]
    await memory.put_many(HERE, dict.fromkeys(keys, b""))
    assert await memory.scan(HERE, limit=10_000) == keys


async def test_a_socket_is_reached_by_its_path(redis_server):
    memory = open_memory(f"unix://:{quote(PASSWORD, safe='')}@{redis_server.folder}/socket?db=0")
    await memory.put_many(HERE, {"a": b"1"})
    assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}
    assert memory.url == f"unix://{redis_server.folder}/socket"
    await memory.close()


async def test_databases_are_apart(redis_server):
    first, second = open_memory(redis_server.url), open_memory(redis_server.url.removesuffix("0") + "1")
    await first.put_many(HERE, {"a": b"1"})
    assert await second.namespaces() == []
    await first.close()
    await second.close()


async def test_a_full_server_refuses_at_once_and_writes_nothing(memory, admin):
    await memory.put_many(HERE, {"a": b"1"})
    admin.config_set("maxmemory", 1)
    try:
        for value in (b"2", b"2" * 10_000):
            with pytest.raises(MemoryFailed, match="maxmemory"):
                await memory.put_many(HERE, {"a": value, "b": value})
    finally:
        admin.config_set("maxmemory", 0)
    assert await memory.get_many(HERE, ["a", "b"]) == {"a": b"1"}


async def test_a_value_that_is_no_bytes_leaves_the_whole_batch_out(memory):
    with pytest.raises((MemoryFailed, TypeError)):
        await memory.put_many(HERE, {"a": b"1", "b": object()})
    assert await memory.scan(HERE) == []


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:hunter2",
        "redis://user:hunter2/x@127.0.0.1:bad/0",
        "redis://:hunter2@127.0.0.1:99999999999",
        "redis://127.0.0.1:1/0?password=hunter2&socket_timeout=x",
        "redis://[::1:hunter2",
    ],
)
def test_a_url_that_is_none_is_not_repeated(url):
    with pytest.raises(MemoryFailed) as failed:
        open_memory(url)
    assert "redis://host:6379/0" in str(failed.value)
    assert "hunter2" not in said(failed.value)


async def test_a_password_in_the_query_is_not_shown(redis_server):
    memory = open_memory(f"redis://127.0.0.1:{redis_server.port}/0?password={quote(PASSWORD, safe='')}")
    await memory.put_many(HERE, {"a": b"1"})
    assert memory.url == f"redis://127.0.0.1:{redis_server.port}/0"
    await memory.close()


def test_the_password_of_these_tests_needs_quoting():
    assert quote(PASSWORD, safe="") != PASSWORD
