"""Hostile programs that only a whole CPython makes possible; same form as in `programs`."""

# ruff: noqa: E501 - one program a line
from __future__ import annotations

from programs import ANY, LIMIT, Program

DENIED = r"PermissionError|Operation not permitted|OSError|RuntimeError|ModuleNotFoundError|BlockingIOError"
CRASHED = "SandboxCrashed"
_LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
_FIND_CALLS = "import gc\ncalls = next(o for o in gc.get_objects() if type(o).__name__ == 'HostCalls')\nchannel = calls._channel\n"
_FRAME = "import os, struct\ndef frame(data):\n    os.write(channel._descriptor, struct.pack('>I', len(data)) + data)\n"
_LINE = _FIND_CALLS + _FRAME

CTYPES = [
    Program(
        "open by ctypes",
        _LIBC + "fd = libc.open(CANARY.encode(), 0)\nprint('fd', fd, ctypes.get_errno())",
        "fd -1 1",
    ),
    Program(
        "openat2 by a raw system call",
        _LIBC + "print('fd', libc.syscall(437, -100, CANARY.encode(), bytes(24), 24))",
        "fd -1",
    ),
    Program("io_uring by a raw system call", _LIBC + "print(libc.syscall(425, 8, bytes(120)))", "-1"),
    Program(
        "kill of everybody",
        _LIBC + "print([libc.kill(p, 9) for p in (-1, 1, 2, 3)])",
        r"\[-1, -1, -1, -1\]",
    ),
    Program("ptrace of the supervisor", _LIBC + "print(libc.ptrace(16, 1, 0, 0))", "-1"),
    Program(
        "memory of the supervisor",
        _LIBC
        + "b = ctypes.create_string_buffer(64)\nprint(libc.syscall(310, 1, bytes(16), 1, bytes(16), 1, 0))",
        "-1",
    ),
    Program("descriptors of the supervisor", _LIBC + "print(libc.syscall(434, 1, 0))", "-1"),
    Program("another seccomp filter", _LIBC + "print(libc.prctl(22, 1, 0, 0, 0))", "-1"),
    Program(
        "namespaces of its own",
        _LIBC + "print(libc.unshare(0x10000000), libc.mount(b'x', b'/', b'tmpfs', 0, None))",
        "-1 -1",
    ),
    Program("another program", _LIBC + "print(libc.execve(b'/bin/sh', None, None))", "-1"),
    Program("a socket by ctypes", _LIBC + "print(libc.socket(2, 1, 0), libc.socket(1, 1, 0))", "-1 -1"),
    Program(
        "executable memory",
        _LIBC + "libc.mmap.restype = ctypes.c_long\nprint(libc.mmap(0, 4096, 7, 0x22, -1, 0))",
        "-1",
    ),
    Program("a kernel log", _LIBC + "print(libc.klogctl(3, ctypes.create_string_buffer(99), 99))", "-1"),
    Program("a file of memory", _LIBC + "print(libc.memfd_create(b'x', 0))", "-1"),
    Program(
        "system calls of the 32-bit kind",
        _LIBC + "print(libc.syscall(0x40000000 | 2, CANARY.encode(), 0))",
        "-1",
    ),
    Program("null pointer", "import ctypes\nctypes.string_at(0)", CRASHED),
    Program(
        "written over itself", "import ctypes\nctypes.memset(id(None), 0, 4096)", CRASHED + "|TimeoutError"
    ),
    Program("abort", "import os\nos.abort()", CRASHED),
]

PROCESSES = [
    Program("fork bomb", "import os\nwhile True: os.fork()", DENIED),
    Program(
        "fork bomb that does not give up",
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
        "TimeoutError",
    ),
    Program(
        "fork by ctypes",
        _LIBC + "print([libc.fork(), libc.vfork(), libc.syscall(56, 17, 0, 0, 0, 0)])",
        r"\[-1, -1, -1\]",
    ),
    Program(
        "clone with shared memory",
        _LIBC + "print([libc.syscall(56, flags, 0, 0, 0, 0) for flags in (0x111, 0x10f00, 0x10000011)])",
        r"\[-1, -1, -1\]",
    ),
    Program(
        "threads",
        "import threading\nfor i in range(1000): threading.Thread(target=print).start()",
        "new thread",
    ),
    Program("processes", "import os\nos.posix_spawn('/bin/sh', ['sh'], {})", DENIED),
    Program("shell in a pipe", "import os\nos.popen('id').read()", DENIED),
    Program(
        "pool of processes",
        "from concurrent.futures import ProcessPoolExecutor\nProcessPoolExecutor().submit(print)",
        DENIED,
    ),
    Program("exit by os", "import os\nprint('last words')\nos._exit(0)", CRASHED),
    Program(
        "exit at exit", "import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit", "SystemExit"
    ),
    Program("signal to itself", "import os\nos.kill(os.getpid(), 9)", DENIED),
    Program(
        "signals that are ignored",
        "import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n    except OSError: pass\nwhile True: pass",
        "TimeoutError",
    ),
    Program("alarm", "import signal\nsignal.alarm(1)\nsignal.setitimer(signal.ITIMER_REAL, 0.01)", ANY),
]

MEMORY = [
    Program("mapped memory", "import mmap\nm = [mmap.mmap(-1, 1 << 24) for _ in range(1000)]", LIMIT + "|OSError"),
    Program("huge bytearray", "b = bytearray(10**12)", LIMIT),
    Program("compressed bomb", "import zlib\nz = zlib.compress(bytes(10**7))\nl = [zlib.decompress(z) for _ in range(1000)]", LIMIT),
    Program("XML bomb", "import xml.etree.ElementTree as E\nd = '<!DOCTYPE x [<!ENTITY a0 \"xxxxxxxxxx\">' + ''.join(f'<!ENTITY a{i} \"' + f'&a{i-1};' * 10 + '\">' for i in range(1, 12)) + ']><x>&a11;</x>'\nE.fromstring(d)", "ParseError|" + LIMIT),
    Program("memory limit raised", "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "ValueError|PermissionError"),
    Program("memory limit of the supervisor", "import resource\nresource.prlimit(1, resource.RLIMIT_AS, (4096, 4096))", DENIED),
    Program("recursion without limit", "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return [f()]\nf()", CRASHED + "|" + LIMIT),
    Program("recursion in C without limit", "import sys\nsys.setrecursionlimit(10**9)\nl = []\nfor _ in range(10**6): l = [l]\nprint(len(repr(l)))", CRASHED + "|" + LIMIT),
    Program("loop in a destructor", "class A:\n    def __del__(self):\n        while True: pass\na = A()\ndel a", "TimeoutError"),
    Program("loop in a destructor at the end", "class A:\n    def __del__(self):\n        while True: pass\ndef f():\n    a = A()\n    raise ValueError('x')\nf()", "TimeoutError"),
    Program("database in memory", "import sqlite3\nc = sqlite3.connect(':memory:')\nc.execute('create table t(x)')\nc.execute('with recursive n(i) as (select 1 union all select i+1 from n) insert into t select zeroblob(1000000) from n')", LIMIT + "|OperationalError"),
    Program("database in a file", "import sqlite3\nsqlite3.connect('/tmp/x.db').execute('create table t(x)')", "OperationalError"),
]  # fmt: skip

TAMPERING = [
    Program("output closed", "import os\nos.close(1)\nos.close(2)\nprint('x')", CRASHED + "|OSError"),
    Program("standard output replaced", "import sys\nsys.stdout = None\nprint('x')", ANY),
    Program(
        "every descriptor closed",
        "import os\nfor fd in range(3, 64):\n    try: os.close(fd)\n    except OSError: pass",
        ANY,
    ),
    Program("frame of no JSON", _LINE + "frame(b'\\xff{')", CRASHED),
    Program("frame of another kind", _LINE + "frame(b'[1]')", CRASHED),
    Program("frame that announces gigabytes", _LINE + "os.write(channel._descriptor, b'\\xff' * 4)", CRASHED),
    Program("frame that never ends", _LINE + "os.write(channel._descriptor, b'\\0\\0\\0\\x09x')\nwhile True: pass", "TimeoutError"),
    Program("frame of deep JSON", _LINE + "frame(b'[' * 1_000_000)", CRASHED),
    Program("frame of very many parts", _LINE + "frame(b'{\"do\": [' + b'{},' * 3_000_000 + b'{}]}')", CRASHED),
    Program("frame of very many quotes", _LINE + "frame(b'\"\\\\' * 5_000_000)", CRASHED),
    Program("frame of a giant number", _LINE + "frame(b'{\"do\": ' + b'9' * 1_000_000 + b'}')", CRASHED),
    Program("call of a function that is not there", _LINE + "frame(b'{\"do\":\"call\",\"id\":1,\"name\":\"__import__\",\"args\":[\"os\"],\"kwargs\":{}}')", CRASHED),
    Program("call with an odd number", _LINE + "frame(b'{\"do\":\"call\",\"id\":[],\"name\":\"echo\",\"args\":[1],\"kwargs\":{}}')", CRASHED),
    Program("forged call", _LINE + "frame(b'{\"do\":\"call\",\"id\":77,\"name\":\"echo\",\"args\":[\"hi\"],\"kwargs\":{}}')\nprint(channel.receive())", "hi"),
    Program("forged calls without end", _LINE + "while True: frame(b'{\"do\":\"call\",\"id\":1,\"name\":\"echo\",\"args\":[1],\"kwargs\":{}}')", "host calls|TimeoutError"),
    Program("the same call twice at once", _LINE + "for _ in range(2): frame(b'{\"do\":\"call\",\"id\":1,\"name\":\"echo\",\"args\":[1],\"kwargs\":{},\"later\":true}')\nchannel.receive()", CRASHED),
    Program("waits without end", _LINE + "while True: frame(b'{\"do\":\"wait\",\"at_most_s\":0}')", "host calls|TimeoutError"),
    Program("wait of an odd time", _LINE + "frame(b'{\"do\":\"wait\",\"at_most_s\":\"x\"}')\nchannel.receive()", CRASHED),
    Program("forged death", _LINE + "frame(b'{\"do\":\"died\",\"cell\":1,\"status\":[]}')", CRASHED),
    Program("forged error of odd fields", _LINE + "frame(b'{\"do\":\"done\",\"cell\":1,\"error\":{\"kind\":[],\"message\":{},\"line\":\"x\",\"source_line\":1}}')", CRASHED),
    Program("forged error that is huge", _LINE + "frame(b'{\"do\":\"done\",\"cell\":1,\"error\":{\"kind\":\"' + b'x' * 9_000_000 + b'\",\"message\":\"\",\"line\":1,\"source_line\":\"\"}}')", CRASHED),
    Program("answers that are not read", "import gc\n" + _LINE + "while True: frame(b'{\"do\":\"call\",\"id\":1,\"name\":\"echo\",\"args\":[\"' + b'x' * 1_000_000 + b'\"],\"kwargs\":{}}')", "host calls|TimeoutError"),
    Program("frames of the caller", "import sys\nf = sys._getframe()\nwhile f.f_back: f = f.f_back\nprint(sorted(f.f_globals))", ANY),
    Program("all objects", "import gc\nprint(len(gc.get_objects()) > 0, [o for o in gc.get_objects() if isinstance(o, str)])", ANY),
    Program("host calls replaced", _FIND_CALLS + "type(calls).call = lambda self, *a: 'mine'\nprint(echo(1))", "mine"),
    Program("an exception without text", "class E(Exception):\n    def __str__(self): raise E\nraise E", "Exception"),
    Program("an exception of endless text", "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E", "TimeoutError"),
    Program("every line written full", _FIND_CALLS + "import os\nwhile True:\n    for fd in range(3, 32):\n        if fd != channel._descriptor:\n            try: os.write(fd, b'+' * 100)\n            except OSError: pass", "TimeoutError"),
    Program("code object made by hand", "def f(): pass\nf.__code__ = f.__code__.replace(co_code=bytes(range(2, 200)))\nf()", ANY),
]  # fmt: skip

PRYING = [
    Program("environment of the process", "import os\nprint(dict(os.environ))", ANY),
    Program("files by every way", "import os, io, pathlib\nfor read in (lambda: io.open(CANARY), lambda: os.open(CANARY, 0), lambda: os.scandir('/'), lambda: pathlib.Path(CANARY).stat(), lambda: os.readlink('/proc/self/exe'), lambda: os.access('/', 4) or 1/0):\n    try:\n        print(read())\n        raise SystemExit('open')\n    except (OSError, ZeroDivisionError):\n        pass\nprint('shut')", "shut"),
    Program("proc", "for name in ('self/environ', 'self/maps', '1/environ', 'self/mem', 'mounts', 'cpuinfo'):\n    try:\n        print(open('/proc/' + name).read())\n        raise SystemExit('open')\n    except OSError:\n        pass\nprint('shut')", "shut"),
    Program("loopback", "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1).send(b'x')", DENIED),
    Program("a unix socket", "import socket\nsocket.socket(socket.AF_UNIX).connect('/run/docker.sock')", DENIED),
    Program("name of the machine", "import os, platform\nprint(platform.node())\nprint(os.uname())", DENIED + "|sandbox"),
    Program("descriptors that were left open", "import os\nfor fd in range(3, 64):\n    try: print(fd, os.fstat(fd).st_mode >> 12)\n    except OSError: pass", ANY),
    Program("terminal", "import fcntl\nfcntl.ioctl(0, 0x5412, b'x')", DENIED),
    Program("memory of the process", "import gc\nprint([o for o in gc.get_objects() if isinstance(o, (dict, list, tuple)) and 'canary-5f0c' in repr(o)[:100000]][:3] and 'seen')", ANY),
]  # fmt: skip

FULL_PYTHON = [*CTYPES, *PROCESSES, *MEMORY, *TAMPERING, *PRYING]
