"""Hints for the model: what to write instead of what the Monty engine lacks, as data; knows no session.

Each entry is a pattern over "Kind: message | source line" and the advice that goes with it. The first match
wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Hint(NamedTuple):
    """Advice for an error. `pattern` is searched in "Kind: message | source line"."""

    pattern: str
    advice: str


HINTS: tuple[Hint, ...] = (
    Hint(r"does not yet support yield", "Generators are missing: append to a list and return it."),
    Hint(r"'del' statement", "`del` is missing: assign None, or use d.pop(key) and slices."),
    Hint(
        r"inheritance and metaclasses.*\bException\b",
        "Own exception classes are missing: raise ValueError or RuntimeError with a message.",
    ),
    Hint(
        r"inheritance and metaclasses",
        "Inheritance is missing: use a plain class, a @dataclass, a dict or functions.",
    ),
    Hint(
        r"method decorators",
        "@staticmethod, @classmethod and @property are missing: use a function or an ordinary method.",
    ),
    Hint(
        r"'list' object is not an iterator",
        "A generator expression is a list here: wrap it, next(iter([x for x in xs if test(x)]), default).",
    ),
    Hint(
        r"callable replacement is not yet supported in re\.sub",
        "re.sub takes a string only: loop over re.finditer(...), collect text[last:m.start()] and the "
        'replacement in a list, then "".join it.',
    ),
    Hint(
        r"no attribute '(translate|maketrans)'",
        "str.translate is missing: use .replace(a, b) or a join over characters.",
    ),
    Hint(
        r"JSONEncoder.*'default'|not JSON serializable",
        "json.dumps(default=) is missing: convert first (str(d), list(s), dict(c)), then json.dumps.",
    ),
    Hint(r"no attribute 'VERBOSE'|no attribute 'X'", "re.VERBOSE is missing: write the pattern on one line."),
    Hint(
        r"cannot suspend in this synchronous context",
        "map(), filter() and sorted(key=) cannot call host functions: use a list comprehension, "
        "or llm_query_batched(list_of_prompts).",
    ),
    Hint(
        r"can't be awaited|coroutine",
        "Host functions return their result at once: call them without await; for many at a time use "
        "llm_query_batched(list_of_prompts).",
    ),
    Hint(
        r"No module named '(concurrent|threading|multiprocessing|queue|joblib)",
        "No threads or processes here: llm_query_batched(list_of_prompts) runs sub-calls side by side.",
    ),
    Hint(
        r"No module named '(subprocess|socket|requests|urllib|http|httpx|aiohttp|shutil|glob|tempfile|ctypes|"
        r"signal|importlib|platform)",
        "No files, processes or network here: use read(), grep() and search() for the documents.",
    ),
    Hint(
        r"No module named '(numpy|pandas|scipy|sklearn|nltk|spacy|tiktoken)",
        "Only parts of the standard library exist: use lists, dicts, collections, statistics and re.",
    ),
    Hint(
        r"No module named '(enum|abc|types|contextlib|collections\.abc)",
        "That module is missing: use constants, dicts, plain classes and try/finally.",
    ),
    Hint(r"No module named '(ast)'", "json.loads reads data; ast is missing."),
    Hint(
        r"No module named '(traceback|logging|warnings|pprint|tqdm)",
        "print(...) what you need: an error's line is shown to you anyway.",
    ),
    Hint(
        r"No module named",
        "Available: re json math collections itertools functools datetime random statistics string heapq "
        "textwrap operator difflib io bisect copy csv dataclasses typing decimal hashlib base64 time.",
    ),
    Hint(
        r"PermissionError|'os\.[a-z_]+' is not supported|not supported in this environment|FileNotFoundError",
        "No files and no environment here: use read(), grep() and search() for the documents.",
    ),
    Hint(
        r"name '(globals|vars|dir|locals|__import__|compile|__builtins__)' is not defined",
        "Introspection is missing: refer to variables by name; keep a dict of your own for lookups.",
    ),
    Hint(r"name '(exit|quit|sys\.exit)' is not defined|SystemExit", "End with submit(...), not by exiting."),
    Hint(r"name '(FINAL|FINAL_VAR|SUBMIT|final_answer)' is not defined", "Finish with submit(answer)."),
    Hint(r"this module has no attribute", "That module is here in part only: write the function yourself."),
    Hint(r"name 'SHOW_VARS' is not defined", "Refer to variables by name; they all stay."),
    Hint(r"name 'input' is not defined", "Nobody can be asked: work with the documents and the question."),
    Hint(
        r"no attribute '__(class|dict|bases|mro|subclasses)__'", "Use type(x).__name__ and isinstance(x, T)."
    ),
    Hint(
        r"module 'asyncio' has no attribute",
        "asyncio has run, gather and sleep here; host functions return at once, and "
        "llm_query_batched(list_of_prompts) runs many side by side.",
    ),
    Hint(r"module 'sys' has no attribute 'exit'", "End with submit(...), not by exiting."),
    Hint(
        r"module '(os|sys)' has no attribute",
        "No processes, files or interpreter here: use read(), grep() and search() for the documents.",
    ),
    Hint(r"'(OrderedDict|ChainMap)'", "A dict keeps its order; merge with {**a, **b}."),
    Hint(r"'cmp_to_key'", "functools.cmp_to_key is missing: sort by a key, such as a tuple."),
    Hint(
        r"no such group.*\.(span|start|end)\(",
        "m.span, m.start and m.end take the number of a group, not its name: m.span(1).",
    ),
    Hint(
        r"no attribute '__(cause|context|traceback)__'",
        "Exceptions are not chained: keep what you need.",
    ),
    Hint(
        r"name 'callable' is not defined|no attribute '__(name|doc)__'", "Functions cannot be inspected here."
    ),
    Hint(
        r"name '(super|issubclass|classmethod|staticmethod)' is not",
        "Classes here are plain: no inheritance.",
    ),
    Hint(
        r"object of type '\w+' has no len|TextIOWrapper",
        "Operators of own classes are few: use a method; print(...).",
    ),
    Hint(r"exceptions can only be called with zero or one string", "An exception takes one text: E(f'...')."),
    Hint(r"type object '\w+' has no attribute", "Unbound methods are missing: use lambda x: x.method()."),
    Hint(r"[Ww]ildcard imports", "Name what you need: from module import a, b."),
    Hint(
        r"backtracking count exceeded",
        "Search with grep(regex, docs=[id]), or match pieces of the text of 20,000 characters.",
    ),
    Hint(r"RecursionError", "Use a loop with a list as stack instead of deep recursion."),
)


def hints_of(hints: Iterable[Hint]) -> Callable[[str, str, str], str]:
    """Return a function that maps an error's kind, message and source line to advice.

    It returns "" if no hint matches.
    """
    compiled = tuple((re.compile(hint.pattern, re.DOTALL), hint.advice) for hint in hints)

    def hint_for(kind: str, message: str, source_line: str) -> str:
        text = f"{kind}: {message[:2000]} | {source_line[:500]}"
        return next((advice for pattern, advice in compiled if pattern.search(text)), "")

    return hint_for


hint_for = hints_of(HINTS)

DIALECT = """\
A small, safe Python. re, json, math, collections, itertools, datetime are imported; random statistics \
string heapq textwrap difflib csv can be. Missing: yield (return a list); inheritance, own exceptions, \
@property; re.sub with a function (use finditer); json.dumps(default=); files, network, threads, pip. No \
await; no host function in map(), filter() or a sort key.\
"""
