"""Documents made on the spot, by the libraries that also read them; PDF by hand, since PDFium writes none."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage

import docx
import openpyxl
import pptx
from pptx.util import Inches


def pdf(*pages, catalog="", objects=()):
    """A PDF of these pages of lines, in any script; further objects are numbered from 7."""
    characters = sorted({character for page in pages for line in page for character in line})
    codes = {character: f"{number:04x}" for number, character in enumerate(characters, start=1)}
    spelt = [f"<{codes[c]}> <{c.encode('utf-16-be').hex()}>" for c in characters]
    groups = [spelt[start : start + 100] for start in range(0, len(spelt), 100)]
    mapping = "".join(f"{len(g)} beginbfchar\n{chr(10).join(g)}\nendbfchar\n" for g in groups)
    first_page = 7 + len(objects)
    numbers = [first_page + 2 * index for index in range(len(pages))]
    bodies = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        f"<< /Type /Pages /Kids [{' '.join(f'{n} 0 R' for n in numbers)}] /Count {len(pages)} >>",
        (
            "<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [4 0 R] "
            "/ToUnicode 5 0 R >>"
        ),
        (
            "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /DW 500 /FontDescriptor 6 0 R "
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>"
        ),
        _stream(
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def\n"
            f"1 begincodespacerange <0000> <ffff> endcodespacerange\n{mapping}endcmap end end"
        ),
        (
            "<< /Type /FontDescriptor /FontName /X /Flags 4 /FontBBox [0 0 500 700] /ItalicAngle 0 "
            "/Ascent 700 /Descent 0 /CapHeight 700 /StemV 80 >>"
        ),
        *objects,
    ]
    for number, page in zip(numbers, pages, strict=True):
        shown = "".join(f"<{''.join(codes[c] for c in line)}> Tj T*\n" for line in page)
        bodies += [
            (
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 850] /Contents {number + 1} 0 R "
                "/Resources << /Font << /F 3 0 R >> >> >>"
            ),
            _stream(f"BT /F 10 Tf 14 TL 20 800 Td\n{shown}ET"),
        ]
    return assembled(bodies)


def assembled(bodies, trailer=""):
    """A PDF file of these numbered objects, the first of them its catalog."""
    out = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(bodies) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode()
    end = out.index(b"xref\n0")
    return out + f"trailer << /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{end}\n%%EOF".encode()


def _stream(body):
    return f"<< /Length {len(body)} >>\nstream\n{body}\nendstream"


def word(*blocks, author=""):
    """A DOCX of paragraphs; `(text, level)` is a heading, a list of rows a table."""
    document = docx.Document()
    document.core_properties.author = author
    for block in blocks:
        if isinstance(block, tuple):
            document.add_heading(*block)
        elif isinstance(block, list):
            table = document.add_table(rows=0, cols=len(block[0]))
            for row in block:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
        else:
            document.add_paragraph(block)
    return saved(document)


def slides(*contents):
    """A PPTX of slides, each a title and a body, or None for one without a shape."""
    presentation = pptx.Presentation()
    for content in contents:
        if content is None:
            presentation.slides.add_slide(presentation.slide_layouts[6])
            continue
        slide = presentation.slides.add_slide(presentation.slide_layouts[5])
        slide.shapes.title.text = content[0]
        slide.shapes.add_textbox(0, Inches(2), Inches(5), Inches(2)).text_frame.text = content[1]
    return saved(presentation)


def book(**sheets):
    """An XLSX of sheets of rows."""
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return saved(workbook)


def mail(body="", *, html="", attachments=(), **headers):
    """An EML with these headers, bodies and `(name, bytes)` attachments."""
    message = EmailMessage()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    if body or not html:
        message.set_content(body, cte="base64")
    if html:
        add = message.add_alternative if body else message.set_content
        add(html, subtype="html")
    for name, data in attachments:
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def saved(thing):
    file = io.BytesIO()
    thing.save(file)
    return file.getvalue()


def rezipped(data, name, content):
    """The zip with one member's content replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, content if member == name else old.read(member))
    return out.getvalue()


def places(parsed):
    """For each section its title, page and line, and the text that it covers."""
    return [(s.title, s.page, s.line, parsed.text[s.start : s.stop]) for s in parsed.sections]
