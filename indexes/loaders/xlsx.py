"""Parses XLSX sheet by sheet with openpyxl; knows sheets and cells, no files.

A formula is read as the value stored with it. Hidden sheets are read too.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import openpyxl
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from indexes.loaders.archive import check_archive
from indexes.loaders.assembly import Assembly, Parsed
from indexes.loaders.rows import add_rows


def read(data: bytes) -> Parsed:
    """Parse the rows of every sheet into lines; sections have the sheet's name and their first row's number.

    Raises: `Unreadable` with the reason.
    """
    check_archive(data)
    assembly = Assembly()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of styles and extensions that it drops
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        try:
            for sheet in book.worksheets:
                if isinstance(sheet, ReadOnlyWorksheet):
                    add_rows(assembly, _rows(sheet), title=sheet.title)
        finally:
            book.close()
    return assembly.parsed(title=book.properties.title or "")


def _rows(sheet: ReadOnlyWorksheet) -> Iterator[tuple[int, list[str]]]:
    # The dimensions that a sheet states may be wrong, so read it to its end.
    sheet.reset_dimensions()
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        if row:
            yield number, [_cell_text(value) for value in row]


def _cell_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        # 15 digits, as spreadsheet programs show: there 0.1 + 0.2 is 0.3.
        return f"{value:.15g}"
    if isinstance(value, datetime):
        is_date = value.time() == time()
        return value.date().isoformat() if is_date else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date | time | timedelta):
        return str(value)
    return str(value)
