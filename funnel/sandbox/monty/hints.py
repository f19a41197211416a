"""Hints for the model: what to write instead of what the Monty engine lacks, as data; knows no session.

Each entry is a pattern over "Kind: message | source line" and the advice that goes with it. The first match
wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Hint(NamedTuple):
    """Advice for an error. `pattern` is searched in "Kind: message | source line".

    `lacking`: CPython has what is missing.
    """

    pattern: str
    advice: str
    lacking: bool = True


HINTS: tuple[Hint, ...] = (
    Hint(r"does not yet support yield", "Generators are missing: append to a list and return it."),
    Hint(r"'del' statement", "Write x = None, d.pop(key) or obj.name = None instead of this `del`."),
    Hint(
        r"method decorators",
        "@staticmethod, @classmethod and @property are missing: use a function or an ordinary method.",
    ),
    Hint(
        r"class bodies containing",
        "A class holds methods and plain values only: move the inner class or statement out of it.",
    ),
    Hint(
        r"exception groups|ExceptionGroup",
        "except* and ExceptionGroup are missing: collect errors in a list, and use except (A, B) as e.",
    ),
    Hint(
        r"async context managers|async with is here",
        "async with is here for asyncio.Semaphore and asyncio.Lock only: await asyncio.gather(f(1), f(2)), "
        "or llm_query_batched(list_of_prompts).",
    ),
    Hint(
        r"'list' object is not an iterator",
        "map, zip, filter and (x for ...) are lists here: write it = iter([...]), then next(it, default).",
    ),
    Hint(
        r"JSONEncoder|not JSON serializable",
        "Write json.dumps(x, default=str), or convert first: str(d), sorted(s), list(t).",
        lacking=False,
    ),
    Hint(
        r"cannot suspend in this synchronous context",
        "map(), filter() and sorted(key=) cannot call host functions: use a list comprehension, "
        "or llm_query_batched(list_of_prompts).",
        lacking=False,
    ),
    Hint(
        r"can't be awaited|coroutine",
        "Host functions return their result at once: call them without await; for many at a time use "
        "llm_query_batched(list_of_prompts).",
        lacking=False,
    ),
    Hint(
        r"No module named '(concurrent|threading|multiprocessing|queue|joblib)",
        "No threads or processes here: llm_query_batched(list_of_prompts) runs sub-calls side by side; "
        "collections.deque is a queue.",
        lacking=False,
    ),
    Hint(
        r"No module named '(subprocess|socket|requests|urllib|http|httpx|aiohttp|shutil|glob|tempfile|ctypes|"
        r"signal|importlib|platform|sqlite3)",
        "No files, processes or network here: use read(), grep() and search() for the documents.",
        lacking=False,
    ),
    Hint(
        r"No module named '(numpy|pandas|scipy|sklearn|nltk|spacy|tiktoken)",
        "Only parts of the standard library exist: use lists, dicts, collections, statistics and re.",
        lacking=False,
    ),
    Hint(r"No module named 'enum", 'Enums are missing: use a dict, LEVELS = {"LOW": 1, "HIGH": 2}.'),
    Hint(r"No module named 'abc", "Leave the base class out: write plain classes with methods."),
    Hint(r"No module named 'types", "Use a dict or a @dataclass instead of SimpleNamespace."),
    Hint(
        r"No module named 'fractions|No module named 'numbers",
        "Use decimal.Decimal, or isinstance(x, (int, float)).",
    ),
    Hint(
        r"No module named '(xml|html\.parser|bs4|lxml)",
        r"Read marked-up text by re: re.findall(r'<b>(.*?)</b>', text).",
    ),
    Hint(
        r"No module named '(uuid|secrets)",
        "Use random.getrandbits(64) or hashlib.md5(text.encode()).hexdigest().",
    ),
    Hint(
        r"No module named '(inspect|gc|timeit|pickle|array|struct)",
        "That module is missing: keep plain lists, dicts and numbers; copy.deepcopy(x) copies, "
        "time.time() measures.",
    ),
    Hint(r"No module named 'shlex", 'Use text.split(), or re.findall(r\'"[^"]*"|\\S+\', text).'),
    Hint(
        r"No module named '(traceback|logging|tqdm)",
        "print(...) what you need, print(repr(e)) for an error: its line is shown to you anyway.",
    ),
    Hint(
        r"No module named",
        "Available: re json math collections itertools functools datetime random statistics string heapq "
        "textwrap operator difflib io bisect copy csv dataclasses typing decimal hashlib base64 time "
        "calendar contextlib ast fnmatch urllib.parse.",
    ),
    Hint(
        r"PermissionError|'os\.[a-z_]+' is not supported|not supported in this environment|FileNotFoundError",
        "No files and no environment here: use read(), grep() and search() for the documents.",
        lacking=False,
    ),
    Hint(
        r"name '(globals|vars|dir|locals|__import__|compile|__builtins__)' is not defined",
        "Introspection is missing: refer to variables by name; keep a dict of your own for lookups.",
    ),
    Hint(
        r"name '(exit|quit|sys\.exit)' is not defined|SystemExit",
        "End with submit(...), not by exiting.",
        lacking=False,
    ),
    Hint(
        r"name '(FINAL|FINAL_VAR|SUBMIT|final_answer)' is not defined",
        "Finish with submit(answer).",
        lacking=False,
    ),
    Hint(
        r"'contextmanager'|no attribute 'contextmanager",
        "Write a class with __enter__ and __exit__, or try: ... finally: ...",
    ),
    Hint(
        r"redirect_std", "Collect text in a list and print it: lines.append(text); print('\\n'.join(lines))."
    ),
    Hint(r"'Template'", "Write an f-string, or text.format(who=..., what=...)."),
    Hint(r"'(HtmlDiff|Differ|ndiff|context_diff)'", "Use difflib.unified_diff(a, b, lineterm='')."),
    Hint(
        r"'(singledispatch|singledispatchmethod)'",
        "Write one function with isinstance(x, list) in its if and elif.",
    ),
    Hint(r"'(total_ordering)'", "Sort by a key: sorted(items, key=lambda x: x.name)."),
    Hint(
        r"'(cached_property|partialmethod)'", "Use an ordinary method, and keep its result in an attribute."
    ),
    Hint(r"this module has no attribute", "That module is here in part only: write the function yourself."),
    Hint(r"name 'SHOW_VARS' is not defined", "Refer to variables by name; they all stay.", lacking=False),
    Hint(
        r"name 'input' is not defined",
        "Nobody can be asked: work with the documents and the question.",
        lacking=False,
    ),
    Hint(
        r"name '(bytearray|memoryview)' is not defined", "Use bytes, or a list of numbers: bytes([65, 66])."
    ),
    Hint(
        r"no attribute '__(dict|bases|mro|subclasses)__'",
        "Attributes cannot be listed: dataclasses.asdict(x) lists those of a @dataclass; else name them.",
    ),
    Hint(
        r"module 'asyncio' has no attribute",
        "asyncio has run, gather, sleep, create_task, wait_for and Semaphore here; host functions return at "
        "once, and llm_query_batched(list_of_prompts) runs many side by side.",
    ),
    Hint(r"module 'sys' has no attribute 'exit'", "End with submit(...), not by exiting.", lacking=False),
    Hint(r"module 'sys' has no attribute", "Use len(x) for sizes; the interpreter cannot be inspected here."),
    Hint(
        r"module 'os' has no attribute",
        "No processes, files or interpreter here: use read(), grep() and search() for the documents.",
        lacking=False,
    ),
    Hint(r"TextIOWrapper", "Write print(text, end='')."),
    Hint(r"'(OrderedDict|ChainMap|UserDict|UserList)'", "A dict keeps its order; merge with {**a, **b}."),
    Hint(
        r"no such group|m\.start\(name\)",
        "Name a group that the pattern has, (?P<name>...), or use its number: m.span(1).",
        lacking=False,
    ),
    Hint(
        r"'re\.Match' object has no attribute 're'",
        "Keep the pattern in a variable: p = re.compile(...); p.pattern.",
    ),
    Hint(
        r"no attribute '__(cause|context|traceback)__'",
        "Exceptions are not chained: keep what you need.",
    ),
    Hint(
        r"no attribute '__(name|qualname|doc|annotations|defaults)__'", "Functions cannot be inspected here."
    ),
    Hint(
        r"name '(super|issubclass|classmethod|staticmethod|property)' is not",
        "Classes here are plain: no inheritance, isinstance(x, T) for kinds.",
    ),
    Hint(
        r"not supported between instances of '"
        r"(?!(?:int|str|float|list|dict|tuple|NoneType|bytes|set|bool)')\w+' and",
        "Own objects cannot be compared by < here: sorted(items, key=lambda x: x.name), max(items, key=...).",
    ),
    Hint(
        r"object of type '\w+' has no len|object is not reversible|unsupported operand type\(s\) for \+=",
        "Operators of own classes are few: use a method, x.size(), or x = x + y.",
    ),
    Hint(
        r"time data .* does not match format '(?!.*%[djyYbB])",
        "Give strptime a date, too: datetime.strptime('2000-01-01 ' + t, '%Y-%m-%d %H:%M').",
    ),
    Hint(
        r"'(timetuple|ctime|fromisocalendar|fromordinal)'",
        "Use d.strftime('%j') for the day of the year, d.isocalendar() for the week, d + timedelta(days=n).",
    ),
    Hint(r"exceptions can only be called with zero or one string", "An exception takes one text: E(f'...')."),
    Hint(r"type object '\w+' has no attribute", "Unbound methods are missing: use lambda x: x.method()."),
    Hint(r"[Ww]ildcard imports", "Name what you need: from module import a, b."),
    Hint(
        r"backtracking count exceeded",
        "Search with grep(regex, docs=[id]), or match pieces of the text of 20,000 characters.",
        lacking=False,
    ),
    Hint(r"RecursionError", "Use a loop with a list as stack instead of deep recursion.", lacking=False),
    Hint(
        r"cannot import name '\w+' from '", "That module is here in part only: write the function yourself."
    ),
    Hint(
        r"ImportError|does not yet support|not yet supported",
        "This Python lacks that: write it with plain functions, lists, dicts and loops.",
    ),
)


def hints_of(hints: Iterable[Hint]) -> Callable[[str, str, str], str]:
    """Return a function that maps an error's kind, message and source line to advice.

    It returns "" if no hint matches.
    """
    first = _first_of(hints)

    def hint_for(kind: str, message: str, source_line: str) -> str:
        found = first(kind, message, source_line)
        return "" if found is None else found.advice

    return hint_for


def _first_of(hints: Iterable[Hint]) -> Callable[[str, str, str], Hint | None]:
    compiled = tuple((re.compile(hint.pattern, re.DOTALL), hint) for hint in hints)

    def first(kind: str, message: str, source_line: str) -> Hint | None:
        text = f"{kind}: {message[:2000]} | {source_line[:500]}"
        return next((hint for pattern, hint in compiled if pattern.search(text)), None)

    return first


def lacks(kind: str, message: str, source_line: str) -> bool:
    """Return whether an error comes of something that CPython has and the Monty engine lacks."""
    found = _first_hint(kind, message, source_line)
    return found is not None and found.lacking


_first_hint = _first_of(HINTS)
hint_for = hints_of(HINTS)

DIALECT = """\
A small, safe Python. re, json, math, collections, itertools, datetime are imported; random statistics \
string heapq textwrap difflib csv and more can be. Missing: yield (return a list); inheritance, own \
exceptions, Enum, @property; comparing own objects by < (sort by a key); files, network, threads, pip. No \
await; no host function in map(), filter() or a sort key.\
"""
