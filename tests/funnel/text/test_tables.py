"""The tables in a text: which lines are rows, and which name the columns."""

from __future__ import annotations

import pytest

from funnel.text.tables import header_at, row_at, tables

MARKDOWN = "| Year | Revenue |\n|---|---:|\n| 2023 | 5,001 |\n| 2022 | 4,120 |"
TABS = "\t2023\t2022\nRevenue\t391,035\t383,285\nNet income\t93,736\t96,995"
WIDE = (
    "                    March 31, 2024      March 31, 2023\n\n"
    "Net loss            (6,609,199)         (34,841,689)\n\n"
    "Operating expenses:\n\n"
    "Depreciation        760,281             1,050,193"
)
COMMAS = "name,city,age\nAda,London,36\nBob,Paris,40"
GRID = (
    "+-----+-----+\n| Key | Use |\n+=====+=====+\n| a   | add |\n+-----+-----+\n| b   | bar |\n+-----+-----+"
)


def of(text, span):
    return None if span is None else text[slice(*span)]


@pytest.mark.parametrize(
    ("table", "row", "header"),
    [
        (MARKDOWN, "| 2022 | 4,120 |", "| Year | Revenue |"),
        (TABS, "Net income\t93,736\t96,995", "\t2023\t2022"),
        (WIDE, "Depreciation        760,281             1,050,193", WIDE.partition("\n")[0]),
        (COMMAS, "Bob,Paris,40", "name,city,age"),
        (GRID, "| b   | bar |", "| Key | Use |"),
    ],
    ids=["markdown", "tabs", "fixed width", "commas", "grid"],
)
def test_a_cell_has_its_row_and_the_header_of_its_table(table, row, header):
    text = f"What was sold is listed below.\n\n{table}\n\nThat is all of it, and it was enough."
    at = text.index(row) + 3
    assert of(text, row_at(tables(text), at, at + 2)) == row
    found = of(text, header_at(tables(text), text.index(row)))
    assert found is not None
    assert header.strip() in found


@pytest.mark.parametrize(
    "prose",
    [
        "The lease ends in May.\nAda Roth signed it, and so did Bob.\nThey left in June, then came back.",
        "First, we went home.\nThen, we slept.\nAt last, all was well, and good.",
        "One line.  Two spaces after a full stop.\nAnother line that has none of them.",
        "a | b\nc | d",
        "We came home.  It was late.\nWe slept until ten.  Then we got up.\nIt rained.  We stayed.",
        "The   lease  of   the    house\nends  in   May,   as   agreed\nwith   the  tenant  in   writing",
        "    if (a || b) {\n        c = d || e;\n    }",
        "Praise God from whom all blessings flow,\nPraise Him all creatures here,\nPraise Him above,",
        "- milk, bread\n- salt, pepper, sugar\n- nothing else",
        "Dear Sir,\nThank you.\nYours,\nAda",
    ],
)
def test_prose_is_no_table(prose):
    assert tables(prose) == []


@pytest.mark.parametrize(
    "text",
    [
        "Ada\t36\t5,000\nBob\t40\t6,000",
        "Line of credit        -        -\nTotal liabilities     254     117",
        "Level 1:\tQuoted prices in active markets;\nLevel 2:\tOther inputs that can be observed;",
    ],
    ids=["figures", "dashes", "definitions"],
)
def test_a_table_whose_first_row_is_already_data_has_no_header(text):
    assert [table.header for table in tables(text)] == [None]


@pytest.mark.parametrize(
    "figure", ["$ 5,001", "($ 5,001)", "$ (5,001)", "\u20ac\u00a05,001", "\u00a3   5,001"]
)
def test_a_space_after_a_currency_sign_leaves_a_cell_a_figure(figure):
    assert [table.header for table in tables(f"Rent\t{figure}\nHeat\t{figure}")] == [None]


def test_two_tables_one_after_the_other_keep_their_own_headers():
    text = f"{TABS}\n\nCosts\n\n\t2021\t2020\nRent\t1,200\t1,100"
    last = text.index("Rent")
    assert of(text, header_at(tables(text), last)) == "\t2021\t2020"


def test_a_table_at_the_cut_of_a_text_has_no_header_there():
    text = "\n".join(f"name {i}\tplace {i}" for i in range(9))
    assert [table.header is None for table in tables(text, is_cut=True)] == [True]
    assert [table.header is None for table in tables(text)] == [False]


def test_the_header_is_not_above_itself():
    assert header_at(tables(MARKDOWN), 0) is None


def test_a_span_over_two_rows_grows_to_both_of_them():
    first, last = MARKDOWN.index("5,001"), MARKDOWN.index("2022") + 4
    assert of(MARKDOWN, row_at(tables(MARKDOWN), first, last)) == "| 2023 | 5,001 |\n| 2022 | 4,120 |"


def test_a_span_that_leaves_the_table_is_in_no_row():
    text = f"{MARKDOWN}\n\nAll in crowns."
    assert row_at(tables(text), text.index("4,120"), len(text)) is None


def test_ten_megabytes_of_one_line_are_read_through_once():
    assert tables("word, " * 1_700_000) == []
    assert tables("  x" * 3_400_000) == []
