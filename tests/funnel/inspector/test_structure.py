"""Outlines, definitions and references, called from inside a real sandbox."""

from __future__ import annotations

from dataclasses import replace

import pytest
from second_stage import a_run, cell, doc, last

from funnel.inspector import Inspector
from funnel.llm.scripted import ScriptedLLM
from indexes.types import Access, Section

SHOP = """\
class Shop:
    def total(self, prices):
        for price in prices:
            lock.acquire()
        return sum(prices)
"""
DESK = "from shop import Shop\n\ndef bill(shop):\n    return shop.total(1)  # total\n"
GO = "package p\nfunc total(x int) int { return x }\n"
NOVEL = (
    "PART ONE\n\nChapter 1\n\nIt rained.\n\nChapter 2\n\nIt snowed.\n\nPART TWO\n\nChapter 3\n\nIt ended.\n"
)
CODE = (
    doc("shop.py", SHOP),
    doc("desk.py", DESK),
    doc("total.go", GO),
    doc("novel", NOVEL, "A Novel about the total"),
)


@pytest.fixture
def evaluate(sandbox):
    """Runs an expression in a cell; gives its value, and what the model is told besides if it is printed."""

    async def evaluated(expression, documents=CODE, **how):
        model = ScriptedLLM(
            [cell("found = []", f"found = {expression}"), cell("submit(found, citations=[])")]
        )
        async with a_run(model, documents=documents, question="total", **how) as bench:
            draft = await Inspector(sandbox).answer(bench.run, bench.hits())
        return draft.value, last(model.requests[1])

    return evaluated


def cut(text, part):
    return text[part["start"] : part["stop"]]


async def test_the_outline_of_source_code_is_its_classes_and_functions(evaluate):
    found, _ = await evaluate("outline('shop.py')")
    assert [(each["kind"], each["name"], each["level"]) for each in found] == [
        ("class", "Shop", 1),
        ("method", "Shop.total", 2),
    ]
    assert cut(SHOP, found[1]).startswith("def total")
    assert found[1]["line"] == "def total(self, prices):"


async def test_the_outline_holds_loops_if_they_are_asked_for(evaluate):
    found, _ = await evaluate("[p for p in outline('shop.py', loops=True) if p['kind'] == 'loop']")
    assert [(each["name"], each["line"]) for each in found] == [("Shop.total", "for price in prices:")]
    assert "lock.acquire()" in cut(SHOP, found[0])


async def test_the_outline_of_a_text_is_its_headings_each_with_all_that_is_below_it(evaluate):
    found, _ = await evaluate("outline('novel')")
    assert [(each["name"], each["level"]) for each in found] == [
        ("PART ONE", 1),
        ("Chapter 1", 2),
        ("Chapter 2", 2),
        ("PART TWO", 1),
        ("Chapter 3", 2),
    ]
    assert cut(NOVEL, found[0]) == NOVEL[: NOVEL.index("PART TWO")]
    assert cut(NOVEL, found[2]).split() == ["Chapter", "2", "It", "snowed."]


async def test_sections_that_a_loader_found_come_before_guesses(evaluate):
    text = "# One\n\ntext\n\n## Two\n\ntext\n\n# Three\n\nPART FOUR\n"
    starts = [text.index(mark) for mark in ("# One", "## Two", "# Three")]
    sections = tuple(
        Section(start, stop, title=title)
        for start, stop, title in zip(starts, [*starts[1:], len(text)], ("One", "Two", "Three"), strict=True)
    )
    guide = replace(doc("guide", text), sections=sections)
    found, _ = await evaluate("outline('guide')", [guide])
    assert [(each["name"], each["level"], cut(text, each)[:5]) for each in found] == [
        ("One", 1, "# One"),
        ("Two", 2, "## Tw"),
        ("Three", 1, "# Thr"),
    ]
    assert found[0]["stop"] == starts[2]


async def test_pages_are_parts_where_there_is_nothing_better(evaluate):
    text = "one page.\fanother page."
    pages = (Section(0, 10, page=1), Section(10, len(text), page=2))
    found, _ = await evaluate("outline('scan')", [replace(doc("scan", text), sections=pages)])
    assert [(each["kind"], each["name"]) for each in found] == [("page", "page 1"), ("page", "page 2")]


async def test_a_text_without_parts_says_how_to_read_it(evaluate):
    found, told = await evaluate("outline('plain')", [doc("plain", "One line. Another.")])
    assert found == []
    assert "one piece of 18 characters: grep() it, or read() it in parts" in told


async def test_a_definition_is_given_with_its_whole_span(evaluate):
    found, _ = await evaluate("definitions('total')")
    assert [(each["id"], each["kind"], each["name"]) for each in found] == [
        ("shop.py", "method", "Shop.total"),
        ("total.go", "function", "total"),
    ]
    assert cut(SHOP, found[0]).endswith("return sum(prices)")


@pytest.mark.parametrize("name", ["Shop.total", "Shop::total", "Shop.total()", " Shop.total"])
async def test_a_qualified_name_finds_its_own_definition_only(evaluate, name):
    found, _ = await evaluate(f"definitions({name!r})")
    assert [each["id"] for each in found] == ["shop.py"]


async def test_references_name_the_function_around_them_and_leave_out_comments(evaluate):
    found, _ = await evaluate("references('total')")
    assert [(each["id"], each["kind"], each["name"], each["line"]) for each in found] == [
        ("desk.py", "call", "bill", "return shop.total(1)  # total")
    ]
    assert cut(DESK, found[0]) == "total"


async def test_an_import_is_a_reference(evaluate):
    found, _ = await evaluate("references('Shop', docs=['desk.py'])")
    assert [each["kind"] for each in found] == ["import"]


async def test_a_name_that_is_nowhere_says_how_many_files_were_read(evaluate):
    found, told = await evaluate("definitions('nowhere')")
    assert found == []
    assert "no definition of 'nowhere' in 3 files of source code" in told


async def test_a_collection_without_code_says_so(evaluate):
    _, told = await evaluate("references('Chapter')", [CODE[3]])
    assert "no source code is among the documents; find 'Chapter' with grep()" in told


async def test_what_is_no_name_is_refused(evaluate):
    _, told = await evaluate("references('a b')")
    assert "'a b' is no name in source code; find other texts with grep()" in told


async def test_a_document_that_the_asker_may_not_read_has_no_outline_and_no_names(evaluate):
    secret = doc("secret.py", "def total(): pass\n", readers=["bob"])
    alice = Access.of("alice")
    found, _ = await evaluate("definitions('total')", [*CODE, secret], access=alice)
    assert "secret.py" not in [each["id"] for each in found or []]
    _, told = await evaluate("outline('secret.py')", [*CODE, secret], access=alice)
    assert "there is no document 'secret.py'" in told
