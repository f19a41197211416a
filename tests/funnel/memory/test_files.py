"""The memory in a directory keeps the contract, survives any crash and refuses what is not its own."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import textwrap

import pytest

from funnel.errors import MemoryFailed
from funnel.memory import namespace, open_memory
from funnel.memory.backends.files.memory import FilesMemory
from funnel.testing import FakeClock
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
        await memory.put_many(namespace("tenant", "run", "1"), {str(i): b"%9d" % n for i in range(20)})
        sys.stdout.write("x")
        sys.stdout.flush()

asyncio.run(main())
"""

KILLED = """
import json, math, os, sys
from pathlib import Path
from funnel.memory.backends.files.space import NamespaceDirectory

CHANGES = ["mkdir", "open", "pwrite", "rename", "replace", "rmdir", "unlink", "writev"]
real = {name: getattr(os, name) for name in CHANGES}

def killed_at(step, work):
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    done = 0
    def counted(name):
        def call(*args, **options):
            nonlocal done
            if done == step:
                os._exit(9)
            done += 1
            return real[name](*args, **options)
        return call
    for name in CHANGES:
        setattr(os, name, counted(name))
    work()
    os._exit(0)

def files(space, where):
    return sorted(name for name in os.listdir(where) if name != ".state")

root, seen, step, code = Path(sys.argv[1]), [], 0, 9
while code:
    where = root / str(step)
    space = NamespaceDirectory(where, "here", "file:")
    space.write({"a": b"old", "b": b"old"}, math.inf)
    space.write({"c": b"old"}, 2e9)
    code = killed_at(step, lambda: space.write(dict.fromkeys("abcd", b"new"), math.inf))
    found = {key: value.value.decode() for key, value in space.read(["a", "b", "c", "d"], 0.0).items()}
    assert sorted(found) == space.scan("", "", 9, 0.0), (step, found)
    space.write({"e": b"new", "f": b"new"}, math.inf)
    left = [name for name in os.listdir(where) if name in {".new", ".batch", ".one"}]
    seen.append([code, found, left])
    step += 1
print(json.dumps(seen))
"""

FULL = """
import asyncio, json, os, resource, sys
from funnel.errors import MemoryFailed
from funnel.memory import namespace, open_memory

async def main():
    memory, here, said = open_memory(sys.argv[1]), namespace("here"), []
    await memory.put_many(here, {"a": b"old"})
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))
    for items in ({"a": bytes(1000)}, {"a": b"1", "b": bytes(1000)}, {"new": bytes(1000)}):
        try:
            await memory.put_many(here, items)
        except MemoryFailed as failed:
            said.append(str(failed))
    found = {key: value.decode() for key, value in (await memory.get_many(here, ["a", "b", "new"])).items()}
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await memory.put_many(here, {"a": bytes(1000), "b": bytes(1000)})
    await memory.close()
    folder = sys.argv[1].removeprefix("file://") + "/here"
    print(json.dumps([said, found, sorted(os.listdir(folder))]))

asyncio.run(main())
"""


class TestFiles(LastingMemoryContract):
    @pytest.fixture
    def make(self, tmp_path):
        return lambda clock: FilesMemory(f"file://{tmp_path}/memory", clock=clock)

    async def test_two_handles_see_each_other(self, tmp_path):
        first, second = open_memory(f"file://{tmp_path}/memory"), open_memory(f"file://{tmp_path}/memory")
        await first.put_many(HERE, {"a": b"1"})
        assert await second.scan(HERE) == ["a"]
        await first.put_many(HERE, {"b": b"1"}, ttl_s=1000)
        assert await second.scan(HERE) == ["a", "b"]
        assert not await second.compare_and_set(HERE, "a", expected=None, value=b"2")
        await first.close()
        await second.close()

    async def test_a_value_that_is_no_bytes_leaves_the_whole_batch_out(self, memory):
        with pytest.raises(TypeError):
            await memory.put_many(HERE, {"a": b"1", "b": object()})
        assert await memory.scan(HERE) == []

    async def test_keys_that_differ_in_case_or_form_are_apart(self, memory):
        items = {key: key.encode() for key in ["a", "A", "é", "e\u0301", "CON", "con", "a.", "a"]}
        await memory.put_many(HERE, items)
        assert await memory.get_many(HERE, list(items)) == items

    async def test_every_name_has_at_most_255_small_characters(self, memory, tmp_path):
        await memory.put_many(namespace("Ä" * 2000), {"Ä" * 2000: b"1"}, ttl_s=1000)
        names = [name for _, folders, files in os.walk(tmp_path / "memory") for name in folders + files]
        assert max(map(len, names)) <= 255
        assert all(name == name.lower() and name.isascii() for name in names)

    async def test_a_namespace_must_have_a_name(self, memory):
        with pytest.raises(ValueError, match="may not be empty"):
            await memory.put_many("", {"a": b"1"})

    async def test_only_the_owner_may_read(self, memory, tmp_path):
        await memory.put_many(HERE, {"a": b"1"})
        await memory.put_many(HERE, {"a": b"1", "b": b"2"}, ttl_s=1000)
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "memory").rglob("*")}
        assert modes == {0o700, 0o600}
        assert stat.S_IMODE((tmp_path / "memory").stat().st_mode) == 0o700

    async def test_what_is_not_ours_in_the_directory_is_passed_over(self, memory, tmp_path):
        await memory.put_many(HERE, {"a": b"1"})
        (tmp_path / "memory" / "lost+found").mkdir()
        [folder] = [path.parent for path in (tmp_path / "memory").rglob(".state")]
        (folder / "Notes of mine.txt").write_text("mine")
        assert (await memory.namespaces(), await memory.scan(HERE)) == ([HERE], ["a"])

    @pytest.mark.parametrize("damage", [b"", b"FMV1", b"another program's file, long enough for a header"])
    async def test_a_damaged_file_is_one_clear_error(self, memory, tmp_path, damage):
        await memory.put_many(HERE, {"a": b"1"})
        [path] = (tmp_path / "memory").rglob("a")
        path.write_bytes(damage)
        with pytest.raises(
            MemoryFailed, match=r"/a (has been cut short|is not a value of this memory)\. Rest"
        ):
            await memory.get_many(HERE, ["a"])

    async def test_a_value_cut_short_is_told_and_not_returned(self, memory, tmp_path):
        await memory.put_many(HERE, {"a": b"123456"})
        [path] = (tmp_path / "memory").rglob("a")
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(MemoryFailed, match="has been cut short"):
            await memory.get_many(HERE, ["a"])

    async def test_a_namespace_that_another_process_holds_locked_is_one_clear_error(
        self, memory, tmp_path, monkeypatch
    ):
        monkeypatch.setattr("funnel.memory.backends.files.space._LOCK_S", 0.05)
        await memory.put_many(HERE, {"a": b"1"})
        [state] = (tmp_path / "memory").rglob(".state")
        program = (
            "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, 2); print(flush=True); sys.stdin.read()"
        )
        holder = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, state, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        await holder.stdout.readline()
        with pytest.raises(MemoryFailed, match=r"another process has locked .* for 0\.05 s"):
            await memory.put_many(HERE, {"a": b"2"})
        assert await memory.get_many(HERE, ["a"]) == {"a": b"1"}
        await holder.communicate(b"")
        await memory.put_many(HERE, {"a": b"3"})


async def test_files_of_what_has_expired_are_removed(tmp_path):
    clock = FakeClock()
    memory = FilesMemory(f"file://{tmp_path}/memory", clock=clock)
    await memory.put_many(HERE, {"a": b"1", "again": b"1"}, ttl_s=1000)
    clock.passes(1000)
    await memory.put_many(HERE, {"again": b"2"}, ttl_s=1000)
    [state] = (tmp_path / "memory").rglob(".state")
    assert sorted(path.name for path in state.parent.iterdir()) == [".state", "again~"]
    await memory.close()


async def test_of_two_processes_one_wins_each_time_and_no_count_is_lost(tmp_path):
    url = f"file://{tmp_path}/memory"
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


async def test_a_reader_sees_each_batch_of_another_process_whole(tmp_path):
    url = f"file://{tmp_path}/memory"
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, url, stdout=asyncio.subprocess.PIPE
    )
    await writer.stdout.readexactly(1)
    memory, keys = open_memory(url), [str(n) for n in range(20)]
    for _ in range(100):
        found = await memory.get_many(HERE, keys)
        assert (len(found), len(set(found.values()))) == (20, 1)
    writer.kill()
    await writer.communicate()
    found = await memory.get_many(HERE, keys)
    assert (len(found), len(set(found.values()))) == (20, 1)
    await memory.close()


def test_a_writer_killed_before_any_change_to_the_disk_leaves_all_or_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, check=True
    )
    steps = json.loads(done.stdout)
    old = {"a": "old", "b": "old", "c": "old"}
    new = dict.fromkeys("abcd", "new")
    found = [found for _, found, _ in steps]
    changed = found.index(new)
    assert found == [old] * changed + [new] * (len(steps) - changed)
    assert len(steps) > 15
    assert [left for _, _, left in steps] == [[]] * len(steps)
    assert [code for code, *_ in steps] == [9] * (len(steps) - 1) + [0]


def test_a_disk_that_is_full_is_told_and_what_was_there_stays(tmp_path):
    pytest.importorskip("resource")
    command = [sys.executable, "-c", textwrap.dedent(FULL), f"file://{tmp_path}/memory"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said, found, files = json.loads(done.stdout)
    assert len(said) == 3
    assert all("File too large. Check that the directory can be written" in line for line in said)
    assert found == {"a": "old"}
    assert files == [".state", "a", "b"]


async def test_a_space_in_the_path_is_percent_encoded(tmp_path):
    await open_memory(f"file://localhost{tmp_path}/two%20words").close()
    assert (tmp_path / "two words/funnel-memory.json").is_file()


@pytest.mark.parametrize(
    "url",
    [
        "file:",
        "file://",
        "file:///",
        "file:memory",
        "file://memory",
        "file://me:hunter2@host/x",
        "file:///a%00b",
    ],
)
def test_a_url_without_a_directory_says_how_to_name_one(url):
    with pytest.raises(MemoryFailed, match="Write file:///srv/memory") as failed:
        open_memory(url)
    assert "hunter2" not in str(failed.value)


def test_a_directory_that_holds_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "theirs.txt").write_text("theirs")
    with pytest.raises(MemoryFailed, match="holds something else"):
        open_memory(f"file://{tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.txt"]


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MemoryFailed, match="Not a directory"):
        open_memory(f"file://{tmp_path}/file")


@pytest.mark.parametrize(
    ("content", "said"), [('{"format": 99}', "Upgrade"), ("[]", "damaged"), ("", "damaged")]
)
async def test_another_format_is_refused(tmp_path, content, said):
    await open_memory(f"file://{tmp_path}/memory").close()
    (tmp_path / "memory/funnel-memory.json").write_text(content)
    with pytest.raises(MemoryFailed, match=said):
        open_memory(f"file://{tmp_path}/memory")


async def test_a_memory_that_was_never_closed_warns(tmp_path):
    memory = FilesMemory(f"file://{tmp_path}/memory")
    with pytest.warns(ResourceWarning, match="never closed"):
        memory.__del__()
    await memory.close()
