"""The modules that the sandbox is served agree with the standard library on what both define."""

from __future__ import annotations

import difflib
import functools
import heapq
import html
import importlib
import io
import operator
import statistics
import string
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel.sandbox.monty.stdlib import SOURCES, module_source, shim_name

NUMBERS = st.lists(st.integers(-1000, 1000), min_size=2, max_size=30)
WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=9), max_size=20).map(" ".join)


@functools.cache
def served(module: str) -> Any:
    """The source is plain Python, so that CPython can run it too."""
    namespace: dict[str, Any] = {}
    exec(module_source(module), namespace)  # noqa: S102 - our own source
    return namespace[shim_name(module)]


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_a_served_module_defines_only_names_of_the_standard_one(module):
    names = [name for name in vars(served(module)) if not name.startswith("_")]
    assert [name for name in names if not hasattr(importlib.import_module(module), name)] == []
    assert names


@pytest.mark.parametrize(
    "name", ["mean", "fmean", "median", "median_low", "median_high", "mode", "multimode"]
)
@given(data=NUMBERS)
def test_averages_agree(name, data):
    assert getattr(served("statistics"), name)(data) == pytest.approx(getattr(statistics, name)(data))


@pytest.mark.parametrize("name", ["pvariance", "variance", "pstdev", "stdev", "quantiles"])
@given(data=NUMBERS)
def test_measures_of_spread_agree(name, data):
    assert getattr(served("statistics"), name)(data) == pytest.approx(
        getattr(statistics, name)(data), abs=1e-6
    )


@given(st.lists(st.integers()))
def test_a_heap_gives_its_items_in_order(items):
    heap: list[int] = []
    module = served("heapq")
    for item in items:
        module.heappush(heap, item)
    assert [module.heappop(heap) for _ in items] == sorted(items)


@given(NUMBERS, st.integers(0, 5))
def test_the_largest_and_smallest_agree(items, n):
    module = served("heapq")
    assert module.nlargest(n, items, key=abs) == heapq.nlargest(n, items, key=abs)
    assert module.nsmallest(n, items) == heapq.nsmallest(n, items)
    module.heapify(items)
    assert all(items[i] <= items[2 * i + 1] for i in range(len(items) // 2) if 2 * i + 1 < len(items))


@given(WORDS, st.integers(12, 40))
def test_text_of_short_words_wraps_alike(text, width):
    module = served("textwrap")
    assert module.wrap(text, width) == textwrap.wrap(text, width)
    assert module.fill(text, width, subsequent_indent="> ") == textwrap.fill(
        text, width, subsequent_indent="> "
    )


@given(WORDS, st.integers(10, 60))
def test_shortened_text_agrees(text, width):
    assert served("textwrap").shorten(text, width) == textwrap.shorten(text, width)


@given(st.lists(st.sampled_from(["", "  a", "    b", "c", "  "]), max_size=8).map("\n".join))
def test_dedented_and_indented_text_agrees(text):
    module = served("textwrap")
    assert module.dedent(text) == textwrap.dedent(text)
    assert module.indent(text, "> ") == textwrap.indent(text, "> ")


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_the_similarity_of_short_texts_agrees(a, b):
    mine = served("difflib").SequenceMatcher(None, a, b)
    assert mine.ratio() == pytest.approx(difflib.SequenceMatcher(None, a, b).ratio())


@given(st.text("abc", min_size=1, max_size=6), st.lists(st.text("abc", max_size=6), max_size=6))
def test_close_matches_agree(word, words):
    assert served("difflib").get_close_matches(word, words) == difflib.get_close_matches(word, words)


@pytest.mark.parametrize(
    "name", ["ascii_letters", "digits", "punctuation", "whitespace", "printable", "hexdigits"]
)
def test_constants_of_text_agree(name):
    assert getattr(served("string"), name) == getattr(string, name)


@given(st.text())
def test_escaped_text_agrees(text):
    assert served("html").escape(text) == html.escape(text)


@pytest.mark.parametrize(
    "use",
    [
        lambda m: sorted([(1, "b"), (2, "a")], key=m.itemgetter(1)),
        lambda m: m.itemgetter(0, 2)("abc"),
        lambda m: m.attrgetter("real")(3),
        lambda m: (m.add(1, 2), m.contains("abc", "b"), m.or_(1, 2), m.getitem("ab", 1)),
    ],
)
def test_operators_agree(use: Callable[[Any], Any]):
    assert use(served("operator")) == use(operator)


def test_a_text_buffer_agrees():
    def use(module: Any) -> list[Any]:
        buffer = module.StringIO("one\ntwo\n")
        return [buffer.readline(), buffer.read(), buffer.read(), buffer.getvalue()]

    assert use(served("io")) == use(io)


def test_an_executor_runs_and_gives_errors_where_they_are_asked_for():
    futures = served("concurrent.futures")
    with futures.ThreadPoolExecutor(max_workers=4) as pool:
        done = pool.submit(int, "3")
        failed = pool.submit(int, "x")
        assert pool.map(int, ["1", "2"]) == [1, 2]
    assert [f.done() for f in futures.as_completed([done, failed])] == [True, True]
    assert done.result() == 3
    with pytest.raises(ValueError, match="invalid literal"):
        failed.result()
