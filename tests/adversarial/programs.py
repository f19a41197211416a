"""Programs that a model might write by accident or on purpose, with what must be true of each.

`answer` is a pattern that "stdout kind message" must match; ANY where it only matters that the host lives on.
Host functions in reach: `echo(value)`, `fail()` (HostError), `end()` (EndCell).
"""

# ruff: noqa: E501 - one program a line
from __future__ import annotations

from typing import NamedTuple

ANY = ""
REFUSED = r"NameError|AttributeError|ModuleNotFoundError|PermissionError|NotImplementedError|RuntimeError|TypeError|SyntaxError|FileNotFoundError|OSError"
LIMIT = r"TimeoutError|MemoryError|SandboxCrashed|RecursionError|OverflowError|ValueError"


class Program(NamedTuple):
    name: str
    code: str
    answer: str = ANY
    full: str | None = None
    """The pattern where a whole Python runs the program, if another one."""

    def answer_in(self, engine: str) -> str:
        """The pattern for that engine."""
        return self.answer if engine == "monty" or self.full is None else self.full


TIME = [
    Program("endless loop", "while True:\n    pass", "TimeoutError"),
    Program(
        "endless loop that catches everything",
        "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass",
        "TimeoutError",
    ),
    Program("endless loop in finally", "try:\n    1/0\nfinally:\n    while True: pass", "TimeoutError"),
    Program(
        "endless loop in a function kept for later",
        "def spin():\n    while True: pass\nspin()",
        "TimeoutError",
    ),
    Program("endless iterator", "import itertools\nfor i in itertools.count(): pass", "TimeoutError"),
    Program("endless list of an endless iterator", "import itertools\nlist(itertools.count())", LIMIT),
    Program("endless cycle summed", "import itertools\nsum(itertools.cycle([1]))", LIMIT),
    Program(
        "endless repr",
        "class A:\n    def __repr__(self):\n        while True: pass\nprint(A())",
        "TimeoutError",
    ),
    Program("endless sort key", "def key(x):\n    while True: pass\nsorted([1, 2], key=key)", "TimeoutError"),
    Program("huge range summed", "sum(range(10**12))", LIMIT),
    Program("huge power", "x = 9 ** 9 ** 9", LIMIT),
    Program("huge shift", "x = 1 << 10**10", LIMIT),
    Program("factorial without end", "import math\nx = math.factorial(10**7)", LIMIT),
    Program("text of a giant integer", "print(len(str(7 ** 1000000)))", ANY),
    Program("giant integer from text", "print(int('9' * 1000000) % 7)", ANY),
    Program("giant products", "x = 3\nfor i in range(60):\n    x = x * x", LIMIT),
    Program("regular expression that backtracks", "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')", ANY),
    Program("regular expression with nested groups", "import re\nre.search(r'((a*)*)*b', 'a' * 200)", ANY),
    Program(
        "regular expression with back-references",
        r"import re" "\n" r"re.match(r'(a*)(a*)(a*)(a*)(a*)(a*)(a*)(a*)\1\2\3\4\5\6\7\8c', 'a' * 60)",
        ANY,
    ),
    Program("regular expression with huge repetition", "import re\nre.compile('(a{1000}){1000}')", ANY),
    Program("sleep", "import time\ntime.sleep(3600)\nprint('awake')", "awake"),
    Program("sleep in asyncio", "import asyncio\nawait asyncio.sleep(3600)\nprint('awake')", "awake"),
    Program("await of nothing", "import asyncio\nawait asyncio.Event().wait()", REFUSED + "|" + LIMIT),
    Program(
        "await of an endless coroutine",
        "import asyncio\nasync def spin():\n    while True:\n        await asyncio.sleep(0)\nawait spin()",
        ANY,
    ),
]

MEMORY = [
    Program("growing list", "l = []\nwhile True:\n    l.append('x' * 1000)", "MemoryError"),
    Program("doubling text", "s = 'x'\nwhile True:\n    s += s", "MemoryError"),
    Program("huge text", "s = 'x' * 10**12", LIMIT),
    Program("huge list", "l = [0] * 10**12", LIMIT),
    Program("huge bytes", "b = b'x' * 10**12", LIMIT),
    Program("padding", "s = 'x'.ljust(10**12)", LIMIT),
    Program("centring in a format", "s = f'{1:>1000000000000}'", LIMIT),
    Program("percent format", "s = '%1000000000d' % 1", LIMIT),
    Program("format method", "s = '{:1000000000}'.format(1)", LIMIT),
    Program("replacement that explodes", "s = ('a' * 100000).replace('a', 'b' * 100000)", LIMIT),
    Program("join that explodes", "s = ('b' * 100000).join(['a'] * 100000)", LIMIT),
    Program("growing dict", "d = {}\ni = 0\nwhile True:\n    d[i] = [i]\n    i += 1", LIMIT),
    Program("permutations in a list", "import itertools\nl = list(itertools.permutations(range(12)))", LIMIT),
    Program(
        "product in a list", "import itertools\nl = list(itertools.product(range(100), repeat=5))", LIMIT
    ),
    Program(
        "memory that is caught", "try:\n    s = 'x' * 10**12\nexcept MemoryError:\n    print('caught')", ANY
    ),
    Program("huge replacement by a pattern", "import re\ns = re.sub('a', 'b' * 100000, 'a' * 100000)", LIMIT),
    Program(
        "json that explodes", "import json\nl = [0]\nfor i in range(40): l = [l, l]\njson.dumps(l)", LIMIT
    ),
    Program("repr that explodes", "l = [0]\nfor i in range(40): l = [l, l]\nlen(repr(l))", LIMIT),
    Program(
        "equality that explodes",
        "a = [0]\nb = [0]\nfor i in range(40):\n    a = [a, a]\n    b = [b, b]\nprint(a == b)",
        ANY,
    ),
    Program("deep copy", "import copy\nl = [0]\nfor i in range(40): l = [l, l]\nx = copy.deepcopy(l)", ANY),
]

RECURSION = [
    Program("recursion", "def f(n):\n    return f(n + 1)\nf(0)", "RecursionError"),
    Program(
        "recursion between functions",
        "def f():\n    return g()\ndef g():\n    return f()\nf()",
        "RecursionError",
    ),
    Program(
        "recursion that catches itself",
        "def f():\n    try:\n        return f()\n    except RecursionError:\n        return f()\nf()",
        ANY,
    ),
    Program(
        "recursive repr", "class A:\n    def __repr__(self):\n        return repr(self)\nprint(A())", ANY
    ),
    Program(
        "recursive equality",
        "class A:\n    def __eq__(self, other):\n        return self == other\nA() == A()",
        ANY,
    ),
    Program("list that holds itself", "l = []\nl.append(l)\nprint(l)", ANY),
    Program("deep list", "l = []\nfor i in range(200000): l = [l]\nprint('built')", ANY),
    Program("deep list printed", "l = []\nfor i in range(20000): l = [l]\nprint(len(repr(l)))", ANY),
    Program(
        "deep list compared",
        "a = []\nb = []\nfor i in range(50000):\n    a = [a]\n    b = [b]\nprint(a == b)",
        ANY,
    ),
    Program("deep json", "import json\njson.loads('[' * 100000 + ']' * 100000)", ANY),
    Program("deep brackets in the source", "(" * 5000 + ")" * 5000, ANY),
    Program("deep minus in the source", "x = " + "-" * 20000 + "1", ANY),
    Program("deep not in the source", "x = " + "not " * 20000 + "1", ANY),
    Program("deep attributes in the source", "x = a" + ".b" * 20000, ANY),
    Program("deep calls in the source", "x = a" + "()" * 20000, ANY),
    Program("deep sum in the source", "x = " + "1+" * 20000 + "1\nprint('summed')", ANY),
    Program("deep lambdas in the source", "x = " + "lambda: " * 10000 + "1", ANY),
    Program(
        "deep nesting of blocks", "".join("\t" * i + "if 1:\n" for i in range(300)) + "\t" * 300 + "pass", ANY
    ),
    Program("deep evaluation", "eval('(' * 3000 + ')' * 3000)", ANY),
    Program("deep pattern", "import re\nre.compile('(' * 5000 + ')' * 5000)", ANY),
]

OUTPUT = [
    Program("endless output", "while True: print('x' * 1000)", "TimeoutError"),
    Program("much output", "for i in range(100000): print('line', i)", "output cut"),
    Program("one huge line", "print('x' * 20_000_000)", "output cut"),
    Program("many empty prints", "for i in range(100000): print(end='')", ANY),
    Program("huge message", "raise ValueError('x' * 20_000_000)", "characters"),
    Program("huge last value", "'x' * 20_000_000", "output cut"),
    Program("huge last value, shared", "l = [0]\nfor i in range(40): l = [l, l]\nl", LIMIT),
    Program("huge assertion", "assert 'x' * 10_000_000 == 'y' * 10_000_000", "AssertionError"),
    Program("huge key error", "{}['x' * 10_000_000]", "KeyError"),
]

CROSSING = [
    Program("shared structure", "l = [0]\nfor i in range(25): l = [l, l]\necho(l)", "TypeError"),
    Program("shared dicts", "d = {}\nfor i in range(25): d = {'a': d, 'b': d}\necho(d)", "TypeError"),
    Program("wide shared structure", "a = ['x'] * 1000\nb = [a] * 1000\necho([b] * 1000)", "parts"),
    Program("shared long text", "s = 'x' * 1_000_000\necho([s] * 1000)", "longer than"),
    Program("cycle", "l = []\nl.append(l)\necho(l)", ANY),
    Program("deep argument", "l = []\nfor i in range(100000): l = [l]\necho(l)", ANY),
    Program("huge integer argument", "echo(1 << 100000)", "too large"),
    Program("object argument", "class A: pass\necho(A())", "cannot be passed"),
    Program("bytes argument", "echo(b'x')", "cannot be passed"),
    Program("dict with odd keys", "echo({(1, 2): 3})", "TypeError"),
    Program("wrong arguments", "echo()", "TypeError"),
    Program("unknown keyword", "echo(1, **{'a b': 2})", "TypeError"),
    Program("very many keywords", "echo(1, **{str(i): i for i in range(10000)})", "TypeError"),
    Program(
        "end that is caught",
        "try:\n    end()\nexcept BaseException:\n    print('caught')\nprint('went on')",
        r"^\s*$",
    ),
    Program("end in a finally", "try:\n    1/0\nfinally:\n    end()\nprint('went on')", r"^\s*$"),
    Program(
        "end in a loop", "while True:\n    try:\n        end()\n    except BaseException: pass", r"^\s*$"
    ),
    Program("host calls without end", "while True: echo(1)", "host calls"),
    Program(
        "host calls that fail without end",
        "while True:\n    try:\n        fail()\n    except BaseException: pass",
        "host calls",
    ),
    Program(
        "missing names without end",
        "while True:\n    try:\n        nothing\n    except NameError: pass",
        "host calls|TimeoutError",
    ),
    Program(
        "missing files without end",
        "while True:\n    try:\n        open('x')\n    except BaseException: pass",
        "host calls|TimeoutError",
    ),
    Program("host call as sort key", "sorted([1, 2], key=echo)", "cannot suspend", full=r"\[1, 2\]"),
    Program(
        "host call in repr", "class A:\n    def __repr__(self):\n        return echo('x')\nprint(A())", ANY
    ),
    Program(
        "tasks that nobody awaits",
        "import asyncio\nfor i in range(50): asyncio.create_task(echo(i))\nprint('left')",
        ANY,
    ),
    Program(
        "gather of very many",
        "import asyncio\nawait asyncio.gather(*[echo(i) for i in range(5000)])",
        "host calls",
    ),
    Program("host function assigned over", "echo = 3\nprint(echo)", "3"),
    Program(
        "variables of the engine assigned over",
        "_std_heapq = 3\nimport heapq\nprint(heapq.nlargest(1, [1, 2]))",
        ANY,
    ),
]

NOTHING_RAN = r"^(32512|-1)\s*$"
"""What `os.system` gives where no process can be made."""
HARMLESS = {
    "environment": "PYTHONHASHSEED",
    "one variable of the environment": "None",
    "shell": NOTHING_RAN,
    "import by name": NOTHING_RAN,
    "pickle": NOTHING_RAN,
    "ctypes": "CDLL",
    "exit of the process": "SandboxCrashed",
    "stdin": "EOFError",
    **dict.fromkeys(
        [
            "builtins", "builtins module", "sys.modules", "subclasses", "base classes of a type", "importlib",
            "code of a function", "frames of sys", "format string walk", "getattr walk", "eval of an import",
            "exec of an import", "compile", "metaclass", "globals of a function",
        ],
        ANY,
    ),
}  # fmt: skip
"""What a whole Python gives freely: to look around is no escape where nothing is to be found."""

ESCAPES = [
    Program(name, code, answer, HARMLESS.get(name))
    for name, code, answer in [
        ("open a file", "print(open(CANARY).read())", REFUSED),
        ("write a file", "open('/tmp/written-by-hostile-code', 'w').write('x')", REFUSED),
        ("pathlib", "from pathlib import Path\nprint(Path(CANARY).read_text())", REFUSED),
        ("pathlib listing", "from pathlib import Path\nprint(list(Path('/').iterdir()))", REFUSED),
        ("environment", "import os\nprint(os.environ)", REFUSED),
        ("one variable of the environment", "import os\nprint(os.getenv('CANARY'))", REFUSED),
        ("listing", "import os\nprint(os.listdir('/'))", REFUSED),
        ("shell", "import os\nos.system('id')", REFUSED),
        ("subprocess", "import subprocess\nsubprocess.run(['id'])", REFUSED),
        ("socket", "import socket\nsocket.create_connection(('127.0.0.1', 80))", REFUSED),
        ("http", "import urllib.request\nurllib.request.urlopen('http://127.0.0.1')", REFUSED),
        ("ctypes", "import ctypes\nctypes.CDLL(None)", REFUSED),
        ("import by name", "__import__('os').system('id')", REFUSED),
        ("importlib", "import importlib\nimportlib.import_module('subprocess')", REFUSED),
        ("builtins", "__builtins__['open']", REFUSED),
        ("builtins module", "import builtins\nbuiltins.open", REFUSED),
        ("sys.modules", "import sys\nprint(sys.modules['os'])", REFUSED),
        ("sys.path", "import sys\nsys.path.append('/tmp')\nimport written", REFUSED),
        ("subclasses", "print(().__class__.__mro__[1].__subclasses__())", REFUSED),
        ("base classes of a type", "print(type(1).__mro__, type(1).__bases__)", REFUSED),
        ("globals of a function", "def f(): pass\nprint(f.__globals__)", REFUSED),
        ("code of a function", "def f(): pass\nprint(f.__code__)", REFUSED),
        ("globals of a host function", "print(echo.__globals__)", REFUSED),
        ("self of a host function", "print(echo.__self__, echo.__closure__)", REFUSED),
        (
            "frames of a traceback",
            "try:\n    1/0\nexcept Exception as e:\n    print(e.__traceback__.tb_frame.f_globals)",
            REFUSED,
        ),
        ("frames of sys", "import sys\nprint(sys._getframe())", REFUSED),
        ("garbage collector", "import gc\nprint(gc.get_objects())", REFUSED),
        ("inspect", "import inspect\nprint(inspect.stack())", REFUSED),
        ("pickle", "import pickle\npickle.loads(b'cos\\nsystem\\n(S\"id\"\\ntR.')", REFUSED),
        ("format string walk", "print('{0.__class__.__mro__}'.format(1))", REFUSED),
        ("getattr walk", "print(getattr(getattr(1, '__class__'), '__mro__'))", REFUSED),
        ("eval of an import", "eval('__import__(\"os\")')", REFUSED),
        ("exec of an import", "exec('import subprocess')", REFUSED),
        ("compile", "compile('1', 'x', 'eval')", REFUSED),
        ("type with three arguments", "type('X', (), {})()", ANY),
        ("metaclass", "class M(type): pass", REFUSED),
        ("logging to a file", "import logging\nlogging.basicConfig(filename='/tmp/x')", REFUSED),
        ("signal", "import signal\nsignal.raise_signal(9)", REFUSED),
        ("kill", "import os\nos.kill(os.getppid(), 9)", REFUSED),
        ("exit of the process", "import os\nos._exit(0)", REFUSED),
        ("exit by sys", "import sys\nsys.exit(0)", ANY),
        ("exit by exception", "raise SystemExit", ANY),
        ("interrupt by exception", "raise KeyboardInterrupt", ANY),
        ("generator exit by exception", "raise BaseException('x')", ANY),
        ("stdin", "input()", REFUSED),
        ("proc", "print(open('/proc/self/environ').read())", REFUSED),
        ("working directory", "import os\nos.chdir('/')\nprint(os.listdir('.'))", REFUSED),
        ("null byte in the source", "x = 'a\x00b'", ANY),
        ("surrogate in the source", "x = '\ud800'\nprint(len(x))", ANY),
        ("carriage returns in the source", "x = 1\r\ny = 2\rprint(x + y)", "3"),
        ("empty source", "", r"^\s*$"),
        ("only a comment", "# nothing", r"^\s*$"),
        ("very long source", "x = 1\n" * 50000, ANY),
        ("very long line", "x = '" + "y" * 1_000_000 + "'", ANY),
        ("not Python", "SELECT * FROM x; drop table", "SyntaxError"),
        ("control characters in output", "print('\\x1b[2J\\x00\\x07')", ANY),
    ]
]

PROGRAMS = [*TIME, *MEMORY, *RECURSION, *OUTPUT, *CROSSING, *ESCAPES]
