"""The process that parses source code: what it cannot parse in time or memory ends there and nowhere else."""

from __future__ import annotations

import threading
import time

import pytest

from indexes.code.languages import by_name
from indexes.code.reading import MAX_CHARS, CodeReader
from indexes.errors import CodeUnread

PYTHON = by_name("python")
ENDLESS = "(" * 1_000_000
SMALL = "def f(): pass"


@pytest.fixture
def reader():
    reader = CodeReader(limit_s=2)
    yield reader
    reader.close()


def test_it_reads_definitions_and_occurrences(reader):
    (found,) = reader.definitions(SMALL, PYTHON)
    assert (found.kind, found.name, found.stop) == ("function", "f", len(SMALL))
    assert [each.kind for each in reader.occurrences(SMALL, PYTHON, "f")] == ["definition"]


def test_a_text_that_takes_too_long_is_told_and_the_next_one_is_read(reader):
    with pytest.raises(CodeUnread, match="parsing it took longer than 2 s"):
        reader.definitions(ENDLESS, PYTHON)
    assert reader.definitions(SMALL, PYTHON)


def test_a_text_that_takes_too_much_memory_is_told_and_the_next_one_is_read():
    reader = CodeReader(limit_s=60, memory_bytes=256 << 20)
    try:
        with pytest.raises(CodeUnread, match="took more than 256 MiB of memory"):
            reader.definitions("a<" * 500_000, by_name("java"))
        assert reader.definitions(SMALL, PYTHON)
    finally:
        reader.close()


def test_a_text_that_is_too_long_is_not_parsed(reader):
    with pytest.raises(CodeUnread, match="at most 2,000,000 are parsed"):
        reader.definitions("x" * (MAX_CHARS + 1), PYTHON)


def test_lone_surrogates_reach_the_process_and_come_back(reader):
    text = "x = '\ud800'\ndef after(): pass"
    (found,) = reader.definitions(text, PYTHON)
    assert text[found.start :] == "def after(): pass"


def test_closing_ends_a_parse_under_way():
    reader = CodeReader(limit_s=60)
    reader.definitions(SMALL, PYTHON)
    told = []

    def parse():
        try:
            reader.definitions(ENDLESS, PYTHON)
        except CodeUnread as error:
            told.append(str(error))

    thread = threading.Thread(target=parse)
    thread.start()
    time.sleep(0.2)
    reader.close()
    thread.join(timeout=20)
    assert told
    assert reader.definitions(SMALL, PYTHON)
    reader.close()
