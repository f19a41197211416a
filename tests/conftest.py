"""What all tests share: no model can be called for real, nothing but loopback can be reached."""

from __future__ import annotations

import asyncio
import faulthandler
import ipaddress
import os
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from chat_server import ChatServer
from event_loops import ledgers_in_loop_time
from hypothesis import HealthCheck, settings
from services.fixtures import (
    llama_server,
    postgres_server,
    redis_server,
    running_llama,
    running_postgres,
    running_redis,
    running_s3,
    s3_server,
)

from funnel.llm import windows

__all__ = [
    "ledgers_in_loop_time",
    "llama_server",
    "postgres_server",
    "redis_server",
    "running_llama",
    "running_postgres",
    "running_redis",
    "running_s3",
    "s3_server",
]

KEPT = {"FUNNEL_DATA"}
"""Where the real data sets lie, which some tests and every benchmark read."""

# How long an example takes says how busy the machine is, not whether the code is right. The checks that
# do not look at the clock stay. (A test that suppresses checks of its own names too_slow beside them.)
settings.register_profile(
    "tests",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")

TEARDOWN_S = 60
"""How long a test that failed may take to end what it started."""


STDERR = pytest.StashKey[int]()
"""Where what this process says is shown even while the output of a test is captured."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STDERR] = os.dup(2)


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """End the process if a test that failed does not end: pytest stops its own watch once a test failed."""
    faulthandler.dump_traceback_later(TEARDOWN_S, exit=True, file=node.config.stash[STDERR])


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop of a test: the one that it is marked with, else an ordinary one."""
    marked = item.get_closest_marker("event_loop")
    return {"loop": marked.kwargs["factory"] if marked else asyncio.new_event_loop}


class NetworkForbidden(AssertionError):
    """A test tried to leave this machine."""


def _allowed(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in {"localhost", ""}


def _check(family: int, address: Any) -> None:
    if family in {socket.AF_INET, socket.AF_INET6} and not _allowed(str(address[0])):
        raise NetworkForbidden(f"a test tried to connect to {address}; only loopback may be reached")


@pytest.fixture(scope="session", autouse=True)
def _no_real_model_and_no_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _check(self.family, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _check(self.family, address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and not _allowed(name):
            raise NetworkForbidden(f"a test tried to look up {name!r}; only loopback may be reached")
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            mine = name.startswith(("OPENAI_", "FUNNEL_")) and name not in KEPT
            if mine or name.lower() in {"http_proxy", "https_proxy", "all_proxy"}:
                patch.delenv(name)
        # Traces go where XDG says; a test must leave nothing in a home directory.
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


@pytest.fixture(autouse=True)
def _nothing_learnt_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may get the port of one whose window an earlier test has learnt."""
    monkeypatch.setattr(windows, "_KNOWN", OrderedDict())


@pytest.fixture
def chat_server() -> Iterator[ChatServer]:
    """A local endpoint that speaks chat completions."""
    with ChatServer() as server:
        yield server
