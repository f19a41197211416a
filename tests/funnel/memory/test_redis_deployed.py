"""The memory in a Redis as it is deployed: shared by prefix, with rights, with Sentinels, behind TLS."""

from __future__ import annotations

import asyncio
import re
import time
from urllib.parse import quote

import pytest
from opened_memories import opener
from redis import Redis
from services.redis_deployments import NAME, RedisProcess, Watched
from services.redis_server import PASSWORD
from services.server import free_port

from funnel.errors import MemoryFailed
from funnel.memory import open_memory
from funnel.memory.backends.redis.failures import NEEDED
from funnel.memory.backends.redis.memory import RedisMemory
from funnel.testing.memory import HERE
from funnel.testing.server_memory import ServerMemoryContract, said


class Prefixed:
    """The server of a test, with a prefix in its URL."""

    def __init__(self, server):
        self._server = server

    def __getattr__(self, name):
        return getattr(self._server, name)

    @property
    def url(self):
        return self.url_at(self._server.port)

    def url_at(self, port):
        return f"{self._server.url_at(port)}?prefix=acme"

    def age(self, seconds):
        with self._server.client as client:
            for key in client.scan_iter("acme:funnel:item:*", count=1000):
                if (left_ms := client.pttl(key)) >= 0:
                    client.pexpire(key, left_ms - int(seconds * 1000))


class TestRedisWithAPrefix(ServerMemoryContract):
    @pytest.fixture
    def server(self, redis_server):
        return Prefixed(redis_server)

    @pytest.fixture
    def memory_class(self):
        return RedisMemory


opened = opener(RedisMemory)


@pytest.fixture
def admin(redis_server):
    with redis_server.client as client:
        yield client


async def used(memory):
    """Read and write in every way."""
    await memory.put_many(HERE, {"a": b"1", "b": b"2" * 10_000})
    await memory.put_many(HERE, {"c": b"1"}, ttl_s=1000)
    assert await memory.compare_and_set(HERE, "a", expected=b"1", value=b"2")
    assert await memory.get_many(HERE, ["a", "c"]) == {"a": b"2", "c": b"1"}
    assert (await memory.get_entries(HERE, ["a"]))["a"].value == b"2"
    assert await memory.scan(HERE) == ["a", "b", "c"]
    assert await memory.namespaces() == [HERE]
    await memory.delete_many(HERE, ["b"])


# a prefix


@pytest.mark.parametrize(
    ("given", "before"), [("acme", "acme:"), ("acme:", "acme:"), ("{a/c.1}_", "{a/c.1}_")]
)
async def test_every_key_begins_with_the_prefix(redis_server, opened, admin, given, before):
    await used(opened(f"{redis_server.url}?prefix={quote(given, safe='')}"))
    keys = [key.decode() for key in admin.scan_iter("*")]
    assert keys
    assert all(key.startswith(f"{before}funnel:") for key in keys)


async def test_memories_of_two_prefixes_in_one_database_are_apart(redis_server, opened):
    plain, acme, other = (
        opened(redis_server.url + query) for query in ("", "?prefix=acme", "?prefix=acme-2")
    )
    await used(acme)
    await other.put_many(HERE, {"x": b"1"})
    assert await plain.namespaces() == []
    assert (await other.scan(HERE), await acme.scan(HERE)) == (["x"], ["a", "c"])


async def test_what_has_ended_is_unlisted_under_a_prefix_too(redis_server, opened, admin):
    memory = opened(f"{redis_server.url}?prefix=a.c-me")
    await memory.put_many(HERE, {"gone": b"1"}, ttl_s=0.01)
    await asyncio.sleep(0.05)
    for item in admin.zrange("a.c-me:funnel:expiring", 0, -1):
        admin.zadd("a.c-me:funnel:expiring", {item: 1})
    await memory.put_many(HERE, {"new": b"1"}, ttl_s=1000)
    assert admin.zrange(f"a.c-me:funnel:keys:{HERE}", 0, -1) == [b"new"]


async def test_the_prefix_is_shown_with_the_url(redis_server, opened):
    shown = opened(f"{redis_server.url}?prefix=acme").url
    assert shown == f"redis://127.0.0.1:{redis_server.port}/0?prefix=acme:"


@pytest.mark.parametrize("prefix", ["", "a b", "a'b", "a*", "é", "a" * 101, "a\\"])
def test_a_prefix_that_would_need_quoting_is_refused(prefix):
    with pytest.raises(MemoryFailed, match="a prefix of keys has up to 100 letters"):
        open_memory(f"redis://localhost/0?prefix={quote(prefix, safe='')}")


# rights


@pytest.fixture
def user(admin):
    """Makes a user with these rights, and gives its part of a URL."""

    def make(*rights):
        admin.execute_command("ACL", "SETUSER", "clerk", "reset", "on", ">hunter2", *rights)
        return "clerk:hunter2@"

    yield make
    admin.execute_command("ACL", "DELUSER", "clerk")


def as_user(redis_server, user):
    return f"redis://{user}127.0.0.1:{redis_server.port}/0?prefix=acme"


ALLOWED = [f"+{name}" for name in NEEDED]


async def test_a_user_with_the_rights_that_are_named_needs_no_others(redis_server, opened, user):
    await used(opened(as_user(redis_server, user("~acme:funnel:*", *ALLOWED))))


@pytest.mark.parametrize("missing", [name for name in NEEDED if name != "wait"])
async def test_a_command_that_is_not_allowed_is_named_and_nothing_is_written(
    redis_server, opened, user, admin, missing
):
    admin.script_flush()
    memory = opened(as_user(redis_server, user("~acme:funnel:*", *ALLOWED, f"-{missing}")))
    for items in ({"a": b"1"}, {"a": b"1" * 10_000, "b": b"1"}):
        with pytest.raises(MemoryFailed) as failed:
            await memory.put_many(HERE, items)
        found, _, advice = str(failed.value).partition("Check the user")
        assert re.search(rf"\b{missing}\b", found)
        assert "it needs ~acme:funnel:* +eval" in advice
        assert "\n" not in advice
    assert list(admin.scan_iter("*")) == []


async def test_keys_that_are_not_allowed_are_named_and_nothing_is_written(redis_server, opened, user, admin):
    memory = opened(as_user(redis_server, user("~acme:other:*", *ALLOWED)))
    with pytest.raises(MemoryFailed, match=r"access.* it needs ~acme:funnel:\* \+eval"):
        await memory.put_many(HERE, {"a": b"1"})
    assert list(admin.scan_iter("*")) == []


async def test_who_may_only_read_reads(redis_server, opened, user):
    await used(opened(f"{redis_server.url}?prefix=acme"))
    reader = opened(
        as_user(redis_server, user("%R~acme:funnel:*", "+mget", "+get", "+pttl", "+evalsha", "+eval"))
    )
    assert await reader.get_many(HERE, ["a"]) == {"a": b"2"}
    with pytest.raises(MemoryFailed, match="Check the user and its rights"):
        await reader.put_many(HERE, {"a": b"3"})


# replicas, clusters, Sentinels


async def test_a_read_only_replica_is_told_in_one_line_and_can_be_read(redis_server, opened):
    await used(opened(redis_server.url))
    master = f"127.0.0.1 {redis_server.port}"
    replica = RedisProcess("--replicaof", master, "--masterauth", PASSWORD)
    try:
        memory = opened(replica.url(), retry_s=0.5)
        with Redis(host="127.0.0.1", port=replica.port, password=replica.password) as client:
            while client.info("replication")["master_link_status"] != "up":  # noqa: ASYNC110 - the server sends no notice
                await asyncio.sleep(0.05)
        assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}
        with pytest.raises(MemoryFailed) as failed:
            await memory.put_many(HERE, {"a": b"3"})
        told = "tried for 0.5 s: it is a read-only replica. Name its master, or its Sentinels with"
        assert told in str(failed.value)
    finally:
        replica.remove()


@pytest.mark.parametrize("with_slots", [False, True], ids=["empty", "all slots"])
async def test_a_cluster_is_refused_in_one_line_before_anything_is_written(opened, with_slots):
    node = RedisProcess("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    try:
        with node.client() as admin:
            if with_slots:
                admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
                while admin.execute_command("CLUSTER INFO")["cluster_state"] != "ok":  # noqa: ASYNC110 - the server sends no notice
                    await asyncio.sleep(0.05)
            memory = opened(node.url())
            calls = (memory.put_many(HERE, {"a": b"1"}), memory.get_many(HERE, ["a"]), memory.scan(HERE))
            for call in calls:
                with pytest.raises(MemoryFailed, match=r"a Redis Cluster, .* Name a server that") as failed:
                    await call
                assert "\n" not in str(failed.value)
            assert admin.dbsize() == 0
    finally:
        node.remove()


@pytest.fixture
def watched():
    servers = Watched()
    yield servers
    servers.remove()


async def test_the_master_is_found_by_its_sentinels_and_its_failover_loses_nothing(watched, opened):
    memory = opened(watched.url("?prefix=acme"))
    await used(memory)
    acknowledged, ending = [], asyncio.Event()

    async def write(task):
        n = 0
        while not ending.is_set():
            await memory.put_many(HERE, {f"{task} {n}": b"1"})
            acknowledged.append(f"{task} {n}")
            n += 1

    async def count(to):
        seen = 0
        while seen < to:
            while not await memory.compare_and_set(
                HERE, "n", expected=b"%d" % seen if seen else None, value=b"%d" % (seen + 1)
            ):
                seen = int((await memory.get_many(HERE, ["n"]))["n"])
            seen += 1

    writing = [asyncio.create_task(write(task)) for task in range(4)]
    counting = asyncio.create_task(count(200))
    while len(acknowledged) < 50:  # noqa: ASYNC110 - other tasks write it
        await asyncio.sleep(0.001)
    await asyncio.to_thread(watched.fail_over)
    before = len(acknowledged)
    while len(acknowledged) < before + 50:  # noqa: ASYNC110 - other tasks write it
        await asyncio.sleep(0.001)
    ending.set()
    await asyncio.gather(*writing)
    await counting
    assert (await memory.get_many(HERE, acknowledged)).keys() == set(acknowledged)
    assert (await memory.get_many(HERE, ["n"]))["n"] == b"200"


async def test_a_master_that_was_cut_off_is_not_believed(watched, opened):
    memory = opened(watched.url(), max_connections=1)
    await used(memory)
    old, new, other = watched.servers
    for server, master in ((new, ("NO", "ONE")), (other, ("127.0.0.1", new.port))):
        with server.client() as admin:
            admin.execute_command("REPLICAOF", *master)
    for sentinel in watched.sentinels:
        with sentinel.client() as admin:
            admin.sentinel_remove(NAME)
            admin.sentinel_monitor(NAME, "127.0.0.1", new.port, 2)
            admin.sentinel_set(NAME, "auth-pass", new.password)
    await memory.put_many(HERE, {"late": b"1"})
    with old.client() as before, new.client() as after:
        item = f"funnel:item:{len(HERE)}:{HERE}:late"
        assert (before.get(item), after.get(item)) == (b"1", b"1"), "the old one is still there, and was left"
    assert await memory.get_many(HERE, ["late", "a"]) == {"late": b"1", "a": b"2"}


async def test_a_master_whose_replicas_are_gone_goes_on(watched, opened):
    memory = opened(watched.url())
    await used(memory)
    for server in watched.servers[1:]:
        server.end()
    began = time.monotonic()
    for n in range(20):
        await memory.put_many(HERE, {f"{n}": b"1"})
    assert time.monotonic() - began < 15  # not a second for each
    assert len(await memory.scan(HERE)) == 22


async def test_what_sentinels_can_be_asked_wrongly_is_one_line_each(watched, opened):
    sentinel = watched.sentinels[0]
    url = watched.url()
    for wrong, told in (
        (url.replace(f"/{NAME}/", "/mine/"), f"know no master 'mine', but {NAME}"),
        (f"redis://127.0.0.1:{sentinel.port}", r"it is a Sentinel\. Write redis\+sentinel://"),
        (url.replace("hunter2", "hunter3"), "Check the user, the password"),
    ):
        with pytest.raises(MemoryFailed, match=told) as failed:
            await opened(wrong).get_many(HERE, ["a"])
        assert "\n" not in str(failed.value)
        assert "hunter" not in said(failed.value)
    first = watched.sentinels[0]
    first.end()
    await used(opened(url))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis+sentinel://host:26379", "does not name the master"),
        ("redis+sentinel://host:x/main", "HOST:PORT"),
        ("redis+sentinel://:hunter2@a,b:/", "does not name the master"),
        ("redis+sentinel://:hunter2@host/main/x", "its database is not a number"),
    ],
)
def test_a_url_of_sentinels_that_is_none_is_refused_without_its_secret(url, told):
    with pytest.raises(MemoryFailed, match=told) as failed:
        RedisMemory(url)
    assert "hunter2" not in said(failed.value)


# TLS


@pytest.fixture(scope="module")
def encrypted():
    server = RedisProcess(tls=True)
    yield server
    server.remove()


async def test_a_server_that_signs_for_itself_is_named_with_its_certificate(encrypted, opened):
    with encrypted.client() as admin:
        admin.flushall()
    await used(opened(encrypted.url("rediss", f"?ssl_ca_certs={encrypted.certificate}")))


async def test_a_certificate_that_nobody_vouches_for_is_told_at_once(encrypted, opened):
    began = time.monotonic()
    with pytest.raises(MemoryFailed, match=r"\?ssl_ca_certs=/path/ca\.pem\.$") as failed:
        await opened(encrypted.url("rediss"), retry_s=60).get_many(HERE, ["a"])
    assert time.monotonic() - began < 30
    assert "\n" not in str(failed.value)
