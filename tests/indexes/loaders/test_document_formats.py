from __future__ import annotations

import io
import re
import zipfile

import docx
import pptx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from hypothesis import given, settings
from hypothesis import strategies as st
from pptx.util import Inches
from sample_files import assembled, book, mail, pdf, places, rezipped, saved, slides, word

from indexes.chunking import chunk
from indexes.loaders import docx as docx_loader
from indexes.loaders import eml as eml_loader
from indexes.loaders import pdf as pdf_loader
from indexes.loaders import pptx as pptx_loader
from indexes.loaders import xlsx as xlsx_loader
from indexes.loaders.assembly import Unreadable
from indexes.loaders.delimited import parse_table
from indexes.types import Document, DocumentId

# PDF


def test_every_page_of_a_pdf_is_a_section_and_an_empty_one_leaves_nothing():
    parsed = pdf_loader.read(pdf(["One", "more"], [], ["Three"]))
    assert parsed.text == "One\nmore\n\nThree"
    assert places(parsed) == [("", 1, None, "One\nmore"), ("", 3, None, "Three")]


def test_a_pdf_keeps_scripts_emoji_and_combining_marks():
    line = "中文 e\u0301 \U0001f469\u200d\U0001f680 שלום"
    assert sorted(pdf_loader.read(pdf([line])).text) == sorted(line)


def test_a_word_that_is_broken_at_the_end_of_a_line_is_whole():
    assert pdf_loader.read(pdf(["compre-", "hension"])).text == "comprehension"


def test_a_page_is_titled_by_its_bookmark_or_the_last_one_before_it():
    outline = (
        "<< /Type /Outlines /First 8 0 R /Last 9 0 R /Count 2 >>",
        "<< /Title (Basics) /Parent 7 0 R /Next 9 0 R /Dest [10 0 R /Fit] >>",
        "<< /Title (More) /Parent 7 0 R /Prev 8 0 R /Dest [14 0 R /Fit] >>",
    )
    parsed = pdf_loader.read(pdf(["a"], ["b"], ["c"], catalog="/Outlines 7 0 R", objects=outline))
    assert [(title, page) for title, page, _, _ in places(parsed)] == [
        ("Basics", 1),
        ("Basics", 2),
        ("More", 3),
    ]


def test_bookmarks_in_a_circle_end():
    outline = (
        "<< /Type /Outlines /First 8 0 R /Last 8 0 R /Count 1 >>",
        "<< /Title (A) /Parent 7 0 R /Next 8 0 R /First 8 0 R /Dest [9 0 R /Fit] >>",
    )
    parsed = pdf_loader.read(pdf(["a"], catalog="/Outlines 7 0 R", objects=outline))
    assert places(parsed) == [("A", 1, None, "a")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pdf([]), "none of its 1 pages holds text; if they are scanned, run OCR"),
        (b"%PDF-1.7\nnonsense", "it is damaged, or not a PDF"),
        (pdf(["a"])[:400], "it is damaged, or not a PDF"),
        (b"", "it is damaged, or not a PDF"),
        (
            assembled(["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [2 0 R] /Count 9 >>"]),
            "it is damaged",
        ),
        (
            assembled(
                ["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [] /Count 0 >>"],
                "/ID [<00> <00>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 "
                f"/O <{'00' * 32}> /U <{'00' * 32}> >>",
            ),
            "it is encrypted; save it without a password",
        ),
    ],
)
def test_a_pdf_without_text_damaged_in_a_circle_or_encrypted_says_so(data, reason):
    with pytest.raises(Unreadable, match=reason):
        pdf_loader.read(data)


# DOCX


def test_the_headings_of_a_docx_become_sections_and_the_first_its_title():
    parsed = docx_loader.read(word(("Guide", 0), "intro", ("One", 1), "a", ("Two", 2), "b", author="Ann"))
    assert (parsed.title, parsed.metadata) == ("Guide", {"author": "Ann"})
    assert places(parsed) == [
        ("Guide", None, None, "Guide\nintro"),
        ("One", None, None, "One\na"),
        ("Two", None, None, "Two\nb"),
    ]


def test_a_table_of_a_docx_stands_where_it_stood_a_row_a_line():
    assert (
        docx_loader.read(word("a", [["", "x"], ["y\nz", "w"]], "b")).text
        == "a\n\tx\ny z\tw".replace("y z", "y\nz") + "\nb"
    )


def inserted(xml):
    document = docx.Document()
    document.element.body.insert(0, parse_xml(xml))
    return docx_loader.read(saved(document)).text


def test_a_docx_shows_controls_and_insertions_but_not_deletions_and_field_codes():
    space = nsdecls("w")
    shown = inserted(
        f"<w:sdt {space}><w:sdtContent><w:p><w:r><w:t>kept</w:t></w:r>"
        '<w:ins w:id="1" w:author="x"><w:r><w:tab/><w:t>new</w:t></w:r></w:ins>'
        '<w:del w:id="2" w:author="x"><w:r><w:delText>old</w:delText></w:r></w:del>'
        "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p></w:sdtContent></w:sdt>"
    )
    assert shown == "kept\tnew"


def test_the_footnotes_of_a_docx_stand_at_its_end():
    with zipfile.ZipFile(io.BytesIO(word("body"))) as archive:
        relations = archive.read("word/_rels/document.xml.rels").decode()
        types = archive.read("[Content_Types].xml").decode()
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    data = rezipped(
        word("body"),
        "word/_rels/document.xml.rels",
        relations.replace(
            "</Relationships>", f'<Relationship Id="f" Type="{kind}" Target="footnotes.xml"/></Relationships>'
        ),
    )
    data = rezipped(
        data,
        "[Content_Types].xml",
        types.replace(
            "</Types>", '<Override PartName="/word/footnotes.xml" ContentType="text/xml"/></Types>'
        ),
    )
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(
            "word/footnotes.xml",
            f"<w:footnotes {nsdecls('w')}><w:footnote><w:p><w:r><w:t>see there</w:t></w:r></w:p></w:footnote>"
            "</w:footnotes>",
        )
    assert places(docx_loader.read(out.getvalue())) == [
        ("", None, None, "body"),
        ("Footnotes", None, None, "see there"),
    ]


# PPTX


def test_every_slide_is_a_section_under_its_title_and_an_empty_one_leaves_nothing():
    parsed = pptx_loader.read(slides(("Plan", "a\vb"), None, ("Plan", "c")))
    assert parsed.title == "Plan"
    assert places(parsed) == [("Plan", 1, None, "Plan\na\nb"), ("Plan", 3, None, "Plan\nc")]


def test_groups_tables_and_notes_of_a_slide_are_read():
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "grouped"
    table = slide.shapes.add_table(1, 2, 0, 0, Inches(2), Inches(1)).table
    table.cell(0, 0).text, table.cell(0, 1).text = "x", "y"
    slide.notes_slide.notes_text_frame.text = "say this"
    assert pptx_loader.read(saved(presentation)).text == "grouped\nx\ty\nNotes: say this"


# XLSX


def test_the_rows_of_a_sheet_are_named_by_its_header_and_sections_by_sheet_and_row():
    parsed = xlsx_loader.read(
        book(People=[["name", "born"], ["Ada", 1815], [None], ["Bob", None]], Empty=[], Two=[[1, 2.5]])
    )
    assert places(parsed) == [
        ("People", None, 1, "name\tborn\nname: Ada; born: 1815\nname: Bob"),
        ("Two", None, 1, "1\t2.5"),
    ]


def test_a_long_sheet_is_cut_between_rows_and_knows_each_cut():
    parsed = xlsx_loader.read(book(S=[["x" * 900], ["y" * 900], ["z" * 900]]))
    assert [(line, text[0]) for _, _, line, text in places(parsed)] == [(1, "x"), (2, "y"), (3, "z")]


def test_a_cell_at_the_far_end_of_a_sheet_costs_nothing():
    data = book(S=[["a"], ["b"]])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    far = sheet.replace('r="A2"', 'r="XFD1048576"').replace('<row r="2"', '<row r="1048576"')
    parsed = xlsx_loader.read(rezipped(data, "xl/worksheets/sheet1.xml", far))
    assert parsed.text.split() == ["a", "b"]


# Zips that mean harm

LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">{}]>'.format(
    "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghi", strict=True))
)


def member(data, name):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return re.sub(r"<\?xml.*?\?>", "", archive.read(name).decode())


@pytest.mark.parametrize(
    ("loader", "data", "name"),
    [
        (docx_loader, word("words"), "word/document.xml"),
        (pptx_loader, slides(("words", "b")), "ppt/slides/slide1.xml"),
        (xlsx_loader, book(S=[[7]]), "xl/worksheets/sheet1.xml"),
    ],
)
def test_entities_that_multiply_are_not_expanded(loader, data, name):
    bomb = LAUGHS + re.sub(">(?:words|7)<", ">&i;<", member(data, name))
    try:
        text = loader.read(rezipped(data, name, bomb)).text
    except Exception:  # noqa: BLE001  (each library has an error of its own for this)
        text = ""
    assert "ha" not in text


@pytest.mark.parametrize("loader", [docx_loader, pptx_loader, xlsx_loader])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is damaged"),
        (word("a")[:500], "it is damaged"),
        (
            rezipped(word("a"), "word/document.xml", b" " * (33 << 20)),
            "it looks like a zip bomb: 'word/document",
        ),
        (bytes.fromhex("d0cf11e0a1b11ae1") + "EncryptedPackage".encode("utf-16-le"), "it is encrypted"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"WordDocument", "it is in the format before 2007"),
    ],
    ids=["empty", "cut", "bomb", "encrypted", "old"],
)
def test_a_damaged_encrypted_or_exploding_office_file_says_so(loader, data, reason):
    with pytest.raises(Unreadable, match=reason):
        loader.read(data)


def test_a_zip_that_lies_about_a_size_is_not_unpacked_beyond_it():
    data = bytearray(rezipped(word("a"), "word/document.xml", b" " * 1_000_000))
    true_size = (1_000_000).to_bytes(4, "little")
    assert data.count(true_size) == 2
    data = data.replace(true_size, (10).to_bytes(4, "little"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive, pytest.raises(zipfile.BadZipFile, match="CRC"):
        archive.read("word/document.xml")


# Nasty input: every passage is exact, and the same file gives the same text

BITS = [
    "word",
    "word",
    " ",
    "\n",
    "\t",
    "e\u0301",
    "\U0001f469\u200d\U0001f680",
    "\u0627\u0644",
    "a. ",
    "-",
    '"',
    ",",
]
nasty = st.lists(st.sampled_from(BITS), max_size=12).map("".join)
TABLE = st.lists(st.lists(nasty, min_size=1, max_size=3), max_size=6)

line = st.lists(st.sampled_from([bit for bit in BITS if bit not in "\n\t"]), max_size=12).map("".join)
pages = st.lists(st.lists(line, max_size=3), max_size=3)
blocks = st.lists(nasty | st.tuples(nasty, st.integers(0, 3)), max_size=6)

formats = {
    "pdf": (pages, lambda drawn: pdf(["first"], *drawn), pdf_loader.read),
    "docx": (blocks, lambda drawn: word(*drawn), docx_loader.read),
    "pptx": (
        st.lists(st.none() | st.tuples(nasty, nasty), max_size=3),
        lambda drawn: slides(*drawn),
        pptx_loader.read,
    ),
    "xlsx": (st.tuples(TABLE, TABLE), lambda drawn: book(A=drawn[0], B=drawn[1]), xlsx_loader.read),
    "eml": (
        st.tuples(nasty, nasty),
        lambda drawn: mail(drawn[0], html=drawn[1], Subject="s"),
        eml_loader.read,
    ),
    "csv": (TABLE, lambda drawn: "\r\n".join(",".join(row) for row in drawn), parse_table),
}


@pytest.mark.parametrize("name", sorted(formats))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_passages_are_exact_sections_in_order_and_the_text_stable(name, data):
    drawn, make, read = formats[name]
    file = make(data.draw(drawn))
    parsed = read(file)
    assert read(file) == parsed
    assert "\r" not in parsed.text
    stop = 0
    for section in parsed.sections:
        assert not parsed.text[stop : section.start].strip()
        assert stop <= section.start < section.stop <= len(parsed.text)
        stop = section.stop
    assert not parsed.text[stop:].strip()
    document = Document(DocumentId("d"), parsed.text, sections=parsed.sections)
    for passage in chunk(document, max_chars=10):
        assert document.text[passage.start : passage.stop] == passage.text
        assert passage.section in parsed.sections


@pytest.mark.parametrize(
    ("read", "make"),
    [
        (eml_loader.read, lambda line: mail(line, Subject="s")),
        (docx_loader.read, lambda line: word(line[: 5 << 20])),
    ],
    ids=["eml", "docx"],
)
def test_a_single_line_of_megabytes_is_read_and_its_passages_are_exact(read, make):
    parsed = read(make("word " * 2_000_000))
    document = Document(DocumentId("d"), parsed.text, sections=parsed.sections)
    passages = chunk(document)
    assert len(parsed.text) >= (5 << 20) - 1
    assert all(document.text[p.start : p.stop] == p.text for p in passages)
