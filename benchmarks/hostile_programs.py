"""Programs that pass tools what should take them down, by name.

The documents that they name are `big`, of two million characters in which every word is the same, and `small`.
"""

# ruff: noqa: E501 - one program a line
from __future__ import annotations

PROGRAMS = {
    # quotes, ids and spans
    "quote of 16 MB": "cite('big', quote='x' * 16_000_000)",
    "quote of 16 MB of emoji": "cite('big', quote='\U0001f600' * 8_000_000)",
    "quote of 100,000 words": "cite('big', quote='a b ' * 50_000)",
    "quote that nearly stands everywhere": "for i in range(50):\n    try: cite('big', quote='a ' * 900 + 'b' + str(i))\n    except Exception: pass",
    "thousands of quotes at once": "import asyncio\nq = 'x' * 16_000_000\nasync def ask(i):\n    try: return cite('big', quote=q + str(i))\n    except Exception as e: return str(e)\nprint(len(str(await asyncio.gather(*[cite('big', quote=q + str(i)) for i in range(2000)]))))",
    "id of 16 MB": "read('x' * 16_000_000)",
    "document that is a dict of 16 MB": "read({'id': 'big', 'text': 'x' * 16_000_000}, 0, 5)",
    "span of giant integers": "cite('big', 10 ** 1200, 10 ** 1201)",
    "page of giant integers": "documents(10 ** 1200, 10 ** 1201)",
    # queries and patterns
    "query of 1,900,000 words": "search(' '.join('w' + str(i) for i in range(1_900_000)))",
    "query of 12,000 words, again and again": "q = ' '.join('w' + str(i) for i in range(12_000))\nfor i in range(200): search(q + str(i), k=500)",
    "recall of 300,000 words": "recall(' '.join('w' + str(i) for i in range(300_000)))",
    "recall of 1,500 words, again and again": "q = ' '.join('w' + str(i) for i in range(1_500))\nfor i in range(200): recall(q + str(i), k=100)",
    "pattern that backtracks": "grep('(a+ ?)+$', docs=['big'])",
    "pattern that unfolds": "grep('(?:a{9999}){9999}', docs=['big'])",
    "pattern of 16 MB": "grep('a' * 16_000_000, docs=['big'])",
    "pattern whose matches are long": "for i in range(100): grep('(?s).{16000}', docs=['big'], context=2000)",
    "matches of thousands of greps at once": "import asyncio\nprint(len(await asyncio.gather(*[grep('(?s).{16000}', docs=['big'], context=2000) for i in range(500)])))",
    "list of 190,000 ids": "grep('a', docs=['x' + str(i) for i in range(190_000)])",
    "list of 20,000 ids that are not there": "for i in range(20_000):\n    try: grep('a', docs=['x' + str(i)] * 20_000)\n    except Exception: pass",
    # results
    "reads of thousands at once": "import asyncio\nprint(len(await asyncio.gather(*[read('big', 0, 200_000) for i in range(5_000)])))",
    "notes read again and again": "for i in range(20): note('k' + str(i), 'x' * 190_000)\nfor i in range(9_000): notes()",
    "note of 16 MB": "note('k', 'x' * 16_000_000)",
    "key of a note of 16 MB": "note('k' * 16_000_000, 'x')",
    # answers
    "answer of 190,000 numbers": "submit([1000 + i for i in range(190_000)], citations=[])",
    "answer that is deep and wide": "v = 0\nfor i in range(30): v = [v]\nsubmit([v] * 6_000, citations=[])",
    "citations that are giant integers": "submit('x', citations=[10 ** 1200 + i for i in range(190_000)])",
    "citation of 16 MB": "submit('x', citations='[7]' * 5_000_000)",
    # models
    "schema of 16 MB": "llm_query('x', schema={'type': 'object', 'description': 'x' * 16_000_000})",
    "schema that is intricate": "s = {'$defs': {'n': {'anyOf': [{'type': 'array', 'items': {'$ref': '#/$defs/n'}} for _ in range(12)] + [{'type': 'integer'}]}}, '$ref': '#/$defs/n'}\nllm_query_batched(['deep'] * 60, schema=s)",
    "500 texts at once": "llm_query_batched(['x'] * 500, ['y' * 31_000 + str(i) for i in range(500)])",
    "question of 16 MB": "rlm_query('x' * 16_000_000, ['small'])",
    "question of 190,000 characters": "rlm_query('what is w ' * 19_000, ['small'])",
    "lists of 190,000 documents": "rlm_query_batched(['x'] * 190, [['small'] * 1_000] * 190)",
    # the call itself
    "keyword of 10 MB": "search('x', **{'k' * 10_000_000: 1})",
    "190,000 arguments": "search(*range(190_000))",
    "10,000 keywords": "search('x', **{'k' + str(i): i for i in range(10_000)})",
    "dict of 190,000 keys": "search({str(i): i for i in range(190_000)})",
    "list that is nested a hundred thousand deep": "l = []\nfor i in range(100_000): l = [l]\nsearch(l)",
    "list that holds itself twice, thirty times over": "l = ['x']\nfor i in range(30): l = [l, l]\nsearch(l)",
    "fifteen texts of 10 MB in one call": "search(*['x' * 10_000_000 + str(i) for i in range(15)])",
    "ten thousand calls that are refused": "q = 'x' * 1_000_000\nfor i in range(9_000):\n    try: search(q)\n    except Exception: pass",
    # what comes back by itself
    "error of 100 MB": "raise ValueError('x' * 100_000_000)",
    "key error of 16 MB": "{}['x' * 16_000_000]",
    "print of 100 MB": "print('x' * 100_000_000)",
    "own tool, with 16 MB": "own('x' * 16_000_000)",
    "own tool, with 190,000 values": "own(str(1), list(range(190_000)))",
}  # fmt: skip
