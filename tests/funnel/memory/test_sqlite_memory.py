"""The memory in a SQLite file keeps the contract, is shared by processes and refuses what is not its own."""

import asyncio
import os
import sqlite3
import stat
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from funnel.errors import MemoryFailed
from funnel.memory import namespace, open_memory
from funnel.memory.backends.sqlite.memory import SqliteMemory
from funnel.testing.memory import HERE, LastingMemoryContract

RACER = """
import asyncio, sys
from funnel.memory import namespace, open_memory

async def main():
    memory = open_memory(sys.argv[1])
    where, won = namespace("race"), 0
    for n in range(100):
        won += await memory.compare_and_set(where, str(n), expected=None, value=sys.argv[2].encode())
    for _ in range(50):
        while True:
            seen = (await memory.get_many(where, ["count"])).get("count")
            next_one = b"%d" % (int(seen or b"0") + 1)
            if await memory.compare_and_set(where, "count", expected=seen, value=next_one):
                break
    await memory.close()
    print(won)

asyncio.run(main())
"""

WRITER = """
import asyncio, sys
from funnel.memory import namespace, open_memory

async def main():
    memory, n = open_memory(sys.argv[1]), 0
    while True:
        n += 1
        await memory.put_many(namespace("tenant", "run", "1"), {str(i): b"%9d" % n * 1000 for i in range(50)})
        sys.stdout.write("x")
        sys.stdout.flush()

asyncio.run(main())
"""


class TestSqlite(LastingMemoryContract):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda clock: SqliteMemory(f"sqlite:///{tmp_path}/memory.sqlite", clock=clock)

    async def test_what_was_written_is_there_after_opening_again(self, tmp_path):
        url = f"sqlite:///{tmp_path}/memory.sqlite"
        first = open_memory(url)
        await first.put_many(HERE, {"a": b"1"})
        await first.close()
        second = open_memory(url)
        assert await second.get_many(HERE, ["a"]) == {"a": b"1"}
        await second.close()

    async def test_two_handles_see_each_other(self, tmp_path):
        url = f"sqlite:///{tmp_path}/memory.sqlite"
        first, second = open_memory(url), open_memory(url)
        await first.put_many(HERE, {"a": b"1"})
        assert await second.get_many(HERE, ["a"]) == {"a": b"1"}
        assert not await second.compare_and_set(HERE, "a", expected=None, value=b"2")
        await first.close()
        await second.close()

    async def test_a_value_that_is_no_bytes_leaves_the_whole_batch_out(self, tmp_path):
        memory = open_memory(f"sqlite:///{tmp_path}/memory.sqlite")
        with pytest.raises(MemoryFailed):
            await memory.put_many(HERE, {"a": b"1", "b": object()})
        assert await memory.scan(HERE) == []
        await memory.close()


async def test_of_two_processes_one_wins_each_time_and_no_count_is_lost(tmp_path):
    url = f"sqlite:///{tmp_path}/memory.sqlite"
    racers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", RACER, url, name, stdout=asyncio.subprocess.PIPE
        )
        for name in ("one", "two")
    ]
    won = [int((await racer.communicate())[0]) for racer in racers]
    assert sum(won) == 100
    memory = open_memory(url)
    assert await memory.get_many(namespace("race"), ["count"]) == {"count": b"100"}
    await memory.close()


async def test_whoever_makes_the_same_file_just_now_is_waited_for(tmp_path):
    other = sqlite3.connect(tmp_path / "memory.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as thread:
        opening = thread.submit(open_memory, f"sqlite:///{tmp_path}/memory.sqlite")
        await asyncio.sleep(0.1)
        assert not opening.done()
        other.execute("ROLLBACK")
        await opening.result().close()
    other.close()


async def test_another_process_that_closes_the_file_does_not_take_it_from_those_that_have_it_open(tmp_path):
    """It would, if it took itself for the last one: the write-ahead log would be removed under the others."""
    url = f"sqlite:///{tmp_path}/memory.sqlite"
    first = open_memory(url)
    await first.put_many(HERE, {"a": b"1"})
    second = open_memory(url)
    code = f"import asyncio; from funnel.memory import open_memory; asyncio.run(open_memory({url!r}).close())"
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await other.wait() == 0
    await second.close()
    assert (tmp_path / "memory.sqlite-wal").exists()
    await first.put_many(HERE, {"b": b"2"})
    third = open_memory(url)
    assert await third.scan(HERE) == ["a", "b"]
    await third.close()
    await first.close()


async def test_expired_rows_leave_the_file(tmp_path):
    now = [0.0]
    memory = SqliteMemory(f"sqlite:///{tmp_path}/memory.sqlite", clock=lambda: now[0])
    await memory.put_many(HERE, {"a": b"1"}, ttl_s=1)
    now[0] = 2.0
    await memory.put_many(HERE, {"b": b"1"})
    await memory.close()
    with sqlite3.connect(tmp_path / "memory.sqlite") as file:
        assert file.execute("SELECT key FROM items").fetchall() == [(b"b",)]
    file.close()


async def test_a_relative_path_has_three_slashes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    await open_memory("sqlite:///new/folder/memory.sqlite").close()
    assert (tmp_path / "new/folder/memory.sqlite").is_file()


async def test_an_absolute_path_has_four(tmp_path):
    await open_memory(f"sqlite:////{str(tmp_path).lstrip('/')}/memory.sqlite").close()
    assert (tmp_path / "memory.sqlite").is_file()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no owner's mode bits")
async def test_only_the_owner_may_read_the_file(tmp_path):
    memory = open_memory(f"sqlite:///{tmp_path}/memory.sqlite")
    await memory.put_many(HERE, {"a": b"1"})
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    await memory.close()


def _refusal(url):
    with pytest.raises(MemoryFailed) as failed:
        open_memory(url)
    assert "\n" not in str(failed.value)
    return str(failed.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:memory.sqlite", "sqlite://memory.sqlite"])
def test_a_url_without_a_file_says_how_to_name_one(url):
    assert "sqlite:///memory.sqlite" in _refusal(url)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in _refusal(f"sqlite:///{tmp_path}/file/memory.sqlite")


def test_a_folder_is_no_file(tmp_path):
    assert "directory" in _refusal(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database at all, but long enough to have a header" * 20)
    before = (tmp_path / "notes.txt").read_bytes()
    assert "not a database" in _refusal(f"sqlite:///{tmp_path}/notes.txt")
    assert (tmp_path / "notes.txt").read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(tmp_path):
    file = sqlite3.connect(tmp_path / "theirs.sqlite")
    file.execute("CREATE TABLE theirs (x)")
    file.commit()
    file.close()
    before = (tmp_path / "theirs.sqlite").read_bytes()
    assert "another program's" in _refusal(f"sqlite:///{tmp_path}/theirs.sqlite")
    assert (tmp_path / "theirs.sqlite").read_bytes() == before


async def test_a_newer_format_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/memory.sqlite"
    await open_memory(url).close()
    file = sqlite3.connect(tmp_path / "memory.sqlite")
    file.execute("PRAGMA user_version = 99")
    file.close()
    assert "Upgrade" in _refusal(url)


async def test_a_file_that_another_program_holds_locked_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("funnel.memory.backends.sqlite.memory._BUSY_S", 0.01)
    memory = open_memory(f"sqlite:///{tmp_path}/memory.sqlite")
    holder = sqlite3.connect(tmp_path / "memory.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(MemoryFailed, match="database is locked"):
        await memory.put_many(HERE, {"a": b"1"})
    holder.close()
    await memory.put_many(HERE, {"a": b"2"})
    assert await memory.get_many(HERE, ["a"]) == {"a": b"2"}
    await memory.close()


async def test_a_damaged_file_is_one_clear_error(tmp_path):
    url = f"sqlite:///{tmp_path}/memory.sqlite"
    first = open_memory(url)
    await first.put_many(HERE, {f"{n:04d}": b"x" * 500 for n in range(500)})
    await first.close()
    with (tmp_path / "memory.sqlite").open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 200_000)
    second = open_memory(url)
    with pytest.raises(MemoryFailed, match="malformed"):
        await second.get_many(HERE, [f"{n:04d}" for n in range(500)])
    await second.close()


async def test_writes_killed_half_way_leave_all_or_nothing(tmp_path):
    url = f"sqlite:///{tmp_path}/memory.sqlite"
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, url, stdout=asyncio.subprocess.PIPE
    )
    await writer.stdout.readexactly(20)
    writer.kill()
    await writer.communicate()
    memory = open_memory(url)
    found = await memory.get_many(HERE, [str(n) for n in range(50)])
    assert len(found) == 50
    assert len(set(found.values())) == 1
    await memory.close()


def test_a_memory_that_was_never_closed_warns(tmp_path):
    memory = SqliteMemory(f"sqlite:///{tmp_path}/memory.sqlite")
    with pytest.warns(ResourceWarning, match="never closed"):
        memory.__del__()
    asyncio.run(memory.close())
