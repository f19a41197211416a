"""`funnel memory`: what memories hold, copied, compared, and changed under a run of another process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from chat_server import Reply
from processes import PIPES, started
from second_stage import cell
from services.redis_server import PASSWORD
from services.s3_server import SECRET
from typer.testing import CliRunner

from funnel.cli import app
from funnel.memory import namespace, open_memory

SCRIPT = Path(sys.executable).with_name("funnel")
QUESTION = "Who signed the lease of Hill House?"
DOCS = {
    "leases.txt": "The lease of Hill House ends in May 2026. Ada Roth signed it.\n",
    "roth.txt": "Ada Roth led Project Heron. The board withdrew its grant in 2019.\n",
}
TURNS = {
    1: cell("note('plan', 'look at the leases')", "print([m for m in grep('Ada Roth', docs='all')])"),
    2: cell("said = llm_query('Hold on')", "print(said)"),
    3: cell(
        "lease = [d['id'] for d in documents() if 'leases' in d['id']][0]",
        "mark = cite(lease, quote='Ada Roth signed it.')",
        "submit(f'{said} {mark}')",
    ),
}
N_CALLS = 4
SECRETS = ("hunter2", quote(PASSWORD, safe=""), PASSWORD, SECRET)


class Model:
    """Does the turns; its only part waits until it is let go."""

    def __init__(self):
        self.asked, self.free = threading.Event(), threading.Event()

    def __call__(self, body):
        prompt = body["messages"][-1]["content"]
        if "Hold on" in prompt:
            self.asked.set()
            self.free.wait(300)
            return Reply("Ada Roth did.")
        return Reply(next(turn for n, turn in TURNS.items() if f"\nTurn {n} of " in prompt))


@pytest.fixture
def model(chat_server):
    chat_server.default = model = Model()
    yield model
    model.free.set()


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in DOCS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def sqlite(tmp_path):
    return f"sqlite:///{tmp_path}/memory.sqlite"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def done(*arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    no_secret_in(result.output)
    return result.stdout


def refused(*arguments):
    """The one line that it ended with."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("Error: ")) == (1, "", 1), result.output
    no_secret_in(result.output)
    return " ".join(result.stderr.split())


def no_secret_in(*texts):
    for text in texts:
        assert not any(secret in text for secret in SECRETS), text


@contextmanager
def another(chat_server, *arguments):
    """`funnel ask` in a process of its own."""
    env = {**os.environ, "OPENAI_BASE_URL": chat_server.url, "FUNNEL_MODEL": "m"}
    command = [str(word) for word in (SCRIPT, "ask", *arguments, "--json")]
    with started(command, env=env, **PIPES) as process:
        yield process


@contextmanager
def going_on(chat_server, model, docs, url):
    """A run of another process that waits for a part; gives the process and the run's name."""
    trace = docs.parent / "trace.jsonl"
    asked = (QUESTION, "--docs", docs, "--mode", "deep", "--memory", url, "--trace", trace)
    with another(chat_server, *asked) as process:
        assert model.asked.wait(120)
        [found] = json.loads(done("memory", "ls", "--memory", url, "--json"))["runs"]
        # Two turns have ended, and the part of the second is under way.
        assert (found["status"], found["model_calls"]) == ("unfinished", 3)
        yield process, found["run"]
    no_secret_in(trace.read_text())


def answer_of(process):
    shown, errors = process.communicate(timeout=120)
    no_secret_in(shown, errors)
    assert process.returncode == 0, errors
    return json.loads(shown)


needs_script = pytest.mark.skipif(not SCRIPT.exists(), reason="the package is not installed as a script")


@needs_script
def test_a_run_of_another_process_is_moved_and_ends_as_it_would_have(
    chat_server, model, docs, sqlite, redis_server
):
    with going_on(chat_server, model, docs, sqlite) as (process, name):
        shown = done("memory", "swap", name, redis_server.url, "--memory", sqlite)
        assert shown == f"{name} now uses redis://127.0.0.1:{redis_server.port}/0.\n"
        model.free.set()
        answer = answer_of(process)
    assert (answer["text"], answer["usage"]["model_calls"]) == ("Ada Roth did. [1]", N_CALLS)
    assert chat_server.served.calls == N_CALLS
    held = json.loads(done("memory", "show", name, "--memory", redis_server.url, "--json"))
    assert (held["status"], held["notes"]) == ("complete", {"plan": "look at the leases"})
    with another(chat_server, "--resume", name, "--memory", redis_server.url) as process:
        assert answer_of(process) == answer
    moved = refused("ask", "--resume", name, "--memory", sqlite)
    assert f"it has moved to redis://127.0.0.1:{redis_server.port}/0. Name its memory: --memory URL." in moved
    assert chat_server.served.calls == N_CALLS


@needs_script
def test_a_run_that_was_moved_and_killed_goes_on_in_its_new_memory(
    chat_server, model, docs, sqlite, postgres_server
):
    with going_on(chat_server, model, docs, sqlite) as (process, name):
        done("memory", "swap", name, postgres_server.url, "--memory", sqlite)
        process.send_signal(signal.SIGKILL)
        process.wait()
    model.free.set()
    assert "moved to postgresql://" in refused("ask", "--resume", name, "--memory", sqlite)
    with another(chat_server, "--resume", name, "--memory", postgres_server.url) as process:
        answer = answer_of(process)
    assert answer["text"] == "Ada Roth did. [1]"
    assert chat_server.served.calls == N_CALLS + 1


@needs_script
def test_a_swap_that_fails_is_told_and_the_run_goes_on(chat_server, model, docs, sqlite, redis_server):
    wrong = redis_server.url.replace(quote(PASSWORD, safe=""), "hunter2-wrong")
    with going_on(chat_server, model, docs, sqlite) as (process, name):
        for url, why in (
            (wrong, "Memory redis://"),
            ("reddis://user:hunter2@there", "Unknown memory 'reddis'"),
            ("memory://x", "it takes nothing after memory://"),
            (sqlite, "holds local/"),
        ):
            said = refused("memory", "swap", name, url, "--memory", sqlite)
            assert said.startswith(f"Error: Memory {sqlite}: it stays in use, the swap failed: ")
            assert why in said
        model.free.set()
        assert answer_of(process)["text"] == "Ada Roth did. [1]"
    assert chat_server.served.calls == N_CALLS
    assert "nobody works on run" in refused("memory", "swap", name, redis_server.url, "--memory", sqlite)


@needs_script
def test_a_run_that_was_killed_is_not_swapped(chat_server, model, docs, sqlite, tmp_path):
    with going_on(chat_server, model, docs, sqlite) as (process, name):
        process.send_signal(signal.SIGKILL)
        process.wait()
    other = f"sqlite:///{tmp_path}/other.sqlite"
    assert "nobody works on run" in refused("memory", "swap", name, other, "--memory", sqlite)


def test_a_run_that_is_not_there_is_not_swapped(sqlite):
    said = refused("memory", "swap", "no-such-run", "redis://:hunter2@localhost:1/0", "--memory", sqlite)
    assert said.startswith("Error: Run 'no-such-run' ")


@needs_script
@pytest.mark.parametrize("server", ["redis_server", "postgres_server"])
def test_a_killed_run_is_resumed_from_url_and_name_alone_by_one_of_two(
    request, chat_server, model, docs, server
):
    url = request.getfixturevalue(server).url
    with going_on(chat_server, model, docs, url) as (process, name):
        process.send_signal(signal.SIGKILL)
        process.wait()
    model.asked.clear()
    resumed = ("--resume", name, "--memory", url)
    with another(chat_server, *resumed) as one, another(chat_server, *resumed) as other:
        assert model.asked.wait(120)
        while one.poll() is None and other.poll() is None:
            time.sleep(0.02)
        winner, loser = (one, other) if one.poll() is None else (other, one)
        _, said = loser.communicate()
        assert loser.returncode == 1
        assert f"is being worked on by process {winner.pid} on this machine" in " ".join(said.split())
        no_secret_in(said)
        model.free.set()
        answer = answer_of(winner)
    assert (answer["run"], answer["text"]) == (name, "Ada Roth did. [1]")
    assert answer["usage"]["replayed_calls"] == 2
    assert chat_server.served.calls == N_CALLS + 1


# copies


@pytest.fixture
def filled(sqlite):
    async def fill():
        memory = open_memory(sqlite)
        await memory.put_many(namespace("local", "run", "r"), {f"note/{n}": b"%d" % n for n in range(50)})
        await memory.put_many(namespace("local", "document", "d", "1"), {"page": b"x" * 100_000})
        await memory.close()

    asyncio.run(fill())
    return sqlite


def write(url, where, items):
    async def put():
        memory = open_memory(url)
        await memory.put_many(where, items)
        await memory.close()

    asyncio.run(put())


def test_a_copy_is_verified_and_differences_are_told(filled, redis_server):
    url = redis_server.url
    assert done("memory", "copy", filled, url) == "51 keys, 100,090 bytes; read back and the same.\n"
    assert done("memory", "verify", filled, url) == "51 keys are the same.\n"
    same = {"same": True, "keys": 51, "missing": [], "extra": [], "other": []}
    assert json.loads(done("memory", "verify", filled, url, "--json")) == same
    write(url, namespace("local", "run", "r"), {"note/7": b"changed", "note/new": b""})
    result = run("memory", "verify", filled, url)
    assert result.exit_code == 1
    assert result.stdout.split(";") == [
        "1 keys are too many, such as local/run/r 'note/new'",
        " 1 keys hold something else, such as local/run/r 'note/7'.\n",
    ]
    found = json.loads(run("memory", "verify", url, filled, "--json").stdout)
    assert (found["same"], found["missing"]) == (False, [["local/run/r", "note/new"]])


def test_a_copy_as_json_is_its_size(filled, tmp_path):
    copied = done("memory", "copy", filled, f"file://{tmp_path}/files", "--json")
    assert json.loads(copied) == {"keys": 51, "bytes": 100_090}


def test_a_copy_into_a_memory_that_holds_some_of_it_is_refused(filled, postgres_server):
    write(postgres_server.url, namespace("local", "run", "r"), {"theirs": b"1"})
    said = refused("memory", "copy", filled, postgres_server.url)
    assert "holds local/run/r already. Name an empty memory" in said
    listed = json.loads(done("memory", "ls", "--memory", postgres_server.url, "--json"))
    assert listed["holds"] == {"run": 1}
    assert "@" not in listed["url"]


def test_a_memory_in_a_bucket_is_listed_without_its_secret(s3_server):
    assert "s3://memories/memory" in done("memory", "ls", "--memory", s3_server.url)
    assert "bucket" in refused("memory", "ls", "--memory", s3_server.url.replace("memories", "missing"))


def test_a_run_that_is_not_there_is_not_shown(sqlite):
    assert refused("memory", "show", "no-such-run", "--memory", sqlite).startswith("Error: Run 'no-such-run'")


def test_what_is_done_is_shown(docs, sqlite):
    done("ask", QUESTION, "--docs", docs, "--mode", "deep", "--memory", sqlite)
    listed = done("memory", "ls", "--memory", sqlite)
    assert QUESTION in " ".join(listed.split())
    assert "document versions" in listed
    [found] = json.loads(done("memory", "ls", "--memory", sqlite, "--json"))["runs"]
    shown = done("memory", "show", found["run"], "--memory", sqlite)
    assert shown.startswith(f"{QUESTION}\n")
    assert "2 documents" in shown


# housekeeping


def test_runs_are_removed_by_name_or_by_age(docs, sqlite):
    done("ask", QUESTION, "--docs", docs, "--mode", "deep", "--memory", sqlite)
    [found] = json.loads(done("memory", "ls", "--memory", sqlite, "--json"))["runs"]
    nothing = "Removed 0 runs and 0 document versions that no other run had.\n"
    assert done("memory", "rm", "--older-than", 1, "--memory", sqlite) == nothing
    assert refused("memory", "rm", "no-such-run", "--memory", sqlite).startswith("Error: Run 'no-such-run'")
    assert "name exactly one" in refused("memory", "rm", "--memory", sqlite)
    removed = done("memory", "rm", found["run"], "--memory", sqlite)
    assert removed == "Removed 1 run and 2 document versions that no other run had.\n"
    done("ask", QUESTION, "--docs", docs, "--mode", "deep", "--memory", sqlite)
    removed = json.loads(done("memory", "rm", "--older-than", 0, "--memory", sqlite, "--json"))
    assert (len(removed["runs"]), removed["documents"]) == (1, 2)


def test_an_erased_document_leaves_the_memory_too(docs, sqlite, tmp_path):
    kb = tmp_path / "kb"
    done("index", docs, "--kb", kb)
    done("ask", QUESTION, "--kb", kb, "--mode", "deep", "--memory", sqlite)
    erased = run("erase", "docs/leases.txt", "--kb", kb, "--memory", sqlite)
    assert erased.exit_code == 0, erased.output
    assert f"Removed from {sqlite}: 1 run, 1 stored version, " in erased.stdout
    assert b"Hill House ends" not in everything(sqlite)


def everything(url):
    async def read():
        memory = open_memory(url)
        found = b""
        for where in await memory.namespaces():
            found += b"".join((await memory.get_many(where, await memory.scan(where))).values())
        await memory.close()
        return found

    return asyncio.run(read())
