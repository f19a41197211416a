from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from indexes.errors import CollectionLocked
from indexes.storage.lock import WriterLock

HOLDER = """
import sys
from pathlib import Path
from indexes.storage.lock import WriterLock
with WriterLock(Path(sys.argv[1])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_told_process_host_and_since_when(holder, tmp_path):
    with pytest.raises(CollectionLocked) as told, WriterLock(tmp_path).hold(wait_s=0):
        pass
    since = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
    expected = rf"Process {holder.pid} on {re.escape(socket.gethostname())} \(since {since}\) is writing to "
    assert re.match(expected, str(told.value))


def test_the_lock_of_a_dead_process_is_free(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / "writer").read_text())["pid"] == holder.pid
    with WriterLock(tmp_path).hold(wait_s=0):
        assert json.loads((tmp_path / "writer").read_text())["pid"] == os.getpid()
    assert not (tmp_path / "writer").exists()


@pytest.mark.parametrize("signed", ["", "{", '{"pid": 1}', None])
def test_a_holder_that_has_not_signed_is_another_process(tmp_path, signed):
    with WriterLock(tmp_path).hold():
        (tmp_path / "writer").unlink()
        if signed is not None:
            (tmp_path / "writer").write_text(signed)
        with (
            pytest.raises(CollectionLocked, match=r"^Another process is"),
            WriterLock(tmp_path).hold(wait_s=0),
        ):
            pass


def test_a_name_that_a_dead_holder_left_is_not_told(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    dead = {"pid": process.pid, "host": socket.gethostname(), "since": "2020-01-01T00:00:00+00:00"}
    with WriterLock(tmp_path).hold():
        (tmp_path / "writer").write_text(json.dumps(dead))
        with (
            pytest.raises(CollectionLocked, match=r"^Another process is"),
            WriterLock(tmp_path).hold(wait_s=0),
        ):
            pass


def test_a_hold_within_a_hold_keeps_the_name_until_the_outer_one_ends(tmp_path):
    lock = WriterLock(tmp_path)
    with lock.hold():
        with lock.hold():
            pass
        assert (tmp_path / "writer").exists()
    assert not (tmp_path / "writer").exists()
