"""A cell's text on its way to the engine: lines stay, gaps are closed, awaited calls are found."""

from __future__ import annotations

import ast

import pytest
from constructs import HINTED, WORKS
from hypothesis import given
from hypothesis import strategies as st

from funnel.sandbox.monty.source import prepare

CALLS = ["x", "del x", "import heapq", "from string import (\n digits)", "next(a for a in b)", "await f(1)"]
PIECES = [
    "'é'",
    "str.lower",
    "if x:\n    ",
    "\n",
    ";",
    "(",
    ")",
    "# é\n",
    '"""',
    "\t",
    " ",
    "\x00",
    "\ud800",
    "\r",
    "=",
    "\\",
]
FRAGMENTS = st.sampled_from([*CALLS, *PIECES])


@given(st.lists(FRAGMENTS, max_size=12).map("".join))
def test_any_text_is_prepared_and_keeps_its_lines(code):
    cell = prepare(code)
    assert cell.text.count("\n") == cell.original.count("\n")


@pytest.mark.parametrize("construct", [*WORKS, *HINTED], ids=lambda c: c.code[:60])
def test_what_python_parses_still_parses_when_it_is_prepared(construct):
    ast.parse(construct.code)
    ast.parse(prepare(construct.code).text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("x = 1", "x = 1"),
        ("print(x)", "print(x)"),
        ("x", "print(repr(_)) if (_ := (x)) is not None else None"),
        ("import math, heapq as h\nx = 1", "import math; h = _std_heapq\nx = 1"),
        ("from io import StringIO as S\nx = 1", "S = _std_io.StringIO\nx = 1"),
        ("from html import (\n  escape,\n)", "escape = _std_html.escape; (\n\n)"),
        ("import concurrent.futures\nx = 1", "concurrent = _std_concurrent\nx = 1"),
        ("del d[k], d[0]\ny = 1", "d.pop(k); d.pop(0)\ny = 1"),
        ("def f():\n    del x\ny = 1", "def f():\n    x = None\ny = 1"),
        ("del x[1:2]\ny = 1", "x[1:2] = []\ny = 1"),
        ("del x[::2]\ny = 1", "del x[::2]\ny = 1"),
        ("y = next(a for a in b)", "y = next(iter([a for a in b]))"),
        ("y = next((a for a in b), 0)", "y = next(iter([a for a in b]), 0)"),
        ("y = sorted(z, key=str.lower)", "y = sorted(z, key=(lambda s, *rest: s.lower(*rest)))"),
        ("def f(str):\n    return str.lower()", "def f(str):\n    return str.lower()"),
        ("from math import *\nx = 1", "from math import *\nx = 1"),
    ],
)  # fmt: skip
def test_a_gap_is_closed_in_the_text(code, text):
    assert prepare(code).text == text


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        ("x = f(1)", []),
        ("x = await f(1)", ["f(1)"]),
        ("x = await f(g(1))", ["f(g(1))"]),
        ("x = await asyncio.gather(f(1), f(2))", ["asyncio.gather(f(1), f(2))", "f(1)", "f(2)"]),
        ("x = await gather(*[f(i) for i in y])", ["gather(*[f(i) for i in y])", "f(i)"]),
        ("t = [f(1), g(2)]\nx = await gather(*t)", ["f(1), g(2)", "g(2)", "gather(*t)"]),
        ("t = []\nt.append(f(1))\nx = await gather(*t)", ["f(1)", "gather(*t)"]),
        ("t = f(1)\nu = f(2)\nx = await t", ["f(1)"]),
        ("é = 1; x = await f(é)", ["f(é)"]),
    ],
)
def test_awaited_calls_are_found_where_they_start(code, calls):
    cell = prepare(code)
    starts = sorted(cell.awaited)
    assert [
        cell.text.encode()[start:].decode()[: len(call)] for start, call in zip(starts, calls, strict=True)
    ] == calls


def test_a_line_is_quoted_as_its_author_wrote_it():
    cell = prepare("import heapq\n  \nx = next(a for a in b)\nx")
    assert [cell.line(n) for n in (1, 3, 4, 5, None)] == [
        "import heapq",
        "x = next(a for a in b)",
        "x",
        "",
        "",
    ]
