from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.chunking import chunk
from indexes.errors import BadFile
from indexes.loaders import load
from indexes.loaders.delimited import parse_table


def read(tmp_path, content, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(load([path]))


def text(content):
    return parse_table(content).text


# One document for the file


def test_a_table_is_one_document_whose_rows_are_named_by_the_header(tmp_path):
    (document,) = read(tmp_path, "name,born\r\nAda,1815\r\n\r\nBob,\r\n")
    assert (document.id, document.title) == ("a.csv", "a.csv")
    assert document.text == "name\tborn\nname: Ada; born: 1815\nname: Bob"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    table = "name,born\nAda,1815\nBob,1900\n".replace(",", delimiter)
    assert text(table) == "name\tborn\nname: Ada; born: 1815\nname: Bob; born: 1900"


def test_a_delimiter_that_the_file_states_is_taken():
    assert parse_table("sep=:\nname:a,b\nAda:x,y\n").text == "name\ta,b\nname: Ada; a,b: x,y"
    assert parse_table("sep=:\nname:a,b\n").sections[0].line == 2


def test_numbers_in_the_first_row_make_no_header():
    assert text("1,2\n3,4\n") == "1\t2\n3\t4"


def test_a_cell_of_several_lines_is_one_line_and_a_doubled_quote_one():
    assert text('name,note\nAda,"a\n  ""b"", c"\n') == 'name\tnote\nname: Ada; note: a "b", c'


def test_a_row_wider_than_its_header_loses_nothing():
    assert text("name,born\nAda,1815,extra\n") == "name\tborn\nname: Ada; born: 1815; extra"


def test_a_quote_that_is_never_closed_is_an_ordinary_character():
    assert text('name,size\nA,"5 inch\nB,6\n') == 'name\tsize\nname: A; size: "5 inch\nname: B; size: 6'


@pytest.mark.parametrize(
    "odd", ['"', '""', '"""', 'a"b,"c"d', "\\", '"a\n', "a,\n,b\n\n,,", "sep=", "'a,'b", ",", "|;\t"]
)
def test_odd_quoting_never_fails(odd):
    assert isinstance(text(odd), str)


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from('a1 \n",;\t|=\0\u0301\U0001f469\u200d'), max_size=80))
def test_no_text_is_too_odd_and_every_word_of_it_is_kept(content):
    kept = text(content)
    assert {"a", "1", "\u0301"} & set(kept) == {"a", "1", "\u0301"} & set(content)


def test_sections_know_the_line_of_their_first_row():
    parsed = parse_table("".join(f'"{letter * 900}\n"\n' for letter in "abc"))
    assert [(s.line, parsed.text[s.start]) for s in parsed.sections] == [(1, "a"), (3, "b"), (5, "c")]


def test_a_single_line_of_ten_million_characters_is_read(tmp_path):
    (document,) = read(tmp_path, "name,note\nAda," + "word " * 2_000_000)
    passages = chunk(document)
    assert len(document.text) == len("name\tborn\nname: Ada; note: ") + 10_000_000 - 1
    assert all(document.text[p.start : p.stop] == p.text for p in passages)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_are_those_of_other_text(tmp_path, encoding):
    (document,) = read(tmp_path, "näme,born\nAda,1815\n".encode(encoding))
    assert document.text == "näme\tborn\nnäme: Ada; born: 1815"


# One document a row


def test_a_header_with_id_and_text_makes_each_row_a_document(tmp_path):
    first, second = read(
        tmp_path,
        "ID;Title;text;url;readers;year;score;code\n"
        '7;T;"a\r\nb";https://e.org/7;"group:x, ann";2026;1.5;007\n8;;c;;;2025;2;x\n',
    )
    assert (first.id, first.title, first.text, first.uri) == ("7", "T", "a\nb", "https://e.org/7")
    assert first.readers == {"group:x", "ann"}
    assert first.metadata == {"year": 2026, "score": 1.5, "code": "007"}
    assert (second.id, second.readers, second.metadata) == (
        "8",
        frozenset(),
        {"year": 2025, "score": 2.0, "code": "x"},
    )


def test_a_row_without_url_is_known_by_its_line(tmp_path):
    documents = read(tmp_path, 'id,text\na,"x\ny"\nb,z\n')
    assert [d.uri.rpartition("#")[2] for d in documents] == ["L2", "L4"]


def test_rows_without_text_are_counted_as_empty(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,text\na,words\nb,\nc\n")
    loading = load([path])
    assert [d.id for d in loading] == ["a"]
    assert loading.empty == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",words", "line 3: the row has no `id`"),
        ("b,words,ann", "line 3: the row has 3 cells, the header 2"),
        ('b,"words', "line 3: a quotation mark is never closed"),
    ],
)
def test_a_malformed_row_is_named_before_any_document_is_given(tmp_path, row, reason):
    path = tmp_path / "a.csv"
    path.write_text(f"id,text\na,words\n{row}\nc,words\n")
    with pytest.raises(BadFile, match=reason):
        next(iter(load([path])))
