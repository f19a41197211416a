"""What model-written programs are made of: each construct with what it prints, or with words of its hint.

Host functions in reach: `llm_query(prompt)` → "A:" + prompt, `llm_query_batched(prompts)`. Variable: `context`, a list
of three texts.
"""

# ruff: noqa: E501 - one construct a line
from __future__ import annotations

from typing import NamedTuple


class Works(NamedTuple):
    code: str
    stdout: str


class Hinted(NamedTuple):
    code: str
    hint: str


WORKS = [
    Works("print(len(context), type(context).__name__)", "3 list"),
    Works("for i, doc in enumerate(context):\n    print(i, doc[:5])", "0 alpha\n1 beta \n2 gamma"),
    Works("hits = [d for d in context if 'two' in d.lower()]\nprint(len(hits))", "1"),
    Works("chunks = [context[i:i + 2] for i in range(0, len(context), 2)]\nprint(len(chunks))", "2"),
    Works("import re\nprint(re.findall(r'\\b\\w+o\\b', ' '.join(context)))", "['two']"),
    Works(
        "import re\nfor m in re.finditer(r'b(e)ta', context[1]):\n    print(m.start(), m.end(), m.group(1))",
        "0 4 e",
    ),
    Works(
        "import re\np = re.compile(r'(?P<first>\\w+)', re.IGNORECASE)\nprint(p.match('Ab cd').group('first'))",
        "Ab",
    ),
    Works("import re\nprint(re.split(r'\\s+', 'a b  c'), re.sub(r'a+', 'x', 'caat'))", "['a', 'b', 'c'] cxt"),
    Works("import re\nprint(re.search(r'(\\d+)-(\\d+)', 'on 10-12').groups())", "('10', '12')"),
    Works("import json\nprint(json.dumps({'a': [1, None]}), json.loads('[1]'))", '{"a": [1, null]} [1]'),
    Works(
        "import json\nprint(json.dumps({'b': 1, 'a': 2}, indent=1, sort_keys=True))",
        '{\n "a": 2,\n "b": 1\n}',
    ),
    Works("from collections import Counter\nprint(Counter('abca').most_common(1))", "[('a', 2)]"),
    Works(
        "from collections import defaultdict\nd = defaultdict(list)\nd['x'].append(1)\nprint(dict(d))",
        "{'x': [1]}",
    ),
    Works(
        "from collections import deque\nq = deque([1, 2], maxlen=2)\nq.append(3)\nprint(list(q))", "[2, 3]"
    ),
    Works("from collections import namedtuple\nP = namedtuple('P', 'a b')\nprint(P(1, 2).b)", "2"),
    Works(
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    a: int\n    b: str = 'x'\nprint(P(1))",
        "P(a=1, b='x')",
    ),
    Works(
        "class Box:\n    def __init__(self, v):\n        self.v = v\n    def get(self):\n        return self.v\nprint(Box(3).get())",
        "3",
    ),
    Works("import math\nprint(math.ceil(1.2), round(math.sqrt(2), 3))", "2 1.414"),
    Works(
        "import itertools\nprint(list(itertools.chain([1], [2])), list(itertools.combinations('abc', 2))[0])",
        "[1, 2] ('a', 'b')",
    ),
    Works(
        "from itertools import groupby\nprint([(k, len(list(g))) for k, g in groupby('aab')])",
        "[('a', 2), ('b', 1)]",
    ),
    Works("from functools import reduce\nprint(reduce(lambda a, b: a + b, [1, 2, 3]))", "6"),
    Works(
        "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef f(n):\n    return n * 2\nprint(f(2), f(2))",
        "4 4",
    ),
    Works(
        "from datetime import datetime, timedelta\nprint((datetime(2024, 1, 31) + timedelta(days=1)).strftime('%Y-%m-%d'))",
        "2024-02-01",
    ),
    Works("from datetime import date\nprint(date.fromisoformat('2024-02-03').isoformat())", "2024-02-03"),
    Works("print(sorted({'b': 1, 'a': 3}.items(), key=lambda kv: -kv[1])[0])", "('a', 3)"),
    Works("print(max(['aa', 'b'], key=len), min([3, 1]), sum(x * x for x in [1, 2]))", "aa 1 5"),
    Works("print(any(x > 1 for x in [1, 2]), all([]), list(zip([1], ['a'])))", "True True [(1, 'a')]"),
    Works("if (n := len(context)) > 2:\n    print(f'{n:03d} {n / 7:.2f} {n!r:>4}')", "003 0.43    3"),
    Works("match {'k': 1}:\n    case {'k': v}:\n        print('k', v)", "k 1"),
    Works(
        "try:\n    int('x')\nexcept (ValueError, TypeError) as e:\n    print(type(e).__name__, e)\nfinally:\n    print('done')",
        "ValueError invalid literal for int() with base 10: 'x'\ndone",
    ),
    Works(
        "a, *rest = [1, 2, 3]\nprint(a, rest, {**{'x': 1}, 'y': 2}, [*rest, 9])",
        "1 [2, 3] {'x': 1, 'y': 2} [2, 3, 9]",
    ),
    Works(
        "def f(a, *args, k=1, **kw):\n    return (a, args, k, kw)\nprint(f(1, 2, k=3, z=4))",
        "(1, (2,), 3, {'z': 4})",
    ),
    Works(
        "def outer():\n    n = 0\n    def inner():\n        nonlocal n\n        n += 1\n        return n\n    inner()\n    return inner()\nprint(outer())",
        "2",
    ),
    Works(
        "s = 'Hello'\nprint(s.lower(), s[::-1], s.find('l'), s.count('l'), s.startswith('He'), s.replace('l', 'L'))",
        "hello olleH 2 2 True HeLLo",
    ),
    Works(
        "print('a,b'.split(','), ' x '.strip(), '-'.join(['a', 'b']), 'ab'.partition('b'), 'x'.isdigit())",
        "['a', 'b'] x a-b ('a', 'b', '') False",
    ),
    Works("print('%s has %d (%.1f)' % ('x', 3, 2.5), '{} {n}'.format(1, n=2))", "x has 3 (2.5) 1 2"),
    Works("print('one\\ntwo'.splitlines(), {1, 2} & {2, 3}, {1} | {2})", "['one', 'two'] {2} {1, 2}"),
    Works(
        "x = 5\nwhile x:\n    x -= 1\n    if x == 2:\n        break\nelse:\n    print('no')\nprint(x)", "2"
    ),
    Works("import random\nrandom.seed(1)\nprint(len(random.sample(range(10), 3)))", "3"),
    Works("import time\nt = time.time()\nprint(time.time() >= t)", "True"),
    Works("import copy\na = [[1]]\nb = copy.deepcopy(a)\nb[0].append(2)\nprint(a)", "[[1]]"),
    Works("from bisect import bisect_left\nprint(bisect_left([1, 3], 2))", "1"),
    Works(
        "from typing import List, Dict, Optional\ndef f(x: Optional[int] = None) -> List[int]:\n    return [x or 0]\nprint(f())",
        "[0]",
    ),
    Works("import csv\nimport io\nprint(list(csv.reader(['a,\"b,c\"'])))", "[['a', 'b,c']]"),
    Works("import hashlib\nprint(hashlib.sha256(b'x').hexdigest()[:6])", "2d7116"),
    Works("import string\nprint('a!b'.strip(string.punctuation), string.ascii_lowercase[:3])", "a!b abc"),
    Works(
        "import statistics\nprint(statistics.mean([1, 2, 3]), statistics.median([3, 1]), round(statistics.stdev([1, 2, 4]), 3))",
        "2 2.0 1.528",
    ),
    Works("from statistics import mean as average\nprint(average([1.0, 2.0]))", "1.5"),
    Works(
        "import heapq\nh = []\nfor x in [3, 1, 2]:\n    heapq.heappush(h, (x, 'v'))\nprint(heapq.heappop(h), heapq.nlargest(1, {'a': 1, 'b': 2}.items(), key=lambda kv: kv[1]))",
        "(1, 'v') [('b', 2)]",
    ),
    Works(
        "import textwrap\nprint(textwrap.shorten('hello wide world', 12), textwrap.dedent('  a\\n    b'))",
        "hello [...] a\n  b",
    ),
    Works(
        "from operator import itemgetter\nprint(sorted([(1, 'b'), (2, 'a')], key=itemgetter(1)))",
        "[(2, 'a'), (1, 'b')]",
    ),
    Works(
        "import difflib\nprint(difflib.get_close_matches('appel', ['ape', 'apple']), round(difflib.SequenceMatcher(None, 'abcd', 'bcde').ratio(), 2))",
        "['apple', 'ape'] 0.75",
    ),
    Works("import io\nb = io.StringIO()\nb.write('x')\nprint(b.getvalue())", "x"),
    Works("from pprint import pprint\npprint({'a': 1})", "{'a': 1}"),
    Works("from contextlib import suppress\nwith suppress(KeyError):\n    {}['x']\nprint('on')", "on"),
    Works("import html\nprint(html.unescape('a &amp; b'))", "a & b"),
    Works("d = {'a': 1, 'b': 2}\ndel d['a']\nprint(d)", "{'b': 2}"),
    Works("x = [1, 2, 3]\ndel x[0]\ny = 1\ndel y\nprint(x)", "[2, 3]"),
    Works("print(next((d for d in context if 'beta' in d), None))", "beta two"),
    Works("print(next(x for x in [1, 2] if x > 1))", "2"),
    Works("answer = llm_query('q')\nprint(answer)", "A:q"),
    Works("answers = [llm_query(f'{i}: {d[:5]}') for i, d in enumerate(context)]\nprint(len(answers))", "3"),
    Works("answers = {d[:2]: llm_query(d[:2]) for d in context}\nprint(answers['al'])", "A:al"),
    Works("print(llm_query_batched([d[:2] for d in context]))", "['A:al', 'A:be', 'A:ga']"),
    Works("print(llm_query(prompt='k'))", "A:k"),
    Works("ask = llm_query\nprint(ask('x'))", "A:x"),
    Works(
        "def ask(d):\n    return llm_query('sum ' + d[:2])\nprint([ask(d) for d in context][2])", "A:sum ga"
    ),
    Works("print(await llm_query('x'))", "A:x"),
    Works("x = llm_query('a')\nprint(await x)", "A:a"),
    Works("import asyncio\nprint(await asyncio.gather(llm_query('a'), llm_query('b')))", "['A:a', 'A:b']"),
    Works(
        "import asyncio\ntasks = [llm_query(d[:2]) for d in context]\nprint(await asyncio.gather(*tasks))",
        "['A:al', 'A:be', 'A:ga']",
    ),
    Works(
        "import asyncio\ntasks = []\nfor d in context:\n    tasks.append(llm_query(d[:2]))\nprint(await asyncio.gather(*tasks))",
        "['A:al', 'A:be', 'A:ga']",
    ),
    Works(
        "import asyncio\nasync def ask(d):\n    return await llm_query(d[:2])\nasync def main():\n    return await asyncio.gather(*[ask(d) for d in context])\nprint(asyncio.run(main()))",
        "['A:al', 'A:be', 'A:ga']",
    ),
    Works(
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(max_workers=8) as pool:\n    print(list(pool.map(llm_query, ['a', 'b'])))",
        "['A:a', 'A:b']",
    ),
    Works(
        "import concurrent.futures\nwith concurrent.futures.ThreadPoolExecutor() as pool:\n    futures = {pool.submit(llm_query, p): p for p in ['a', 'b']}\n    print([f.result() for f in concurrent.futures.as_completed(futures)])",
        "['A:a', 'A:b']",
    ),
    Works("print(context[0].title(), f'{12345:,}', f'{0.5:.0%}')", "Alpha One 12,345 50%"),
    Works(
        "print(isinstance(context, (list, str)), hasattr(1, 'upper'), getattr(1, 'upper', 2))",
        "True False 2",
    ),
    Works("print(bool(context) and 'yes' or 'no', 3 if context else 4, not [])", "yes 3 True"),
    Works("print('é'.upper(), 'straße'.casefold(), len('日本'))", "É strasse 2"),
    Works("x = 3\nx", "3"),
    Works("'text'", "'text'"),
    Works("None", ""),
    Works("import unicodedata\nprint(unicodedata.normalize('NFKD', 'é')[0])", "e"),
    Works("print(sorted(['b', 'A'], key=str.lower), [*map(str.strip, [' x '])])", "['A', 'b'] ['x']"),
    Works("print(*[1, 2], sep='-', end='!\\n')", "1-2!"),
    Works("lines = '''\na\nb\n'''.strip().split('\\n')\nprint(lines)", "['a', 'b']"),
    Works(
        "print(r'\\d', b'x', 0x10, 1_000, 1e3, 3 // 2, -3 % 2, 2 ** 5, divmod(7, 2))",
        "\\d b'x' 16 1000 1000.0 1 1 32 (3, 1)",
    ),
    Works("assert len(context) == 3, 'three'\nprint('ok')", "ok"),
    Works(
        "raise_it = False\nif raise_it:\n    raise RuntimeError('x')\nprint(list(map(str.upper, ['a'])), list(filter(None, [0, 1])))",
        "['A'] [1]",
    ),
    Works(
        "seen = set()\nfor d in context:\n    seen.add(d.split()[0])\nprint(sorted(seen))",
        "['alpha', 'beta', 'gamma']",
    ),
    Works(
        "matrix = [[1, 2], [3, 4]]\nprint([list(r) for r in zip(*matrix)], sum(matrix, []))",
        "[[1, 3], [2, 4]] [1, 2, 3, 4]",
    ),
    Works(
        "d = {}\nd.setdefault('k', []).append(1)\nd.update(z=2)\nprint(d.get('q', 0), d.pop('z'), list(d.keys()), d)",
        "0 2 ['k'] {'k': [1]}",
    ),
    Works("g = (x for x in [1])\nprint(next(g))", "1"),
    Works("import re\nprint(re.sub(r'a', lambda m: m.group().upper(), 'banana'))", "bAnAnA"),
    Works("import re\nprint(re.findall(r'a b', 'ab', re.VERBOSE))", "['ab']"),
    Works("print('ab'.translate(str.maketrans('a', 'b')))", "bb"),
    Works("print('ab'.translate({97: 98}))", "bb"),
    Works("from collections import OrderedDict", ""),
    Works("def f():\n    pass\nprint(f.__name__)", "f"),
    Works("import collections.abc", ""),
    Works("print(sorted([3, 1], key=int.bit_length))", "[1, 3]"),
    Works("import asyncio\nt = asyncio.create_task(llm_query('a'))\nprint(await t)", "A:a"),
    Works("import ast\nprint(ast.literal_eval('[1]'))", "[1]"),
    Works("import collections\nd = collections.OrderedDict(a=1)", ""),
    Works("from functools import cmp_to_key", ""),
    Works("import re\nprint(re.search('(?P<y>2)', '12').span('y'))", "(1, 2)"),
    Works("print(context.__class__.__name__)", "list"),
    Works(
        "import json\nfrom datetime import date\nprint(json.dumps({'d': date(2024, 1, 1)}, default=str))",
        '{"d": "2024-01-01"}',
    ),
]

HINTED = [
    Hinted("def parts(xs):\n    for x in xs:\n        yield x\nprint(list(parts([1])))", "append to a list"),
    Hinted("def parts(xs):\n    yield from xs\nparts([1])", "append to a list"),
    Hinted("class Oops(Exception):\n    pass\nraise Oops()", "ValueError or RuntimeError"),
    Hinted("class A:\n    pass\nclass B(A):\n    pass", "plain class"),
    Hinted("from enum import Enum\nclass Colour(Enum):\n    RED = 1", "plain class"),
    Hinted("from abc import ABC, abstractmethod", "plain classes"),
    Hinted("class A:\n    @property\n    def x(self):\n        return 1", "ordinary method"),
    Hinted("class A:\n    @staticmethod\n    def x():\n        return 1", "ordinary method"),
    Hinted("import json\nprint(json.dumps({'s': {1, 2}}))", "convert first"),
    Hinted("print(list(map(llm_query, ['a', 'b'])))", "llm_query_batched"),
    Hinted("print(sorted(context, key=llm_query))", "list comprehension"),
    Hinted("print(list(filter(lambda d: 'x' in llm_query(d), context)))", "list comprehension"),
    Hinted("print(max(context, key=lambda d: llm_query(d)))", "list comprehension"),
    Hinted("def ask(p):\n    return llm_query(p)\nprint(await ask('a'))", "without await"),
    Hinted("raise ValueError('a', 3)", "one text"),
    Hinted("class Bag:\n    def __len__(self):\n        return 1\nprint(len(Bag()))", "method"),
    Hinted("import threading\nthreading.Thread(target=print).start()", "llm_query_batched"),
    Hinted("from multiprocessing import Pool", "llm_query_batched"),
    Hinted("print(open('doc.txt').read())", "read()"),
    Hinted("with open('notes.txt', 'w') as f:\n    f.write('x')", "read()"),
    Hinted("from pathlib import Path\nprint(Path('.').read_text())", "read()"),
    Hinted("import os\nprint(os.listdir('.'))", "read()"),
    Hinted("import os\nprint(os.environ['HOME'])", "read()"),
    Hinted("import os\nos.system('ls')", "read()"),
    Hinted("import subprocess\nsubprocess.run(['ls'])", "read()"),
    Hinted("import requests\nrequests.get('https://example.org')", "search()"),
    Hinted("import glob\nglob.glob('*')", "grep()"),
    Hinted("import numpy as np\nnp.mean([1])", "statistics"),
    Hinted("import pandas as pd", "standard library"),
    Hinted("from sklearn.feature_extraction.text import TfidfVectorizer", "standard library"),
    Hinted("import logging", "print("),
    Hinted("import zlib", "Available: re json"),
    Hinted("SHOW_VARS()", "by name"),
    Hinted("print(globals()['context'])", "by name"),
    Hinted("print(dir(context))", "by name"),
    Hinted("print('x' in locals() or vars())", "by name"),
    Hinted("exit()", "submit"),
    Hinted("import sys\nsys.exit(0)", "submit"),
    Hinted("FINAL(context)", "submit(answer)"),
    Hinted("from statistics import NormalDist", "yourself"),
    Hinted("name = input('name? ')", "Nobody"),
    Hinted("def walk(n):\n    return walk(n + 1)\nwalk(0)", "loop"),
    Hinted("from collections import *", "Name what you need"),
]
