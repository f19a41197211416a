"""Commands on a real disk without any room left: a small file system of its own, filled up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

DISK_BYTES = 24 << 20


def funnel(*arguments, **environment):
    command = [sys.executable, "-c", "from funnel.cli import main; main()", *map(str, arguments)]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)


@pytest.fixture
def disk(tmp_path):
    """A small disk with a collection, and no room."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only a superuser who may mount has a disk of any size")
    try:
        docs = tmp_path / "docs"
        docs.mkdir()
        for i in range(12):
            (docs / f"d{i}.txt").write_text(f"Refunds of item{i} are paid within {i} days of the purchase.")
        assert funnel("index", docs, "--kb", path / "kb").returncode == 0
        with (path / "fill").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_a_collection_is_searched_and_verified(disk):
    for arguments in (("search", "item7", "-k", "1"), ("verify",), ("status",)):
        done = funnel(*arguments, "--kb", disk / "kb")
        assert (done.returncode, done.stderr) == (0, "")
    assert "d7.txt" in funnel("search", "item7", "-k", "1", "--kb", disk / "kb").stdout


def test_a_question_is_answered_and_not_kept(disk, tmp_path):
    done = funnel("ask", "When are refunds of item7 paid?", "--kb", disk / "kb", "--mode", "lookup",
                  XDG_STATE_HOME=str(disk / "state"), FUNNEL_MODEL="extractive")  # fmt: skip
    assert "within 7 days" in done.stdout
    assert f"Runs are not kept: {disk / 'state' / 'funnel'}" in done.stderr
    assert "No space left" in done.stderr


def test_what_has_to_write_names_the_place_that_is_full(disk, tmp_path):
    (tmp_path / "docs" / "new.txt").write_text("new words")
    done = funnel("index", tmp_path / "docs", "--kb", disk / "kb")
    assert done.returncode == 1
    assert str(disk / "kb") in done.stderr
    assert "No space left" in done.stderr
    done = funnel("backup", disk / "b.tar.gz", "--kb", disk / "kb")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"{disk / 'b.tar.gz'}: it cannot be written" in done.stderr
    assert sorted(each.name for each in disk.iterdir()) == ["fill", "kb"]


def test_sigterm_leaves_nothing_of_a_restore(tmp_path):
    (tmp_path / "docs").mkdir()
    for i in range(40):
        (tmp_path / "docs" / f"d{i}.txt").write_bytes(os.urandom(150_000).hex().encode())
    assert funnel("index", tmp_path / "docs", "--kb", tmp_path / "kb").returncode == 0
    assert funnel("backup", tmp_path / "b.tar.gz", "--kb", tmp_path / "kb").returncode == 0
    before = sorted(tmp_path.iterdir())
    command = [sys.executable, "-c", "from funnel.cli import main; main()",
               "restore", str(tmp_path / "b.tar.gz"), "--kb", str(tmp_path / "again")]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while not list(Path(tmp_path).glob(".again-*/kb/*")):
            assert time.monotonic() < deadline
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert sorted(tmp_path.iterdir()) == before
