"""The guard of this test suite: no test calls a model for real or leaves the machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest


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
