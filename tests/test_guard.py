"""The guard of this test suite: no test calls a model for real, leaves the machine or hangs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def test_a_connection_to_another_machine_is_refused():
    with socket.socket() as sock, pytest.raises(AssertionError, match="only loopback"):
        sock.connect(("192.0.2.1", 443))


def test_another_machine_is_not_looked_up():
    with pytest.raises(AssertionError, match="only loopback"):
        socket.getaddrinfo("api.openai.com", 443)


def test_no_key_endpoint_or_setting_reaches_a_test_or_what_it_starts():
    code = "import os; print(*(n for n in os.environ if n.startswith(('OPENAI_', 'FUNNEL_'))))"
    names = subprocess.check_output([sys.executable, "-c", code], env=os.environ, text=True).split()
    assert set(names) <= {"FUNNEL_DATA"}


HANGS = """
    import threading, time
    import conftest

    conftest.TEARDOWN_S = 1

    def test_that_hangs():
        time.sleep(600)

    async def test_that_hangs_even_when_it_failed():
        import asyncio
        await asyncio.to_thread(time.sleep, 600)
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [("test_that_hangs", "1 failed"), ("test_that_hangs_even_when_it_failed", "Timeout (0:00:01)!")],
)
def test_a_test_that_hangs_ends_and_so_does_one_whose_thread_does_not(tmp_path, name, said):
    (tmp_path / "test_it.py").write_text(textwrap.dedent(HANGS))
    options = [
        "-c",
        f"{TESTS.parent}/pyproject.toml",
        f"--rootdir={tmp_path}",
        "-p",
        "conftest",
        "--timeout=1",
    ]
    command = [sys.executable, "-m", "pytest", *options, f"{tmp_path}/test_it.py::{name}"]
    env = os.environ | {"PYTHONPATH": str(TESTS)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
