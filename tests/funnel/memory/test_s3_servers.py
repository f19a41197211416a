"""A server that is almost S3 holds a memory if it keeps what one rests on; else it is refused every time."""

from __future__ import annotations

import asyncio

import pytest
from services.s3_server import BUCKET

from funnel.errors import MemoryFailed
from funnel.memory import open_memory
from funnel.memory.backends.s3.memory import S3Memory
from funnel.testing.memory import HERE

UNFIT = {
    "ignores both": "ignores If-",
    "ignores if-none-match": "ignores If-None-Match, so two writers could both win",
    "ignores if-match": "ignores If-Match, so two writers could both win",
    "501": "NotImplemented: So it is. Its server does not support conditional writes",
    "501 to if-match": "NotImplemented: So it is. Its server does not support conditional writes",
    "400": "InvalidArgument: So it is. Its server does not support conditional writes",
    "always 412": "refuses If-None-Match for an object that does not exist",
    "lists what was": "does not list what was just written",
    "weak etag": "another ETag when it is read than when it was written",
    "no etag": "its answer is not one of an S3 server",
    "html": "its answer is not one of an S3 server",
}
FIT = ("409", "409 conflict", "304", "409 once")


def objects(s3_server):
    s3_server.becomes("")
    _, answer = s3_server.ask("GET", f"/{BUCKET}?list-type=2")
    return [part.partition("</Key>")[0] for part in answer.decode().split("<Key>")[1:]]


async def refused(s3_server, quirk, call):
    s3_server.becomes(quirk)
    memory = S3Memory(s3_server.url, retry_s=5)
    with pytest.raises(MemoryFailed) as failed:
        await call(memory)
    await memory.close()
    assert "\n" not in str(failed.value)
    return str(failed.value)


@pytest.fixture
async def memory(s3_server):
    opened = S3Memory(s3_server.url, retry_s=20)
    yield opened
    await opened.close()


@pytest.mark.parametrize("quirk", UNFIT)
async def test_a_server_that_is_not_fit_is_refused_every_time(s3_server, quirk):
    for call in (
        lambda memory: memory.put_many(HERE, {"a": b"1"}),
        lambda memory: memory.compare_and_set(HERE, "a", expected=None, value=b"1"),
        lambda memory: memory.get_many(HERE, ["a"]),
    ):
        assert UNFIT[quirk] in await refused(s3_server, quirk, call)


@pytest.mark.parametrize("quirk", sorted(UNFIT.keys() - {"no etag"}))
async def test_nothing_is_left_in_a_bucket_that_was_refused(s3_server, quirk):
    await refused(s3_server, quirk, lambda memory: memory.scan(HERE))
    assert objects(s3_server) == []


@pytest.mark.parametrize("quirk", sorted(UNFIT.keys() - {"lists what was"}))
async def test_a_memory_that_was_moved_to_such_a_server_is_refused_and_kept(s3_server, memory, quirk):
    await memory.put_many(HERE, {"a": b"1"})
    await refused(s3_server, quirk, lambda memory: memory.put_many(HERE, {"a": b"2"}))
    s3_server.becomes("")
    assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}


async def test_a_server_that_lists_in_no_order_is_refused(s3_server, memory):
    await memory.put_many(HERE, {"a": b"1", "b": b"2"})
    said = await refused(s3_server, "lists backwards", lambda memory: memory.scan(HERE))
    assert "does not list objects in the order of their names" in said


@pytest.mark.parametrize("quirk", FIT)
async def test_a_server_that_says_it_otherwise_will_do(s3_server, memory, quirk):
    s3_server.becomes(quirk)
    await memory.put_many(HERE, {"a": b"1", "b": b"1"})
    assert await memory.compare_and_set(HERE, "a", expected=b"1", value=b"2")
    assert not await memory.compare_and_set(HERE, "a", expected=b"1", value=b"3")
    assert not await memory.compare_and_set(HERE, "b", expected=None, value=b"3")
    assert await memory.compare_and_set(HERE, "c", expected=None, value=b"3")
    assert await memory.get_many(HERE, list("abc")) == {"a": b"2", "b": b"1", "c": b"3"}
    assert await memory.scan(HERE) == ["a", "b", "c"]


@pytest.mark.parametrize("quirk", FIT)
async def test_of_many_writers_on_such_a_server_one_wins(s3_server, quirk):
    s3_server.becomes(quirk)
    memories = [S3Memory(s3_server.url, retry_s=20) for _ in range(4)]
    won = await asyncio.gather(
        *(
            memory.compare_and_set(HERE, "a", expected=None, value=b"%d" % n)
            for n, memory in enumerate(memories)
        )
    )
    assert sorted(won) == [False, False, False, True]
    assert await memories[0].get_many(HERE, ["a"]) == {"a": b"%d" % won.index(True)}
    for memory in memories:
        await memory.close()


async def test_who_wrote_on_a_server_that_says_it_is_down_has_written(s3_server, memory):
    s3_server.becomes("503 after writing")
    await memory.put_many(HERE, {"a": b"1"})
    await memory.put_many(HERE, {"b": b"1"})
    assert await memory.compare_and_set(HERE, "a", expected=b"1", value=b"2")
    assert await memory.compare_and_set(HERE, "c", expected=None, value=b"3")
    assert await memory.get_many(HERE, list("abc")) == {"a": b"2", "b": b"1", "c": b"3"}


async def test_who_may_only_read_reads(s3_server, memory):
    await memory.put_many(HERE, {"a": b"1"})
    s3_server.becomes("403")
    reader = S3Memory(s3_server.url)
    assert await reader.get_many(HERE, ["a"]) == {"a": b"1"}
    with pytest.raises(MemoryFailed, match=r"AccessDenied: .* Check the bucket, the credentials and"):
        await reader.compare_and_set(HERE, "a", expected=b"1", value=b"2")
    await reader.close()


async def test_a_memory_in_use_leaves_no_probe(s3_server, memory):
    await memory.put_many(HERE, {"a": b"1"})
    assert [name for name in objects(s3_server) if "probe" in name] == []


async def test_the_probe_of_a_dead_process_is_deleted_when_it_is_old(s3_server, memory):
    s3_server.ask("PUT", f"/{BUCKET}/memory/.funnel-memory", b'{"format": 1}')
    s3_server.ask("PUT", f"/{BUCKET}/memory/.probe/dead", b"first")
    s3_server.age(3600)
    s3_server.ask("PUT", f"/{BUCKET}/memory/.probe/alive", b"first")
    assert await memory.namespaces() == []
    assert [name for name in objects(s3_server) if "probe" in name] == ["memory/.probe/alive"]


async def test_without_credentials_one_line_says_where_they_go(s3_server, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    memory = open_memory(f"s3://{BUCKET}/memory?endpoint={s3_server.endpoint}")
    with pytest.raises(
        MemoryFailed, match=r"credentials\. Write s3://key:secret@.*AWS_ACCESS_KEY_ID"
    ) as said:
        await memory.get_many(HERE, ["a"])
    assert "\n" not in str(said.value)
    await memory.close()


async def test_a_profile_that_is_not_there_is_one_line(s3_server, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    memory = open_memory(f"s3://{BUCKET}/memory?endpoint={s3_server.endpoint}")
    with pytest.raises(MemoryFailed, match=r"no-such-profile.* Write s3://key:secret@bucket"):
        await memory.get_many(HERE, ["a"])
    await memory.close()
