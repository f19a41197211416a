"""The lines of source code that tell where a place stands, found by indentation."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from funnel.text.enclosing import LINE_CHARS, enclosing
from indexes.code.definitions import Source

PYTHON = '''import os

class MemoryStorage(BaseStorage):
    """Keeps all in memory."""

    # A comment
    @locked
    async def put_if_empty(
        self,
        key,
    ) -> bool:
        if key:
            return HERE1

    class Inner:
        def total(self):
            return HERE2

    LIMIT = HERE3

if os.name:
    def late():
        pass
    HERE4 = 1
HERE5 = 2
'''
JAVASCRIPT = """class Shop extends Base {
  #total(items) {
    if (items) {
      HERE1;
    } else {
      HERE2;
    }
  }
}
const sum = (a, b) => {
  return HERE3;
};
function late(
  one,
) {
  HERE4;
}
"""
GO = """func (s *Shop) Total() int {
	for {
		return HERE1
	}
}

type Shop struct {
	HERE2 int
}
"""
JAVA = """public class Shop {
    private int x;
    @Override
    public int total(List<Item> items,
                     int more) {
        switch (more) {
            case 1:
                return HERE1;
        }
    }
}
"""
C = "static int\ntotal(struct shop *s)\n{\n    int HERE1;\nout:\n    return HERE2;\n}\nint HERE3;\n"
RUST = """impl Shop for Corner {
    #[inline]
    pub(crate) fn total(&self) -> u32 {
        HERE1
    }
}
"""
RUBY = "module Trade\n  class Shop\n    def total\n      HERE1\n    end\n  end\nend\n"


@pytest.mark.parametrize(
    ("language", "text", "place", "lines"),
    [
        ("python", PYTHON, "HERE1", ["class MemoryStorage(BaseStorage):", "    async def put_if_empty("]),
        ("python", PYTHON, "key,", ["class MemoryStorage(BaseStorage):", "    async def put_if_empty("]),
        ("python", PYTHON, "async def", ["class MemoryStorage(BaseStorage):"]),
        (
            "python", PYTHON, "HERE2",
            ["class MemoryStorage(BaseStorage):", "    class Inner:", "        def total(self):"],
        ),
        ("python", PYTHON, "HERE3", ["class MemoryStorage(BaseStorage):"]),
        ("python", PYTHON, "HERE4", []),
        ("python", PYTHON, "HERE5", []),
        ("javascript", JAVASCRIPT, "HERE1", ["class Shop extends Base {", "  #total(items) {"]),
        ("javascript", JAVASCRIPT, "HERE2", ["class Shop extends Base {", "  #total(items) {"]),
        ("javascript", JAVASCRIPT, "HERE3", ["const sum = (a, b) => {"]),
        ("javascript", JAVASCRIPT, "HERE4", ["function late("]),
        ("go", GO, "HERE1", ["func (s *Shop) Total() int {"]),
        ("go", GO, "HERE2", ["type Shop struct {"]),
        ("java", JAVA, "HERE1", ["public class Shop {", "    public int total(List<Item> items,"]),
        ("c", C, "HERE1", ["total(struct shop *s)"]),
        ("c", C, "HERE2", ["total(struct shop *s)"]),
        ("c", C, "HERE3", []),
        ("rust", RUST, "HERE1", ["impl Shop for Corner {", "    pub(crate) fn total(&self) -> u32 {"]),
        ("ruby", RUBY, "HERE1", ["module Trade", "  class Shop", "    def total"]),
    ],
)  # fmt: skip
def test_the_lines_around_a_place_are_those_that_begin_what_contains_it(language, text, place, lines):
    assert enclosing(text, text.index(place), language) == "\n".join(lines)


def test_white_space_before_a_line_counts_as_that_line():
    text = "class A:\n    x = 1\n\n    def f(self):\n        pass\n"
    assert enclosing(text, text.index("\n\n    def"), "python") == "class A:"


def test_of_many_lines_the_innermost_are_named_and_long_ones_are_cut():
    deep = "".join(f"{'  ' * n}class C{n}:\n" for n in range(9)) + "  " * 9 + "x = 1"
    assert [line.strip() for line in enclosing(deep, deep.index("x = 1"), "python").split("\n")] == [
        "class C5:", "class C6:", "class C7:", "class C8:",
    ]  # fmt: skip
    wide = f"class A({'B, ' * 200}):\n    x = 1"
    assert enclosing(wide, wide.index("x = 1"), "python") == wide[:LINE_CHARS]


@pytest.mark.parametrize(
    "text", ["", "\n", "    x", "}\n" * 500, "{", "\t" * 300 + "x\n", "def", "class\n  ("]
)
@pytest.mark.parametrize("language", ["python", "javascript", "c", "ruby"])
def test_any_text_may_be_asked_about(text, language):
    assert all(isinstance(enclosing(text, at, language), str) for at in range(min(len(text), 50) + 1))


def test_what_indentation_tells_is_what_the_grammar_tells():
    text = Path(asyncio.base_events.__file__).read_text(encoding="utf-8")
    definitions = Source(text, "python").definitions()
    at, wrong, n = 0, [], 0
    for line in text.splitlines(keepends=True):
        place = at + len(line) - len(line.lstrip())
        if line.strip():
            n += 1
            around = [
                each.name.rpartition(".")[2]
                for each in definitions
                if each.start < at and each.stop > place and not at <= each.named_at < at + len(line)
            ]
            told = [each for each in enclosing(text, place, "python").split("\n") if each]
            if [each.split("(")[0].split(":")[0].split()[-1] for each in told] != around:
                wrong.append((line, around, told))
        at += len(line)
    assert len(wrong) <= n // 100
