"""SIGINT and SIGTERM end every command in the same way, also one that was started with SIGINT ignored."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time

import pytest
from chat_server import Reply
from processes import IGNORING_SIGINT, PIPES, started
from typer.testing import CliRunner

from funnel.cli import app
from indexes import Collection

MAIN = [sys.executable, "-c", "from funnel.cli import main; main()"]
BOTH = pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
EITHER_START = pytest.mark.parametrize("start", [(), IGNORING_SIGINT], ids=["as usual", "SIGINT ignored"])


def done(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "lease.txt").write_text("The lease of Hill House ends in May 2026. Ada Roth signed it.")
    return folder


def ended(process):
    """What it said on both streams until it ended."""
    shown, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors
    return shown, errors


@EITHER_START
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("poll", [(), ("--poll", "0.2")], ids=["told of changes", "polling"])
def test_watch_is_done_when_it_is_told_to_end(docs, tmp_path, start, sent, poll):
    kb = tmp_path / "kb"
    with started([*start, *MAIN, "watch", docs, "--kb", kb, *poll], **PIPES) as watching:
        assert watching.stderr.readline().startswith("Watching ")
        assert "1 added" in watching.stdout.readline()
        watching.send_signal(sent)
        assert ended(watching) == ("", "Stopped watching.\n")
    assert watching.returncode == 0
    with Collection.open(kb) as collection:
        assert (len(collection), collection.verify()) == (1, [])


@EITHER_START
@BOTH
def test_a_stopped_question_says_how_to_go_on(docs, tmp_path, chat_server, start, sent, status):
    asked = threading.Event()

    def reply(_body):
        if len(chat_server.seen) == 1:
            return Reply("```python\nprint(llm_query('Who?', read(context[0]['id'])))\n```")
        asked.set()
        return Reply("late", delay_s=600)

    chat_server.default = reply
    memory = f"sqlite:///{tmp_path / 'memory.sqlite'}"
    command = [*MAIN, "ask", "Who signed?", "--docs", docs, "--mode", "deep", "--memory", memory]
    env = {**os.environ, "OPENAI_BASE_URL": chat_server.url, "FUNNEL_MODEL": "m"}
    with started([*start, *command], env=env, **PIPES) as asking:
        assert asked.wait(120)
        asking.send_signal(sent)
        shown, errors = ended(asking)
    assert (asking.returncode, shown) == (status, "")
    resume, last = errors.splitlines()
    assert resume.startswith("To continue where it stopped: funnel ask --resume ")
    assert last == "Stopped."


def stopped_in_its_first_call(docs, chat_server, *options, sent=signal.SIGTERM, then=lambda: None):
    """What a question says on stderr that is stopped while its first call is under way."""
    asked = threading.Event()

    def reply(_body):
        asked.set()
        return Reply("late", delay_s=600)

    chat_server.default = reply
    command = [*MAIN, "ask", "Who signed?", "--docs", docs, "--mode", "deep", *options]
    env = {**os.environ, "OPENAI_BASE_URL": chat_server.url, "FUNNEL_MODEL": "m"}
    with started(command, env=env, **PIPES) as asking:
        assert asked.wait(120)
        then()
        asking.send_signal(sent)
        return ended(asking)[1].splitlines()


@BOTH
def test_a_question_that_is_stopped_in_its_first_call_can_go_on(docs, tmp_path, chat_server, sent, status):
    memory = f"sqlite:///{tmp_path / 'memory.sqlite'}"
    resume, last = stopped_in_its_first_call(docs, chat_server, "--memory", memory, sent=sent)
    assert resume.startswith("To continue where it stopped: funnel ask --resume ")
    assert last == "Stopped."


def test_a_stopped_question_whose_memory_ends_with_it_promises_nothing(docs, chat_server):
    assert stopped_in_its_first_call(docs, chat_server, "--memory", "memory://") == ["Stopped."]


def test_a_stopped_question_whose_memory_was_emptied_promises_nothing(docs, chat_server, redis_server):
    memory = redis_server.url
    said = stopped_in_its_first_call(docs, chat_server, "--memory", memory, then=redis_server.empty)
    assert said[-1] == "Stopped."
    assert not any("--resume" in line for line in said)


@BOTH
def test_a_stopped_index_leaves_a_sound_collection(tmp_path, sent, status):
    kb, many = tmp_path / "kb", tmp_path / "many.jsonl"
    many.write_text("".join(f'{{"id": "d{i}", "text": "number n{i} of cats"}}\n' for i in range(20_000)))
    with started([*IGNORING_SIGINT, *MAIN, "index", many, "--kb", kb], **PIPES) as indexing:
        while not (kb / "catalog.sqlite").exists():
            assert indexing.poll() is None
            time.sleep(0.01)
        indexing.send_signal(sent)
        assert ended(indexing) == ("", "Stopped.\n")
    assert indexing.returncode == status
    with Collection.open_or_create(kb) as collection:
        assert collection.verify() == []


@BOTH
def test_a_command_that_waits_for_a_memory_ends(tmp_path, sent, status):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        copying = [*MAIN, "memory", "copy", url, f"sqlite:///{tmp_path / 'copy.sqlite'}"]
        with started([*IGNORING_SIGINT, *copying], **PIPES) as waiting:
            silent.settimeout(120)
            connection, _ = silent.accept()
            with connection:
                waiting.send_signal(sent)
                assert ended(waiting) == ("", "Stopped.\n")
    assert waiting.returncode == status
