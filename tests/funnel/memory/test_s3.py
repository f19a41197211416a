"""The memory in a bucket keeps the contract, survives lost answers and dead writers, and shows no secret."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import signal

import pytest
from services.s3_server import BUCKET, KEY, SECRET

from funnel.errors import MemoryFailed
from funnel.memory import open_memory
from funnel.memory.backends.s3.batches import Batches
from funnel.memory.backends.s3.bucket import Bucket
from funnel.memory.backends.s3.memory import S3Memory
from funnel.memory.backends.s3.url import place
from funnel.testing.memory import ELSEWHERE, HERE, LastingMemoryContract
from funnel.testing.server_memory import ServerClock

OLD, NEW = {"a": b"old", "b": b"old"}, {"a": b"new", "b": b"new", "c": b"new"}


class Killed(BaseException):
    """The process is gone."""


async def dead(*_args):
    raise Killed


def killed_before_write(monkeypatch, step):
    """From the write of that number on (the first is 0), a process does nothing any more."""
    put, delete, done = Bucket.put, Bucket.delete, []

    async def counted(call, *args, **options):
        if len(done) >= step:
            raise Killed
        done.append(call)
        return await call(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "put", lambda *args, **options: counted(put, *args, **options))
        patch.setattr(Bucket, "delete", lambda *args, **options: counted(delete, *args, **options))
        yield done


@pytest.fixture
async def memory(s3_server):
    opened = S3Memory(s3_server.url, retry_s=20)
    yield opened
    await opened.close()


@pytest.fixture
async def other(s3_server):
    opened = S3Memory(s3_server.url)
    yield opened
    await opened.close()


def names(s3_server):
    """The objects in the bucket, but for the mark."""
    _, answer = s3_server.ask("GET", f"/{BUCKET}?list-type=2")
    keys = [part.partition("</Key>")[0] for part in answer.decode().split("<Key>")[1:]]
    return [key.removeprefix("memory/") for key in keys if not key.endswith(".funnel-memory")]


class TestS3(LastingMemoryContract):
    @pytest.fixture
    def clock(self, s3_server):
        return ServerClock(s3_server)

    @pytest.fixture
    def make(self, s3_server):
        return lambda clock: S3Memory(s3_server.url)

    async def test_five_thousand_keys_in_one_call(self, memory):
        """Fewer: moto answers 300 requests a second. More than one request deletes are deleted."""
        items = {f"{n:04d}": str(n).encode() for n in range(200)}
        await memory.put_many(HERE, items)
        assert await memory.get_many(HERE, list(items)) == items
        await memory.delete_many(HERE, [f"{n:04d}" for n in range(1999, -1, -1)])
        assert await memory.scan(HERE) == []


async def test_a_batch_leaves_nothing_behind_but_its_values(memory, s3_server):
    await memory.put_many(HERE, NEW)
    await memory.close()
    assert names(s3_server) == [f"tenant-2frun-2f1!{key}" for key in "abc"]


@pytest.mark.parametrize("step", range(9))
async def test_a_writer_killed_before_any_write_leaves_all_or_nothing(
    memory, other, s3_server, monkeypatch, step
):
    await other.put_many(HERE, OLD)
    await other.put_many(HERE, {"z": b""})
    await memory.scan(HERE)
    monkeypatch.setattr(Batches, "spawn", lambda self, work: self._clearing.add(asyncio.create_task(work)))
    # Proposals for c, a and b (of which the last two fail to create first), the verdict, and what clears it.
    killing = killed_before_write(monkeypatch, step)
    done = next(killing)
    tasks = memory._batches._clearing
    ended = []
    try:
        await memory.put_many(HERE, NEW)
    except Killed:
        ended.append("writing")
    results = await asyncio.gather(*tasks, return_exceptions=True)
    tasks.clear()
    killing.close()
    expected = NEW if step > 5 else OLD
    assert len(done) == step
    assert ended == ([] if step > 5 else ["writing"])
    assert any(isinstance(result, Killed) for result in results)
    assert await other.get_many(HERE, ["a", "b", "c"]) == expected
    assert await other.scan(HERE) == [*expected, "z"]
    # Whoever comes later writes over it, and then nothing tells that it was.
    s3_server.age(3600)
    assert await other.compare_and_set(HERE, "a", expected=expected["a"], value=b"1")
    await other.put_many(HERE, {"b": b"1", "c": b"1"})
    assert await other.get_many(HERE, ["a", "b", "c"]) == dict.fromkeys("abc", b"1")
    assert await other.scan(HERE) == ["a", "b", "c", "z"]


async def test_what_a_dead_writer_left_is_cleared_when_the_memory_is_opened(
    memory, other, s3_server, monkeypatch
):
    monkeypatch.setattr(Batches, "_clear", lambda *_args: asyncio.sleep(0))
    await memory.put_many(HERE, NEW)
    assert any(name.startswith(".batch/") for name in names(s3_server))
    s3_server.age(3600)
    assert await other.get_many(HERE, ["a"]) == {"a": b"new"}
    await other.close()
    assert names(s3_server) == [f"tenant-2frun-2f1!{key}" for key in "abc"]
    assert await memory.get_many(HERE, list(NEW)) == NEW


async def test_what_a_dead_writer_proposed_is_taken_back_by_who_reads_it(
    memory, other, s3_server, monkeypatch
):
    await other.put_many(HERE, {"a": b"old"})
    monkeypatch.setattr(Batches, "_decide", dead)
    monkeypatch.setattr(Batches, "_withdraw", dead)
    with pytest.raises(Killed):
        await memory.put_many(HERE, {"a": b"new", "b": b"new"})
    monkeypatch.undo()
    assert "tenant-2frun-2f1!b" in names(s3_server)
    s3_server.age(100)
    assert await other.get_many(HERE, ["a", "b"]) == {"a": b"old"}
    assert await other.get_many(HERE, ["a", "b"]) == {"a": b"old"}
    await other.close()
    assert [name for name in names(s3_server) if "!" in name] == ["tenant-2frun-2f1!a"]


async def test_batches_that_cross_each_other_are_each_whole(memory, other):
    keys = [f"{n}" for n in range(6)]
    await asyncio.gather(
        *(one.put_many(HERE, dict.fromkeys(order, b"%d" % n))
          for n, (one, order) in enumerate([(memory, keys), (other, keys[::-1])] * 2))
    )  # fmt: skip
    found = await other.get_many(HERE, keys)
    assert (len(found), len(set(found.values()))) == (6, 1)


async def test_objects_of_what_has_expired_are_deleted(memory, s3_server):
    await memory.put_many(HERE, {"a": b"1"}, ttl_s=1000)
    await memory.put_many(HERE, {"b": b"1"}, ttl_s=3000)
    s3_server.age(1000)
    await memory.get_many(HERE, ["b"])
    await memory.put_many(HERE, {"c": b"1"}, ttl_s=1000)
    await memory.close()
    assert names(s3_server) == [f"tenant-2frun-2f1!{key}" for key in "bc"]


# lost connections


async def test_a_server_that_comes_back_in_time_is_not_noticed(memory, s3_server):
    await memory.put_many(HERE, {"a": b"1"})
    s3_server.end()
    writing = asyncio.create_task(memory.put_many(HERE, {"b": b"2"}))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(s3_server.start)
    await writing
    assert await memory.get_many(HERE, ["b"]) == {"b": b"2"}


async def once_it_works(call):
    """What it gives; a server that is just starting may not answer a memory of little patience at once."""
    while True:
        try:
            return await call()
        except MemoryFailed:
            await asyncio.sleep(0.1)


async def test_a_server_that_stays_away_is_one_clear_error(s3_server, caplog):
    caplog.set_level(logging.DEBUG)
    memory = S3Memory(s3_server.url, retry_s=3)
    await once_it_works(lambda: memory.put_many(HERE, {"a": b"1"}))
    s3_server.end()
    failed = await asyncio.gather(
        memory.put_many(HERE, {"a": b"2"}),
        memory.get_many(HERE, ["a"]),
        memory.delete_many(HERE, ["a"]),
        memory.scan(HERE),
        memory.compare_and_set(HERE, "a", expected=None, value=b""),
        memory.namespaces(),
        return_exceptions=True,
    )
    for error in failed:
        assert isinstance(error, MemoryFailed)
        assert re.match(rf"Memory s3://{BUCKET}/memory: tried for 3 s: no connection", str(error))
        assert "\n" not in str(error)
    await asyncio.to_thread(s3_server.start)
    await once_it_works(lambda: memory.put_many(HERE, {"a": b"3"}))
    await memory.close()
    assert not any(secret in caplog.text for secret in (SECRET, SECRET.replace("/", "%2F")))


async def test_a_server_that_says_nothing_is_one_clear_error(s3_server):
    memory = S3Memory(s3_server.url, retry_s=0.3)
    await once_it_works(lambda: memory.put_many(HERE, {"a": b"1"}))
    s3_server.signal(signal.SIGSTOP)
    try:
        with pytest.raises(MemoryFailed, match=r"tried for 0\.3 s: it gives no answer"):
            await memory.put_many(HERE, {"a": b"2"})
    finally:
        s3_server.signal(signal.SIGCONT)
    assert (await once_it_works(lambda: memory.get_many(HERE, ["a"])))["a"] in {b"1", b"2"}
    await memory.close()


@pytest.fixture
def one_answer_is_lost(memory, monkeypatch):
    """The next write is done, and its answer never comes."""

    async def arm():
        await memory.scan(HERE)
        client, put = memory._bucket._client, memory._bucket._client.put_object

        async def lossy(**request):
            monkeypatch.setattr(client, "put_object", put)
            await put(**request)
            raise ConnectionResetError

        monkeypatch.setattr(client, "put_object", lossy)

    return arm


async def test_who_won_but_was_not_told_has_won(memory, one_answer_is_lost):
    await one_answer_is_lost()
    assert await memory.compare_and_set(HERE, "a", expected=None, value=b"1")
    await one_answer_is_lost()
    assert await memory.compare_and_set(HERE, "a", expected=b"1", value=b"2")
    assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}


async def test_a_batch_is_written_though_an_answer_is_lost(memory, one_answer_is_lost):
    await one_answer_is_lost()
    await memory.put_many(HERE, NEW)
    assert await memory.get_many(HERE, list(NEW)) == NEW


async def test_who_was_not_told_and_overtaken_is_told_so(memory, other, monkeypatch):
    await memory.scan(HERE)
    put = memory._bucket._client.put_object

    async def overtaken(**request):
        monkeypatch.setattr(memory._bucket._client, "put_object", put)
        await put(**request)
        await other.put_many(HERE, {"a": b"theirs"})
        raise ConnectionResetError

    monkeypatch.setattr(memory._bucket._client, "put_object", overtaken)
    with pytest.raises(MemoryFailed, match="it is unknown whether it was written"):
        await memory.compare_and_set(HERE, "a", expected=None, value=b"mine")


# what is refused


async def test_a_prefix_where_something_else_lies_is_refused_and_left_alone(memory, s3_server):
    s3_server.ask("PUT", f"/{BUCKET}/memory/theirs.txt", b"theirs")
    with pytest.raises(MemoryFailed, match="something else is stored there"):
        await memory.put_many(HERE, {"a": b"1"})
    assert names(s3_server) == ["theirs.txt"]


async def test_what_is_not_ours_under_the_prefix_is_passed_over(memory, s3_server):
    await memory.put_many(HERE, {"a": b"1"})
    s3_server.ask("PUT", f"/{BUCKET}/memory/theirs.txt", b"theirs")
    s3_server.ask("PUT", f"/{BUCKET}/memory/Theirs!x", b"theirs")
    s3_server.ask("PUT", f"/{BUCKET}/memory/tenant-2frun-2f1!Theirs", b"theirs")
    assert (await memory.namespaces(), await memory.scan(HERE)) == ([HERE], ["a"])


async def test_memories_under_two_prefixes_are_apart(memory, s3_server):
    below = S3Memory(s3_server.url.replace("/memory?", "/memory/below?"))
    await memory.put_many(HERE, {"a": b"1"})
    await below.put_many(ELSEWHERE, {"b": b"1"})
    assert (await memory.namespaces(), await below.namespaces()) == ([HERE], [ELSEWHERE])
    await below.close()


@pytest.mark.parametrize(
    ("content", "said"), [(b'{"format": 99}', "Upgrade"), (b"[]", "damaged"), (b"", "damaged")]
)
async def test_another_format_is_refused(memory, s3_server, content, said):
    s3_server.ask("PUT", f"/{BUCKET}/memory/.funnel-memory", content)
    with pytest.raises(MemoryFailed, match=said):
        await memory.scan(HERE)


async def test_a_damaged_object_is_one_clear_error(memory, s3_server):
    await memory.put_many(HERE, {"a": b"123"})
    [name] = names(s3_server)
    s3_server.ask("PUT", f"/{BUCKET}/memory/{name}", b"theirs")
    with pytest.raises(
        MemoryFailed, match=r"object memory/tenant-2frun-2f1!a: it is not a value of a memory\."
    ):
        await memory.get_many(HERE, ["a"])


async def test_a_server_without_conditions_is_refused(memory, monkeypatch):
    put = Bucket.put
    monkeypatch.setattr(Bucket, "put", lambda self, name, body, **_condition: put(self, name, body))
    with pytest.raises(MemoryFailed, match="does not support conditional writes"):
        await memory.put_many(HERE, {"a": b"1"})


async def test_a_bucket_that_is_not_there_is_named(s3_server):
    memory = S3Memory(s3_server.url.replace(BUCKET, "elsewhere"))
    with pytest.raises(MemoryFailed, match=r"s3://elsewhere/memory: NoSuchBucket: .* Check the bucket"):
        await memory.put_many(HERE, {"a": b"1"})
    await memory.close()


@pytest.mark.parametrize(
    "url",
    [
        "s3://", "s3:bucket", "s3://B", "s3://key:hunter2/x@bucket", "s3://key@bucket", "s3://:hunter2@bucket",
        "s3://key:hunter2@bucket/../up", "s3://key:hunter2@bucket/a//b", "s3://k:hunter2@bucket/" + "p" * 101,
        "s3://key:hunter2@bucket/p?endpoint=http://me:hunter2@host", "s3://key:hunter2@bucket/p?token=hunter2",
        "s3://key:hunter2@bucket?endpoint=ftp://host", "s3://key:hunter2@bucket?endpoint=http://host:port",
        "s3://bucket?region=a&region=b",
    ],
)  # fmt: skip
def test_a_url_that_names_no_place_is_refused_without_its_secret(url):
    with pytest.raises(MemoryFailed) as failed:
        open_memory(url)
    assert "hunter2" not in str(failed.value)
    assert "\n" not in str(failed.value)


def test_what_a_url_says():
    found = place("s3://key:a%2Fb@bucket/some/where/?endpoint=http://127.0.0.1:9000&region=eu-1")
    assert (found.bucket, found.prefix) == ("bucket", "some/where")
    assert (found.endpoint, found.region) == ("http://127.0.0.1:9000", "eu-1")
    assert (found.access_key, found.secret_key) == ("key", "a/b")
    assert "a/b" not in repr(found)


async def test_the_url_of_a_memory_shows_no_credentials(memory):
    assert memory.url == f"s3://{BUCKET}/memory"
    assert KEY not in memory.url


async def test_a_memory_that_was_never_closed_warns(s3_server):
    memory = S3Memory(s3_server.url)
    with pytest.warns(ResourceWarning, match="never closed"):
        memory.__del__()
    await memory.close()
    gc.collect()
