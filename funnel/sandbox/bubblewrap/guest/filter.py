"""The system calls that a cell may make, as a seccomp program; knows neither Python cells nor the host.

An allow-list without `open`, `execve`, `socket` or `kill`: nothing new can be opened, and no signal reaches
another process. Every `fork` needs the supervisor's permission; no thread can start. No memory can be made
executable. All other calls fail with EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
from typing import NamedTuple

_PLAIN = """
read write readv writev close lseek fstat poll ppoll munmap mremap brk madvise rt_sigaction rt_sigprocmask
rt_sigreturn sigaltstack restart_syscall getpid getppid gettid getuid geteuid getgid getegid futex
sched_yield clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times getrusage
getrandom exit exit_group wait4 set_robust_list set_tid_address rseq
"""


class Machine(NamedTuple):
    """A processor architecture: its AUDIT_ARCH value and its system call numbers."""

    audit: int
    numbers: dict[str, int]


# fmt: off
MACHINES = {
    "x86_64": Machine(0xC000003E, {
        "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10,
        "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "readv": 19,
        "writev": 20, "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39,
        "clone": 56, "exit": 60, "wait4": 61, "gettimeofday": 96, "getrusage": 98, "times": 100,
        "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108, "getppid": 110, "sigaltstack": 131,
        "gettid": 186, "time": 201, "futex": 202, "set_tid_address": 218, "restart_syscall": 219,
        "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "ppoll": 271,
        "set_robust_list": 273, "prlimit64": 302, "seccomp": 317, "getrandom": 318, "rseq": 334,
        "clone3": 435,
    }),
    "aarch64": Machine(0xC00000B7, {
        "close": 57, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66, "ppoll": 73,
        "fstat": 80, "exit": 93, "exit_group": 94, "set_tid_address": 96, "futex": 98, "set_robust_list": 99,
        "nanosleep": 101, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115,
        "sched_yield": 124, "restart_syscall": 128, "sigaltstack": 132, "rt_sigaction": 134,
        "rt_sigprocmask": 135, "rt_sigreturn": 139, "times": 153, "getrusage": 165, "gettimeofday": 169,
        "getpid": 172, "getppid": 173, "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177,
        "gettid": 178, "brk": 214, "munmap": 215, "mremap": 216, "clone": 220, "mmap": 222, "mprotect": 226,
        "madvise": 233, "wait4": 260, "prlimit64": 261, "seccomp": 277, "getrandom": 278, "rseq": 293,
        "clone3": 435,
    }),
}
# fmt: on

_ALLOW, _ASK, _KILL, _ERRNO = 0x7FFF0000, 0x7FC00000, 0x80000000, 0x00050000
_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT, _THIRD_ARGUMENT_AT = 0, 4, 16, 32
_X32 = 0x40000000
_FORK_MAY_SET = 0x00200000 | 0x01000000
"""CLONE_CHILD_CLEARTID and CLONE_CHILD_SETTID, which the C library sets when it forks."""
_PROT_EXEC = 4

_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_NO_NEW_PRIVILEGES = 38


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _answer(action: int) -> bytes:
    return _op(_RETURN, action)


_DENY = _answer(_ERRNO | errno.EPERM)


def program(machine: str) -> bytes:
    """Return the filter as the kernel takes it, `struct sock_filter[]`.

    Raises: `KeyError` if the architecture is unknown.
    """
    audit, numbers = MACHINES[machine]
    rules = {name: _answer(_ALLOW) for name in _PLAIN.split() if name in numbers}
    # Only the lower half of an argument is read: both processors are little-endian, all flags below 2**32.
    rules["clone"] = (
        _op(_LOAD, _FIRST_ARGUMENT_AT)
        + _op(_AND, 0xFFFFFFFF ^ _FORK_MAY_SET)
        + _op(_EQUAL, signal.SIGCHLD, 0, 1)
        + _answer(_ASK)
        + _DENY
    )
    rules["clone3"] = _answer(
        _ERRNO | errno.ENOSYS
    )  # its flags are in memory, which a filter cannot read; the C library falls back to clone
    not_executable = (
        _op(_LOAD, _THIRD_ARGUMENT_AT) + _op(_ANY_BIT, _PROT_EXEC, 0, 1) + _DENY + _answer(_ALLOW)
    )
    rules["mmap"] = rules["mprotect"] = not_executable
    rules["prlimit64"] = _op(_LOAD, _FIRST_ARGUMENT_AT) + _op(_EQUAL, 0, 0, 1) + _answer(_ALLOW) + _DENY
    code = _op(_LOAD, _ARCH_AT) + _op(_EQUAL, audit, 1, 0) + _answer(_KILL) + _op(_LOAD, _NUMBER_AT)
    if machine == "x86_64":
        code += _op(_AT_LEAST, _X32, 0, 1) + _DENY
    for name, rule in rules.items():
        code += _op(_EQUAL, numbers[name], 0, len(rule) // 8) + rule
    return code + _DENY


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def install() -> int:
    """Install the filter on the calling thread, permanently.

    Returns the descriptor on which the supervisor receives the thread's requests to fork.
    Raises: `OSError` if the kernel refuses (Linux 5.5 is needed); `KeyError` on an unknown processor.
    """
    machine = platform.machine()
    code = program(machine)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs: " + os.strerror(ctypes.get_errno()))
    descriptor: int = libc.syscall(
        ctypes.c_long(MACHINES[machine].numbers["seccomp"]),
        ctypes.c_long(_SET_MODE_FILTER),
        ctypes.c_long(_NEW_LISTENER),
        ctypes.byref(_Program(len(code) // 8, code)),
    )
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "seccomp: " + os.strerror(ctypes.get_errno()))
    return descriptor
