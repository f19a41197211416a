"""`funnel ask` shows the words of an answer while they come: on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading

import pytest
from chat_server import DONE, Reply, piece, usage_piece
from second_stage import reading

QUOTE = (1, "The lease of Hill House ends in May 2026.")
BEGINNING = "It ends PROVISIONALLY in May"


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "lease.txt").write_text("The lease of Hill House ends in May 2026. Ada Roth signed it.")
    return folder


@pytest.fixture
def seen(chat_server):
    """The test has seen the beginning of the reply; the endpoint sends the rest only then."""
    seen = threading.Event()
    reply = reading(f"{BEGINNING} 2026 [1].", QUOTE)
    at = reply.index(BEGINNING) + len(BEGINNING)

    def pieces():
        yield piece(reply[:at])
        seen.wait(60)
        yield piece(reply[at:])
        yield from (piece(finish="stop"), usage_piece(10, 2), DONE)

    chat_server.script(Reply(pieces=pieces(), content_type="text/event-stream"))
    return seen


def command(chat_server, docs, tmp_path, *options):
    ask = ["ask", "When does the lease end?", "--docs", str(docs), "--mode", "lookup", *options]
    environment = {
        **os.environ, "OPENAI_BASE_URL": chat_server.url, "FUNNEL_MODEL": "m", "TERM": "xterm",
        "XDG_STATE_HOME": str(tmp_path), "FUNNEL_PRICES": '{"m": [0, 0]}', "COLUMNS": "100", "LINES": "30",
    }  # fmt: skip
    arguments = [sys.executable, "-c", "from funnel.cli import main; main()", *ask]
    return {"args": arguments, "env": environment, "stdin": subprocess.DEVNULL}


def until(screen: int, wanted: bytes) -> bytes:
    """What a terminal shows until something is on it, or its program ends."""
    shown = b""
    while wanted not in shown:
        try:
            more = os.read(screen, 4096)
        except OSError:  # the program has closed the terminal
            break
        if not more:
            break
        shown += more
    return shown


def test_the_words_are_on_the_terminal_before_the_answer_is_whole(chat_server, docs, tmp_path, seen):
    screen, terminal = pty.openpty()
    asking = subprocess.Popen(stdout=terminal, stderr=terminal, **command(chat_server, docs, tmp_path))
    os.close(terminal)
    with asking:
        assert BEGINNING.encode() in until(screen, BEGINNING.encode())
        assert asking.poll() is None
        seen.set()
        rest = until(screen, b"trace:")
        while until(screen, b"\0no such byte"):
            pass
    os.close(screen)
    assert asking.returncode == 0
    # The provisional words are wiped, and the answer stands there once.
    assert rest.rpartition(b"\x1b[2K")[2].count(BEGINNING.encode()) == 1


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_provisional_words_are_written_to_a_pipe(chat_server, docs, tmp_path, seen, options):
    seen.set()
    asked = subprocess.run(
        capture_output=True, check=True, timeout=120, **command(chat_server, docs, tmp_path, *options)
    )
    assert asked.stdout.count(BEGINNING.encode()) == 1
    assert BEGINNING.encode() not in asked.stderr


def test_no_words_are_shown_where_json_is_asked_for_on_a_terminal(chat_server, docs, tmp_path, seen):
    seen.set()
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        stdout=subprocess.PIPE, stderr=terminal, **command(chat_server, docs, tmp_path, "--json")
    ) as asking:
        os.close(terminal)
        shown = until(screen, b"\0no such byte")
        assert BEGINNING.encode() in asking.stdout.read()
    os.close(screen)
    assert BEGINNING.encode() not in shown
