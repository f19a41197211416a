"""Starts a sandbox process with bwrap and decides what part of this machine it sees; knows no session.

It sees the interpreter, the standard library, the shared libraries that these load, and our few files that
run inside, all read-only. It has no environment, network, /proc or /dev, and sees no other process.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import shutil
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from funnel.errors import SandboxUnavailable
from funnel.sandbox.bubblewrap.host.wire import Wire

NAME: Final = "bubblewrap"
_SANDBOX = Path(__file__).parents[2]
_GUEST = "bubblewrap/guest"
_GUEST_FILES = (
    "advice.py",
    "values.py",
    *(
        f"{_GUEST}/{name}.py"
        for name in ("fork_server", "supervisor", "worker", "channel", "loop", "modules", "names", "filter")
    ),
)
"""The only files of this package that the sandbox sees."""
_INSIDE = "/funnel-sandbox"
_LIBRARIES = "/lib"
_MAIN = (
    f"import sys; sys.path.insert(0, {_INSIDE!r}); "
    "from funnel.sandbox.bubblewrap.guest.fork_server import main; main(int(sys.argv[1]))"
)
_LIST_LIBRARIES = """\
import runpy
runpy.run_path({modules!r})["preload"]()
with open("/proc/self/maps") as maps:
    print(*sorted({{line.split(None, 5)[5].strip() for line in maps if ".so" in line}}), sep="\\n")
"""
# Not -I, which would ignore PYTHONHASHSEED, so that the order of sets would change from run to run. The other
# things that -I excludes, the environment and the home directory, are not passed on by bwrap anyway.
_OPTIONS = ("-P", "-s", "-S", "-B", "-X", "utf8")
_NAMESPACES = (
    "User namespaces are needed: allow them (sysctl kernel.unprivileged_userns_clone=1, "
    "kernel.apparmor_restrict_unprivileged_userns=0; in Docker --security-opt seccomp=unconfined). "
)
_ADVICE: Final = {
    "seccomp": "Linux 5.5 is needed, with seccomp user notification. ",
    "namespace": _NAMESPACES,
    "uid map": _NAMESPACES,
    "permi": _NAMESPACES,
}
_LISTING_TIMEOUT_S = 60.0
_MAX_OUTPUT_BYTES = 4_000


class ForkServer:
    """A process with all modules loaded, which forks a sandbox for each session; started on first use.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket
        self._errors: int

    def session(self) -> tuple[socket.socket, Wire]:
        """Start a session; returns the socket for commands to its supervisor, and the wire to its worker.

        Raises: `SandboxUnavailable` if the fork server cannot be started.
        """
        with self._lock, contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            data, its_data = socket.socketpair()
            control, its_control = socket.socketpair()
            output, its_output = os.pipe()
            for end in (its_data, its_control):
                theirs.callback(end.close)
            theirs.callback(os.close, its_output)
            wire = Wire(data, output)
            ours.callback(control.close)
            ours.callback(wire.close)
            data.setblocking(False)
            control.setblocking(False)
            os.set_blocking(output, False)
            if self._process is None or self._process.poll() is not None:
                self._stop()
                self._start()
            # If the fork server has just died, the other end of `control` is closed and the session notices.
            with contextlib.suppress(OSError):
                passed = [its_data.fileno(), its_control.fileno(), its_output]
                socket.send_fds(self._requests, [b"s"], passed)
            ours.pop_all()
            return control, wire

    def output(self) -> str:
        """Return what the process has printed since the last call, which may explain why it failed."""
        with contextlib.suppress(OSError, AttributeError):
            return os.read(self._errors, _MAX_OUTPUT_BYTES).decode("utf-8", "replace")
        return ""

    def close(self) -> None:
        """End the process, and every session with it."""
        with self._lock:
            self._stop()

    def _start(self) -> None:
        program = _command()
        self._requests, its_requests = socket.socketpair()
        self._errors, its_errors = os.pipe()
        os.set_blocking(self._errors, False)
        started: queue.Queue[subprocess.Popen[bytes] | OSError] = queue.Queue()

        def start_and_wait() -> None:
            # bwrap dies with its parent (--die-with-parent), which to Linux is this thread, so it waits.
            try:
                process = subprocess.Popen(  # noqa: S603 - our own command line
                    [*program, str(its_requests.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=its_errors,
                    stderr=its_errors,
                    pass_fds=[its_requests.fileno()],
                    env={},
                )
            except OSError as exc:
                started.put(exc)
            else:
                started.put(process)
                process.wait()

        threading.Thread(target=start_and_wait, name="funnel-bubblewrap", daemon=True).start()
        process = started.get()
        its_requests.close()
        os.close(its_errors)
        if isinstance(process, OSError):
            self._requests.close()
            os.close(self._errors)
            raise unavailable(str(process)) from process
        self._process = process

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._requests.close()
            os.close(self._errors)


def unavailable(output: str) -> SandboxUnavailable:
    """Return the error for what bwrap or the supervisor printed, with advice about this machine."""
    last = output.strip().rpartition("\n")[2] or "it ended without a message"
    advice = next((advice for word, advice in _ADVICE.items() if word in output.lower()), "")
    return SandboxUnavailable(NAME, f"{last}. {advice}Or choose FUNNEL_SANDBOX=monty")


def _command() -> tuple[str, ...]:
    if sys.platform != "linux":
        raise SandboxUnavailable(NAME, "it needs Linux; choose FUNNEL_SANDBOX=monty here")
    if (bwrap := shutil.which("bwrap")) is None:
        raise SandboxUnavailable(
            NAME,
            "the program bwrap is missing; install it (apt-get install bubblewrap, dnf install bubblewrap), "
            "or choose FUNNEL_SANDBOX=monty",
        )
    return (bwrap, *_inside())


@functools.cache
def _inside() -> tuple[str, ...]:
    """Return the arguments of bwrap: what is seen and executed. Cached, as it starts an interpreter."""
    python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    return (
        *("--unshare-user", "--unshare-all", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"),
        *("--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"),
        # The capability to create a PID namespace for each session; dropped before the session begins.
        *("--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"),
        *("--setenv", "PYTHONHASHSEED", "0", "--setenv", "LD_LIBRARY_PATH", _LIBRARIES),
        *("--setenv", "MALLOC_ARENA_MAX", "1"),  # each further arena would reserve 64 MB of the memory limit
        *_mounts(python),
        *("--remount-ro", "/", "--chdir", "/", "--", python, *_OPTIONS, "-c", _MAIN),
    )


def _mounts(python: str) -> Iterator[str]:
    yield from ("--ro-bind", python, python)
    standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib", vars=_base_paths())}
    standard = {os.path.realpath(path) for path in standard}
    for path in sorted(standard):
        yield from ("--ro-bind", path, path)
        for packages in ("site-packages", "dist-packages"):
            if Path(path, packages).is_dir():
                yield from ("--tmpfs", f"{path}/{packages}")
    for library in _libraries(python):
        if not any(library.is_relative_to(path) for path in standard):
            for name in _names(library):
                yield from ("--ro-bind", str(library), f"{_LIBRARIES}/{name}")
    yield from ("--symlink", "lib", "/lib64")
    for file in _GUEST_FILES:
        yield from ("--ro-bind", str(_SANDBOX / file), f"{_INSIDE}/funnel/sandbox/{file}")


def _base_paths() -> dict[str, str]:
    return {"platbase": sys.base_exec_prefix, "base": sys.base_prefix}


def _libraries(python: str) -> list[Path]:
    """Return the shared libraries that the interpreter has mapped once all modules are loaded."""
    listing = _LIST_LIBRARIES.format(modules=str(_SANDBOX / _GUEST / "modules.py"))
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [python, "-I", "-S", "-B", "-c", listing],
            capture_output=True,
            text=True,
            check=True,
            timeout=_LISTING_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise SandboxUnavailable(NAME, f"cannot list the libraries that {python} loads: {exc}") from exc
    return [Path(line) for line in done.stdout.splitlines()]


def _names(library: Path) -> set[str]:
    """Return a library's file name and the shorter names by which it is loaded, which are links beside it."""
    stem = library.name.partition(".so")[0].partition("-")[0]
    beside = (link for link in library.parent.glob(f"{stem}*.so*") if link.is_symlink())
    return {library.name, *(link.name for link in beside if link.resolve() == library.resolve())}
